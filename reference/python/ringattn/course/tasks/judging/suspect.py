"""Notebook 7: read the weights of the blocks."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, read
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

devices = 4
Findings = set[tuple[int, int, str]]


def grade(answer: Answer) -> list[Budget]:
    numbers = np.random.default_rng(7)
    q, k, v = (numbers.standard_normal((1, 32, 1, 16)) for _ in range(3))
    if found := _findings(answer(np.ones((devices, devices)))):
        device, block, _ = sorted(found)[0]
        raise WrongAnswer(
            f"all weights are 1, and you report {sorted(found)[0]}",
            hint="1 is right",
            first_wrong=f"device {device}, block {block}",
        )
    for mistake, variant, expected in _cases(q, k, v):
        out = ringattn.make_mistake(mistake, q, k, v, devices=devices, variant=variant)["out"]
        report = ringattn.check(q, k, v, out=out, devices=devices)
        assert report.blocks is not None
        weight = np.array(report.blocks["weight"], dtype=np.float64)
        found = _findings(answer(weight))
        if found != expected:
            extra, missing = sorted(found - expected), sorted(expected - found)
            place, said = (extra[0], "you report") if extra else (missing[0], "you miss")
            device, block, kind = place
            raise WrongAnswer(
                f"{said} that block {block} is {kind} on device {device}, where its weight is {weight[device, block]:.2f}; the mistake "
                f"is {mistake}, {ringattn.mistakes(mistake).title}",
                hint="a lost block has a weight near 0, one that is counted twice near 2 or, if the rest shrinks with it, 1.6",
                first_wrong=f"device {device}, block {block}",
            )
    return [Budget("mistakes told apart", 4, 4)]


def _cases(q: Any, k: Any, v: Any) -> list[tuple[str, int, Findings]]:
    """Mistakes, the number of the variant, and what must be found."""
    schedule, everywhere = ringattn.schedule(devices), range(devices)
    cases: list[tuple[str, int, Findings]] = [
        ("R3", 0, {(d, d, "twice") for d in everywhere} | {(d, int(schedule[d, -1]), "lost") for d in everywhere}),
        ("R2", 0, {(d, d, "lost") for d in everywhere}),
    ]
    lost = ringattn.variants("R14", q, k, v, devices=devices)
    cases += [("R14", lost.index({"owner": "2", "where": "on every device"}), {(d, 2, "lost") for d in everywhere})]
    stale = ringattn.variants("R9", q, k, v, devices=devices)
    for device, step in ((1, 2), (3, 1)):
        found = {(device, int(schedule[device, step]), "lost"), (device, int(schedule[device, step - 1]), "twice")}
        cases.append(("R9", stale.index({"device": str(device), "step": str(step), "stale": "K and V"}), found))
    return cases


def _findings(found: Any) -> Findings:
    return read(
        found,
        lambda given: {(index(device), index(block), str(kind)) for device, block, kind in given},
        'it must return a list of (device, block, "lost" or "twice")',
    )


exercise = Exercise(
    name="suspect",
    notebook="07_find_the_bug",
    task='suspect(weights): a list of (device, block, "lost" or "twice"); weights is (devices, blocks), and 1 is right',
    hints=(
        "np.ndenumerate(weights) gives ((device, block), weight).",
        "The weights of one line move together, because a softmax adds up to one: leave room around 1.",
        "Below one half is lost, above one and a half is twice.",
    ),
    grade=grade,
)
