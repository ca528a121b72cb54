"""Notebook 6: the trip of the gradients home."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, BadAnswer, read
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

sizes = (4, 1, 2, 3, 8)  # numbers of devices


def grade(answer: Answer) -> list[Budget]:
    budget = []
    for devices in sizes:
        numbers = np.random.default_rng(devices)
        q, k, v, dout = (numbers.standard_normal((1, 4 * devices, 1, 8)) for _ in range(4))
        out, lse = ringattn.attention(q, k, v, return_lse=True)
        (dk, dv), messages = _carried(answer, q, k, v, dout, devices)
        given = {"out": out, "lse": lse, "dq": ringattn.attention_vjp(q, k, v, dout)[0], "dout": dout}
        report = ringattn.check(q, k, v, dk=dk, dv=dv, devices=devices, blind_spots=False, **given)
        require_right(report, np.stack([dk, dv]))
        best = devices * devices if devices > 1 else 0
        budget = [Budget(f"messages between {devices} devices", messages, best)]
    return budget


def _carried(answer: Answer, q: Any, k: Any, v: Any, dout: Any, devices: int) -> tuple[list[Any], int]:
    """dK and dV as the devices hold them in the end, and the number of messages.

    Each device begins with an empty sum for its own block. At each step it adds to the sum that it holds the part of its
    queries in the gradient of the block that is there; then the learner's messages move the sums.
    """
    rows = ringattn.sharding(q.shape[1], devices=devices).rows
    parts = [[_part(q, k, v, dout, queries, keys) for keys in rows] for queries in rows]
    held: list[Any] = [np.zeros((2, 4, 8)) for _ in range(devices)]
    messages = 0
    for step in range(devices):
        for device in range(devices):
            held[device] = held[device] + parts[device][(device - step) % devices]
        hops = _hops(answer(step, devices), devices, step)
        messages += sum(sender != receiver for sender, receiver in hops)
        arrived = {receiver: held[sender] for sender, receiver in hops}
        if len(arrived) < len(hops):
            raise WrongAnswer(
                "two sums arrive at one device, and one of them would be lost",
                hint="all sums move in the same direction, each to the next device",
                first_wrong=f"step {step} of {devices} devices",
            )
        held = [arrived.get(device, held[device]) for device in range(devices)]
    gradients = [np.empty_like(k), np.empty_like(v)]
    for device, keys in enumerate(rows):
        for gradient, part in zip(gradients, held[device]):
            gradient[0, keys, 0] = part
    return gradients, messages


def _part(q: Any, k: Any, v: Any, dout: Any, queries: Any, keys: Any) -> Any:
    """The part of some queries in dK and dV of some keys."""
    masked = np.zeros_like(dout)
    masked[:, queries] = dout[:, queries]
    _, dk, dv = ringattn.attention_vjp(q, k, v, masked)
    return np.stack([dk[0, keys, 0], dv[0, keys, 0]])


def _hops(found: Any, devices: int, step: int) -> list[tuple[int, int]]:
    hops = read(
        found,
        lambda given: [(index(sender), index(receiver)) for sender, receiver in given],
        "it must return a list of (sender, receiver) for each step, with whole numbers",
    )
    for hop in hops:
        if not all(0 <= device < devices for device in hop):
            raise BadAnswer(f"devices are numbered from 0 to {devices - 1}; step {step} has the message {hop}")
    return hops


exercise = Exercise(
    name="home",
    notebook="06_backward_around_the_ring",
    task="home(step, devices): the messages that carry the sums dK, dV after each step, a list of (sender, receiver); at step t device "
    "r holds block (r - t) mod P of K and V and adds to the sum that it holds; in the end each sum must be with its owner",
    hints=(
        "The sum of a block must be where the block is: it moves with it, from each device to the next one.",
        "After the last step the sum of block o is on device (o + P - 1) mod P: one hop away from home.",
        "So all devices send in every step, the last one included.",
    ),
    grade=grade,
)
