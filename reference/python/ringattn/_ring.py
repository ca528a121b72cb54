"""Attention on a ring of devices, with the memory, traffic and time of each device."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ringattn import _arrays, _engine, _trace
from ringattn._keywords import make_problem_arrays, takes_problem
from ringattn._values import boolean, integer, number, quote, string

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
    dsinks: NDArray[Any] | None = None  # (heads), if sinks were given, too
    trace_header: dict[str, Any] = field(default_factory=dict, repr=False)
    trace: list[dict[str, Any]] = field(default_factory=list, repr=False)  # the events of the run, by time
    _trace_text: str = field(default="", repr=False)

    def records(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The trace with one dict for each span, ready for pandas.DataFrame; kind selects "compute", "send", ...

        A record has the fields of the event, t_end, w_end and pass ("forward" or "backward"). Times are in ns: t of the
        virtual clock, which is deterministic, and w of the wall clock.
        """
        return _trace.records(self._events(), kind)

    def live_pairs(self) -> NDArray[np.int64]:
        """(devices, steps): the visible pairs of query and key that each device computes at each step."""
        return _trace.live_pairs(self._events(), len(self.devices))

    def visits(self) -> NDArray[np.int64]:
        """(devices, devices): how often the queries of device i attended to the K/V block of device j."""
        return _trace.visits(self._events(), len(self.devices))

    def row_history(self, row: int, *, head: int = 0, batch: int = 0) -> _trace.RowHistory:
        """m, l and O of one query row of one head after each step; needs trace_rows."""
        return _trace.row_history(self._events(), row, head=head, batch=batch)

    def states(self) -> _trace.States:
        """m, l and O of all rows after each step; needs trace_rows="all"."""
        return _trace.states(self._events(), self.trace_header)

    def _events(self) -> list[dict[str, Any]]:
        if not self.trace:
            raise ValueError("[trace] the run must have a trace; found none; call ring_attention with trace=True")
        return self.trace

    def save_trace(self, path: str | PathLike[str]) -> None:
        """Writes the trace as JSON lines, which ringviz can read."""
        Path(path).write_text(self.trace_text(), encoding="utf-8")

    def trace_text(self) -> str:
        """The trace as JSON lines."""
        self._events()
        return self._trace_text

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
    strategy: str = "ring",
    group: int = 0,
    threads: int = 0,
    overlap: bool = True,
    trace: bool = False,
    trace_rows: str | Sequence[int] | None = None,
    ns_per_pair: float = 1,
    link_gbps: float | Sequence[float] = 0,
    link_latency_us: float = 0,
    fault: str = "",
    dout: Any = None,
    dlse: Any = None,
    **problem: Unpack[Problem],
) -> RingResult:
    """Exact attention, with the sequence distributed over a ring of devices. Equals attention() up to rounding.

    Shapes and keywords are those of attention(), except bias and mask, which a ring does not support.

    layout      how the sequence is distributed: "contiguous", "zigzag" or "striped"
    rotate      which blocks travel around the ring: "kv" or "q"
    strategy    "ring", or another exact way to distribute attention: "all-gather", "bidirectional", "double-ring",
                "ulysses", "usp", "tree" (forward only), or "auto", a ring that rotates the smaller tensors
    group       devices in a node ("double-ring") or in a group that exchanges heads ("usp")
    threads     0: one thread per device; 1: all devices in lockstep on one thread
    overlap     whether a device sends a block on before it computes with it
    trace       whether the result holds the events of the run
    trace_rows  query rows whose softmax state (m, l, O) the trace records at each step: a list, or "all"
    ns_per_pair, link_gbps, link_latency_us
                speed of the virtual clock: time for one visible pair of query and key, 2.5 times as long in the
                backward pass, and for messages. Links really are that slow: 10^9 bits per second in one direction, 0 is
                unlimited. A list of link_gbps has one number for the link from each device to the next
    fault       runs the ring with a fault, to study it: "no_rescale", "no_maximum", "masked_row_nan",
                "partials_bf16" in the softmax state; "stale", "torn", "lost", "twice" or "all_send_first" in a link.
                make_mistake() gives the result of any mistake of the catalogue
    dout, dlse  gradients of the loss; with dout the backward pass runs too
    """
    inputs = make_problem_arrays(q, k, v, **problem)
    result = _engine.ring_attention(
        inputs,
        devices=integer("devices", devices),
        layout=string("layout", layout),
        rotate=string("rotate", rotate),
        strategy=string("strategy", strategy),
        group=integer("group", group),
        threads=integer("threads", threads),
        overlap=boolean("overlap", overlap),
        trace=boolean("trace", trace),
        trace_rows=_rows(trace_rows, inputs.queries),
        ns_per_pair=number("ns_per_pair", ns_per_pair),
        link_gbps=[number("link_gbps", each) for each in np.atleast_1d(link_gbps)],
        link_latency_us=number("link_latency_us", link_latency_us),
        fault=string("fault", fault),
        dout=_arrays.optional_tensor("dout", dout),
        dlse=_arrays.optional_tensor("dlse", dlse),
    )
    text = result.pop("trace")
    header, *events = (json.loads(line) for line in text.splitlines()) if text else ({},)
    result["devices"] = [Device(**figures) for figures in result["devices"]]
    return RingResult(**result, trace_header=header, trace=events, _trace_text=text)


def _rows(rows: str | Sequence[int] | None, queries: int) -> list[int] | None:
    """The rows to trace, as a list; "all" stands for all queries."""
    if rows is None:
        return None
    if isinstance(rows, str) and rows == "all":
        return list(range(queries))
    if isinstance(rows, str) or not isinstance(rows, Sequence | np.ndarray):
        kind = ValueError if isinstance(rows, str) else TypeError
        raise kind(f"[trace_rows] rows must be a list or 'all'; found {quote(rows)}; pass for example [0, 5]")
    return [integer("trace_rows", row) for row in rows]
