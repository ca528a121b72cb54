"""Notebook 1: merge two partial results."""

from __future__ import annotations

from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, array_of, tuple_of
from ringattn.course._exercise import Exercise, require_right
from ringattn.course._feedback import Budget

# Pieces of different sizes; scores whose exp overflows; empty pieces; queries without a visible key
cases: list[dict[str, Any]] = [
    {"seq": 23},
    {"seq": 16, "softmax_scale": 300.0},
    {"seq": 24, "causal": True},
    {"seq": 12, "kv_seq": 5, "causal": True, "causal_align": "bottom-right"},
]
devices = 4


def grade(answer: Answer) -> list[Budget]:
    for number, case in enumerate(cases):
        problem = {key: value for key, value in case.items() if key not in ("seq", "kv_seq")}
        sq, skv = case["seq"], case.get("kv_seq", case["seq"])
        numbers = np.random.default_rng(number)
        q, k, v = (numbers.standard_normal((1, rows, 1, 8)) for rows in (sq, skv, skv))
        out, lse = _on_a_ring(answer, q, k, v, problem)
        report = ringattn.check(q, k, v, out=out, lse=lse, devices=devices, blind_spots=False, **problem)
        require_right(report, out)
    return [Budget("merges on each device", devices - 1, devices - 1)]


def _on_a_ring(answer: Answer, q: Any, k: Any, v: Any, problem: dict[str, Any]) -> tuple[Any, Any]:
    """Attention of q, k, v, where each device merges the results of the blocks in the order in which they arrive."""
    queries, keys = (ringattn.sharding(tensor.shape[1], devices=devices).rows for tensor in (q, k))
    offset = k.shape[1] - q.shape[1]  # the last query has the position of the last key
    out, lse = np.empty(q.shape), np.empty((1, 1, q.shape[1]))
    for device, owners in enumerate(ringattn.schedule(devices)):
        rows = queries[device]
        state = None
        for owner in owners:
            block = keys[owner]
            positions = {"q_positions": rows + offset, "kv_positions": block}
            part = ringattn.attention(q[:, rows], k[:, block], v[:, block], return_lse=True, **positions, **problem)
            new = part[0][0, :, 0], part[1][0, 0]
            state = new if state is None else _merged(answer, state, new)
        if state is not None:
            out[0, rows, 0], lse[0, 0, rows] = state
    return out, lse


def _merged(answer: Answer, state: Any, new: Any) -> tuple[Any, Any]:
    out, lse = tuple_of(answer(*state, *new), "out lse")
    return array_of(out, state[0].shape, "out"), array_of(lse, state[1].shape, "lse")


exercise = Exercise(
    name="merge",
    notebook="01_one_softmax_many_pieces",
    task="merge(out_a, lse_a, out_b, lse_b): out and lse of both pieces together; out is (rows, dim), lse is (rows)",
    hints=(
        "Start with lse: it is the logarithm of a sum of two exponentials. numpy.logaddexp computes that without overflow.",
        "A piece has the weight exp(lse_of_the_piece - lse); the weights have the shape (rows), so add an axis: weight[:, None].",
        "Where both pieces are empty, lse is -inf, and -inf - -inf is not a number: subtract 0 there instead.",
    ),
    grade=grade,
)
