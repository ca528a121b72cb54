"""Attention on a ring of devices, with what it cost them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ringattn import _arrays, _engine
from ringattn._keywords import integer, make_problem_arrays, string, takes_problem

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Unpack

    from ringattn._keywords import Problem


@dataclass(frozen=True)
class Device:
    """What one device of the ring did."""

    peak_bytes: int  # the most that it held at once
    bytes_sent: int
    busy_seconds: float  # in arithmetic
    wait_seconds: float  # for messages, and for room in the slot of its neighbour


@dataclass(frozen=True)
class RingResult:
    """Results in global order, in the arithmetic type of the ring: float64 for float64, else float32."""

    out: NDArray[Any]  # (batch, Sq, heads, v_dim)
    lse: NDArray[Any]  # (batch, heads, Sq)
    devices: list[Device]
    dq: NDArray[Any] | None = None  # gradients: where dout was given
    dk: NDArray[Any] | None = None
    dv: NDArray[Any] | None = None
    trace_header: dict[str, Any] = field(default_factory=dict, repr=False)
    trace: list[dict[str, Any]] = field(default_factory=list, repr=False)  # the facts of the run, by time
    _trace_text: str = field(default="", repr=False)

    def save_trace(self, path: str | PathLike[str]) -> None:
        """Writes the trace as the JSON lines that the other tools read."""
        if not self._trace_text:
            raise ValueError("[save_trace] the run kept no trace; run it with trace=True")
        Path(path).write_text(self._trace_text, encoding="utf-8")

    def __repr__(self) -> str:
        peak = max(device.peak_bytes for device in self.devices)
        return f"<ring attention on {len(self.devices)} devices: out {self.out.shape}, at most {peak} bytes a device>"


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
    """Exact attention, with the sequence spread over a ring of devices: what attention() gives, to rounding.

    Shapes and keywords are those of attention(); bias and mask are refused. layout is "contiguous", "zigzag"
    or "striped"; rotate says whether "kv" or "q" travels. threads: 0 is one for each device, 1 is lockstep.
    overlap sends a block on before working on it. With dout (and dlse) the backward runs too. With trace the
    result holds the events of the run.
    """
    inputs = make_problem_arrays(q, k, v, **problem)
    found = _engine.ring_attention(
        inputs,
        devices=integer("devices", devices),
        layout=string("layout", layout),
        rotate=string("rotate", rotate),
        threads=integer("threads", threads),
        overlap=bool(overlap),
        trace=bool(trace),
        dout=None if dout is None else _arrays.tensor("dout", dout),
        dlse=None if dlse is None else _arrays.tensor("dlse", dlse),
    )
    text = found.pop("trace")
    header, *events = (json.loads(line) for line in text.splitlines()) if text else ({},)
    found["devices"] = [Device(**figures) for figures in found["devices"]]
    return RingResult(**found, trace_header=header, trace=events, _trace_text=text)
