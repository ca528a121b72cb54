"""Keywords of other libraries are accepted, and bad input is rejected with a clear message."""

import ctypes
import inspect

import numpy as np
import pytest
import ringattn
from dlpack import device_offset, field_of_capsule
from problems import assert_close, draw

q, k, v = draw(1)
fewer = draw(2, seq=4, kv_seq=6)


@pytest.mark.parametrize(
    ("alias", "ours"),
    [
        ({"scale": 0.5}, {"softmax_scale": 0.5}),
        ({"sm_scale": 0.5}, {"softmax_scale": 0.5}),
        ({"is_causal": True}, {"causal": True}),
        ({"local_window_size": (2, 1)}, {"window_size": (2, 1)}),
        ({"local_window_size": 3}, {"window_size": (3, 3)}),
    ],
)
def test_an_alias_warns_and_has_the_same_effect(alias, ours):
    with pytest.warns(UserWarning, match=rf"{next(iter(alias))} is called {next(iter(ours))} here"):
        found = ringattn.attention(q, k, v, **alias)
    assert np.array_equal(found, ringattn.attention(q, k, v, **ours))
    assert not np.array_equal(found, ringattn.attention(q, k, v))


@pytest.mark.filterwarnings("error")
def test_world_size_and_sharding_are_aliases_without_a_warning():
    found = ringattn.ring_attention(q, k, v, world_size=3, sharding="striped", dropout_p=0.0)
    assert len(found.devices) == 3
    assert ringattn.check(q, k, v, out=found.out, world_size=3, sharding="striped").ok
    assert ringattn.probe("random", world_size=2, sharding="zigzag").layout == "zigzag"


@pytest.mark.filterwarnings("ignore:.*is called")
@pytest.mark.parametrize(
    ("keywords", "error", "sentence"),
    [
        ({"scale": 1, "softmax_scale": 2}, TypeError, "scale and softmax_scale are two names of the same keyword"),
        ({"causl": True}, TypeError, "did you mean causal?"),
        ({"dropout_p": 0.1}, ValueError, "dropout needs keep"),
        ({"softmax_scale": "small"}, TypeError, "must be a number; found 'small'"),
        ({"softmax_scale": float("nan")}, ValueError, "softmax_scale must be a finite number"),
        ({"softcap": -1}, ValueError, "softcap must be a positive"),
        ({"window_size": 3}, TypeError, r"a pair \(left, right\)"),
        ({"window_size": (-2, 0)}, ValueError, "window entries"),
        ({"axes": "bdsh"}, ValueError, 'bshd, bhsd or sbhd; found "bdsh"'),
        ({"causal_align": "middle"}, ValueError, "there are two alignments; found 'middle'"),
        ({"causal": "no"}, TypeError, "must be True or False; found 'no'"),
        ({"return_lse": 1}, TypeError, "must be True or False; found 1"),
        ({"softmax_scale": 10**400}, ValueError, "must fit float64"),
        ({"axes": "b" * 100_000}, ValueError, r"one of a few words; found 'bbb.* \.\.\.;"),
        ({"bias": np.full((16, 16), np.nan)}, ValueError, r'"bias" has nan at \(b, h, query, key\)'),
        ({"bias": np.full((16, 16), np.inf)}, ValueError, "must be finite or -inf"),
        ({"mask": np.ones((16, 16))}, ValueError, "a mask holds booleans"),
        ({"mask": np.ones((5, 16), dtype=bool)}, ValueError, r"must fit \(batch, heads, Sq, Skv\) = \(1, 4, 16, 16\)"),
        ({"q_positions": [0.5] * 16}, TypeError, "must hold whole numbers"),
        ({"q_positions": [1, 2]}, ValueError, r"the shape must be \(16,\)"),
        ({"q_positions": np.full(16, 2**64 - 1, np.uint64)}, ValueError, "less than 2\\^63; found 18446744073709551615"),
        ({"q_segment_ids": [2**63] * 16}, ValueError, "less than 2\\^63"),
        ({"cu_seqlens_q": [0, 17]}, ValueError, "must end with the sequence length 16"),
        ({"cu_seqlens_q": [0, 16], "q_positions": range(16)}, ValueError, "leave one of them out"),
    ],
)
def test_bad_keywords_are_rejected_with_a_clear_message(keywords, error, sentence):
    with pytest.raises(error, match=sentence):
        ringattn.attention(q, k, v, **keywords)


@pytest.mark.parametrize(
    ("tensors", "error", "sentence"),
    [
        ((q[0], k, v), ValueError, r"\[q\].*four axes.*\(16, 4, 8\)"),
        ((q, k[..., :4], v), ValueError, "same head dimension; found 8 and 4"),
        ((q, k[:, :8], v), ValueError, "k and v must have the same length; found 8 and 16"),
        ((q[:, :, :3], k, v), ValueError, "multiple of the K/V heads; found 3 and 2"),
        ((q.astype(int), k, v), TypeError, r"\[q\] the array must be float64, .*; found int64"),
        ((q, k.astype(np.float32), v), ValueError, "the same type; found f64, f32 and f64"),
        ((q, k, object()), TypeError, r"\[v\] .* must be an array of numbers; found object"),
        ((np.ma.masked_array(q), k, v), TypeError, r"\[q\] .* without a mask"),
        ((q, k, np.where(v == v[0, 0, 0, 0], np.nan, v)), ValueError, '"v" has nan'),
    ],
)
def test_bad_tensors_are_rejected_with_a_clear_message(tensors, error, sentence):
    with pytest.raises(error, match=sentence):
        ringattn.attention(*tensors)


def test_causal_with_different_numbers_of_queries_and_keys_needs_an_alignment():
    with pytest.raises(ValueError, match="4 queries and 6 keys.*'bottom-right'.*'top-left'"):
        ringattn.attention(*fewer, causal=True)
    positions = {"q_positions": np.arange(2, 6), "kv_positions": np.arange(6)}
    assert_close(ringattn.attention(*fewer, causal=True, **positions), ringattn.attention(*fewer, causal=True, causal_align="bottom-right"))


def test_a_tensor_on_a_gpu_is_rejected_with_advice_to_copy_it():
    class OnTheGpu:
        device = "cuda:0"

        def __dlpack__(self, **_):
            raise AssertionError("the engine must not read a tensor on a GPU")

        def __dlpack_device__(self):
            return 2, 0

    with pytest.raises(TypeError, match=r"\[q\].*in CPU memory; found one on cuda:0.*\.cpu\(\)"):
        ringattn.attention(OnTheGpu(), k, v)


def test_a_flag_may_be_a_boolean_of_numpy():
    assert np.array_equal(ringattn.attention(q, k, v, causal=np.bool_(True)), ringattn.attention(q, k, v, causal=True))


def test_a_foreign_capsule_is_rejected_with_one_sentence():
    class OnTheGpuAfterAll:
        def __dlpack__(self, **_):
            capsule = q.__dlpack__()
            field_of_capsule(capsule, ctypes.c_int32, device_offset).value = 2
            return capsule

    with pytest.raises(ValueError, match=r"^\[q\] the argument must be an array in CPU memory; found another DLPack object.*array$"):
        ringattn.attention(OnTheGpuAfterAll(), k, v)


def test_an_object_whose_dlpack_fails_is_read_as_an_array():
    class OfSeveralDevices:
        def __dlpack__(self, **_):
            raise BufferError("the array is sharded")

        def __array__(self, *_, **__):
            return q

    assert np.array_equal(ringattn.attention(OfSeveralDevices(), k, v), ringattn.attention(q, k, v))


def test_signatures_show_every_keyword():
    for function in (ringattn.attention, ringattn.attention_vjp, ringattn.ring_attention, ringattn.check, ringattn.laws):
        names = list(inspect.signature(function).parameters)
        assert names[:3] == ["q", "k", "v"] and {"causal", "window_size", "cu_seqlens_k", "axes"} < set(names)
        assert len(function.__doc__) > 200


def test_the_type_stub_lists_all_names_of_the_engine():
    import ast
    from importlib.resources import files

    from ringattn import _engine

    stub = ast.parse(files("ringattn").joinpath("_engine.pyi").read_text(encoding="utf-8"))
    named = {node.name for node in stub.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert named == {name for name in vars(_engine) if not name.startswith("__")}
    assert files("ringattn").joinpath("py.typed").is_file()
