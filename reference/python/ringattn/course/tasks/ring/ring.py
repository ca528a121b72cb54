"""Notebook 3: the program of one device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, BadAnswer, array_of
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

sizes = (4, 1, 2, 3)  # numbers of devices
rows_of_a_device = 3

Message = tuple[Any, Any]  # K and V


class Waiting(Exception):
    """The device must wait for a message that has not been sent yet."""


@dataclass
class Device:
    """The messages of one call of the learner's function."""

    arriving: Iterator[Message]
    limit: int  # of messages, against a loop that never ends
    sent: list[Message] = field(default_factory=list)
    received: int = 0

    def send(self, k: Any, v: Any) -> None:
        """Sends a copy of a block to the next device."""
        shape = (1, rows_of_a_device, 1, 8)
        message = np.array(k, dtype=np.float64), np.array(v, dtype=np.float64)
        if any(each.shape != shape for each in message):
            raise ValueError(f"send takes k and v of one block, each of the shape {shape}")
        if len(self.sent) == self.limit:
            raise ValueError(
                f"a device sends no more than {self.limit} messages here; is there a loop that never ends?"
            )
        self.sent.append(message)

    def receive(self) -> Message:
        """The next block from the previous device."""
        message = next(self.arriving, None)
        if message is None:
            raise Waiting
        self.received += 1
        return message


def grade(answer: Answer) -> list[Budget]:
    messages = 0
    for devices in sizes:
        q, k, v = np.random.default_rng(devices).standard_normal((3, 1, rows_of_a_device * devices, 1, 8))
        out, ring = _run(answer, *(np.split(each, devices, axis=1) for each in (q, k, v)))
        report = ringattn.check(q, k, v, out=out, devices=devices, blind_spots=False)
        if not report.ok and not report.names:
            _require_passed_on(ring, np.split(k, devices, axis=1))
        require_right(report, out)
        messages = sum(len(device.sent) for device in ring)
        if messages > devices * (devices - 1):
            raise WrongAnswer(
                f"the output is right, but {messages} messages travel between {devices} devices, where {devices * (devices - 1)} are "
                "enough",
                hint="no device needs the block that it gets after its last step",
                first_wrong=f"{devices} devices, message {devices} of device 0",
                mistakes=["R19"],
            )
        if devices == sizes[0]:
            budget = [Budget(f"messages between {devices} devices", messages, devices * (devices - 1))]
    return budget


def _run(answer: Answer, q: list[Any], k: list[Any], v: list[Any]) -> tuple[Any, list[Device]]:
    """The output of all devices, and their messages.

    The programs of the devices run one after the other, again and again: each run gets the messages that the previous
    device sent in its last run, and ends where it must wait for another one. A message depends only on the messages
    before it, so every round finds at least one more, or all devices wait.
    """
    devices = len(q)
    ring = [Device(iter(()), 4 * devices) for _ in range(devices)]
    while True:
        before, results = ring, []
        ring = [Device(iter(before[device - 1].sent), 4 * devices) for device in range(devices)]
        for device, program in enumerate(ring):
            results.append(_result(answer, q[device], k[device], v[device], devices, program))
        if all(result is not None for result in results):
            return np.concatenate(results, axis=1), ring
        if all(len(new.sent) == len(old.sent) for new, old in zip(ring, before)):
            device = next(number for number, result in enumerate(results) if result is None)
            raise WrongAnswer(
                f"device {device} of {devices} waits for a message that device {(device - 1) % devices} does not send",
                hint="all devices run the same program: if it receives first, all of them wait for ever",
                first_wrong=f"device {device}, message {ring[device].received}",
            )


def _result(answer: Answer, q: Any, k: Any, v: Any, devices: int, program: Device) -> Any:
    """The output of one device; None if it must wait."""
    try:
        return array_of(answer(q, k, v, devices, program.send, program.receive), q.shape, "the output")
    except BadAnswer as bad:
        if isinstance(bad.__cause__, Waiting):
            return None
        raise


def _require_passed_on(ring: list[Device], keys: list[Any]) -> None:
    """Message t of device r must be the block that it holds then, and not its own block again."""
    for device, program in enumerate(ring):
        for step, (k, _) in enumerate(program.sent):
            if step > 0 and np.array_equal(k, keys[device]):
                raise WrongAnswer(
                    ringattn.mistakes("R13").title,
                    hint=ringattn.mistakes("R13").fix,
                    first_wrong=f"device {device}, step {step}",
                    mistakes=["R13"],
                )


exercise = Exercise(
    name="ring",
    notebook="03_the_ring",
    task="ring(q, k, v, devices, send, receive): the program of one device; q, k and v are its own rows, (1, rows, 1, dim); send(k, v) "
    "sends a block to the next device, and receive() returns the next (k, v) from the previous one. It returns the output of its queries",
    hints=(
        "Begin with the own block: out, lse = ringattn.attention(q, k, v, return_lse=True).",
        "Then devices - 1 times: send the block that you hold, receive the next one, and merge its attention into out and lse.",
        "out, lse = ringattn.merge(out, lse, *ringattn.attention(q, k, v, return_lse=True)).",
    ),
    grade=grade,
)
