"""Notebook 5: sends that block, without a deadlock."""

from __future__ import annotations

import numpy as np

from ringattn.course._answers import Answer, BadAnswer
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

sizes = (4, 2, 3, 5, 8)  # numbers of devices


def grade(answer: Answer) -> list[Budget]:
    used = best = 0
    for devices in sizes:
        first = [answer(device, devices) for device in range(devices)]
        if not all(isinstance(each, (bool, np.bool_)) for each in first):
            raise BadAnswer(f"it must return True or False; it returns {type(first[0]).__name__}")
        used += _rounds([bool(each) for each in first])
        best += 2 + devices % 2  # neighbours cannot both send first all around a ring of odd length
    return [Budget(f"rounds, for rings of {', '.join(map(str, sizes))} devices", used, best)]


def _rounds(sends_first: list[bool]) -> int:
    """The rounds of one exchange, in which each device sends to the next one and receives from the previous one.

    A message moves when its sender is at its send and its receiver at its receive, so a device moves one message a round.
    """
    devices = len(sends_first)
    sent, received = [False] * devices, [False] * devices
    for rounds in range(2 * devices + 1):
        if all(sent) and all(received):
            return rounds
        ready = [
            device
            for device in range(devices)
            if not sent[device]
            and (sends_first[device] or received[device])
            and (not sends_first[(device + 1) % devices] or sent[(device + 1) % devices])
        ]
        if not ready:
            break
        for device in ready:
            sent[device] = received[(device + 1) % devices] = True
    waiting = next(device for device in range(devices) if not sent[device])
    order = "send" if sends_first[waiting] else "receive"
    everybody = f"all {devices} devices {order} first, so " if len(set(sends_first)) == 1 else ""
    raise WrongAnswer(
        f"{everybody}each device waits for its neighbour, and no message ever moves",
        hint="one device must begin with the other call; then its neighbour can go on, and so on around the ring",
        first_wrong=f"device {waiting} of {devices}",
    )


exercise = Exercise(
    name="sends_first",
    notebook="05_hiding_the_communication",
    task="sends_first(device, devices): True if the device sends its block before it receives the next one, False if it receives first; "
    "a send ends when the receiver takes the message, and all devices exchange one block",
    hints=(
        "If all devices do the same, nothing ever moves. Is one exception enough?",
        "It is, but then the messages move one after the other. Which rule lets half of them move at the same time?",
        "Even devices send first, odd devices receive first.",
    ),
    grade=grade,
)
