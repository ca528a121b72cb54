"""The layouts and the schedule are those of the ring."""

import numpy as np
import pytest
import ringattn
from hypothesis import given
from hypothesis import strategies as st
from trials import trials

layouts = st.sampled_from(["contiguous", "zigzag", "striped"])


@trials(60)
@given(st.integers(0, 67), st.integers(1, 9), layouts)
def test_a_layout_puts_every_row_on_one_device_and_its_inverse_restores_the_sequence(seq, devices, layout):
    sharding = ringattn.sharding(seq, devices=devices, layout=layout)
    assert len(sharding.rows) == devices and sorted(sharding.order) == list(range(seq))
    for device, rows in enumerate(sharding.rows):
        assert np.all(np.diff(rows) > 0) and np.all(sharding.device_of_row[rows] == device)
    x = np.random.default_rng(seq).standard_normal((2, seq, 3))
    shards = sharding.shard(x)
    assert np.array_equal(sharding.gather(shards), x)
    assert np.array_equal(np.concatenate(shards, axis=1)[:, sharding.inverse], x)


def test_zigzag_gives_each_device_an_early_and_a_late_chunk():
    rows = ringattn.sharding(16, devices=4, layout="zigzag").rows
    assert [list(each) for each in rows] == [[0, 1, 14, 15], [2, 3, 12, 13], [4, 5, 10, 11], [6, 7, 8, 9]]
    assert list(ringattn.sharding(7, world_size=3, sharding="striped").rows[1]) == [1, 4]


@pytest.mark.parametrize("devices", [1, 2, 5, 8])
def test_at_step_t_device_r_holds_the_block_of_device_r_minus_t(devices):
    device, step = np.indices((devices, devices))
    assert np.array_equal(ringattn.schedule(devices), (device - step) % devices)


@pytest.mark.parametrize("layout", ["contiguous", "zigzag", "striped"])
def test_the_schedule_is_the_one_that_the_engine_runs(layout):
    q, k, v = (np.random.default_rng(1).standard_normal((1, 24, 2, 4)) for _ in range(3))
    ring = ringattn.ring_attention(q, k, v, devices=5, layout=layout, trace=True)
    owners = ringattn.schedule(5)
    assert all(owners[each["device"], each["step"]] == each["kv_owner"] for each in ring.records("compute"))


def test_a_sharding_draws_one_cell_for_each_row():
    page = ringattn.sharding(12, devices=3, layout="zigzag")._repr_html_()
    assert page.count("<rect") == 12 and "zigzag" in page
    assert "the first 64 of 100" in ringattn.sharding(100)._repr_html_()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ringattn.sharding(-1), "seq must be from 0"),
        (lambda: ringattn.sharding(8, layout="round"), "contiguous, zigzag, striped; found .round"),
        (lambda: ringattn.sharding(8, devices=0), "1 to 1024 devices"),
        (lambda: ringattn.schedule(0), "1 to 1024 devices"),
        (lambda: ringattn.sharding(8).shard(np.zeros((1, 9))), "axis 1 must have 8 rows"),
        (lambda: ringattn.sharding(8).gather([np.zeros((1, 8))]), "4 shards must have 8 rows"),
    ],
)
def test_bad_arguments_of_layouts_are_rejected_with_a_clear_message(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
