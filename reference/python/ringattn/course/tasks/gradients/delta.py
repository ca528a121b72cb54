"""Notebook 6: delta, the correction of the softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, array_of
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

cases: list[tuple[int, dict[str, Any]]] = [(24, {}), (19, {"softmax_scale": 0.7})]  # rows and problem
devices = 4


def grade(answer: Answer) -> list[Budget]:
    for number, (seq, options) in enumerate(cases):
        q, k, v, dout = np.random.default_rng(number).standard_normal((4, 1, seq, 1, 8))
        out, lse = ringattn.attention(q, k, v, return_lse=True, **options)
        delta = np.empty(seq)
        for rows in ringattn.sharding(seq, devices=devices).rows:
            delta[rows] = array_of(answer(out[0, rows, 0], dout[0, rows, 0]), (len(rows),), "delta")
        dq, dk, dv = _gradients(q, k, v, lse, dout, delta, options.get("softmax_scale", 1 / np.sqrt(8)))
        report = ringattn.check(
            q, k, v, out=out, lse=lse, dq=dq, dk=dk, dv=dv, dout=dout, devices=devices, blind_spots=False, **options
        )
        if not report.names:
            _require_delta(delta, np.sum(out * dout, axis=3)[0, :, 0])
        require_right(report, np.stack([dq, dk, dv]))
    return [Budget("messages for delta", 0, 0)]


def _gradients(q: Any, k: Any, v: Any, lse: Any, dout: Any, delta: Any, scale: float) -> tuple[Any, Any, Any]:
    """dq, dk and dv of one head, with the learner's delta of each row."""
    queries, keys, values, gradient = (each[0, :, 0] for each in (q, k, v, dout))
    p = np.exp(scale * queries @ keys.T - lse[0, 0][:, None])
    ds = p * (gradient @ values.T - delta[:, None])
    return tuple(each[None, :, None] for each in (scale * ds @ keys, scale * ds.T @ queries, p.T @ gradient))


def _require_delta(found: Any, right: Any) -> None:
    for row in np.flatnonzero(~(np.abs(found - right) <= 1e-9)):
        raise WrongAnswer(
            f"delta of row {row} is {right[row]:.4f}; it returns {found[row]:.4f}",
            hint="it is the scalar product of two rows, one of out and one of dout",
            first_wrong=f"row {row}",
        )


exercise = Exercise(
    name="delta",
    notebook="06_backward_around_the_ring",
    task="delta(out, dout): delta of each row, (rows); out and dout are (rows, dim), and out is the finished output, over all keys",
    hints=(
        "delta of a row is the mean of dP over the keys, weighted with P. You have neither of them.",
        "sum_j P_j (dout . v_j) = dout . (sum_j P_j v_j): what stands in the bracket?",
        "One number for each row: multiply element by element, and sum over the dimension.",
    ),
    grade=grade,
)
