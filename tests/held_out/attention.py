"""Attention and its gradient in float64, as steps that a case can replace by wrong ones.

Tensors are (batch, sequence, heads, dim); scores, weights and lse begin with (batch, heads).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """What a user declares to check()."""

    causal: bool = False
    window_size: tuple[int, int] = (-1, -1)
    softcap: float = 0.0
    softmax_scale: float | None = None
    cu_seqlens: tuple[int, ...] = ()
    devices: int = 1
    layout: str = "contiguous"


@dataclass(frozen=True)
class Inputs:
    """The arguments of an implementation. operand() rounds as its matrix products do."""

    q: Array
    k: Array
    v: Array
    options: Options = Options()
    dout: Array | None = None
    dlse: Array | None = None
    operand: Callable[[Array], Array] = lambda values: values

    def replace(self, **changes: Array | Options) -> Inputs:
        return dataclasses.replace(self, **changes)

    @property
    def scale(self) -> float:
        given = self.options.softmax_scale
        return self.q.shape[-1] ** -0.5 if given is None else given

    @property
    def group(self) -> int:
        return self.q.shape[2] // self.k.shape[2]


@dataclass(frozen=True)
class Results:
    """What an implementation returns. A user who has no lse does not submit it."""

    out: Array
    lse: Array | None = None
    dq: Array | None = None
    dk: Array | None = None
    dv: Array | None = None


# ---- Mask -------------------------------------------------------------------


def positions(inputs: Inputs) -> tuple[Array, Array]:
    """Positions of the queries, as a column, and of the keys; the last query stands at the last key."""
    queries, keys = inputs.q.shape[1], inputs.k.shape[1]
    return np.arange(queries)[:, None] + keys - queries, np.arange(keys)[None, :]


def visible(inputs: Inputs, **changes: bool | tuple[int, int] | tuple[int, ...]) -> NDArray[np.bool_]:
    """(Sq, Skv), True where the query attends to the key; _changes_ replace options."""
    options = dataclasses.replace(inputs.options, **changes)
    row, key = positions(inputs)
    left, right = options.window_size
    mask = np.ones((row.size, key.size), bool)
    if options.causal:
        mask &= key <= row
    if left >= 0:
        mask &= key >= row - left
    if right >= 0:
        mask &= key <= row + right
    if options.cu_seqlens:
        document = np.searchsorted(options.cu_seqlens, np.arange(key.size), side="right")
        mask &= document[:, None] == document[None, :]
    return mask


# ---- Forward ----------------------------------------------------------------


def per_query_head(inputs: Inputs, tensor: Array) -> Array:
    """k or v with one head per query head."""
    return np.repeat(tensor, inputs.group, axis=2)


def raw_scores(inputs: Inputs) -> Array:
    return np.einsum("bihd,bjhd->bhij", inputs.q, per_query_head(inputs, inputs.k))


def capped(inputs: Inputs, scores: Array) -> Array:
    cap = inputs.options.softcap
    return cap * np.tanh(scores / cap) if cap else scores


def scores_of(inputs: Inputs) -> Array:
    return capped(inputs, inputs.scale * raw_scores(inputs))


def softmax(scores: Array) -> tuple[Array, Array]:
    """Weights and lse; -inf hides a key, and a row that sees no key has weights 0."""
    largest = scores.max(axis=-1, keepdims=True)
    shift = np.where(np.isfinite(largest), largest, 0.0)
    terms = np.exp(scores - shift)
    total = terms.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        lse = (np.log(total) + shift)[..., 0]
    return terms / np.where(total > 0, total, 1.0), lse


def masked(scores: Array, mask: NDArray[np.bool_]) -> Array:
    return np.where(mask, scores, -np.inf)


def weighted_values(inputs: Inputs, weights: Array) -> Array:
    return np.einsum("bhij,bjhd->bihd", inputs.operand(weights), per_query_head(inputs, inputs.v))


def attend(inputs: Inputs, mask: NDArray[np.bool_] | None = None, scores: Array | None = None) -> Results:
    """out and lse; by default the right ones."""
    mask = visible(inputs) if mask is None else mask
    weights, lse = softmax(masked(scores_of(inputs) if scores is None else scores, mask))
    return Results(weighted_values(inputs, weights), lse)


def merged(parts: Sequence[Results]) -> Results:
    """The state of all keys, from the states of disjoint sets of keys."""
    lse = np.logaddexp.reduce([part.lse for part in parts])
    return Results(sum(rowwise(np.exp(part.lse - finite(lse))) * part.out for part in parts), lse)


def rowwise(values: Array) -> Array:
    """(batch, heads, Sq) as a factor of out."""
    return values.transpose(0, 2, 1)[..., None]


def finite(lse: Array) -> Array:
    return np.where(np.isfinite(lse), lse, 0.0)


# ---- Backward ---------------------------------------------------------------


def delta_of(out: Array, dout: Array) -> Array:
    return np.einsum("bihd,bihd->bhi", out, dout)


def weights_from_lse(inputs: Inputs, lse: Array, mask: NDArray[np.bool_] | None = None) -> Array:
    """The weights as a backward pass recomputes them."""
    mask = visible(inputs) if mask is None else mask
    return np.where(mask, np.exp(np.minimum(scores_of(inputs) - finite(lse)[..., None], 80.0)), 0.0)


def cap_slope(inputs: Inputs) -> Array | float:
    cap = inputs.options.softcap
    return 1 - (scores_of(inputs) / cap) ** 2 if cap else 1.0


def score_gradients(inputs: Inputs, weights: Array, delta: Array) -> Array:
    """Gradients of the scores before the soft-cap."""
    products = np.einsum("bihd,bjhd->bhij", inputs.dout, per_query_head(inputs, inputs.v))
    row_term = -delta if inputs.dlse is None else inputs.dlse - delta
    return weights * (products + row_term[..., None]) * cap_slope(inputs)


def dq_of(inputs: Inputs, dscores: Array) -> Array:
    return inputs.scale * np.einsum("bhij,bjhd->bihd", inputs.operand(dscores), per_query_head(inputs, inputs.k))


def dk_per_query_head(inputs: Inputs, dscores: Array) -> Array:
    return inputs.scale * np.einsum("bhij,bihd->bjhd", inputs.operand(dscores), inputs.q)


def dv_per_query_head(inputs: Inputs, weights: Array) -> Array:
    return np.einsum("bhij,bihd->bjhd", inputs.operand(weights), inputs.dout)


def sum_of_groups(inputs: Inputs, tensor: Array) -> Array:
    batch, seq, heads, dim = tensor.shape
    return tensor.reshape(batch, seq, heads // inputs.group, inputs.group, dim).sum(axis=3)


def differentiate(inputs: Inputs, forward: Results | None = None, *, mask: NDArray[np.bool_] | None = None,
                  delta: Array | None = None, weights: Array | None = None) -> Results:
    """out, lse and the gradients; by default the right ones."""
    forward = attend(inputs) if forward is None else forward
    weights = weights_from_lse(inputs, forward.lse, mask) if weights is None else weights
    delta = delta_of(forward.out, inputs.dout) if delta is None else delta
    return from_score_gradients(inputs, forward, weights, score_gradients(inputs, weights, delta))


def from_score_gradients(inputs: Inputs, forward: Results, weights: Array, dscores: Array) -> Results:
    dk, dv = dk_per_query_head(inputs, dscores), dv_per_query_head(inputs, weights)
    return dataclasses.replace(forward, dq=dq_of(inputs, dscores), dk=sum_of_groups(inputs, dk),
                               dv=sum_of_groups(inputs, dv))
