"""Notebook 2: rescale as rarely as possible."""

from __future__ import annotations

from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, BadAnswer, array_of
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

# Scores that grow with the position; scores of several hundred; queries without a visible key
cases: list[dict[str, Any]] = [
    {"queries": 32, "keys": 32, "slope": 1.0},
    {"queries": 23, "keys": 32, "slope": 0.0, "softmax_scale": 60.0},
    {"queries": 12, "keys": 8, "slope": 0.0, "causal": True, "causal_align": "bottom-right"},
]
tile = 2  # keys
best_known_slack = 64.0  # exp(64) is a number of float32, and so is a sum of them

f32 = np.float32


def grade(answer: Answer) -> list[Budget]:
    used = best = 0
    for number, case in enumerate(cases):
        q, k, v = _tensors(number, case["queries"], case["keys"], case["slope"])
        problem = {name: value for name, value in case.items() if name not in ("queries", "keys", "slope")}
        scores = _scores(q[0, :, 0], k[0, :, 0], **problem)
        rows = [_row(answer, scores[row], v[0, :, 0], row) for row in range(len(scores))]
        out = np.stack([result for result, _ in rows])[None, :, None]
        require_right(ringattn.check(q, k, v, out=out, blind_spots=False, **problem), out)
        used += sum(count for _, count in rows)
        best += sum(_best_known(line) for line in scores)
    return [Budget("times that O had to be rescaled", used, best)]


def _tensors(seed: int, queries: int, keys: int, slope: float) -> list[Any]:
    """q, k and v in float32; the scores of all queries grow with the position of the key, by slope * sqrt(dim)."""
    numbers = np.random.default_rng(seed)
    q, k, v = (numbers.standard_normal((1, rows, 1, 8)).astype(f32) for rows in (queries, keys, keys))
    if slope:
        q[..., 0], k[0, :, 0, 0] = 8, slope * np.arange(keys)
    return [q, k, v]


def _scores(q: Any, k: Any, softmax_scale: float | None = None, causal: bool = False, **alignment: str) -> Any:
    """The scores (queries, keys) in float32; those of hidden keys are -inf."""
    scores = q @ k.T * f32(softmax_scale or 1 / np.sqrt(q.shape[1]))
    if causal:
        scores[np.arange(len(k))[None, :] > np.arange(len(q))[:, None] + len(k) - len(q)] = -np.inf
    return scores


def _row(answer: Answer, scores: Any, values: Any, row: int) -> tuple[Any, int]:
    """The output of one row in float32, and how often the reference changed after it had been set."""
    reference, l, O, changes = -np.inf, f32(0), np.zeros(values.shape[1], f32), 0  # noqa: E741 - the names of the papers
    for first in range(0, len(scores), tile):
        seen, where = scores[first : first + tile], f"row {row}, tile {first // tile}"
        if seen.max() == reference == -np.inf:
            continue  # no visible key so far
        new = float(array_of(answer(reference, float(seen.max())), (), "the reference"))
        _require_range(new, float(seen.max()), where)
        alpha = np.exp(f32(reference - new)) if l > 0 else f32(0)
        changes += int(l > 0 and new != reference)
        p = np.exp(seen - f32(new))
        reference, l, O = new, alpha * l + p.sum(), alpha * O + p @ values[first : first + tile]  # noqa: E741
        if not (np.isfinite(l) and l > 0):
            problem = "overflows" if not np.isfinite(l) else "is 0, although the row has seen a key,"
            raise WrongAnswer(
                f"the sum l {problem} with the reference {new:g}, where the largest score of the tile is {seen.max():g}",
                hint="exp leaves the range of float32 above 88 and below -103: the reference must stay near the maximum",
                first_wrong=where,
            )
    return (O / l if l > 0 else O), changes


def _require_range(new: float, largest: float, where: str) -> None:
    if np.isfinite(new):
        return
    if np.isnan(new) or largest == -np.inf:
        raise BadAnswer(f"the reference must be a finite number as soon as a key was visible; it returns {new:g}")
    raise WrongAnswer(
        f"it subtracts {new:g} from a visible score of {largest:g}",
        hint="the first reference is -inf and says that nothing was visible so far: replace it by the first largest score",
        first_wrong=where,
    )


def _best_known(scores: Any) -> int:
    """The changes of the reference that follows the maximum only where exp would become too large."""
    reference, changes = -np.inf, 0
    for first in range(0, len(scores), tile):
        largest = float(scores[first : first + tile].max())
        if largest > reference + best_known_slack:
            changes += int(reference != -np.inf)
            reference = largest
    return changes


exercise = Exercise(
    name="anchor",
    notebook="02_online_softmax",
    task="anchor(reference, largest): the number to subtract from the scores from now on; reference is the one so far, -inf before the "
    "first visible key, and largest is the largest score of the new tile, -inf if all its keys are hidden; sums are float32",
    hints=(
        "max(reference, largest) is right. How many rescalings does it take?",
        "The reference need not be the maximum: any number gives the same output, as long as exp(score - reference) stays in range.",
        "Keep the reference until a score exceeds it by 64, say.",
    ),
    grade=grade,
)
