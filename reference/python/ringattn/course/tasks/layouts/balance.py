"""Notebook 4: a layout that gives all devices the same causal work."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import ringattn
from ringattn.course._answers import Answer, BadAnswer, read
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

sizes = ((2, 32), (4, 64), (8, 128))  # devices and rows
allowed = 1.1  # the time, relative to equal work for all devices at all steps


def grade(answer: Answer) -> list[Budget]:
    budget = []
    for devices, seq in sizes:
        rows = [_rows(answer(device, devices, seq), seq) for device in range(devices)]
        _require_partition(rows, seq)
        used = _relative_time(rows)
        if not used <= allowed:
            slowest = int(np.argmax([np.sum(each) for each in rows]))
            raise WrongAnswer(
                f"{_name(rows, devices, seq)} takes {used:.2f} times as long as equal work for all {devices} devices",
                hint="late rows see many keys and early rows few; give every device some of both",
                first_wrong=f"device {slowest} has the most visible pairs",
            )
        best = min(
            _relative_time(ringattn.sharding(seq, devices=devices, layout=name).rows) for name in ("zigzag", "striped")
        )
        budget = [Budget(f"time on {devices} devices, relative to equal work", round(used, 3), round(best, 3))]
    return budget


def _rows(found: Any, seq: int) -> NDArray[np.int64]:
    rule = "it must return the rows of one device: a list of whole numbers"
    rows = read(found, np.asarray, rule)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise BadAnswer(rule)
    if np.any((rows < 0) | (rows >= seq)):
        raise BadAnswer(f"rows are numbered from 0 to {seq - 1}; it returns {rows[(rows < 0) | (rows >= seq)][0]}")
    return rows.astype(np.int64)


def _require_partition(rows: list[NDArray[np.int64]], seq: int) -> None:
    """Every row must be on one device."""
    count = np.bincount(np.concatenate(rows), minlength=seq)
    if np.any(count != 1):
        row = int(np.flatnonzero(count != 1)[0])
        raise WrongAnswer(
            f"row {row} is on {count[row]} devices, and it must be on one",
            hint="print the rows of all devices for one small sequence",
            first_wrong=f"row {row} of {seq}",
        )


def _relative_time(rows: list[NDArray[np.int64]]) -> float:
    """The sum over the steps of the largest work of a device, relative to equal work for all. The work is causal."""
    devices = len(rows)
    pairs = np.array([[np.sum(queries[:, None] >= keys[None, :]) for keys in rows] for queries in rows])
    owners = ringattn.schedule(devices)
    slowest = [max(pairs[device, owners[device, step]] for device in range(devices)) for step in range(devices)]
    return float(sum(slowest) * devices / pairs.sum())


def _name(rows: list[NDArray[np.int64]], devices: int, seq: int) -> str:
    for layout in ("contiguous", "striped", "zigzag"):
        known = ringattn.sharding(seq, devices=devices, layout=layout).rows
        if all(np.array_equal(np.sort(each), other) for each, other in zip(rows, known)):
            return f"this is the {layout} layout, which"
    return "this layout"


exercise = Exercise(
    name="balance",
    notebook="04_causal_which_device_works",
    task="balance(device, devices, seq): the rows of one device, so that causal attention takes all devices the same time",
    hints=(
        "Query i sees i + 1 keys: pair the first row with the last, the second with the last but one, ...",
        "Cut the sequence into 2 * devices chunks, and give each device one early chunk and one late one.",
        "Device r gets chunks r and 2 * devices - 1 - r: that is zigzag.",
    ),
    grade=grade,
)
