"""Notebook 4: the inverse of a layout."""

from __future__ import annotations

import numpy as np

import ringattn
from ringattn.course._answers import Answer, array_of
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

sizes = ((4, 32), (3, 24), (2, 16), (1, 6))  # devices and rows; zigzag chunks of equal length


def grade(answer: Answer) -> list[Budget]:
    for devices, seq in sizes:
        numbers = np.random.default_rng(devices)
        q, k, v = (numbers.standard_normal((1, seq, 1, 8)) for _ in range(3))
        ring = ringattn.ring_attention(q, k, v, devices=devices, layout="zigzag", causal=True)
        zigzag = ringattn.sharding(seq, devices=devices, layout="zigzag")
        found = array_of(answer(np.stack(zigzag.shard(ring.out[0, :, 0], axis=0))), (seq, 8), "the whole")
        lse = array_of(answer(np.stack(zigzag.shard(ring.lse[0, 0, :, None], axis=0))), (seq, 1), "the whole")
        chunks = np.split(ring.out[0, :, 0], 2 * devices)
        if devices > 1 and np.array_equal(found, np.concatenate([*chunks[:devices], *chunks[devices:][::-1]])):
            raise WrongAnswer(
                "the late chunks are in the order of the devices, and zigzag deals them out in the opposite order",
                hint="the last device holds the first of the late chunks",
                first_wrong=f"row {seq // 2} of {seq}, {devices} devices",
            )
        report = ringattn.check(
            q, k, v, out=found[None, :, None], lse=lse[None, None, :, 0], causal=True, devices=devices, layout="zigzag",
            blind_spots=False,
        )  # fmt: skip
        require_right(report, found)
    return [Budget("copies of each row", 1, 1)]


exercise = Exercise(
    name="gather",
    notebook="04_causal_which_device_works",
    task="gather(shards): the rows of all devices in the order of the sequence; shards is (devices, rows of a device, dim), in "
    "zigzag order: device r holds chunk r and then chunk 2 P - 1 - r",
    hints=(
        "The first half of each shard is an early chunk: in the order of the devices they are the first half of the sequence.",
        "The second halves are the late chunks, in descending order: the last device holds the first of them.",
        "np.concatenate([*early, *late[::-1]]), where early and late are the two halves of the shards.",
    ),
    grade=grade,
)
