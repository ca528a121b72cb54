"""Notebook 5: predict the time of a run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, array_of
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

cases = ((4, 1.5), (4, 0.5), (7, 2.0), (1, 1.0), (2, 0.9))  # devices; time of a hop, relative to that of a step
rows_of_a_device = 4


def grade(answer: Answer) -> list[Budget]:
    for devices, relative in cases:
        for overlap in (False, True):
            step, hop, time = _measured(devices, relative, overlap)
            found = float(array_of(answer(devices, step, hop, overlap), (), "the time"))
            if not math.isclose(found, time, rel_tol=1e-6):
                raise WrongAnswer(
                    _claim(found, devices, step, hop, overlap)
                    or "the prediction is not what the clock of the engine shows",
                    hint=f"a step takes {step:g} ns, a hop {hop:g} ns, and the engine needed {time:g} ns; it returns {found:g}",
                    first_wrong=f"{devices} devices, {'with' if overlap else 'without'} overlap",
                )
    return [Budget("predictions", 2 * len(cases), 2 * len(cases))]


def _measured(devices: int, relative: float, overlap: bool) -> tuple[float, float, float]:
    """The time of a step, of a hop, and of a run of the engine, on its virtual clock."""
    q, k, v = np.zeros((3, 1, rows_of_a_device * devices, 1, 4))
    step = rows_of_a_device**2  # pairs, at 1 ns for each
    options: dict[str, Any] = {"devices": devices, "trace": True, "threads": 1, "overlap": overlap}
    messages = ringattn.ring_attention(q, k, v, **options).records("send")
    bits = 8 * messages[0]["bytes"] if messages else 1
    ring = ringattn.ring_attention(q, k, v, link_gbps=bits / (relative * step), **options)
    return step, relative * step, max(each["t_end"] for each in ring.records("run"))


def _claim(found: float, devices: int, step: float, hop: float, overlap: bool) -> str:
    """What a wrong prediction overlooked, if that is known."""
    known = {
        devices * max(step, hop): "it counts a hop after the last step, and the last step sends nothing",
        devices * (step + hop): "it counts a hop after the last step, and the last step sends nothing",
        devices
        * step: "it says that communication is free, and that needs overlap, and hops that are no longer than a step",
        devices * step + (devices - 1) * hop: "it adds steps and hops, and with overlap they happen at the same time",
        step
        + (devices - 1) * max(step, hop): "it takes the longer one of both, and without overlap one follows the other",
        (devices - 1) * max(step, hop): "it counts a step too few: every device computes with every block",
    }
    return next((text for time, text in known.items() if math.isclose(found, time, rel_tol=1e-6)), "")


exercise = Exercise(
    name="clock",
    notebook="05_hiding_the_communication",
    task="clock(devices, step, hop, overlap): the time of a forward pass, if the arithmetic of a step takes the time step and the "
    "transfer of a block the time hop, on all devices and links; overlap says whether a device sends a block before it computes with it",
    hints=(
        "How many steps does a device compute, and how many blocks arrive at it?",
        "Without overlap all of these follow each other. With overlap, a step and the hop beside it take as long as the longer one.",
        "The last step has no hop beside it.",
    ),
    grade=grade,
)
