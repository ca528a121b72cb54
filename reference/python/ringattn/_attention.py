"""The definition of attention, its vector-Jacobian product, and the merge of partial results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ringattn import _arrays, _engine
from ringattn._keywords import make_problem_arrays, takes_pair_problem
from ringattn._values import boolean, string

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ringattn._keywords import PairProblem

Float64 = NDArray[np.float64]


@overload
def attention(
    q: Any, k: Any, v: Any, *, return_lse: Literal[False] = False, **problem: Unpack[PairProblem]
) -> Float64: ...
@overload
def attention(
    q: Any, k: Any, v: Any, *, return_lse: Literal[True], **problem: Unpack[PairProblem]
) -> tuple[Float64, Float64]: ...
@overload
def attention(
    q: Any, k: Any, v: Any, *, return_lse: bool, **problem: Unpack[PairProblem]
) -> Float64 | tuple[Float64, Float64]: ...
@takes_pair_problem
def attention(
    q: Any, k: Any, v: Any, *, return_lse: bool = False, **problem: Unpack[PairProblem]
) -> Float64 | tuple[Float64, Float64]:
    """Full attention by its definition, in float64: out = softmax(scale q k^T) v.

    q (batch, Sq, heads, head_dim), k (batch, Skv, kv_heads, head_dim), v (batch, Skv, kv_heads, v_dim); query
    head h uses K/V head h // (heads / kv_heads). The keywords are those of ringattn._keywords.PairProblem.

    Returns out (batch, Sq, heads, v_dim). With return_lse, also returns lse (batch, heads, Sq), the natural
    logarithm of the sum of exp(score). A query that attends to no key has out = 0, and lse = -inf or its sink.
    """
    with_lse = boolean("return_lse", return_lse)
    out, lse = _engine.attention(make_problem_arrays(q, k, v, **problem))
    return (out, lse) if with_lse else out


@takes_pair_problem
def attention_vjp(
    q: Any, k: Any, v: Any, dout: Any, *, dlse: Any = None, **problem: Unpack[PairProblem]
) -> tuple[Float64, ...]:
    """The vector-Jacobian product of attention in float64: the gradients dq, dk, dv for given dout and dlse.

    dout has the shape of out, (batch, Sq, heads, v_dim); dlse has the shape of lse, (batch, heads, Sq), and None
    means zero. The gradients have the shapes of q, k, v; dk and dv are summed over the query heads of a group.
    With sinks, dsinks (heads) follows them, summed over batch and queries.
    """
    inputs = make_problem_arrays(q, k, v, **problem)
    return _engine.attention_vjp(inputs, _arrays.tensor("dout", dout), _arrays.optional_tensor("dlse", dlse))


def merge(out_a: Any, lse_a: Any, out_b: Any, lse_b: Any, *, axes: str = "bshd") -> tuple[Float64, Float64]:
    """Merges the results (out, lse) of the same queries for two disjoint sets of keys into the result for both sets.

    out is (batch, Sq, heads, v_dim), lse is (batch, heads, Sq). The operation is associative and commutative up to
    rounding; its neutral element is (0, -inf), the result for no key.
    """
    arrays = {"out_a": out_a, "lse_a": lse_a, "out_b": out_b, "lse_b": lse_b}
    return _engine.merge(
        **{name: _arrays.tensor(name, array) for name, array in arrays.items()}, axes=string("axes", axes)
    )
