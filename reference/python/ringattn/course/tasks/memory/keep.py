"""Notebook 8: the tokens that a window with sinks keeps."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ringattn
from ringattn.course._answers import Answer, BadAnswer, read
from ringattn.course._exercise import Exercise, WrongAnswer, require_right
from ringattn.course._feedback import Budget

cases = ((24, 5, 0), (21, 6, 2), (9, 12, 3), (17, 1, 4))  # tokens, window and sinks


def grade(answer: Answer) -> list[Budget]:
    budget = []
    for seq, window, sinks in cases:
        kept = np.array([_kept(answer(token, window, sinks), token, seq) for token in range(seq)])
        _require_eviction(kept, window + sinks)
        if sinks == 0:
            _require_a_window(kept, window)
        _require_kept(kept, window, sinks)
        budget = [Budget(f"tokens in memory, window {window} and {sinks} sinks", int(kept.sum(axis=1).max()), window + sinks)]
    return budget


def _kept(found: Any, token: int, seq: int) -> NDArray[np.bool_]:
    """Which tokens are in memory when the query of a token arrives."""
    tokens = read(found, lambda given: [index(each) for each in given], "it must return a list of tokens, whole numbers")
    if outside := [each for each in tokens if not 0 <= each < seq]:
        raise BadAnswer(f"tokens are numbered from 0 to {seq - 1}; it returns {outside[0]} for token {token}")
    if len(set(tokens)) < len(tokens):
        twice = next(each for each in tokens if tokens.count(each) > 1)
        raise WrongAnswer(
            f"it keeps token {twice} twice, and a softmax would count it twice",
            hint="the first tokens are sinks and in the window at the same time, as long as the text is short",
            first_wrong=f"token {token}",
        )
    return np.isin(np.arange(seq), tokens)


def _require_eviction(kept: NDArray[np.bool_], room: int) -> None:
    """The newest token must be there, too, when the memory is full."""
    seq = len(kept)
    if room < seq and np.array_equal(kept, np.tri(seq, dtype=bool) & (np.arange(seq) < room)):
        raise WrongAnswer(
            "it drops what arrives when the memory is full, and the oldest token of the window must leave",
            hint="a circular buffer overwrites its oldest token",
            first_wrong=f"token {room}",
        )


def _require_a_window(kept: NDArray[np.bool_], window: int) -> None:
    """Without sinks the memory is a causal window: attends to what is kept, and asks the oracle."""
    q, k, v = np.random.default_rng(len(kept)).standard_normal((3, 1, len(kept), 1, 8))
    out = ringattn.attention(q, k, v, mask=kept)
    require_right(ringattn.check(q, k, v, out=out, causal=True, window_size=(window - 1, 0), blind_spots=False), out)


def _require_kept(kept: NDArray[np.bool_], window: int, sinks: int) -> None:
    """Compares with the engine: with the values of an identity matrix, a memory outputs the weight of each token."""
    seq = len(kept)
    zeros = np.zeros((1, seq, 1, 1))
    engine = ringattn.circular_attention(zeros, zeros, np.eye(seq)[None, :, None], window=window, sinks=sinks).out[0, :, 0] > 0
    if np.array_equal(kept, engine):
        return
    token, other = (int(each[0]) for each in np.nonzero(kept != engine))
    if engine[token, other]:
        kind = "a sink, which is kept for good" if other < sinks else "which is still in the window"
        sentence = f"it drops token {other}, {kind}"
    else:
        kind = "which has not arrived yet" if other > token else "which has left the window"
        sentence = f"it keeps token {other}, {kind}"
    raise WrongAnswer(
        sentence,
        hint="the sinks have room of their own; beside them stay the newest tokens, as many as the window is long",
        first_wrong=f"token {token}, window {window}, {sinks} sinks",
    )


exercise = Exercise(
    name="keep",
    notebook="08_what_ring_attention_is_not",
    task="keep(token, window, sinks): the tokens that are in memory when the query of that token arrives, a list; the first sinks "
    "tokens are kept for good, and beside them the newest window tokens, the token itself included",
    hints=(
        "Of the tokens 0 to token, each is a sink, or recent, or gone.",
        "A token is recent if fewer than window tokens are after it: other > token - window.",
        "List each token once, even if it is a sink and recent.",
    ),
    grade=grade,
)
