"""Notebook 8: the order of eviction of a circular buffer."""

from __future__ import annotations

from operator import index

from ringattn.course._answers import Answer, read
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

cases = ((3, 0), (5, 2), (1, 4), (8, 3))  # window and sinks


def grade(answer: Answer) -> list[Budget]:
    budget = []
    for window, sinks in cases:
        slots: dict[int, int] = {}
        for token in range(4 * (window + sinks)):
            _write(answer, slots, token, window, sinks)
        budget = [Budget(f"slots, window {window} and {sinks} sinks", len(slots), window + sinks)]
    return budget


def _write(answer: Answer, slots: dict[int, int], token: int, window: int, sinks: int) -> None:
    """Writes a token into the slot that the learner's function names, and looks at what was there."""
    size, where = window + sinks, f"token {token}, window {window}, {sinks} sinks"
    slot = read(answer(token, window, sinks), index, "it must return one whole number, the slot")
    if not 0 <= slot < size:
        raise WrongAnswer(
            f"token {token} goes to slot {slot}, and the memory has the slots 0 to {size - 1}, whatever the length of the text",
            hint="a circular buffer starts again at its first slot: use %",
            first_wrong=where,
        )
    lost = slots.get(slot)
    if lost is not None and (lost < sinks or lost > token - window):
        kind = "a sink, which is kept for good" if lost < sinks else "which is still in the window"
        raise WrongAnswer(
            f"token {token} overwrites token {lost}, {kind}",
            hint="the sinks have the first slots to themselves, and the circle goes round the others",
            first_wrong=where,
        )
    slots[slot] = token


exercise = Exercise(
    name="slot",
    notebook="08_what_ring_attention_is_not",
    task="slot(token, window, sinks): the slot into which a token is written, 0 to window + sinks - 1; the token that was there "
    "is gone. The first sinks tokens must never be overwritten, and the newest window tokens must be there",
    hints=(
        "Without sinks it is one operation: token % window. Why does that evict the oldest token?",
        "Token 0 to sinks - 1 go to the slot of their own number, and stay.",
        "For the others count from the first of them, token - sinks, and let the circle begin behind the sinks.",
    ),
    grade=grade,
)
