"""Notebook 1: merge many pieces in few rounds."""

from __future__ import annotations

import math
from operator import index
from typing import Any

import numpy as np

from ringattn.course._answers import Answer, BadAnswer, read
from ringattn.course._exercise import Exercise, WrongAnswer
from ringattn.course._feedback import Budget

sizes = (5, 1, 2, 3, 8, 13)  # numbers of pieces


def grade(answer: Answer) -> list[Budget]:
    budget = []
    for pieces in sizes:
        rounds = _rounds(answer(pieces), pieces)
        _merge_all(rounds, pieces)
        budget = [
            Budget(f"rounds for {pieces} pieces", len(rounds), math.ceil(math.log2(pieces))),
            Budget("merges", sum(len(pairs) for pairs in rounds), pieces - 1),
        ]
    return budget


def _rounds(found: Any, pieces: int) -> list[list[tuple[int, int]]]:
    """The plan, as the learner's function returns it: for each round, pairs (into, other)."""
    rounds = read(
        found,
        lambda given: [[(index(into), index(other)) for into, other in pairs] for pairs in given],
        "it must return a list of rounds, each a list of pairs (into, other) of whole numbers",
    )
    for number, pairs in enumerate(rounds):
        taking_part = [piece for pair in pairs for piece in pair]
        if any(not 0 <= piece < pieces for piece in taking_part):
            raise BadAnswer(f"pieces are numbered from 0 to {pieces - 1}; round {number} names {max(taking_part)}")
        if len(set(taking_part)) < len(taking_part):
            raise WrongAnswer(
                f"in round {number} of {pieces} pieces, one piece takes part in two merges; merges of a round run at the same time",
                hint="move one of the merges to the next round",
                first_wrong=f"round {number}",
            )
    return rounds


def _merge_all(rounds: list[list[tuple[int, int]]], pieces: int) -> None:
    """Counts how often each piece is contained in piece 0 after the last round."""
    contained = np.eye(pieces, dtype=int)
    for pairs in rounds:
        for into, other in pairs:
            contained[into] += contained[other]
    if np.any(contained[0] != 1):
        piece = int(np.flatnonzero(contained[0] != 1)[0])
        found = "is missing from" if contained[0, piece] == 0 else f"counts {contained[0, piece]} times in"
        raise WrongAnswer(
            f"piece {piece} of {pieces} {found} the result, piece 0",
            hint="after each round, write down which pieces are contained in which",
            first_wrong=f"piece {piece}",
        )


exercise = Exercise(
    name="tree",
    notebook="01_one_softmax_many_pieces",
    task="tree(pieces): a plan that merges all pieces into piece 0, a list of rounds; a round is a list of pairs (into, other), "
    "which are merged at the same time, so that no piece may occur twice in a round",
    hints=(
        "In the first round merge 1 into 0, 3 into 2, 5 into 4, and so on: half of the pieces are done.",
        "In the next round the distance is 2: merge 2 into 0, 6 into 4, ... Then 4, then 8.",
        "Leave out pairs whose second piece does not exist.",
    ),
    grade=grade,
)
