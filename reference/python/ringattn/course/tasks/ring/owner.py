"""Notebook 3: whose block does a device hold?"""

from __future__ import annotations

from operator import index

import numpy as np

import ringattn
from ringattn.course._answers import Answer, BadAnswer, read
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

sizes = (5, 1, 2, 3, 8)  # numbers of devices


def grade(answer: Answer) -> list[Budget]:
    for devices in sizes:
        claimed = np.array(
            [[_owner(answer, device, step, devices) for step in range(devices)] for device in range(devices)]
        )
        _require_attention(claimed)
    return [Budget("messages that say whose block it is", 0, 0)]


def _owner(answer: Answer, device: int, step: int, devices: int) -> int:
    found = read(answer(device, step, devices), index, "it must return one whole number, the owner")
    if not 0 <= found < devices:
        raise BadAnswer(
            f"devices are numbered from 0 to {devices - 1}; it returns {found} for device {device} at step {step}"
        )
    return found


def _require_attention(claimed: np.ndarray) -> None:
    """Runs a causal ring whose blocks travel as they do, and are masked as the blocks of the claimed owners."""
    devices, rows_of_a_device = len(claimed), 3
    seq = rows_of_a_device * devices
    q, k, v = np.random.default_rng(devices).standard_normal((3, 1, seq, 1, 8))
    rows = ringattn.sharding(seq, devices=devices).rows
    out = np.empty_like(q)
    for device, owners in enumerate(ringattn.schedule(devices)):
        queries = rows[device]
        keys = np.concatenate([rows[owner] for owner in owners])
        positions = np.concatenate([rows[owner] for owner in claimed[device]])
        out[:, queries] = ringattn.attention(
            q[:, queries], k[:, keys], v[:, keys], causal=True, q_positions=queries, kv_positions=positions
        )
    report = ringattn.check(q, k, v, out=out, causal=True, devices=devices, blind_spots=False)
    right = ringattn.schedule(devices)
    if not report.names and not np.array_equal(claimed, right):
        device, step = (int(each[0]) for each in np.nonzero(claimed != right))
        raise WrongAnswer(
            f"at step {step} device {device} of {devices} holds the block of device {right[device, step]}; it returns "
            f"{claimed[device, step]}",
            hint="follow one block, from its owner to the next device, and so on",
            first_wrong=f"device {device}, step {step}",
        )
    require_right(report, out)


exercise = Exercise(
    name="owner",
    notebook="03_the_ring",
    task="owner(device, step, devices): the device that owns the block which a device holds at a step; every block moves to the next "
    "device, (device + 1) % devices, after each step, and at step 0 each device holds its own",
    hints=(
        "At step 1 the block of device 0 is on device 1. Which device holds that of the last one?",
        "After step hops a block of device o is on device (o + step) % devices: solve for o.",
        "(device - step) % devices; in Python, % of a negative number is not negative.",
    ),
    grade=grade,
)
