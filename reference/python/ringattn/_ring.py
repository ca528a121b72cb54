"""Attention on a ring of devices, with the memory, traffic and time of each device."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ringattn import _arrays, _engine
from ringattn._keywords import make_problem_arrays, takes_problem
from ringattn._values import boolean, integer, string

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Unpack

    from ringattn._keywords import Problem


@dataclass(frozen=True)
class Device:
    """Memory, traffic and time of one device of the ring."""

    peak_bytes: int  # largest memory in use at any time
    bytes_sent: int
    busy_seconds: float  # computing
    wait_seconds: float  # waiting for messages, and for a free slot of its neighbour


@dataclass(frozen=True)
class RingResult:
    """Results in global order, in the arithmetic type of the ring: float64 for float64, else float32."""

    out: NDArray[Any]  # (batch, Sq, heads, v_dim)
    lse: NDArray[Any]  # (batch, heads, Sq)
    devices: list[Device]
    dq: NDArray[Any] | None = None  # gradients, if dout was given
    dk: NDArray[Any] | None = None
    dv: NDArray[Any] | None = None
    trace_header: dict[str, Any] = field(default_factory=dict, repr=False)
    trace: list[dict[str, Any]] = field(default_factory=list, repr=False)  # the events of the run, by time
    _trace_text: str = field(default="", repr=False)

    def save_trace(self, path: str | PathLike[str]) -> None:
        """Writes the trace as JSON lines, which ringviz can read."""
        if not self._trace_text:
            raise ValueError("[save_trace] the run must have a trace; found none; call ring_attention with trace=True")
        Path(path).write_text(self._trace_text, encoding="utf-8")

    def __repr__(self) -> str:
        peak = max(device.peak_bytes for device in self.devices)
        return f"<ring attention on {len(self.devices)} devices: out {self.out.shape}, at most {peak} bytes per device>"


@takes_problem
def ring_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    devices: int = 4,
    layout: str = "contiguous",
    rotate: str = "kv",
    threads: int = 0,
    overlap: bool = True,
    trace: bool = False,
    dout: Any = None,
    dlse: Any = None,
    **problem: Unpack[Problem],
) -> RingResult:
    """Exact attention, with the sequence distributed over a ring of devices. Equals attention() up to rounding.

    Shapes and keywords are those of attention(), except bias and mask, which a ring does not support.

    layout      how the sequence is distributed: "contiguous", "zigzag" or "striped"
    rotate      which blocks travel around the ring: "kv" or "q"
    threads     0: one thread per device; 1: all devices in lockstep on one thread
    overlap     whether a device sends a block on before it computes with it
    trace       whether the result holds the events of the run
    dout, dlse  gradients of the loss; with dout the backward pass runs too
    """
    inputs = make_problem_arrays(q, k, v, **problem)
    result = _engine.ring_attention(
        inputs,
        devices=integer("devices", devices),
        layout=string("layout", layout),
        rotate=string("rotate", rotate),
        threads=integer("threads", threads),
        overlap=boolean("overlap", overlap),
        trace=boolean("trace", trace),
        dout=_arrays.optional_tensor("dout", dout),
        dlse=_arrays.optional_tensor("dlse", dlse),
    )
    text = result.pop("trace")
    header, *events = (json.loads(line) for line in text.splitlines()) if text else ({},)
    result["devices"] = [Device(**figures) for figures in result["devices"]]
    return RingResult(**result, trace_header=header, trace=events, _trace_text=text)
