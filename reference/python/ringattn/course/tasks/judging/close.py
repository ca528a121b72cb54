"""Notebook 9: a comparison that NaN cannot pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from ringattn.course._answers import Answer, BadAnswer
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

infinity, nan = np.inf, np.nan
truth = [1.0, -2.0, 0.5]

# found, expected, the right answer, and what the case is
cases: list[tuple[Any, Any, bool, str]] = [
    (truth, truth, True, "two equal arrays"),
    ([1.0, -2.01, 0.5], truth, False, "an error of 0.01 with the tolerance 0.001"),
    ([1.0, -2.0005, 0.5], truth, True, "an error of 0.0005 with the tolerance 0.001"),
    (
        [1.0, nan, 0.5],
        truth,
        False,
        "a NaN in the result; every comparison with NaN is False, so ask whether all errors are small",
    ),
    ([nan, nan, nan], truth, False, "nothing but NaN in the result"),
    ([infinity, -2.0, 0.5], truth, False, "an infinity in the result"),
    (
        [1.0, -infinity],
        [1.0, -infinity],
        True,
        "-inf in the same place, as in the lse of a row without keys; -inf - -inf is NaN",
    ),
    ([1.0, infinity], [1.0, -infinity], False, "infinities of different signs"),
    ([[1.0], [1.0]], [1.0, 1.0], False, "another shape, which numpy would broadcast"),
    ([], [], True, "two empty arrays"),
]


def grade(answer: Answer) -> list[Budget]:
    for found, expected, right, name in cases:
        said = answer(np.array(found), np.array(expected), 1e-3)
        if not isinstance(said, (bool, np.bool_)):
            raise BadAnswer(f"it must return True or False; it returns {type(said).__name__}")
        if bool(said) != right:
            raise WrongAnswer(
                f"it says {bool(said)} for {name}",
                hint="assert the good case: not (error <= tolerance) is a failure",
                first_wrong=f"found {np.array(found).tolist()}, expected {np.array(expected).tolist()}",
            )
    return [Budget("cases", len(cases), len(cases))]


exercise = Exercise(
    name="close",
    notebook="09_how_right_is_right",
    task="close(found, expected, tolerance): whether two arrays have the same shape, and no element differs by more than the "
    "tolerance",
    hints=(
        "Ask whether all errors are small, not whether one is large: NaN <= tolerance is False.",
        "Compare the shapes first: numpy broadcasts (2, 1) against (2).",
        "Equal infinities are equal: (found == expected) | (abs(found - expected) <= tolerance).",
    ),
    grade=grade,
)
