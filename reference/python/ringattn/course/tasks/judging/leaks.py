"""Notebook 7: read the future out of a probe."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, read
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

mistakes = ("", "M1", "M3", "M4", "M2", "M5", "M7")  # "": a right output
devices = 4


def grade(answer: Answer) -> list[Budget]:
    for seq in (12, 7):
        case = ringattn.probe("uniform-onehot", seq=seq, heads=1, dim=8, devices=devices, causal=True)
        for mistake in mistakes:
            out = _output(case, mistake)
            found = read(
                answer(out),
                lambda given: {(index(query), index(key)) for query, key in given},
                "it must return a list of pairs (query, key) of whole numbers",
            )
            _require_pairs(found, out, mistake)
    return [Budget("outputs read", 2 * len(mistakes), 2 * len(mistakes))]


def _output(case: ringattn.Probe, mistake: str) -> Any:
    """The output (queries, keys) for the probe: the weight of each key in each query."""
    if mistake:
        out = ringattn.make_mistake(mistake, case.q, case.k, case.v, devices=devices, **case.options)["out"]
    else:
        out = np.asarray(ringattn.attention(case.q, case.k, case.v, **case.options))
    return out[0, :, 0]


def _require_pairs(found: set[tuple[int, int]], out: Any, mistake: str) -> None:
    queries, keys = np.nonzero(np.triu(out > 1e-12, 1))
    expected = set(zip(queries.tolist(), keys.tolist()))
    if found == expected:
        return
    extra, missing = sorted(found - expected), sorted(expected - found)
    query, key = (missing or extra)[0]
    inside = 0 <= query < len(out) and 0 <= key < out.shape[1]
    seen = f"where the weight is {out[query, key]:.3f}" if inside else f"and the output has {len(out)} rows"
    source = f"the mistake is {mistake}, {ringattn.mistakes(mistake).title}" if mistake else "the output is right"
    raise WrongAnswer(
        f"it {'misses' if missing else 'reports'} that query {query} sees key {key}, {seen}; {source}",
        hint="the future of a query are the keys with a larger number; what it sees has a weight that is not 0",
        first_wrong=f"row {query}",
    )


exercise = Exercise(
    name="leaks",
    notebook="07_find_the_bug",
    task="leaks(out): all pairs (query, key) in which a query sees a key of its future, a list; out is (queries, keys), the output for "
    "the probe uniform-onehot with a causal mask: the weight of each key in each query",
    hints=(
        "np.argwhere(out > 0) lists the pairs that are seen.",
        "The future of query i are the keys j > i; key i itself is the present.",
        "np.argwhere(np.triu(out, 1) > 0), as a list of pairs of numbers.",
    ),
    grade=grade,
)
