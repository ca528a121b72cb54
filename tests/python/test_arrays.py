"""Arrays of every kind are accepted as they are."""

import ctypes
import sys
import tracemalloc

import numpy as np
import pytest
import ringattn
from hypothesis import given
from hypothesis import strategies as st
from dlpack import field_of_capsule, type_code_offset
from problems import assert_close, draw
from trials import trials


@trials(40)
@given(st.permutations(range(4)), st.lists(st.sampled_from([1, 2, -1, -2]), min_size=4, max_size=4))
def test_strided_and_transposed_views_give_the_same_result_as_their_copies(order, steps):
    tensors = draw(1, batch=2, seq=6)
    expected = ringattn.attention(*tensors)
    for n in range(3):
        views = list(tensors)
        views[n] = strided_like(tensors[n], order, steps)
        assert np.array_equal(ringattn.attention(*views), expected)


@trials(40)
@given(st.permutations(range(4)), st.lists(st.sampled_from([1, 2, -1, -2]), min_size=4, max_size=4),
       st.sampled_from([np.float16, np.float32, np.float64]))  # fmt: skip
def test_a_ring_gives_the_same_bits_for_strided_views_and_for_their_copies(order, steps, dtype):
    q, k, v = draw(6, dtype=dtype, batch=2, seq=6)
    dout = np.random.default_rng(6).standard_normal(q.shape)  # of another type than q if that is narrow
    copies = {"q": q, "k": k, "v": v, "dout": dout}
    expected = ringattn.ring_attention(**copies, devices=3, causal=True)
    for name, tensor in copies.items():
        views = copies | {name: strided_like(tensor, order, steps)}
        found = ringattn.ring_attention(**views, devices=3, causal=True)
        for result in "out", "lse", "dq", "dk", "dv":
            assert np.array_equal(getattr(found, result), getattr(expected, result)), (name, result)


def strided_like(tensor, order, steps):
    """A view with the elements of _tensor_, whose axes are permuted, strided or reversed in memory."""
    wanted = [extent * abs(step) for extent, step in zip(tensor.shape, steps)]
    memory = np.full([wanted[axis] for axis in order], np.nan, dtype=tensor.dtype)
    view = memory.transpose(np.argsort(order))[tuple(slice(None, None, step) for step in steps)]
    view[...] = tensor
    return view


def test_float64_views_are_read_in_place():
    large = np.zeros((1, 200_000, 2, 8)), np.zeros((1, 1, 2, 8)), np.zeros((1, 1, 2, 8))
    few = large[0][:, ::4].transpose(0, 2, 1, 3)
    tracemalloc.start()
    out = ringattn.attention(few, *(t.transpose(0, 2, 1, 3) for t in large[1:]), axes="bhsd")
    del out
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < few.nbytes / 100  # numpy reports every copy to tracemalloc


@pytest.mark.parametrize("axes", ["bhsd", "sbhd"])
def test_axes_set_the_order_of_every_input_and_output(axes):
    place = ["bshd".index(axis) for axis in axes]
    q, k, v = draw(2, batch=3)
    dout = np.random.default_rng(2).standard_normal(q.shape)
    turned = [tensor.transpose(place) for tensor in (q, k, v, dout)]
    assert np.array_equal(ringattn.attention(*turned[:3], axes=axes), ringattn.attention(q, k, v).transpose(place))
    assert ringattn.attention(*turned[:3], axes=axes).flags.c_contiguous
    for found, expected in zip(ringattn.attention_vjp(*turned, axes=axes), ringattn.attention_vjp(q, k, v, dout)):
        assert np.array_equal(found, expected.transpose(place))
    ring = ringattn.ring_attention(*turned[:3], devices=2, axes=axes)
    assert_close(ring.out, ringattn.attention(q, k, v).transpose(place))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_types_are_widened_exactly(dtype):
    tensors = draw(3, dtype=dtype)
    views = [np.asfortranarray(tensor)[:, ::-1] for tensor in tensors]
    expected = ringattn.attention(*(view.astype(np.float64) for view in views))
    assert np.array_equal(ringattn.attention(*views), expected)


def test_bfloat16_of_ml_dtypes_is_widened_exactly():
    bfloat16 = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed").bfloat16
    tensors = [tensor.astype(bfloat16)[:, ::2] for tensor in draw(4)]
    expected = ringattn.attention(*(tensor.astype(np.float64) for tensor in tensors))
    assert np.array_equal(ringattn.attention(*tensors), expected)


class Bfloat16:
    """Stands for a tensor of torch: implements DLPack with the type bfloat16."""

    def __init__(self, tensor):
        self.bits = (tensor.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)

    def widened(self):
        return (self.bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)

    def __dlpack_device__(self):
        return 1, 0

    def __dlpack__(self, **_):
        capsule = self.bits.__dlpack__()
        field_of_capsule(capsule, ctypes.c_uint8, type_code_offset).value = 4  # bfloat16
        return capsule


def test_bfloat16_through_dlpack_is_widened_exactly():
    tensors = [Bfloat16(tensor) for tensor in draw(5)]
    expected = ringattn.attention(*(tensor.widened() for tensor in tensors))
    assert np.array_equal(ringattn.attention(*tensors), expected)


def test_objects_with_an_array_interface_or_a_buffer_are_accepted():
    q, k, v = draw(6)

    class Interface:
        __array_interface__ = q.__array_interface__

    expected = ringattn.attention(q, k, v)
    assert np.array_equal(ringattn.attention(Interface(), memoryview(k), v.tolist()), expected)
    assert np.array_equal(ringattn.attention(q.astype(">f8"), k, v), expected)


def test_read_only_and_broadcast_arrays_are_accepted():
    q, k, v = draw(7)
    once = np.broadcast_to(q[:, :1], q.shape)
    assert np.array_equal(ringattn.attention(once, k, v), ringattn.attention(once.copy(), k, v))


def test_fields_of_record_arrays_are_accepted():
    q, k, v = draw(8)
    records = np.zeros(q.shape, dtype=[("x", np.float64), ("y", np.int8)])
    records["x"] = q
    assert np.array_equal(ringattn.attention(records["x"], k, v), ringattn.attention(q, k, v))


def test_arrays_at_odd_addresses_are_accepted():
    q, k, v = draw(8)
    odd = np.frombuffer(b"x" + q.tobytes(), offset=1).reshape(q.shape)
    assert np.array_equal(ringattn.attention(odd, k, v), ringattn.attention(q, k, v))


def test_results_stay_valid_after_later_calls():
    out = ringattn.attention(*draw(9))
    expected = out.copy()
    for seed in range(20):
        ringattn.attention(*draw(seed))
    assert np.array_equal(out, expected) and sys.getrefcount(out) == 2


def test_other_python_threads_run_while_the_engine_computes():
    import threading
    import time

    ticks, done = [], threading.Event()
    ticker = threading.Thread(target=lambda: [ticks.append(time.perf_counter()) or time.sleep(1e-3) for _ in iter(done.is_set, True)])
    tensors = draw(10, seq=700, heads=(4, 4), dim=32)
    ticker.start()
    began = time.perf_counter()
    ringattn.attention(*tensors)
    ended = time.perf_counter()
    done.set()
    ticker.join()
    assert sum(began < tick < ended for tick in ticks) >= 3
