"""Notebook 1: the share of each piece in the whole."""

from __future__ import annotations

from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, array_of
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

# Pieces of different sizes; scores whose exp overflows; empty pieces; queries without a visible key
cases: list[dict[str, Any]] = [
    {"seq": 23},
    {"seq": 16, "softmax_scale": 300.0},
    {"seq": 18, "causal": True},
    {"seq": 12, "kv_seq": 5, "causal": True, "causal_align": "bottom-right"},
]
pieces = 4


def grade(answer: Answer) -> list[Budget]:
    for number, case in enumerate(cases):
        problem = {key: value for key, value in case.items() if key not in ("seq", "kv_seq")}
        queries, keys = case["seq"], case.get("kv_seq", case["seq"])
        numbers = np.random.default_rng(number)
        q, k, v = (numbers.standard_normal((1, rows, 1, 8)) for rows in (queries, keys, keys))
        out, lse = _answers_of_pieces(q, k, v, problem)
        share = array_of(answer(lse), lse.shape, "the shares")
        if np.array_equal(share, lse / lse.sum(axis=0)):
            raise WrongAnswer(
                "it divides lse by the sum of the lse, and a share is a part of the denominator, whose logarithm is lse",
                hint="take the exponential first",
                first_wrong="row 0",
            )
        _require_numbers(share, lse)
        whole = np.einsum("pr,prd->rd", share, out)[None, :, None]
        report = ringattn.check(q, k, v, out=whole, devices=pieces, blind_spots=False, **problem)
        if not report.ok and not report.names:
            _require_sum_of_one(share, lse)
        require_right(report, whole)
    return [Budget("numbers that a piece sends with its answer for a row", 1, 1)]


def _answers_of_pieces(q: Any, k: Any, v: Any, problem: dict[str, Any]) -> tuple[Any, Any]:
    """out (pieces, rows, dim) and lse (pieces, rows), of each piece of the keys on its own."""
    positions = np.arange(q.shape[1]) + k.shape[1] - q.shape[1]  # the last query has the position of the last key
    parts = []
    for rows in ringattn.sharding(k.shape[1], devices=pieces).rows:
        where = {"q_positions": positions, "kv_positions": rows}
        parts.append(ringattn.attention(q, k[:, rows], v[:, rows], return_lse=True, **where, **problem))
    return np.stack([out[0, :, 0] for out, _ in parts]), np.stack([lse[0, 0] for _, lse in parts])


def _require_numbers(share: Any, lse: Any) -> None:
    """NaN comes from an exponential that overflows, or from a row without a visible key."""
    for piece, row in np.argwhere(~np.isfinite(share)):
        mistake = ringattn.mistakes("L12" if np.all(lse[:, row] == -np.inf) else "L11")
        raise WrongAnswer(
            mistake.title, hint=mistake.fix, first_wrong=f"piece {piece}, row {row}", mistakes=[mistake.id]
        )


def _require_sum_of_one(share: Any, lse: Any) -> None:
    total = share.sum(axis=0)
    for row in np.flatnonzero((np.abs(total - 1) > 1e-9) & (lse.max(axis=0) > -np.inf)):
        raise WrongAnswer(
            f"the shares of row {row} add up to {total[row]:.3f}, and not to 1",
            hint="divide by the sum over all pieces",
            first_wrong=f"row {row}",
        )


exercise = Exercise(
    name="shares",
    notebook="01_one_softmax_many_pieces",
    task="shares(lse): the share of each piece in the output, an array of the shape of lse, which is (pieces, rows); a piece without a "
    "visible key has lse = -inf",
    hints=(
        "The denominator of a piece is exp(lse), and the whole denominator is the sum over the pieces.",
        "exp(1000) overflows: subtract the largest lse of the row before you take the exponential, as in a softmax.",
        "A row that sees no key has only lse = -inf: subtract 0 there, and divide by 1.",
    ),
    grade=grade,
)
