"""Notebook 0: how many devices does a text need?"""

from __future__ import annotations

from operator import index

import numpy as np

import ringattn
from ringattn.course._answers import Answer, BadAnswer, read
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

cases = ((24, 8), (10, 7), (12, 12), (12, 11), (7, 2))  # tokens of the text; tokens for which a device has room


def grade(answer: Answer) -> list[Budget]:
    used = best = 0
    for tokens, room in cases:
        devices = read(answer(tokens, room), index, "it must return one whole number, the devices")
        if not 1 <= devices <= tokens:
            raise BadAnswer(f"a text of {tokens} tokens has 1 to {tokens} devices; it returns {devices}")
        _require_room(tokens, room, devices)
        used += devices
        best += next(fewer for fewer in range(1, tokens + 1) if _held(tokens, fewer) <= room)
    return [Budget(f"devices for {len(cases)} texts", used, best)]


def _require_room(tokens: int, room: int, devices: int) -> None:
    """The engine must find room for all blocks of K and V that a device holds at the same time."""
    held = _held(tokens, devices)
    if held <= room:
        return
    block = -(-tokens // devices)
    sentence = (
        f"with {tokens} tokens on {devices} devices, a device holds K and V of {held} tokens, and has room for {room}"
    )
    raise WrongAnswer(
        f"it has no memory overhead: {sentence}" if devices == -(-tokens // room) else sentence,
        hint=f"the largest block has {block} tokens, and a device holds one block and receives another one",
        first_wrong=f"{tokens} tokens, room for {room}",
    )


def _held(tokens: int, devices: int) -> int:
    """The tokens for which a device of the engine allocates K and V, at most."""
    q, k, v = np.zeros((3, 1, tokens, 1, 1))
    ring = ringattn.ring_attention(q, k, v, devices=devices, trace=True, threads=1)
    slots = [each["device"] for each in ring.records("alloc") if each["what"] == "K V"]
    block = max(len(rows) for rows in ringattn.sharding(tokens, devices=devices).rows)
    return slots.count(0) * block


exercise = Exercise(
    name="fit",
    notebook="00_the_ledger_of_claims",
    task="fit(tokens, room): the fewest devices whose memory is large enough for a ring over the text, if each of them has room for K "
    "and V of that many tokens; tokens are dealt out as evenly as possible",
    hints=(
        "A device alone keeps all tokens, and receives none.",
        "With more devices, each has two slots for blocks of ceil(tokens / devices) tokens.",
        "So a block may have room // 2 tokens: round down before you divide.",
    ),
    grade=grade,
)
