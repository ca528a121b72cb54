"""The cases as functions that compute attention on any inputs of their shape, and what ringattn.examine() finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import ringattn
from numpy.typing import NDArray

from held_out.attention import Array, Inputs, Results
from held_out.case import Case, rounded

Function = Callable[..., "NDArray[np.float32] | tuple[NDArray[np.float32], ...]"]


def implementation(case: Case, precision: str, *, wrong: bool = True) -> Function:
    """A function of keywords q, k, v: returns (out, lse), or out if the case has no lse; with dout (dq, dk, dv).

    Results have the precision of the storage type, in float32 arrays.
    """

    def attention(*, q: Any, k: Any, v: Any, dout: Any = None, dlse: Any = None) -> Any:
        q, k, v = (rounded(np.asarray(tensor, np.float64), precision) for tensor in (q, k, v))
        inputs = inputs_of(case, precision, q, k, v, dout)
        results = case.compute(inputs if dlse is None else inputs.replace(dlse=np.asarray(dlse, np.float64)), wrong)
        names = ("out", "lse") if dout is None else ("dq", "dk", "dv")
        return only_or_all(stored(results, name, precision) for name in names if getattr(results, name) is not None)

    return attention


def inputs_of(case: Case, precision: str, q: Array, k: Array, v: Array, dout: Any) -> Inputs:
    """The inputs of a call; a call without dout of a case with a backward pass has dout 0."""
    if dout is not None:
        dout = rounded(np.asarray(dout, np.float64), precision)
    elif case.backward:
        dout = np.zeros((*q.shape[:3], v.shape[-1]))
    operand = (lambda values: rounded(values, precision)) if precision != "f32" else (lambda values: values)
    return Inputs(q, k, v, case.options, dout, operand=operand)


def examine(case: Case, precision: str, *, wrong: bool = True) -> ringattn.Examination:
    """What is found in the implementation, of the shape and the options of its case."""
    function = implementation(case, precision, wrong=wrong)
    batch, seq, kv_seq, heads, kv_heads, dim, v_dim = shape_of(case)
    with np.errstate(over="ignore", invalid="ignore"):
        return ringattn.examine(function, backward=function if case.backward else None, dlse=case.lse_gradient,
                                batch=batch, seq=seq, kv_seq=kv_seq, heads=(heads, kv_heads), dim=dim, v_dim=v_dim,
                                implementation=precision, **case.declared())


def stored(results: Results, name: str, precision: str) -> NDArray[np.float32]:
    values = getattr(results, name)
    with np.errstate(invalid="ignore", over="ignore"):
        return (values if name == "lse" else rounded(values, precision)).astype(np.float32)


def only_or_all(arrays: Any) -> Any:
    found = tuple(arrays)
    return found[0] if len(found) == 1 else found


def shape_of(case: Case) -> tuple[int, int, int, int, int, int, int]:
    """batch, queries, keys, query heads, K/V heads, dim of q and k, dim of v."""
    return (case.batch, *case.seq, *case.heads, *case.dims)
