"""Notebook 6: the backward pass of one pair of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, array_of, tuple_of
from ringattn.course._exercise import Exercise, require_right
from ringattn.course._feedback import Budget

cases: list[tuple[int, dict[str, Any]]] = [(24, {}), (20, {"softmax_scale": 0.7})]
devices = 4


def grade(answer: Answer) -> list[Budget]:
    for number, (seq, options) in enumerate(cases):
        numbers = np.random.default_rng(number)
        q, k, v, dout = (numbers.standard_normal((1, seq, 1, 8)) for _ in range(4))
        out, lse = ringattn.attention(q, k, v, return_lse=True, **options)
        scale = options.get("softmax_scale", 1 / np.sqrt(8))
        dq, dk, dv = _around_the_ring(answer, q, k, v, out, lse, dout, scale)
        report = ringattn.check(
            q, k, v, out=out, lse=lse, dq=dq, dk=dk, dv=dv, dout=dout, devices=devices, blind_spots=False, **options
        )
        require_right(report, np.stack([dq, dk, dv]))
    return [Budget("score matrices kept from the forward", 0, 0)]


def _around_the_ring(answer: Answer, q: Any, k: Any, v: Any, out: Any, lse: Any, dout: Any, scale: float) -> list[Any]:
    """dq, dk and dv, summed over the pairs of blocks in the order of the ring."""
    rows = ringattn.sharding(q.shape[1], devices=devices).rows
    gradients = [np.zeros_like(tensor) for tensor in (q, k, v)]
    for device, owners in enumerate(ringattn.schedule(devices)):
        queries = rows[device]
        for owner in owners:
            keys = rows[owner]
            parts = tuple_of(
                answer(
                    q[0, queries, 0], k[0, keys, 0], v[0, keys, 0], out[0, queries, 0], lse[0, 0, queries],
                    dout[0, queries, 0], scale,
                ),
                "dq dk dv",
            )  # fmt: skip
            for total, part, where, name in zip(gradients, parts, (queries, keys, keys), ("dq", "dk", "dv")):
                total[0, where, 0] += array_of(part, (len(where), 8), name)
    return gradients


exercise = Exercise(
    name="backward",
    notebook="06_backward_around_the_ring",
    task="backward(q, k, v, out, lse, dout, scale): the parts of dq, dk and dv of one pair of blocks; q, out, dout are (queries, dim), "
    "lse is (queries), k and v are (keys, dim); out and lse are those of all keys",
    hints=(
        "Rebuild the weights: P = exp(scale q k^T - lse[:, None]). Then dv = P^T dout, and dP = dout v^T.",
        "delta = rowsum(dout * out), with the out of all keys; dS = P * (dP - delta[:, None]).",
        "dq = scale dS k, and dk = scale dS^T q.",
    ),
    grade=grade,
)
