"""Notebook 4: which pairs of blocks need a mask?"""

from __future__ import annotations

from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, BadAnswer
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

cases = (("contiguous", 24), ("zigzag", 32), ("striped", 22))  # layout and rows
devices = 4
classes = ("full", "partial", "skipped")


def grade(answer: Answer) -> list[Budget]:
    computed = masked = best_computed = best_masked = 0
    for number, (layout, seq) in enumerate(cases):
        q, k, v = np.random.default_rng(number).standard_normal((3, 1, seq, 1, 8))
        sharding = ringattn.sharding(seq, devices=devices, layout=layout)
        found = [[_class(answer, queries, keys) for keys in sharding.rows] for queries in sharding.rows]
        out = _attention(found, q, k, v, sharding)
        report = ringattn.check(q, k, v, out=out, causal=True, devices=devices, layout=layout, blind_spots=False)
        if not report.names:
            _require_classes(found, sharding)
        require_right(report, out)
        right = [[_right_class(queries, keys) for keys in sharding.rows] for queries in sharding.rows]
        computed += _count(found, "full") + _count(found, "partial")
        masked += _count(found, "partial")
        best_computed += _count(right, "full") + _count(right, "partial")
        best_masked += _count(right, "partial")
    return [
        Budget("pairs of blocks that are computed", computed, best_computed),
        Budget("pairs of blocks that need a mask", masked, best_masked),
    ]


def _class(answer: Answer, queries: Any, keys: Any) -> str:
    found = answer(queries, keys)
    if not isinstance(found, str) or found not in classes:
        shown = repr(found) if isinstance(found, str) else type(found).__name__
        raise BadAnswer(f'it must return "full", "partial" or "skipped"; it returns {shown[:40]}')
    return found


def _right_class(queries: Any, keys: Any) -> str:
    visible = keys[None, :] <= queries[:, None]
    return "full" if visible.all() else "partial" if visible.any() else "skipped"


def _attention(found: list[list[str]], q: Any, k: Any, v: Any, sharding: ringattn.Sharding) -> Any:
    """Attention that leaves out the skipped pairs of blocks, and masks the partial ones."""
    visible = np.zeros((q.shape[1], k.shape[1]), dtype=bool)
    for queries, line in zip(sharding.rows, found):
        for keys, each in zip(sharding.rows, line):
            if each != "skipped":
                visible[np.ix_(queries, keys)] = True if each == "full" else keys[None, :] <= queries[:, None]
    return ringattn.attention(q, k, v, mask=visible)


def _require_classes(found: list[list[str]], sharding: ringattn.Sharding) -> None:
    """A wrong class must be named; only "partial" is right everywhere, as a mask does no harm."""
    for device, (queries, line) in enumerate(zip(sharding.rows, found)):
        for owner, (keys, each) in enumerate(zip(sharding.rows, line)):
            right = _right_class(queries, keys)
            if each not in (right, "partial"):
                raise WrongAnswer(
                    f"the queries at the positions {_span(queries)} and the keys at {_span(keys)} are a {right} pair; it returns "
                    f'"{each}"',
                    hint="compare the first and the last positions of both blocks",
                    first_wrong=f"{sharding.layout}, device {device}, block {owner}",
                )


def _span(positions: Any) -> str:
    return f"{positions[0]} to {positions[-1]}"


def _count(table: list[list[str]], wanted: str) -> int:
    return sum(line.count(wanted) for line in table)


exercise = Exercise(
    name="mask_class",
    notebook="04_causal_which_device_works",
    task='mask_class(q_positions, kv_positions): "full" if a causal mask leaves all pairs of a block of queries and a block of keys, '
    '"skipped" if it leaves none, else "partial"; positions ascend, and are those in the whole sequence',
    hints=(
        "Nothing is visible if even the last query is before the first key.",
        "Everything is visible if even the first query is not before the last key.",
        '"partial" is always right, and costs a mask where none is needed. How few can you get away with?',
    ),
    grade=grade,
)
