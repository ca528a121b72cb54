"""Records, visits, states, slow links and faults of a run."""

import numpy as np
import pytest
import ringattn
from hypothesis import given
from hypothesis import strategies as st
from problems import assert_close, draw
from trials import trials

layouts = st.sampled_from(["contiguous", "zigzag", "striped"])


@trials(30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 13), layouts, st.sampled_from(["kv", "q"]))
def test_every_query_meets_every_block_once_and_every_visible_pair_is_counted_once(seed, devices, seq, layout, rotate):
    q, k, v = draw(seed, seq=seq, heads=(2, 1))
    ring = ringattn.ring_attention(q, k, v, devices=devices, layout=layout, rotate=rotate, causal=True, trace=True)
    assert np.all(ring.visits() == 1)
    assert ring.live_pairs().sum() == 2 * seq * (seq + 1) // 2


@trials(30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 9), layouts, st.booleans())
def test_the_state_after_each_step_is_the_attention_over_the_keys_seen_so_far(seed, devices, seq, layout, causal):
    q, k, v = draw(seed, seq=seq, batch=2, v_dim=3)
    ring = ringattn.ring_attention(q, k, v, devices=devices, layout=layout, causal=causal, trace=True, trace_rows="all")
    sharding, owners = ringattn.sharding(seq, devices=devices, layout=layout), ringattn.schedule(devices)
    states = ring.states()
    for step in range(devices):
        for device, rows in enumerate(sharding.rows):
            keys = np.sort(np.concatenate([sharding.rows[owner] for owner in owners[device, : step + 1]]))
            out = ringattn.attention(
                q[:, rows], k[:, keys], v[:, keys], causal=causal, q_positions=rows, kv_positions=keys
            )
            assert_close(states.out[step][:, rows], out)
    assert_close(states.out[-1], ring.out)
    assert_close(states.m[-1] + np.log(states.l[-1]), ring.lse)


def test_the_history_of_a_row_holds_its_state_before_and_after_each_block():
    q, k, v = draw(5, seq=12, dim=4)
    ring = ringattn.ring_attention(q, k, v, devices=3, trace=True, trace_rows=[7], causal=True)
    history = ring.row_history(7, head=2)
    assert list(history.kv_owner) == [1, 0, 2] and [len(scores) for scores in history.scores] == [4, 4, 4]
    assert history.m[0] == -np.inf and history.l[0] == 0 and np.all(history.out[0] == 0)
    assert_close(history.alpha, np.exp(history.m[:-1] - history.m[1:]))
    assert_close(history.out[-1], ring.out[0, 7, 2])
    assert np.all(history.scores[2] == -np.inf)


def test_a_record_joins_the_begin_and_the_end_of_a_span():
    q, k, v = draw(6, seq=8)
    ring = ringattn.ring_attention(q, k, v, devices=2, trace=True, dout=np.ones_like(q), ns_per_pair=3)
    computes = ring.records("compute")
    assert len(computes) == 2 * 2 * 2 and [each["pass"] for each in computes].count("backward") == 4
    for each in computes:
        products = {"forward": 2, "backward": 5}[each["pass"]]
        assert 2 * (each["t_end"] - each["t"]) == 3 * products * each["live_pairs"]
    assert {each["kind"] for each in ring.records()} >= {"run", "alloc", "send", "recv", "compute", "grad_hop"}


def test_the_virtual_clock_hides_a_transfer_that_takes_no_longer_than_the_arithmetic():
    q, k, v = draw(7, seq=32, heads=(1, 1))
    kv_bits = 8 * sum(each["bytes"] for each in ringattn.ring_attention(q, k, v, trace=True).records("send")) / 12
    for hop, waiting in ((0.5, 0), (2.0, 3 * 64)):
        ring = ringattn.ring_attention(q, k, v, devices=4, trace=True, threads=1, link_gbps=kv_bits / (64 * hop))
        waits = sum(each["t_end"] - each["t"] for each in ring.records("wait") if each["device"] == 0)
        assert waits == pytest.approx(waiting, abs=1e-6)


def test_one_slow_link_slows_the_whole_ring():
    q, k, v = draw(7, seq=32, heads=(1, 1))
    every = {"devices": 4, "trace": True, "threads": 1}
    times = []
    for speeds in (1000, [1000, 8, 1000, 1000], 8):
        ring = ringattn.ring_attention(q, k, v, link_gbps=speeds, **every)
        times.append(max(each["t_end"] for each in ring.records("run")))
    fast, one_slow, all_slow = times
    assert fast < 0.2 * one_slow and one_slow > 0.9 * all_slow
    with pytest.raises(ValueError, match="one number for all links or one for each; found 3"):
        ringattn.ring_attention(q, k, v, link_gbps=[1, 2, 3], **every)


@pytest.mark.parametrize(
    ("fault", "names"), [("no_rescale", {"O3"}), ("stale", {"R13"}), ("partials_bf16", set()), ("torn", set())]
)
def test_a_run_with_a_fault_is_wrong_and_its_mistake_is_named(fault, names):
    q, k, v = draw(8, seq=24)
    ring = ringattn.ring_attention(q, k, v, devices=4, fault=fault, trace=True)
    report = ringattn.check(q, k, v, out=ring.out, devices=4)
    assert not report.ok and {each["id"] for each in report.names} >= names
    assert ring.trace


@pytest.mark.parametrize("fault", ["lost", "all_send_first"])
def test_a_fault_that_blocks_all_devices_ends_with_an_error(fault):
    with pytest.raises(RuntimeError, match="deadlock"):
        ringattn.ring_attention(*draw(9), devices=3, fault=fault)


@pytest.mark.parametrize("mistake", ["O1", "R4", "M1", "L3", "H1"])
def test_the_results_of_a_mistake_of_the_catalogue_are_named_as_this_mistake(mistake):
    q, k, v = draw(10, seq=32)
    found = ringattn.make_mistake(mistake, q, k, v, causal=True)
    report = ringattn.check(q, k, v, out=found["out"], lse=found["lse"], causal=True, devices=4)
    assert mistake in {each["id"] for each in report.names}


def test_a_mistake_has_variants_and_gradients():
    q, k, v = draw(11, seq=16)
    variants = ringattn.variants("R9", q, k, v)
    assert {"device": "2", "step": "1", "stale": "V"} in variants
    chosen = variants.index({"device": "2", "step": "1", "stale": "V"})
    out = ringattn.make_mistake("R9", q, k, v, variant=chosen)["out"]
    wrong_rows = np.any(out != ringattn.make_mistake("R9", q, k, v, variant=0)["out"], axis=(0, 2, 3))
    assert set(np.flatnonzero(wrong_rows)) == {0, 1, 2, 3, 8, 9, 10, 11}
    found = ringattn.make_mistake("G1", q, k, v, dout=np.ones_like(q))
    assert set(found) == {"out", "lse", "dq", "dk", "dv"}
    assert not ringattn.check(q, k, v, dq=found["dq"], dout=np.ones_like(q)).ok


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda *t: ringattn.ring_attention(*t, trace_rows=[16], trace=True), "rows must be from 0 to 15; found 16"),
        (lambda *t: ringattn.ring_attention(*t, trace_rows="some", trace=True), "a list or 'all'"),
        (lambda *t: ringattn.ring_attention(*t, link_gbps=-1), r"\[link_gbps\] the value must be 0 or from"),
        (lambda *t: ringattn.ring_attention(*t, fault="rust"), "found rust; choose no_rescale"),
        (lambda *t: ringattn.ring_attention(*t, fault="stale", devices=2), "needs at least 3 devices; found 2"),
        (lambda *t: ringattn.ring_attention(*t, fault="no_rescale", rotate="q"), "requires that K and V rotate"),
        (lambda *t: ringattn.ring_attention(*t).visits(), "call ring_attention with trace=True"),
        (lambda *t: ringattn.ring_attention(*t, trace=True).row_history(3), "states of row 3"),
        (lambda *t: ringattn.ring_attention(*t, trace=True, trace_rows=[3]).states(), "the states of all rows"),
        (lambda *t: ringattn.make_mistake("Z99", *t), "Z99"),
        (lambda *t: ringattn.make_mistake("O1", *t, variant=10**6), "has the variants 0 to"),
        (lambda *t: ringattn.make_mistake("P5", *t), "cannot occur on this problem"),
        (lambda *t: ringattn.make_mistake("G1", *t), "has no dout"),
    ],
)
def test_bad_arguments_of_a_traced_or_faulty_run_are_rejected_with_a_clear_message(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(*draw(12))
