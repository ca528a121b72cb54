"""Notebook 4: the causal mask of one pair of blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, BadAnswer, read
from ringattn.course._exercise import Exercise, require_right
from ringattn.course._feedback import Budget

cases = (("contiguous", 24), ("zigzag", 32), ("striped", 21))  # layout and rows
devices = 4


def grade(answer: Answer) -> list[Budget]:
    for number, (layout, seq) in enumerate(cases):
        numbers = np.random.default_rng(number)
        q, k, v = (numbers.standard_normal((1, seq, 1, 8)) for _ in range(3))
        out, lse = _on_a_ring(answer, q, k, v, ringattn.sharding(seq, devices=devices, layout=layout))
        report = ringattn.check(
            q, k, v, out=out, lse=lse, causal=True, devices=devices, layout=layout, blind_spots=False
        )
        require_right(report, out)
    return [Budget("masks of the whole sequence", 0, 0)]


def _on_a_ring(answer: Answer, q: Any, k: Any, v: Any, sharding: ringattn.Sharding) -> tuple[Any, Any]:
    """Attention where the learner's function masks each pair of blocks."""
    out, lse = np.empty(q.shape), np.empty((1, 1, q.shape[1]))
    for device, owners in enumerate(ringattn.schedule(devices)):
        rows = sharding.rows[device]
        state: tuple[Any, Any] = np.zeros((1, len(rows), 1, 8)), np.full((1, 1, len(rows)), -np.inf)
        for owner in owners:
            keys = sharding.rows[owner]
            visible = _mask(answer(rows, keys), (len(rows), len(keys)))
            part = ringattn.attention(q[:, rows], k[:, keys], v[:, keys], mask=visible, return_lse=True)
            state = ringattn.merge(*state, *part)
        out[:, rows], lse[:, :, rows] = state
    return out, lse


def _mask(found: Any, shape: tuple[int, int]) -> Any:
    rule = f"the mask must be booleans of the shape {shape}, queries times keys; it returns"
    visible = read(found, np.asarray, f"{rule} {type(found).__name__}")
    if visible.shape != shape or visible.dtype != bool:
        raise BadAnswer(f"{rule} {visible.dtype} of the shape {visible.shape}")
    return visible


exercise = Exercise(
    name="mask",
    notebook="04_causal_which_device_works",
    task="mask(q_positions, kv_positions): booleans (queries, keys), True where the query attends to the key; the positions are those "
    "of the rows of one block in the whole sequence",
    hints=(
        "A key is visible if its position is not after the position of the query.",
        "Do not count rows within the block: the first row of a block is rarely row 0 of the text.",
        "Broadcast: q_positions[:, None] against kv_positions[None, :].",
    ),
    grade=grade,
)
