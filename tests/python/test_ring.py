"""The ring equals the definition, and reports memory, traffic and time."""

import json

import numpy as np
import pytest
import ringattn
from hypothesis import given
from hypothesis import strategies as st
from problems import assert_close, draw
from trials import trials

layouts = st.sampled_from(["contiguous", "zigzag", "striped"])


@trials(40)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 13), st.integers(1, 13), layouts,
    st.sampled_from(["kv", "q"]), st.booleans(), st.sampled_from([0, 1]), st.booleans(),
)  # fmt: skip
def test_the_ring_is_exact_forward_and_backward(seed, devices, seq, kv_seq, layout, rotate, causal, threads, overlap):
    q, k, v = draw(seed, seq=seq, kv_seq=kv_seq)
    dout, dlse = np.random.default_rng(seed).standard_normal(q.shape), np.ones((1, 4, seq))
    mask = {"causal": causal, "causal_align": "bottom-right"}
    ring = ringattn.ring_attention(
        q, k, v, devices=devices, layout=layout, rotate=rotate, threads=threads, overlap=overlap, dout=dout, dlse=dlse, **mask
    )
    out, lse = ringattn.attention(q, k, v, return_lse=True, **mask)
    for found, expected in zip((ring.out, ring.lse), (out, lse)):
        assert_close(found, expected)
    for found, expected in zip((ring.dq, ring.dk, ring.dv), ringattn.attention_vjp(q, k, v, dout, dlse=dlse, **mask)):
        assert_close(found, expected)


def test_arithmetic_is_float64_for_float64_and_float32_for_other_types():
    assert ringattn.ring_attention(*draw(1)).out.dtype == np.float64
    for dtype in (np.float32, np.float16):
        ring = ringattn.ring_attention(*draw(1, dtype=dtype))
        assert ring.out.dtype == ring.lse.dtype == np.float32


def test_each_device_reports_its_memory_traffic_and_time():
    seq, devices, bytes_each = 64, 4, 8
    ring = ringattn.ring_attention(*draw(2, seq=seq), devices=devices)
    kv_block = 2 * (seq // devices) * 2 * 8 * bytes_each
    assert len(ring.devices) == devices
    for device in ring.devices:
        assert device.bytes_sent >= (devices - 1) * kv_block
        assert device.peak_bytes > 2 * kv_block
        assert device.busy_seconds > 0 and device.wait_seconds >= 0
    assert ring.dq is None and ring.trace == []


def test_the_trace_holds_the_events_of_the_run(tmp_path):
    ring = ringattn.ring_attention(*draw(3), devices=3, rotate="q", trace=True)
    sends = [event for event in ring.trace if event["kind"] == "send" and event["at"] == "begin"]
    assert {event["device"] for event in ring.trace} == {0, 1, 2}
    assert {event["what"] for event in sends} == {"Q", "m l O"}
    assert ring.trace_header["devices"] == 3 and ring.trace_header["rotate"] == "q"
    ring.save_trace(tmp_path / "run.jsonl")
    lines = (tmp_path / "run.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [ring.trace_header, *ring.trace]


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"devices": 0}, "1 to 1024 devices; found 0"),
        ({"devices": 10**12}, "1 to 1024 devices"),
        ({"threads": -1}, r"\[threads\]"),
        ({"threads": 2**40}, r"\[threads\] .* 1 to 1024, or 0 for one per device; found 1099511627776"),
        ({"layout": "bhsd"}, "contiguous, zigzag, striped; found .bhsd"),
        ({"rotate": "o"}, "'kv' or 'q'"),
        ({"bias": np.zeros((16, 16))}, "which do not travel with a block"),
        ({"mask": np.ones((16, 16), dtype=bool)}, "which do not travel with a block"),
        ({"dlse": np.zeros((1, 4, 16))}, "dlse alone"),
        ({"dout": np.zeros((1, 15, 4, 8))}, "dout must have the shape"),
    ],
)
def test_bad_arguments_of_a_ring_are_rejected_with_a_clear_message(keywords, sentence):
    with pytest.raises(ValueError, match=sentence):
        ringattn.ring_attention(*draw(4), **keywords)


@pytest.mark.parametrize(
    ("scales", "sentence"),
    [((1e9, 1, 1), "scores must be small enough for float32"), ((1, 1, 5e37), "the sum of the weighted values")],
)
def test_inputs_of_which_float32_keeps_no_digits_are_refused(scales, sentence):
    tensors = [tensor * np.float32(scale) for tensor, scale in zip(draw(1, dtype=np.float32), scales)]
    with pytest.raises(ValueError, match=rf"\[ring_attention\] {sentence}"):
        ringattn.ring_attention(*tensors)
