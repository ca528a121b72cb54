"""The examination of Python functions."""

import json
import time

import numpy as np
import pytest
import ringattn
from problems import plain_attention

shape = {"batch": 2, "seq": 35, "heads": (6, 2), "dim": 24, "v_dim": 11}


def causal(q, k, v, shift=0):
    rows, keys = np.arange(q.shape[1]), np.arange(k.shape[1])
    return plain_attention(q, k, v, rows[:, None] >= keys[None] + shift)


def test_nothing_is_found_in_the_definition_and_in_the_ring():
    for function in (
        lambda q, k, v: ringattn.attention(q, k, v, causal=True, return_lse=True),
        lambda q, k, v: ringattn.attention(q, k, v, causal=True),
        lambda q, k, v: ringattn.ring_attention(q, k, v, causal=True, devices=3, layout="zigzag").out,
        causal,
    ):
        found = ringattn.examine(function, causal=True, devices=3, layout="zigzag", **shape)
        assert found.ok and not found.findings and found.explained
        found.raise_if_any()
        assert str(found).endswith("nothing departs from attention by more than rounding")
        assert np.allclose(found.weights, found.right_weights, atol=1e-6)
        assert np.array_equal(found.visible, np.broadcast_to(np.tri(35, dtype=bool), (2, 6, 35, 35)))
        assert np.allclose(found.scale, 1 / np.sqrt(24))


def test_a_backward_that_takes_dlse_is_examined_with_it():
    def backward(q, k, v, dout, dlse, factor=1):
        return ringattn.attention_vjp(q, k, v, dout, dlse=factor * dlse, causal=True)

    def examined(function):
        return ringattn.examine(lambda q, k, v: ringattn.attention(q, k, v, causal=True, return_lse=True),
                                backward=function, dlse=True, causal=True, **shape)

    assert examined(backward).ok
    ignored = examined(lambda **arrays: backward(**arrays, factor=0)).findings
    assert [(finding.kind, finding.sentence.split(":")[0]) for finding in ignored] == [
        ("gradient_of_lse", "dq"), ("gradient_of_lse", "dk")]
    assert "dlse is ignored" in ignored[0].sentence


def test_a_finding_has_a_sentence_and_numbers_and_rows():
    found = ringattn.examine(lambda q, k, v: causal(q, k, v, shift=1), causal=True, **shape)
    (band, *others) = found.findings
    assert band.kind == "visible_band" and band.numbers["last"] == -1
    assert "the diagonal is lost" in band.sentence and len(band.where) == 12
    assert "the diagonal is lost" in str(found).replace("\n         ", " ")
    assert json.loads(found.to_json())["findings"][0]["sentence"] == band.sentence
    assert "<svg" in found._repr_html_()
    with pytest.raises(AssertionError, match="diagonal"):
        found.raise_if_any()


def test_arrays_have_the_order_of_axes_that_the_caller_chooses():
    def heads_first(q, k, v):
        assert q.shape == (2, 6, 35, 24) and k.shape == (2, 2, 35, 24) and v.shape == (2, 2, 35, 11)
        return ringattn.attention(q, k, v, axes="bhsd")

    assert ringattn.examine(heads_first, axes="bhsd", **shape).ok


def test_bfloat16_results_are_judged_as_such():
    ml_dtypes = pytest.importorskip("ml_dtypes")

    def rounded(q, k, v):
        assert q.dtype == np.float32 and np.array_equal(q, q.astype(ml_dtypes.bfloat16))
        return ringattn.attention(q, k, v).astype(ml_dtypes.bfloat16)

    assert ringattn.examine(rounded, **shape).ok
    found = ringattn.examine(lambda q, k, v: rounded(q, k, v).astype(np.float32), **shape)
    assert [finding.kind for finding in found.findings] == ["coarse_rounding"]
    assert ringattn.examine(lambda q, k, v: rounded(q, k, v).astype(np.float32), implementation="bf16", **shape).ok


def test_a_call_without_a_result_becomes_one_sentence():
    def said(function, **options):
        found = ringattn.examine(function, **options, **shape)
        (finding,) = found.findings
        assert finding.kind == "failed_call" and found.weights is None and found.visible is None
        return finding.sentence

    def out_of_memory(q, k, v):
        raise MemoryError("no memory\nis left")

    assert said(out_of_memory) == "call 1 of the implementation raised MemoryError: no memory is left"
    assert "returned None" in said(lambda q, k, v: None)
    assert "returned 3 values" in said(lambda q, k, v: (q, k, v))
    assert "(2, 35, 6, 11)" in said(lambda q, k, v: q[:, :7])
    assert "returned no array" in said(lambda q, k, v: "out")
    assert "four axes" in said(lambda q, k, v: np.zeros(3))
    assert "did not return within 0.1 s" in said(lambda q, k, v: time.sleep(30), timeout=0.1)


def test_the_error_of_the_function_is_the_cause():
    def broken(q, k, v):
        raise ZeroDivisionError

    with pytest.raises(AssertionError) as raised:
        ringattn.examine(broken, **shape).raise_if_any()
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_ctrl_c_in_the_function_ends_the_examination():
    def interrupted(q, k, v):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ringattn.examine(interrupted, **shape)


def test_bad_shapes_are_refused():
    for wrong in ({"seq": 0}, {"seq": 10**9}, {"heads": (3, 2)}, {"batch": -1}, {"dim": 10**12}):
        with pytest.raises(ValueError, match=r"\["):
            ringattn.examine(causal, **{**shape, **wrong})
    with pytest.raises(TypeError):
        ringattn.examine(causal, seq="many")


def test_a_report_of_check_without_a_name_points_at_examine():
    case = ringattn.probe("random", seq=32, heads=2, dim=16, devices=1)
    noise = np.random.default_rng(5).standard_normal(case.q.shape)
    report = ringattn.check(**case, out=noise)
    assert not report.ok and not report.names
    assert "NEXT     ringattn examine" in str(report)
    right = ringattn.check(**case, out=ringattn.attention(case.q, case.k, case.v, **case.options))
    assert "NEXT" not in str(right)
