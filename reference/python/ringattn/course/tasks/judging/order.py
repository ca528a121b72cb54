"""Notebook 9: the same bits, whatever the network does."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

import ringattn
from ringattn.course._answers import Answer, read
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

devices, runs = 6, 12
f32 = np.float32


def grade(answer: Answer) -> list[Budget]:
    numbers = np.random.default_rng(6)
    q, k, v = (numbers.standard_normal((1, 24, 1, 8)).astype(f32) for _ in range(3))
    arrivals = [numbers.permutation(devices).tolist() for _ in range(runs)]
    results = [_attention(answer, q, k, v, arrival) for arrival in arrivals]
    require_right(ringattn.check(q, k, v, out=results[0], devices=devices, blind_spots=False), results[0])
    for number, out in enumerate(results):
        if differ := int(np.count_nonzero(out != results[0])):
            device = int(np.nonzero(out != results[0])[1][0]) // (q.shape[1] // devices)
            raise WrongAnswer(
                f"all results are right up to rounding, but in run {number}, where the blocks arrive in the order {arrivals[number]}, "
                f"{differ} of {out.size} elements have other bits than in run 0",
                hint="the order must not depend on the arrival: two runs may differ in nothing else",
                first_wrong=f"device {device}, run {number}",
            )
    return [Budget(f"different results of {runs} runs", len({out.tobytes() for out in results}), 1)]


def _attention(answer: Answer, q: Any, k: Any, v: Any, arrival: list[int]) -> Any:
    """Attention in float32, where each device merges the blocks in the order that the learner's function returns."""
    rows = ringattn.sharding(q.shape[1], devices=devices).rows
    out = np.empty_like(q)
    for device, queries in enumerate(rows):
        arrived = [device, *(owner for owner in arrival if owner != device)]  # the own block is there first
        state = None
        for owner in _order(answer(device, devices, list(arrived)), device):
            keys = rows[owner]
            part = ringattn.attention(q[:, queries], k[:, keys], v[:, keys], return_lse=True)
            new = part[0][0, :, 0].astype(f32), part[1][0, 0].astype(f32)
            state = new if state is None else _merged(*state, *new)
        assert state is not None
        out[0, queries, 0] = state[0]
    return out


def _order(found: Any, device: int) -> list[int]:
    owners = read(
        found, lambda given: [index(owner) for owner in given], "it must return a list of owners, whole numbers"
    )
    if sorted(owners) != list(range(devices)):
        raise WrongAnswer(
            f"each of the {devices} blocks must be absorbed once; it returns {str(owners)[:60]} for device {device}",
            hint="return the same owners in another order",
            first_wrong=f"device {device}",
        )
    return owners


def _merged(out_a: Any, lse_a: Any, out_b: Any, lse_b: Any) -> tuple[Any, Any]:
    """merge() in float32, so that its rounding depends on the order."""
    lse = np.logaddexp(lse_a, lse_b)
    return np.exp(lse_a - lse)[:, None] * out_a + np.exp(lse_b - lse)[:, None] * out_b, lse


exercise = Exercise(
    name="order",
    notebook="09_how_right_is_right",
    task="order(device, devices, arrived): the owners of the blocks in the order in which the device absorbs them; arrived lists them in "
    "the order in which they came over the network, which differs from run to run, while the result must have the same bits",
    hints=(
        "Whatever is computed from arrived alone, and not from its order, is the same in every run.",
        "sorted(arrived) gives the same bits. But what would a device in a ring have to wait for?",
        "The order of the ring: its own block, then that of its left neighbour, and so on: (device - step) % devices.",
    ),
    grade=grade,
)
