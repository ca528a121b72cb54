"""Notebook 5: two slots, and one wait."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import index
from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, BadAnswer, read
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

sizes = (4, 1, 2, 3, 7)  # numbers of devices
hop = 0.9  # the time of a transfer, relative to the arithmetic of a step
verbs = ("receive", "send", "compute", "wait")
rule = 'it must return a list of operations such as ("compute", 0), the name of the operation and the number of a slot'


@dataclass
class Device:
    """A device, while it executes the learner's operations. All devices do the same at the same time.

    A block is known by the number of hops that it has behind it. A send copies the block at once. Its transfer begins when
    the next device has a slot for it, and the link moves one block after the other.
    """

    slots: dict[int, int] = field(default_factory=lambda: {0: 0})
    arriving: dict[int, int] = field(default_factory=dict)  # slot -> number of the message that is written into it
    sent: list[tuple[int, float]] = field(default_factory=list)  # hops of the block, and the time
    receives: list[float] = field(default_factory=list)  # their times
    computed: list[int] = field(default_factory=list)  # hops of the blocks that the device computed with
    time: float = 0
    most_slots: int = 1

    def execute(self, verb: str, slot: int, where: str) -> None:
        if verb == "receive":
            self._require_complete(slot, "receives two blocks at once in", where)
            self.arriving[slot] = len(self.receives)
            self.receives.append(self.time)
        elif verb == "wait":
            self._wait(slot, where)
        else:
            self._require_complete(slot, "computes with" if verb == "compute" else "sends", where)
            if slot not in self.slots:
                raise WrongAnswer(
                    f"there is no block in slot {slot} yet",
                    hint="in the beginning the own block is in slot 0, and the other slots are empty",
                    first_wrong=where,
                )
            if verb == "compute":
                self.computed.append(self.slots[slot])
                self.time += 1
            else:
                self.sent.append((self.slots[slot], self.time))
        self.most_slots = max(self.most_slots, len(self.slots.keys() | self.arriving.keys()))

    def _wait(self, slot: int, where: str) -> None:
        """Ends when the block has arrived that the slot receives; the previous device sent it as this one sent its own."""
        if slot not in self.arriving:
            raise WrongAnswer(f"no block is on its way into slot {slot}", hint="receive first", first_wrong=where)
        message = self.arriving.pop(slot)
        if message >= len(self.sent):
            raise WrongAnswer(
                "all devices wait for a block that no device has sent",
                hint="all devices do the same: send before you wait",
                first_wrong=where,
            )
        self.slots[slot] = self.sent[message][0] + 1
        arrival = 0.0
        for (_, sent), received in zip(self.sent[: message + 1], self.receives):
            arrival = max(arrival, sent, received) + hop
        self.time = max(self.time, arrival)

    def _require_complete(self, slot: int, action: str, where: str) -> None:
        if slot in self.arriving:
            raise WrongAnswer(
                f"it {action} slot {slot} while a block is being written into it: half of it may be old and half of it new",
                hint="wait for the slot, or use another one",
                first_wrong=where,
                mistakes=["R10"],
            )


def grade(answer: Answer) -> list[Budget]:
    budget = []
    for devices in sizes:
        device = Device()
        for step in range(devices):
            for verb, slot in _operations(answer(step, devices)):
                device.execute(verb, slot, f"step {step} of {devices} devices")
        _require_attention(device.computed, devices)
        if len(device.sent) >= devices:
            raise WrongAnswer(
                "it also sends a block in the last step, and no device needs one any more",
                hint="after the last step no device waits for a block",
                first_wrong=f"step {devices - 1} of {devices} devices",
                mistakes=["R19"],
            )
        budget = [
            Budget(
                f"time / arithmetic on {devices} devices, where a hop takes {hop} steps",
                round(device.time / devices, 3),
                1,
            ),
            Budget("slots", device.most_slots, 2),
        ]
    return budget


def _operations(found: Any) -> list[tuple[str, int]]:
    operations = read(found, lambda given: [(str(verb), index(slot)) for verb, slot in given], rule)
    for verb, slot in operations:
        if verb not in verbs or not 0 <= slot < 100:
            raise BadAnswer(f'operations are {", ".join(verbs)}, and slots 0, 1, 2, ...; it returns ("{verb}", {slot})')
    return operations


def _require_attention(computed: list[int], devices: int) -> None:
    """Each device must have computed once with each block: computes attention to these blocks, and asks the oracle."""
    q, k, v = np.random.default_rng(devices).standard_normal((3, 1, 4 * devices, 1, 8))
    rows = ringattn.sharding(4 * devices, devices=devices).rows
    out = np.zeros_like(q)
    for device, queries in enumerate(rows):
        keys = np.concatenate([np.empty(0, np.int64), *(rows[(device - hops) % devices] for hops in computed)])
        if len(keys):
            out[:, queries] = ringattn.attention(q[:, queries], k[:, keys], v[:, keys])
    require_right(ringattn.check(q, k, v, out=out, devices=devices, blind_spots=False), out)


exercise = Exercise(
    name="buffer",
    notebook="05_hiding_the_communication",
    task='buffer(step, devices): the operations of a device in one step, a list of ("receive", slot): lets the next block be written '
    'into a slot; ("wait", slot): until that block is there; ("send", slot): copies the block to the next device; ("compute", slot). '
    "In the beginning the own block is in slot 0; all devices do the same",
    hints=(
        "Two slots are enough: the block in use is in slot step % 2, the next one is written into the other one.",
        "A transfer runs beside the arithmetic if it begins before it: receive and send, then compute, then wait.",
        'In the last step there is only [("compute", step % 2)].',
    ),
    grade=grade,
)
