"""Notebook 9: a tolerance that is derived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ringattn.course._answers import Answer, BadAnswer, array_of
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

unit = 2.0**-24  # the largest relative error of one rounding to float32
best_terms = 64  # of the case that the budget shows


def grade(answer: Answer) -> list[Budget]:
    for name, a, b in _cases():
        found = _tolerance(answer, a, b)
        exact = float(np.sum(a * b))
        for order, total in _sums(a, b):
            if not abs(total - exact) <= found:
                raise WrongAnswer(
                    f"a sum of {len(a)} products, {name}, added {order}, is off by {abs(total - exact):.2g}, and the tolerance is "
                    f"{found:.2g}",
                    hint=_hint(found, a, b, exact),
                    first_wrong=name,
                )
        smallest_term = np.abs(a * b).min()
        if smallest_term > 0 and found >= smallest_term:
            raise WrongAnswer(
                f"a program that forgets one of {len(a)} products, {name}, passes: the product is {smallest_term:.2g}, and the "
                f"tolerance {found:.2g}",
                hint="a tolerance has the unit of the terms: if all of them are smaller, it must be smaller, too",
                first_wrong=name,
            )
    ones = np.ones(best_terms)
    used = _tolerance(answer, ones, ones) / (unit * best_terms)
    return [Budget(f"tolerance for {best_terms} ones, in roundings of their sum", round(used, 3), best_terms)]


def _tolerance(answer: Answer, a: Any, b: Any) -> float:
    found = float(array_of(answer(a, b, unit), (), "the tolerance"))
    if not (np.isfinite(found) and found >= 0):
        raise BadAnswer(f"the tolerance must be a number, and not negative; it returns {found:g}")
    return found


def _cases() -> list[tuple[str, Any, Any]]:
    """The kind of the terms, and both operands, which are numbers of float32."""
    numbers = np.random.default_rng(9)
    signs = np.where(np.arange(200) % 2 == 0, 1.0, -1.0)
    cancelling = np.repeat(numbers.uniform(1, 2, 100), 2) * signs  # their sum is 0
    cases = [
        ("equal and positive", np.full(2000, 0.1), np.full(2000, 0.7)),
        ("which cancel", cancelling, np.full(200, 1 / 3)),
        ("all tiny", numbers.uniform(1e-12, 2e-12, 50), numbers.uniform(1, 2, 50)),
        ("alone", np.array([1.1]), np.array([0.7])),
    ]
    return [(name, a.astype(np.float32).astype(float), b.astype(np.float32).astype(float)) for name, a, b in cases]


def _sums(a: Any, b: Any) -> list[tuple[str, float]]:
    """The sum of the products in float32, in several orders."""
    products = a.astype(np.float32) * b.astype(np.float32)
    orders: list[tuple[str, Callable[[Any], Any]]] = [
        ("from the first to the last", lambda terms: terms),
        ("from the last to the first", lambda terms: terms[::-1]),
        ("from the smallest to the largest", np.sort),
    ]
    return [(name, float(np.cumsum(order(products), dtype=np.float32)[-1])) for name, order in orders]


def _hint(found: float, a: Any, b: Any, exact: float) -> str:
    """What a tolerance that is too small lacks."""
    sizes = float(np.sum(np.abs(a * b)))
    if found <= len(a) * unit * abs(exact) * 1.01 < 0.5 * len(a) * unit * sizes:
        return "the terms cancel, and their rounding errors do not: add up their absolute values"
    return "a term goes through as many roundings as there are additions after it"


exercise = Exercise(
    name="tolerance",
    notebook="09_how_right_is_right",
    task="tolerance(a, b, unit): the largest rounding error of a computed sum of a[i] * b[i], in any order, if every product and every "
    "addition has a relative error of at most unit; a and b are (terms)",
    hints=(
        "Each product is off by at most unit * abs(a[i] * b[i]), and then goes through at most len(a) - 1 additions.",
        "Each of these roundings is relative to a number that contains the term: count one unit of the term for each.",
        "So a term may be off by len(a) * unit * abs(a[i] * b[i]); add that up over the terms.",
    ),
    grade=grade,
)
