"""Notebook 5: the smallest block that hides its transfer."""

from __future__ import annotations

import numpy as np

from ringattn.course._answers import Answer, array_of
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

# Operations and bytes per second, bytes of an element: A100 with NVLink and with InfiniBand, TPUv4, float32
machines = ((312e12, 300e9, 2), (312e12, 12.5e9, 2), (275e12, 268e9, 2), (67e12, 450e9, 4))

# Factors by which a wrong formula differs, and what was forgotten
factors = {
    0.5: "it counts K alone, and V travels, too",
    2.0: "it counts one product of matrices, and there are two, Q K^T and P V; or a multiplication and its addition as one operation",
    4.0: "it counts one product of matrices, and a multiplication and its addition as one operation",
    8.0: "it counts bits where the bandwidth is in bytes",
    0.125: "it divides by 8, and the bandwidth is in bytes already",
}


def grade(answer: Answer) -> list[Budget]:
    for flops, bandwidth, size in machines:
        found = float(array_of(answer(flops, bandwidth, size), (), "the block length"))
        right = size / 2 * flops / bandwidth  # 4 d c^2 / F = 2 c d size / B
        if abs(found - right) <= 1 + 1e-9 * right:
            continue
        ratio = found / right if np.isfinite(found) else np.nan
        known = [text for factor, text in factors.items() if abs(ratio / factor - 1) < 1e-3]
        raise WrongAnswer(
            known[0]
            if known
            else f"for {flops:g} operations and {bandwidth:g} bytes per second the block has "
            f"{right:.0f} tokens; it returns {found:g}",
            hint="write the time of the arithmetic and the time of the transfer of one step, and set them equal",
            first_wrong=f"{flops:g} operations and {bandwidth:g} bytes per second, {size} bytes a number",
        )
    return [Budget("tokens for each device of an A100 with NVLink", 1040, 1040)]


exercise = Exercise(
    name="hide",
    notebook="05_hiding_the_communication",
    task="hide(flops, bandwidth, element_bytes): the smallest number of tokens in a block that hides its transfer; operations "
    "and bytes per second, bytes of a number",
    hints=(
        "c queries and c keys of dimension d: Q K^T takes 2 d c^2 operations, P V as many.",
        "K and V of the block are 2 c d numbers.",
        "4 d c^2 / flops = 2 c d element_bytes / bandwidth: the dimension cancels.",
    ),
    grade=grade,
)
