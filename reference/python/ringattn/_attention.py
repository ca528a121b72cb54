"""The definition of attention, its vector-Jacobian product, and the merge of partial results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ringattn import _arrays, _engine
from ringattn._keywords import make_problem_arrays, string, takes_problem

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ringattn._keywords import Problem

Float64 = NDArray[np.float64]


@takes_problem
def attention(
    q: Any, k: Any, v: Any, *, return_lse: bool = False, **problem: Unpack[Problem]
) -> Float64 | tuple[Float64, Float64]:
    """Full attention as it is defined, in float64: out = softmax(scale q k^T) v.

    q (batch, Sq, heads, head_dim), k (batch, Skv, kv_heads, head_dim), v (batch, Skv, kv_heads, v_dim); query
    head h uses K/V head h // (heads / kv_heads). The keywords are those of ringattn._keywords.Problem.

    Returns out (batch, Sq, heads, v_dim), with return_lse also lse (batch, heads, Sq), the natural logarithm
    of the sum of exp(score). A row that sees no key has out = 0 and lse = -inf.
    """
    out, lse = _engine.attention(make_problem_arrays(q, k, v, **problem))
    return (out, lse) if return_lse else out


@takes_problem
def attention_vjp(
    q: Any, k: Any, v: Any, dout: Any, *, dlse: Any = None, **problem: Unpack[Problem]
) -> tuple[Float64, Float64, Float64]:
    """The gradients of attention, in float64, for what flows back into its results.

    dout has the shape of out, (batch, Sq, heads, v_dim); dlse that of lse, (batch, heads, Sq); None is zero.
    Returns dq, dk, dv in the shapes of q, k, v; dk and dv are summed over the query heads of a group.
    """
    inputs = make_problem_arrays(q, k, v, **problem)
    return _engine.attention_vjp(
        inputs, _arrays.tensor("dout", dout), None if dlse is None else _arrays.tensor("dlse", dlse)
    )


def merge(out_a: Any, lse_a: Any, out_b: Any, lse_b: Any, *, axes: str = "bshd") -> tuple[Float64, Float64]:
    """Joins the results (out, lse) of the same queries on two sets of keys into that on both.

    out (batch, Sq, heads, v_dim), lse (batch, heads, Sq). Associative and commutative up to rounding;
    (0, -inf), the result on no key, changes nothing.
    """
    arrays = {"out_a": out_a, "lse_a": lse_a, "out_b": out_b, "lse_b": lse_b}
    return _engine.merge(
        **{name: _arrays.tensor(name, array) for name, array in arrays.items()}, axes=string("axes", axes)
    )
