"""Notebook 3: the messages of a ring."""

from __future__ import annotations

from operator import index

import numpy as np

import ringattn
from ringattn.course._answers import Answer, BadAnswer, read
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

sizes = (5, 1, 2, 3, 8)  # numbers of devices
Hops = list[list[tuple[int, int, int]]]  # for each step, (sender, receiver, owner of the block)


def grade(answer: Answer) -> list[Budget]:
    budget = []
    for devices in sizes:
        plan = [_hops(answer, step, devices) for step in range(devices)]
        attended = _attended(plan, devices)
        _require_attention(attended, devices)
        messages = sum(len(hops) for hops in plan)
        if messages > devices * (devices - 1):
            raise WrongAnswer(
                f"every query meets every key, but {messages} messages travel between {devices} devices, where "
                f"{devices * (devices - 1)} are enough",
                hint="after the last step nobody waits for a block any more",
                first_wrong=f"step {devices - 1} of {devices} devices",
                mistakes=["R19"],
            )
        budget = [
            Budget(f"messages between {devices} devices", messages, devices * (devices - 1)),
            Budget("blocks in the memory of a device", _peak(plan, devices), min(devices, 2)),
            Budget("longest way of a message in hops", _longest(plan, devices), min(devices - 1, 1)),
        ]
    return budget


def _hops(answer: Answer, step: int, devices: int) -> list[tuple[int, int, int]]:
    """The messages of one step, as the learner's function lists them."""
    hops = read(
        answer(step, devices),
        lambda found: [tuple(index(number) for number in hop) for hop in found],
        "it must return a list of (sender, receiver, owner) for each step, with whole numbers",
    )
    for hop in hops:
        if len(hop) != 3 or not all(0 <= number < devices for number in hop):
            raise BadAnswer(
                f"each message is (sender, receiver, owner) with devices from 0 to {devices - 1}; it returns {hop}"
            )
    return hops  # type: ignore[return-value]


def _attended(plan: Hops, devices: int) -> list[list[int]]:
    """For each device, the owners of the blocks that it attends to: its own, then each one that arrives."""
    held = [{device} for device in range(devices)]
    attended = [[device] for device in range(devices)]
    for step, hops in enumerate(plan):
        arriving: dict[int, int] = {}
        for sender, receiver, owner in hops:
            if owner not in held[sender]:
                raise WrongAnswer(
                    f"device {sender} of {devices} sends the block of device {owner}, which it does not hold",
                    hint="at step t device r holds the block of device (r - t) mod P",
                    first_wrong=f"device {sender}, step {step}",
                )
            if receiver in arriving:
                raise WrongAnswer(
                    f"two blocks arrive at device {receiver} in one step; it has one slot for what arrives",
                    hint="if each device sends to its next device, one block arrives everywhere",
                    first_wrong=f"device {receiver}, step {step}",
                )
            arriving[receiver] = owner
        for receiver, owner in arriving.items():
            held[receiver].add(owner)
            if step + 1 < devices:
                attended[receiver].append(owner)
    return attended


def _require_attention(attended: list[list[int]], devices: int) -> None:
    """Computes attention with the blocks that each device attended to, and asks the oracle."""
    numbers = np.random.default_rng(devices)
    q, k, v = (numbers.standard_normal((1, 4 * devices, 1, 8)) for _ in range(3))
    rows = ringattn.sharding(4 * devices, devices=devices).rows
    out = np.empty_like(q)
    for device, owners in enumerate(attended):
        keys = np.concatenate([rows[owner] for owner in owners])
        out[:, rows[device]] = ringattn.attention(q[:, rows[device]], k[:, keys], v[:, keys])
    require_right(ringattn.check(q, k, v, out=out, devices=devices, blind_spots=False), out)


def _peak(plan: Hops, devices: int) -> int:
    """The largest number of blocks in the memory of a device that drops each block after its last use."""
    peak = 1
    for device in range(devices):
        arrives = {device: -1} | {
            owner: step for step, hops in enumerate(plan) for _, to, owner in hops if to == device
        }
        last_use = {owner: step + 1 for owner, step in arrives.items()}  # it attends to the block at the next step
        for step, hops in enumerate(plan):
            for sender, _, owner in hops:
                if sender == device:
                    last_use[owner] = max(last_use[owner], step)
        peaks = [sum(arrives[owner] <= step <= last_use[owner] for owner in arrives) for step in range(devices)]
        peak = max(peak, *peaks)
    return peak


def _longest(plan: Hops, devices: int) -> int:
    """The longest way of a message around the ring, in the shorter direction."""
    ways = [min((to - sender) % devices, (sender - to) % devices) for hops in plan for sender, to, _ in hops]
    return max(ways, default=0)


exercise = Exercise(
    name="trip",
    notebook="03_the_ring",
    task="trip(step, devices): the messages of one step, a list of (sender, receiver, owner of the block); a device attends to "
    "its own block at step 0, and at step t + 1 to the block that arrived at step t",
    hints=(
        "In every step but the last one, each device sends one block to its neighbour: P messages a step.",
        "Device r sends to (r + 1) % devices the block that it holds: the one of device (r - step) % devices.",
        "Nothing is attended to after the last step, so the list of that step is empty.",
    ),
    grade=grade,
)
