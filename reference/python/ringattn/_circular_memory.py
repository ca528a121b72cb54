"""Attention with a circular memory: approximate, in constant memory. It is not Ring Attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ringattn import _engine
from ringattn._keywords import make_problem_arrays, takes_plain_problem
from ringattn._values import boolean, integer, number

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ringattn._keywords import PlainProblem


@dataclass(frozen=True)
class MemoryResult:
    """The approximate output of a circular memory, and how it compares with exact attention on a sample of rows."""

    out: NDArray[np.float64]
    sentence: str  # begins with "approximate" or "exact"
    error: float  # norm(out - exact) / norm(exact)
    mass_kept: float  # attention of the exact softmax to the tokens that have a slot of their own
    mass_pooled: float  # the same for tokens in pooled slots
    bytes: int  # of the memory, constant during the stream
    multiply_adds: float
    tokens: dict[str, int]  # where the tokens of one head are at the end

    def __repr__(self) -> str:
        return f"<{self.sentence}>"


@takes_plain_problem
def circular_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    window: int,
    sinks: int = 0,
    heavy_hitters: int = 0,
    pooled_slots: int = 0,
    pool_width: int = 8,
    linear: bool = False,
    gate: float = 0.5,
    **problem: Unpack[PlainProblem],
) -> MemoryResult:
    """Causal attention in constant memory, which drops, pools or selects tokens: what is often mistaken for Ring Attention.

    window         the most recent tokens, in a circular buffer
    sinks          the first tokens, kept for good (StreamingLLM)
    heavy_hitters  tokens that left the window, with the most attention so far (H2O)
    pooled_slots, pool_width
                   slots that each hold the mean of pool_width tokens (Compressive Transformer)
    linear, gate   whether tokens that leave all slots are added to a linear memory, and its part in the output
                   (Infini-attention)
    """
    inputs = make_problem_arrays(q, k, v, **{"causal": True, **problem})
    found = _engine.circular_attention(
        inputs,
        sinks=integer("sinks", sinks),
        window=integer("window", window),
        heavy_hitters=integer("heavy_hitters", heavy_hitters),
        pooled_slots=integer("pooled_slots", pooled_slots),
        pool_width=integer("pool_width", pool_width),
        linear=boolean("linear", linear),
        gate=number("gate", gate),
    )
    return MemoryResult(**found)
