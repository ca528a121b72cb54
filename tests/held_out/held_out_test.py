"""Right versions of the cases pass, and wrong ones are rejected."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from held_out.attention import Results, attend, differentiate  # noqa: E402
from held_out.callables import examine, implementation  # noqa: E402
from held_out.case import Case, cases  # noqa: E402

largest_rounding = 2.0**-6  # bf16 results differ by 2^-8 of the largest element, with a margin of 4

each_case = pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in cases])


def largest_difference(found: Results, expected: Results) -> float:
    """Over all tensors, in units of the largest element of each; infinite if a NaN or an infinity is misplaced."""
    errors = [0.0]
    for name in ("out", "lse", "dq", "dk", "dv"):
        one, other = getattr(found, name), getattr(expected, name)
        if one is None:
            continue
        finite = np.isfinite(other)
        if not np.array_equal(one[~finite], other[~finite], equal_nan=True) or not np.isfinite(one[finite]).all():
            return np.inf
        errors.append(np.abs(one[finite] - other[finite]).max() / np.abs(other[finite]).max())
    return max(errors)


def right_results(case: Case, precision: str) -> Results:
    inputs = case.inputs(precision)
    return differentiate(inputs) if case.backward else attend(inputs)


@each_case
def test_without_its_bug_an_implementation_computes_attention(case):
    found = case.compute(case.inputs("f32"), False)
    assert largest_difference(found, right_results(case, "f32")) <= 1e-12


@each_case
def test_without_its_bug_an_implementation_passes(case):
    for precision in case.precisions:
        report = case.check(precision, wrong=False, blind_spots=False)
        assert report.verdict == "pass", str(report)


@each_case
def test_nothing_is_found_in_an_implementation_without_its_bug(case):
    precision = case.precisions[-1]
    found = examine(case, precision, wrong=False)
    assert found.ok, str(found)


@each_case
def test_the_bug_is_larger_than_rounding(case):
    found = case.compute(case.inputs("f32"), True)
    error = largest_difference(found, right_results(case, "f32"))
    assert error > (largest_rounding if "bf16" in case.precisions else 1e-5)


def test_wrong_results_are_rejected(run_scale):
    for case in cases[:: 1 if run_scale > 1 else 40]:
        for precision in case.precisions[:: 1 if run_scale > 1 else 2]:
            report = case.check(precision, wrong=True, blind_spots=False)
            assert not report.ok, f"{case.name} {precision}\n{report}"


@each_case
def test_a_callable_computes_what_its_case_submits(case):
    precision = case.precisions[-1]
    inputs = case.inputs(precision)
    given = {name: getattr(inputs, name) for name in ("q", "k", "v", "dout") if getattr(inputs, name) is not None}
    found = implementation(case, precision)(**given)
    expected = case.compute(inputs.replace(dlse=None), True)
    names = ("dq", "dk", "dv") if case.backward else ("out", "lse") if expected.lse is not None else ("out",)
    assert len(names) == (len(found) if isinstance(found, tuple) else 1)
    submitted = dataclasses.replace(expected, **dict(zip(names, found if len(names) > 1 else [found], strict=True)))
    assert largest_difference(submitted, expected) <= 2.0**-8
