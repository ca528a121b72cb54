"""Notebook 7: write the test that sees a mistake."""

from __future__ import annotations

from typing import Any

import ringattn
from ringattn.course._answers import Answer, BadAnswer
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

# Mistakes, and the fewest query rows with which a random test names this mistake and no other one
fewest_rows = {"M1": 3, "S11": 2, "H1": 2, "V6": 4, "M15": 2, "R1": 4, "P4": 4}
most_rows = 32  # of a sequence, so that the check takes less than a second
smallest = {"seq": 1, "heads": 1, "dim": 8, "devices": 1}  # the options that an answer does not give


def grade(answer: Answer) -> list[Budget]:
    rows = 0
    for mistake in fewest_rows:
        case = _case(answer(mistake), mistake)
        _require_name(case, mistake)
        rows += case.q.shape[0] * case.q.shape[1]
    return [Budget(f"query rows of {len(fewest_rows)} tests", rows, sum(fewest_rows.values()))]


def _case(options: Any, mistake: str) -> ringattn.Probe:
    """The random probe with the learner's options."""
    if not isinstance(options, dict):
        raise BadAnswer(f"it must return a dict with options of ringattn.probe; it returns {type(options).__name__}")
    for name, value in options.items():
        numbers = value if isinstance(value, (tuple, list)) else [value]
        if any(isinstance(number, int) and number > most_rows for number in numbers):
            raise BadAnswer(f"{most_rows} is enough for each option; it returns {name} = {value} for {mistake}")
    try:
        return ringattn.probe("random", **{**smallest, **options})
    except (ValueError, TypeError) as error:
        raise BadAnswer(f"its options for {mistake} make no probe: {' '.join(str(error).split())[:200]}") from None


def _require_name(case: ringattn.Probe, mistake: str) -> None:
    """The report on each variant of the mistake must name it, and no other one."""
    q, k, v, title = case.q, case.k, case.v, ringattn.mistakes(mistake).title
    ring = {"devices": case.devices, "layout": case.layout}
    variants = ringattn.variants(mistake, q, k, v, **ring, **case.options)
    if not variants:
        raise WrongAnswer(
            f"{mistake}, {title}, cannot happen in this test, so the test cannot see it",
            hint=f"what must be in the test, so that this can happen? {ringattn.mistakes(mistake).why}",
            first_wrong=mistake,
        )
    for number in range(len(variants)):
        out = ringattn.make_mistake(mistake, q, k, v, variant=number, **ring, **case.options)["out"]
        report = ringattn.check(q, k, v, out=out, blind_spots=False, **ring, **case.options)
        others = sorted({each["id"] for each in report.names} - {mistake})
        if report.ok or others or not report.names:
            seen = "passes" if report.ok else f"cannot be told from {', '.join(others)}" if others else "has no name"
            raise WrongAnswer(
                f"in this test {mistake}, {title}, {seen}",
                hint="more rows, devices or heads, or other lengths, tell them apart",
                first_wrong=f"{mistake}, variant {number}",
            )


exercise = Exercise(
    name="expose",
    notebook="07_find_the_bug",
    task="expose(mistake): options of ringattn.probe, a dict such as {'seq': 5, 'causal': True}, for a random test in which ringattn.check "
    f"names this mistake and no other one; the mistakes are {', '.join(fewest_rows)}, and the defaults "
    + ", ".join(f"{name} {value}" for name, value in smallest.items()),
    hints=(
        "print(ringattn.mistakes('H1')) tells what goes wrong: what must a test have, so that it can go wrong?",
        "causal for M1 and P4; v_dim for S11; heads=(4, 2) for H1; batch for V6; kv_seq for M15; devices for R1 and P4; layout for P4.",
        "Begin with many rows, and take some away while every mistake still has its own name.",
    ),
    grade=grade,
)
