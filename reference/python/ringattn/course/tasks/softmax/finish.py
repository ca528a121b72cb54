"""Notebook 2: from the state of a row to its result."""

from __future__ import annotations

from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, array_of, tuple_of
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

# Random scores; queries without a visible key; scores whose exp overflows
cases: list[dict[str, Any]] = [
    {"kind": "random", "seq": 22},
    {"kind": "random", "seq": 12, "kv_seq": 6, "causal": True},
    {"kind": "big-logits", "seq": 16},
]
devices = 4


def grade(answer: Answer) -> list[Budget]:
    for case in cases:
        probe = ringattn.probe(**case, heads=1, dim=8, devices=devices)
        ring = ringattn.ring_attention(
            probe.q, probe.k, probe.v, devices=devices, trace=True, trace_rows="all", threads=1, **probe.options
        )
        out, lse = _finished(answer, ring.states())
        report = ringattn.check(
            probe.q, probe.k, probe.v, out=out, lse=lse, devices=devices, blind_spots=False, **probe.options
        )
        require_right(report, out)
    return [Budget("divisions by l, however many tiles there were", 1, 1)]


def _finished(answer: Answer, states: ringattn.States) -> tuple[Any, Any]:
    """out and lse of all rows, from the states that the engine had after its last step."""
    m, l, O = states.m[-1, 0, 0], states.l[-1, 0, 0], states.O[-1, 0, :, 0]  # noqa: E741 - the names of the papers
    out, lse = np.empty((1, len(m), 1, O.shape[1])), np.empty((1, 1, len(m)))
    for row in range(len(m)):
        found = tuple_of(answer(float(m[row]), float(l[row]), O[row]), "out lse")
        out[0, row, 0] = array_of(found[0], O[row].shape, "out")
        lse[0, 0, row] = array_of(found[1], (), "lse")
        if l[row] == 0 and np.isnan(out[0, row, 0]).any():
            raise WrongAnswer(
                "a row that saw no key has l = 0, and 0 / 0 is NaN",
                hint="return out = 0 and lse = -inf for such a row, without a division",
                first_wrong=f"row {row}",
            )
    return out, lse


exercise = Exercise(
    name="finish",
    notebook="02_online_softmax",
    task="finish(m, l, O): out and lse of a row, from its state after the last tile; m and l are numbers, O is (dim); a row that saw no "
    "key has the state (-inf, 0, 0), and must get out = 0 and lse = -inf",
    hints=(
        "O is a sum of values, weighted with exp(score - m), and l is the sum of these weights.",
        "The sum of exp(score) is l exp(m): what is its logarithm?",
        "l is 0 if no key was visible: return O and -inf then, without a division.",
    ),
    grade=grade,
)
