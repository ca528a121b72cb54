"""Notebook 2: the update of the online softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, array_of, tuple_of
from ringattn.course._exercise import Exercise, require_right
from ringattn.course._feedback import Budget

# Ascending scores, whose maximum grows in every tile; a causal mask; queries without a visible key; large scores
cases: list[dict[str, Any]] = [
    {"kind": "staircase-up", "seq": 24},
    {"kind": "random", "seq": 24, "causal": True},
    {"kind": "random", "seq": 12, "kv_seq": 6, "causal": True},
    {"kind": "big-logits", "seq": 16},
]
devices = 4


def grade(answer: Answer) -> list[Budget]:
    for case in cases:
        probe = ringattn.probe(**case, heads=1, dim=8, devices=devices)
        out, lse = _tile_by_tile(answer, probe)
        report = ringattn.check(
            probe.q, probe.k, probe.v, out=out, lse=lse, devices=devices, blind_spots=False, **probe.options
        )
        require_right(report, out)
    return [Budget("numbers kept for each row, beside its output", 2, 2)]


def _tile_by_tile(answer: Answer, probe: ringattn.Probe) -> tuple[Any, Any]:
    """Attention of a probe, where the state of each row absorbs one block of keys after the other."""
    q, k, v = probe.q[0, :, 0], probe.k[0, :, 0], probe.v[0, :, 0]
    scores = q @ k.T * (probe.get("softmax_scale") or 1 / np.sqrt(q.shape[1]))
    if probe.get("causal"):
        offset = len(k) - len(q)
        scores = np.where(np.arange(len(k))[None, :] <= np.arange(len(q))[:, None] + offset, scores, -np.inf)
    queries, keys = (ringattn.sharding(len(tensor), devices=devices) for tensor in (q, k))
    schedule = ringattn.schedule(devices)
    out, lse = np.zeros((1, len(q), 1, v.shape[1])), np.full((1, 1, len(q)), -np.inf)
    for row, device in enumerate(queries.device_of_row):
        m, l, O = -np.inf, 0.0, np.zeros(v.shape[1])  # noqa: E741 - the names of the papers
        for owner in schedule[device]:
            block = keys.rows[owner]
            m, l, O = _updated(answer, m, l, O, scores[row, block], v[block])  # noqa: E741
        lse[0, 0, row] = m + np.log(l)
        out[0, row, 0] = O / l if m != -np.inf else O
    return out, lse


def _updated(answer: Answer, m: float, l: float, O: Any, scores: Any, values: Any) -> tuple[Any, Any, Any]:  # noqa: E741
    found = tuple_of(answer(m, l, O, scores, values), "m l O")
    return float(array_of(found[0], (), "m")), float(array_of(found[1], (), "l")), array_of(found[2], O.shape, "O")


exercise = Exercise(
    name="online",
    notebook="02_online_softmax",
    task="online(m, l, O, scores, values): the state (m, l, O) of one row after it absorbed a tile; m and l are numbers, O is "
    "(dim), scores is (keys), values is (keys, dim); a hidden key has the score -inf",
    hints=(
        "The new maximum is the larger one of m and the largest score of the tile.",
        "Everything in l and O was computed with the old maximum; exp(m_old - m_new) brings it to the new one.",
        "If no key is visible so far, the new maximum is still -inf, and the state must stay as it is.",
    ),
    grade=grade,
)
