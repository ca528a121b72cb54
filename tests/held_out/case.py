"""A wrong result of a public bug report: what computes it, what its user declares, and what a report must say."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import ringattn

from held_out.attention import Array, Inputs, Options, Results

cases: list[Case] = []

storage_types = {"f32": np.float32, "bf16": ml_dtypes.bfloat16}


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    source: str  # owner/repository#thread
    kind: str
    fact: str  # what a report must state, so that a stranger can mend the bug
    words: tuple[str, ...]  # regular expressions that such a report probably matches
    compute: Callable[[Inputs, bool], Results]  # the second argument: whether the bug is there
    batch: int
    seq: tuple[int, int]
    heads: tuple[int, int]
    dims: tuple[int, int]
    options: Options
    backward: bool = False
    partial: bool = False
    lse_gradient: bool = False
    prepare: Callable[[Inputs], Inputs] = lambda inputs: inputs
    precisions: tuple[str, ...] = ("f32", "bf16")

    def inputs(self, precision: str) -> Inputs:
        """Random inputs that the storage type holds exactly; the same for every run."""
        numbers = np.random.default_rng(zlib.crc32(self.name.encode()))

        def draw(seq: int, heads: int, dim: int) -> Array:
            return numbers.standard_normal((self.batch, seq, heads, dim))

        (queries, keys), (heads, kv_heads), (dim, v_dim) = self.seq, self.heads, self.dims
        drawn = Inputs(draw(queries, heads, dim), draw(keys, kv_heads, dim), draw(keys, kv_heads, v_dim), self.options)
        if self.backward:
            drawn = drawn.replace(dout=draw(queries, heads, v_dim))
        if self.lse_gradient:
            drawn = drawn.replace(dlse=numbers.standard_normal((self.batch, heads, queries)))
        drawn = self.prepare(drawn)
        stored = {name: rounded(getattr(drawn, name), precision) for name in ("q", "k", "v", "dout")
                  if getattr(drawn, name) is not None}
        operand = (lambda values: rounded(values, precision)) if precision != "f32" else (lambda values: values)
        return drawn.replace(**stored, operand=operand)

    def check(self, precision: str, *, wrong: bool, **keywords: Any) -> ringattn.Report:
        """The report on the wrong or on the right implementation, with all that its user has."""
        inputs = self.inputs(precision)
        results = self.compute(inputs, wrong)
        storage = storage_types[precision]
        given = {name: getattr(inputs, name) for name in ("q", "k", "v", "dout")}
        given |= {name: getattr(results, name) for name in ("out", "dq", "dk", "dv")}
        with np.errstate(invalid="ignore", over="ignore"):
            arrays = {name: array.astype(storage) for name, array in given.items() if array is not None}
            lse = {"lse": results.lse, "dlse": inputs.dlse}
            arrays |= {name: array.astype(np.float32) for name, array in lse.items() if array is not None}
        return ringattn.check(**arrays, **self.declared(), **keywords)

    def declared(self) -> dict[str, Any]:
        """The options, as keywords of check()."""
        options = self.options
        keywords: dict[str, Any] = {"causal": options.causal, "window_size": options.window_size,
                                    "softcap": options.softcap, "softmax_scale": options.softmax_scale,
                                    "devices": options.devices, "layout": options.layout}
        if self.seq[0] != self.seq[1] and (options.causal or options.window_size != (-1, -1)):
            keywords["causal_align"] = "bottom-right"
        if options.cu_seqlens:
            keywords |= {"cu_seqlens_q": list(options.cu_seqlens), "cu_seqlens_k": list(options.cu_seqlens)}
        return keywords


def rounded(values: Array, precision: str) -> Array:
    return values.astype(storage_types[precision]).astype(np.float64)


def case(title: str, *, source: str, kind: str, fact: str, words: tuple[str, ...], batch: int = 2,
         seq: int | tuple[int, int] = 75, heads: int | tuple[int, int] = 3, dim: int | tuple[int, int] = 24,
         causal: bool = False, window: tuple[int, int] = (-1, -1), softcap: float = 0.0,
         cu_seqlens: tuple[int, ...] = (), devices: int = 1, layout: str = "contiguous",
         **others: Any) -> Callable[[Callable[[Inputs, bool], Results]], Callable[[Inputs, bool], Results]]:
    """Decorator: registers the function that computes the result of a case."""
    options = Options(causal, window, softcap, None, cu_seqlens, devices, layout)

    def register(compute: Callable[[Inputs, bool], Results]) -> Callable[[Inputs, bool], Results]:
        cases.append(Case(compute.__name__, title, source, kind, fact, words, compute, batch, pair(seq), pair(heads),
                          pair(dim), options, **others))
        return compute

    return register


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)
