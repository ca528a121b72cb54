"""A right result passes, and the mistake of a wrong one is named."""

import copy
import pickle

import numpy as np
import pytest
import ringattn
from problems import draw

q, k, v = draw(1, seq=48, dim=32)
right, right_lse = ringattn.attention(q, k, v, causal=True, return_lse=True)
dout = np.random.default_rng(1).standard_normal(right.shape)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_a_right_result_passes_in_every_type(dtype):
    report = ringattn.check(q, k, v, out=right.astype(dtype), lse=right_lse.astype(np.float32), causal=True)
    assert report.ok and report.verdict == "pass" and 0 <= report.ratio <= 1 and report.names == []
    report.raise_if_failed()


def test_a_forgotten_mask_is_named_and_located():
    report = ringattn.check(q, k, v, out=ringattn.attention(q, k, v), causal=True, devices=4)
    assert not report.ok and report.verdict == "fail" and report.ratio > 1000
    assert [name["id"] for name in report.names] == ["M1"]
    assert report.where["first"] == {"batch": 0, "row": 0, "head": 0, "device": 0, "local_row": 0}
    assert len(report.blocks["weight"]) == 4
    with pytest.raises(AssertionError, match=r"(?s)\Acase .*M1  the causal mask is forgotten"):
        report.raise_if_failed()


def test_a_lost_block_has_weight_zero():
    half = slice(24, None)
    wrong = ringattn.attention(q, k[:, half], v[:, half])
    report = ringattn.check(q, k, v, out=wrong, devices=2)
    assert all(row[0] == pytest.approx(0, abs=0.01) for row in report.blocks["weight"])


@pytest.mark.parametrize(("strategy", "group"), [("usp", 2), ("usp", 4), ("ulysses", 0)])
def test_results_of_the_devices_of_a_group_are_joined_in_consecutive_parts(strategy, group):
    rows = ringattn.sharding(48, devices=2 if group == 2 else 1, layout="zigzag").rows
    members = [part for of_group in rows for part in np.split(of_group, 4 // len(rows))]
    parts = [right[:, own] for own in members]
    report = ringattn.check(q, k, v, out=parts, causal=True, devices=4, layout="zigzag", strategy=strategy, group=group)
    assert report.ok and "heads" in str(report)
    with pytest.raises(ValueError, match="choose a divisor of 4"):
        ringattn.check(q, k, v, out=right, devices=4, strategy="usp", group=3)


def test_right_gradients_pass_and_wrong_ones_are_named():
    dq, dk, dv = ringattn.attention_vjp(q, k, v, dout, causal=True)
    given = {"out": right, "lse": right_lse, "dout": dout, "causal": True}
    assert ringattn.check(q, k, v, dq=dq, dk=dk, dv=dv, **given).ok
    report = ringattn.check(q, k, v, dq=dq * np.sqrt(32), dk=dk, dv=dv, **given)
    assert not report.ok and report.names
    assert not ringattn.check(q, k, v, dv=np.zeros_like(dv), dout=dout, causal=True).ok


def test_the_tolerance_depends_on_the_declared_implementation():
    wrong = right * (1 + 2e-4)
    assert not ringattn.check(q, k, v, out=wrong, causal=True).ok
    assert ringattn.check(q, k, v, out=wrong.astype(np.float16), implementation="f16", causal=True).ok


@pytest.mark.parametrize("precision", ["bf16", "bfloat16", np.float16, "float32", np.dtype(np.float64)])
def test_a_precision_may_have_the_name_of_a_type(precision):
    short = {"bfloat16": "bf16", np.float16: "f16", "float32": "f32", np.dtype(np.float64): "f64"}.get(precision, precision)
    found, expected = (ringattn.check(q, k, v, out=right, implementation=name, causal=True) for name in (precision, short))
    assert found.ratio == expected.ratio and str(found) == str(expected)


def test_a_precision_may_be_a_type_of_torch():
    class Type:
        def __repr__(self):
            return "torch.bfloat16"

    found = ringattn.check(q, k, v, out=right, implementation=Type(), causal=True)
    assert str(found) == str(ringattn.check(q, k, v, out=right, implementation="bf16", causal=True))


def test_nan_and_unwritten_results_fail():
    tensors = draw(2)
    once = ringattn.attention(*tensors)
    for wrong in (np.full_like(once, np.nan), np.zeros_like(once), np.where(once == once[0, 3, 1, 2], np.nan, once)):
        assert not ringattn.check(*tensors, out=wrong).ok


def refused_or_failed(*tensors, **keywords):
    try:
        return not ringattn.check(*tensors, blind_spots=False, **keywords).ok
    except ValueError as refusal:
        return "[check]" in str(refusal)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [1, 3e5, 1e6, 1e15, 1e30])
def test_zeros_never_pass_however_large_the_scores_are(dtype, factor):
    large = [(q * factor).astype(dtype), k.astype(dtype), v.astype(dtype)]
    assert refused_or_failed(*large, out=np.zeros_like(large[0]), causal=True)


@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1e-170, 1e-40, 1e155, 1e160, 1e300])
def test_zeros_never_pass_and_right_results_do_at_every_magnitude_of_the_values(factor):
    out = ringattn.attention(q, k, v * factor, causal=True)
    assert ringattn.check(q, k, v * factor, out=out, causal=True, blind_spots=False).ok
    assert refused_or_failed(q, k, v * factor, out=0 * out, causal=True)


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_zeros_never_pass_and_right_gradients_do_at_every_magnitude_of_dout(factor):
    gradients = dict(zip(("dq", "dk", "dv"), ringattn.attention_vjp(q, k, v, dout * factor, causal=True)))
    given = {"dout": dout * factor, "causal": True}
    assert ringattn.check(q, k, v, **gradients, **given, blind_spots=False).ok
    for name, gradient in gradients.items():
        assert refused_or_failed(q, k, v, **{name: 0 * gradient}, **given)


def test_nan_fails_in_rows_that_are_not_judged():
    wrong = np.where(np.arange(48)[None, :, None, None] == 29, np.nan, right)
    report = ringattn.check(q, k, v, out=wrong, causal=True, rows=4)
    assert not report.ok and "1 queries hold a NaN" in str(report)


def test_a_report_on_sampled_rows_says_how_many_were_checked():
    report = ringattn.check(q, k, v, out=right, causal=True, rows=10, seed=3)
    assert report.ok and len(report.rows) == 10 and report.rows[0] == 0 and report.rows[-1] == 47
    assert "10 of 48 queries" in str(report)


def test_results_with_other_axes_are_checked():
    turned = [tensor.transpose(0, 2, 1, 3) for tensor in (q, k, v, right)]
    assert ringattn.check(*turned[:3], out=turned[3], axes="bhsd", causal=True).ok
    with pytest.raises(ValueError, match=r"\[check\] out must have the shape .* pass axes='bhsd'"):
        ringattn.check(q, k, v, out=turned[3][:, :3], causal=True)


def test_assert_attention_raises_for_a_wrong_result():
    ringattn.assert_attention(right, q, k, v, causal=True)
    with pytest.raises(AssertionError, match="VERDICT  FAIL"):
        ringattn.assert_attention(right, q, k, v)


@pytest.mark.parametrize(
    ("keywords", "error", "sentence"),
    [
        ({}, ValueError, "at least one of out, lse, dq, dk, dv and dsinks"),
        ({"dq": q}, ValueError, "dout"),
        ({"out": right[:, :5]}, ValueError, "out must have the shape"),
        ({"lse": right_lse[:, :, :5]}, ValueError, r"\(batch, heads, sequence\) = \(1, 4, 48\)"),
        ({"out": right, "implementation": "f8"}, ValueError, "f64, f32, tf32, bf16, f16, e4m3 or e5m2"),
        ({"out": right, "rows": 0}, ValueError, "rows must be at least 1"),
        ({"out": right, "seed": -1}, ValueError, "must not be negative"),
        ({"out": right, "devices": 2.5}, TypeError, "must be a whole number; found 2.5"),
        ({"out": right, "blind_spots": "no"}, TypeError, "must be True or False; found 'no'"),
        ({"out": right, "bias": np.zeros((48, 47))}, ValueError, "must fit"),
    ],
)
def test_bad_arguments_of_check_are_rejected_with_a_clear_message(keywords, error, sentence):
    with pytest.raises(error, match=sentence):
        ringattn.check(q, k, v, **keywords)


# ---- Probes, laws and the catalogue -----------------------------------------


@pytest.mark.parametrize("kind", [row.kind for row in ringattn.probe_kinds()])
def test_a_right_implementation_passes_every_probe(kind):
    case = ringattn.probe(kind, seq=32, dim=16, devices=2, causal=True)
    out, lse = ringattn.attention(case.q, case.k, case.v, return_lse=True, **case.options)
    assert ringattn.check(**case, out=out, lse=lse, blind_spots=False).ok
    assert case.kind.shows and case.devices == 2


def test_narrow_types_hold_a_probe_exactly():
    case = ringattn.probe("staircase-up", seq=32, heads=(4, 2), dim=16)
    assert case.q.shape == (1, 32, 4, 16) and case.k.shape == (1, 32, 2, 16)
    assert all(np.array_equal(case[name].astype(np.float16), case[name]) for name in "qkv")


def test_laws_hold_for_right_results_and_are_broken_by_wrong_ones():
    dq, dk, dv = ringattn.attention_vjp(q, k, v, dout, causal=True)
    given = {"out": right, "lse": right_lse, "dout": dout, "dq": dq, "dk": dk, "dv": dv, "causal": True}
    found = ringattn.laws(q, k, v, **given)
    assert found.ok and {law.id for law in found} == set("NABCD")
    broken = ringattn.laws(q, k, v, **{**given, "dv": 2 * dv})
    assert not broken.ok and not next(law for law in broken if law.id == "A").holds and "BROKEN" in str(broken)
    with pytest.raises(ValueError, match="a law needs lse"):
        ringattn.laws(q, k, v, out=right)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_probes_mistakes_laws_and_reports_can_be_copied_and_pickled(copied):
    case = ringattn.probe("needle", seq=32, dim=16)
    assert copied(case).kind.kind == "needle" and all(np.array_equal(copied(case)[name], case[name]) for name in case)
    assert [copied(mistake).id for mistake in ringattn.mistakes()] == [mistake.id for mistake in ringattn.mistakes()]
    found = ringattn.laws(q, k, v, lse=right_lse, causal=True)
    assert copied(found).ok and str(copied(found)) == str(found) and repr(copied(found[0])) == repr(found[0])
    for name in ("id", "statement", "meaning", "ratio", "left", "right"):
        assert getattr(copied(found[0]), name) == getattr(found[0], name)
    report = ringattn.check(q, k, v, out=right, causal=True)
    assert str(copied(report)) == str(report)
    assert np.array_equal(copied(ringattn.ring_attention(q, k, v)).out, ringattn.ring_attention(q, k, v).out)


def test_the_catalogue_explains_each_mistake():
    everything = ringattn.mistakes()
    assert len(everything) >= 100 and len({mistake.id for mistake in everything}) == len(everything)
    assert all(mistake.title and mistake.why and mistake.fix and mistake.family for mistake in everything)
    assert ringattn.mistakes("M1").title == "the causal mask is forgotten"
    with pytest.raises(ValueError, match="Z99"):
        ringattn.mistakes("Z99")
