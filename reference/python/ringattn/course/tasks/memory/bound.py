"""Notebook 8: how wrong can a memory be?"""

from __future__ import annotations

from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, BadAnswer, array_of
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

cases = ((12, 5, 1.0), (30, 29, 3.0), (7, 1, 1.0), (16, 8, 400.0), (9, 9, 1.0))  # keys, keys kept, size of the scores


def grade(answer: Answer) -> list[Budget]:
    worst = 0.0
    for number, (keys, count, size) in enumerate(cases):
        numbers = np.random.default_rng(number)
        scores, kept = size * numbers.standard_normal(keys), np.arange(keys) >= keys - count
        if size > 100:
            scores += 1000 - scores[~kept].max()  # exp(1000) overflows
        bound = error = 0.0
        for values in (numbers.standard_normal((keys, 4)), _opposite(kept)):
            values *= 3 / np.linalg.norm(values, axis=1).max()
            bound = float(array_of(answer(scores, kept, 3.0), (), "the bound"))
            error = _error(scores, kept, values)
            _require_bound(bound, error, scores, kept)
        if error > 0:
            worst = max(worst, bound / error)
    return [Budget("bound / largest possible error", round(worst, 6), 1)]


def _opposite(kept: Any) -> Any:
    """Values that make the error as large as it can be: those that were dropped point away from those that were kept."""
    return np.where(kept[:, None], 1.0, -1.0) * np.array([[1.0, 2.0, 2.0, 4.0]])


def _error(scores: Any, kept: Any, values: Any) -> float:
    """The distance between attention to all keys and attention to those that were kept."""
    q, k, v = np.ones((1, 1, 1, 1)), scores[None, :, None, None], values[None, :, None]
    exact, found = (ringattn.attention(q, k, v, mask=mask) for mask in (np.ones((1, len(kept)), bool), kept[None, :]))
    return float(np.linalg.norm(np.subtract(exact, found)))


def _require_bound(bound: float, error: float, scores: Any, kept: Any) -> None:
    where = f"{len(kept)} keys, of which {np.count_nonzero(kept)} were kept"
    if not np.isfinite(bound):
        raise BadAnswer(f"the bound must be a finite number; it returns {bound:g} for scores up to {scores.max():.0f}")
    if kept.all() and bound > 1e-9:
        raise WrongAnswer(
            f"nothing is missing, so the memory is exact, and the bound is {bound:.3g}",
            hint="the bound is proportional to the weight of the keys that are missing",
            first_wrong=where,
        )
    if not error <= bound * (1 + 1e-9) + 1e-12:
        missing = np.exp(scores - scores.max())[~kept].sum() / np.exp(scores - scores.max()).sum()
        raise WrongAnswer(
            f"the output is off by {error:.3f}, and the bound is {bound:.3f}; the missing keys have the weight {missing:.3f}",
            hint="two things go wrong: the missing values are missing, and the others get their weight",
            first_wrong=where,
        )


exercise = Exercise(
    name="bound",
    notebook="08_what_ring_attention_is_not",
    task="bound(scores, kept, longest): the largest possible distance between exact attention and attention to the kept keys only, for "
    "one query; scores and kept, booleans, are (keys), at least one is kept, and no value vector is longer than longest",
    hints=(
        "Compute the softmax over all keys: how much of its weight is on keys that are not kept?",
        "Call that weight mu. The missing part of the output is at most mu * longest.",
        "And the kept part is too large by as much: its weights are divided by 1 - mu.",
    ),
    grade=grade,
)
