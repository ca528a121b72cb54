"""Notebook 0: predict what a ring costs."""

from __future__ import annotations

import numpy as np

import ringattn
from ringattn.course._answers import Answer, array_of, tuple_of
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

sizes = ((60, 5), (12, 1), (24, 2), (84, 7))  # tokens and devices
names = ("pairs", "pairs of a device", "keys", "messages")


def grade(answer: Answer) -> list[Budget]:
    for seq, devices in sizes:
        found = tuple(
            float(array_of(each, (), name))
            for name, each in zip(names, tuple_of(answer(seq, devices), "pairs pairs_of_a_device keys messages"))
        )
        for name, predicted, measured in zip(names, found, _measured(seq, devices)):
            if predicted != measured:
                claim = _claims(seq, devices).get((name, predicted))
                raise WrongAnswer(
                    claim or f"a ring of {devices} devices with {seq} tokens has {measured} {name}; it returns {predicted:g}",
                    hint=f"the engine counts {measured} {name} for {seq} tokens on {devices} devices",
                    first_wrong=f"{seq} tokens on {devices} devices",
                    mistakes=["R19"] if (name, predicted) == ("messages", devices * devices) else [],
                )
    return [Budget("predictions", len(sizes) * len(names), len(sizes) * len(names))]


def _measured(seq: int, devices: int) -> tuple[int, int, int, int]:
    """What the engine did: all pairs, pairs of device 0, keys in its K/V slots, and messages."""
    q, k, v = np.random.default_rng(devices).standard_normal((3, 1, seq, 1, 4))
    ring = ringattn.ring_attention(q, k, v, devices=devices, trace=True, threads=1)
    pairs = ring.live_pairs()
    slots = [each for each in ring.trace if each["kind"] == "alloc" and each["what"] == "K V" and each["device"] == 0]
    return int(pairs.sum()), int(pairs[0].sum()), len(slots) * seq // devices, len(ring.records("send"))


def _claims(seq: int, devices: int) -> dict[tuple[str, float], str]:
    """Predictions that follow from a false claim of the ledger, and what is wrong with them."""
    return {
        ("pairs", seq): "it makes attention linear, and each query still meets each key",
        ("pairs", seq * seq / devices): "it says that a ring does less work, and the same pairs are spread over the devices",
        ("pairs", seq * (seq + 1) / 2): "it counts a causal mask, and there is none here",
        ("pairs", 2.0**seq): "it grows exponentially, and the pairs are the square of the tokens",
        ("pairs of a device", seq * seq): "it gives the work of all devices to each of them",
        ("pairs of a device", (seq / devices) ** 2): "it counts one step, and a device computes with every block",
        ("keys", seq): "it keeps all keys on every device, as after an all-gather; a ring holds two blocks",
        ("keys", seq / devices): "it has no memory overhead, and the next block needs room to arrive while the other one is in use",
        ("messages", devices): "it counts one step, and there are as many steps as devices",
        ("messages", devices - 1): "it counts the messages of one device",
        ("messages", devices * devices): "it sends the blocks home after the last step, where no device needs them",
    }


exercise = Exercise(
    name="cost",
    notebook="00_the_ledger_of_claims",
    task="cost(seq, devices): four predictions for a ring without a mask: pairs of query and key in all; pairs that one device "
    "computes; keys for which one device has room; messages in all. seq is a multiple of devices",
    hints=(
        "Every query meets every key once, whatever the number of devices; the work is spread evenly.",
        "A device holds the block in use and the one that arrives; a single device has nothing to receive.",
        "In each step but the last one, every device sends one message, with K and V of a block.",
    ),
    grade=grade,
)
