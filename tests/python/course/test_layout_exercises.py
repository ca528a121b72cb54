"""Wrong masks, layouts and inverses."""

import numpy as np
import pytest
from answers import budget_of, require_explained, require_named, solution_of


def halves(shards):
    half = shards.shape[1] // 2
    return shards[:, :half], shards[:, half:]


@pytest.mark.parametrize(
    ("name", "mistake", "answer"),
    [
        ("mask", "M1", lambda q, k: np.ones((len(q), len(k)), dtype=bool)),
        ("mask", "M2", lambda q, k: k[None, :] < q[:, None]),
        ("mask", "M3", lambda q, k: k[None, :] <= q[:, None] + 1),
        ("mask", "M4", lambda q, k: k[None, :] >= q[:, None]),
        ("mask", "M5", lambda q, k: np.tri(len(q), len(k), dtype=bool)),
        ("gather", "P1", np.concatenate),
        ("gather", "P9", lambda shards: solution_of("gather")(shards)[::-1]),
        ("gather", "P8", lambda shards: np.concatenate([*halves(shards)[1], *halves(shards)[0][::-1]])),
        ("gather", "P10", lambda shards: solution_of("gather")(np.roll(shards, 1, axis=0))),
        ("mask_class", "M1", lambda q, k: "full"),
        ("mask_class", "M6", lambda q, k: "partial" if k[0] == q[0] else "full"),
        ("mask_class", "M39", lambda q, k: "partial" if k[0] == q[0] else "full" if 0 < k[0] < q[0] else "skipped"),
        ("mask_class", "M7", lambda q, k: "full" if k[0] <= q[-1] else "skipped"),
        ("mask_class", "M8", lambda q, k: "partial" if k[0] < q[0] else "skipped"),
        ("mask_class", "M22", lambda q, k: "skipped" if k[0] < q[0] else "partial"),
    ],
)
def test_a_mistake_of_the_catalogue_is_named(name, mistake, answer):
    require_named(name, mistake, answer)


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        (
            "balance",
            lambda device, devices, seq: np.array_split(np.arange(seq), devices)[device],
            "contiguous layout, which takes 1",
        ),
        ("balance", lambda device, devices, seq: [0], "row 0 is on 2 devices"),
        ("balance", lambda device, devices, seq: [0.5], "whole numbers"),
        ("balance", lambda device, devices, seq: [seq], "rows are numbered from 0 to 31; it returns 32"),
        ("gather", lambda shards: np.concatenate([*halves(shards)[0], *halves(shards)[1]]), "the opposite order"),
        ("mask", lambda q, k: np.tri(3), "booleans of the shape"),
        ("mask_class", lambda q, k: "skipped", "positions 0 to 5 and the keys at 0 to 5 are a partial pair"),
        ("mask_class", lambda q, k: "half", '"full", "partial" or "skipped"; it returns \'half\''),
        ("mask_class", lambda q, k: True, "it returns bool"),
    ],
)
def test_a_wrong_answer_that_is_not_in_the_catalogue_is_explained(name, answer, sentence):
    require_explained(name, answer, sentence)


def test_a_mask_on_every_pair_of_blocks_is_right_and_computes_more_than_needed():
    (computed, fewest), (masked, fewest_masked) = budget_of("mask_class", lambda q, k: "partial")
    assert computed == masked == 3 * 4 * 4 and fewest < computed and fewest_masked < fewest
