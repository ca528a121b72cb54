"""Results of the ranks of a ring as one array."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringattn import _arrays
from ringattn._sharding import sharding
from ringattn._values import quote, string

axis_of_sequence = {"bshd": 1, "bhsd": 2, "sbhd": 0}


def gather(parts: Sequence[Any], *, layout: str = "contiguous", axes: str = "bshd") -> Any:
    """Joins the results of the ranks, in the order of the ranks, to the result of the whole sequence.

    Each part is an array, out (batch, rows, heads, v_dim) or lse (batch, heads, rows), or the path of a file that
    numpy.save or numpy.savez wrote; of .npz files every array is joined, and the result is a dict. The rows are those
    that the layout gives to the rank: "contiguous", "zigzag" or "striped".

    check() joins lists of arrays itself: check(q, k, v, out=[of_rank_0, of_rank_1], devices=2, layout="zigzag").
    """
    if not isinstance(parts, list | tuple) or len(parts) == 0:
        raise TypeError("[gather] the parts must be a list with one array or path per rank; "
                        f"found {quote(type(parts).__name__)}; pass a list that is not empty")
    loaded = [_load(part) for part in parts]
    if not any(isinstance(part, dict) for part in loaded):
        return _joined("part", loaded, layout, axes)
    if not all(isinstance(part, dict) and part.keys() == loaded[0].keys() for part in loaded):
        raise ValueError("[gather] all files must hold arrays of the same names; found files that differ; "
                         "save the same results on each rank")
    return {name: _joined(name, [part[name] for part in loaded], layout, axes) for name in loaded[0]}


def _load(part: Any) -> Any:
    if not isinstance(part, str | PathLike):
        return _arrays.numbers("part", part)
    try:
        found = np.load(part, allow_pickle=False)
        return found if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}
    except Exception as error:
        raise ValueError(f"[gather] the file must be one that numpy.save or numpy.savez wrote; found {quote(str(part))}, "
                         "which cannot be read; load it yourself and pass the array") from error


def _joined(name: str, parts: list[NDArray[Any]], layout: str, axes: str) -> NDArray[Any]:
    order = string("axes", axes)
    if order not in axis_of_sequence:
        raise ValueError(f"[axes] the order of the axes must be bshd, bhsd or sbhd; found {quote(axes)}; choose one of them")
    axis = axis_of_sequence[order] if parts[0].ndim != 3 else 2
    others = [[*part.shape[:axis], *part.shape[axis + 1 :]] for part in parts]
    if any(part.ndim not in (3, 4) or shape != others[0] or part.dtype != parts[0].dtype for part, shape in zip(parts, others)):
        raise ValueError(f"[gather] all parts of {name} must be results of one type that differ in their rows only; found the "
                         f"shapes {quote([part.shape for part in parts])}; pass axes= if they have another order")

    # Each rank has the rows of its device
    found = [part.shape[axis] for part in parts]
    distribution = sharding(sum(found), devices=len(parts), layout=layout)
    wanted = [len(rows) for rows in distribution.rows]
    if found != wanted:
        raise ValueError(f"[gather] {distribution.layout} gives {quote(wanted)} of {sum(found)} rows to the ranks; found "
                         f"{quote(found)} in {name}; pass the layout of your program")
    return distribution.gather(parts, axis=axis)
