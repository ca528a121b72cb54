"""Notebook 0: when does twice the text cost four times the work?"""

from __future__ import annotations

import math

from ringattn.course._answers import Answer, BadAnswer, array_of
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

cases = ((4096, 2.5), (4096, 3.0), (64, 3.9), (1000, 2.01))  # hidden size; the factor by which the work grows


def grade(answer: Answer) -> list[Budget]:
    for hidden, factor in cases:
        length = float(array_of(answer(hidden, factor), (), "the length"))
        if not (math.isfinite(length) and length > 0):
            raise BadAnswer(f"the length must be a positive number; it returns {length:g}")
        if abs(length / _length(hidden, factor) - 1) > 1e-6:
            found = 2 * (6 * hidden + 2 * length) / (6 * hidden + length)
            raise WrongAnswer(
                _claim(length, hidden, factor)
                or f"with hidden size {hidden}, twice of {length:.0f} tokens cost {found:.3f} times the work, and not {factor}",
                hint="write down the work of n tokens and that of 2 n tokens: each of them has two terms",
                first_wrong=f"hidden size {hidden}, factor {factor}",
            )
    return [Budget("predictions", len(cases), len(cases))]


def _length(hidden: int, factor: float) -> float:
    """The solution of 2 (6 h + 2 n) / (6 h + n) = factor."""
    return 6 * hidden * (factor - 2) / (4 - factor)


def _claim(length: float, hidden: int, factor: float) -> str:
    """What a wrong answer overlooked, if that is known."""
    right = _length(hidden, factor)
    known = {
        2 * right: "it returns the length of the text after doubling",
        right / 6: "it counts one product with a weight matrix, and a token costs 6 h for all of them",
        6 * hidden: "it returns the length at which attention costs as much as all the rest, whatever the factor is",
    }
    return next((text for value, text in known.items() if math.isclose(length, value, rel_tol=1e-9)), "")


exercise = Exercise(
    name="doubling",
    notebook="00_the_ledger_of_claims",
    task="doubling(hidden, factor): the number of tokens n at which a text of 2 n tokens costs factor times the work of one with n "
    "tokens, where 2 < factor < 4; a token of a text of n tokens costs 6 hidden + n",
    hints=(
        "The work of n tokens is n (6 h + n): what the weights cost, and what attention costs.",
        "Twice the tokens cost 2 n (6 h + 2 n). Divide, and the n in front is gone.",
        "2 (6 h + 2 n) = factor (6 h + n): solve for n. For the factor 3 it is 6 h.",
    ),
    grade=grade,
)
