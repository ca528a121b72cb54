"""The events of a run as records and arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Events = list[dict[str, Any]]


def records(events: Events, kind: str | None = None) -> Events:
    """One dict for each span or point of a trace, ready for pandas.DataFrame.

    The begin and the end of a span become one record with the additional keys t_end and w_end; a point has t_end = t.
    The key pass is "forward" or "backward".
    """
    found: dict[str, dict[str, Any]] = {}
    passes: dict[int, str] = {}  # the pass that each device runs
    for event in events:
        if event["kind"] == "run":
            passes[event["device"]] = event["what"]
        if event["at"] == "end":
            found[event["id"]] |= {"t_end": event["t"], "w_end": event["w"]}
        else:
            times = {"t_end": event["t"], "w_end": event["w"], "pass": passes[event["device"]]}
            found[event["id"]] = {key: value for key, value in event.items() if key != "at"} | times
    return [record for record in found.values() if kind in (None, record["kind"])]


def live_pairs(events: Events, devices: int) -> NDArray[np.int64]:
    """(devices, steps): the visible pairs of query and key that each device computes at each step of the forward."""
    pairs = np.zeros((devices, devices), dtype=np.int64)
    for record in records(events, "compute"):
        if record["pass"] == "forward":
            pairs[record["device"], record["step"]] += record["live_pairs"]
    return pairs


def visits(events: Events, devices: int) -> NDArray[np.int64]:
    """(devices, devices): how often the queries of device i attended to the K/V block of device j in the forward."""
    counts = np.zeros((devices, devices), dtype=np.int64)
    for record in records(events, "compute"):
        if record["pass"] == "forward":
            counts[record["q_owner"], record["kv_owner"]] += 1
    return counts


@dataclass(frozen=True)
class RowHistory:
    """The softmax state of one query row of one head, before the first step and after each step.

    m and l are (steps + 1), O is (steps + 1, v_dim); alpha is (steps), the factor by which l and O were rescaled;
    kv_owner is (steps), the owner of the absorbed block; scores holds one array for each step.
    """

    row: int
    kv_owner: NDArray[np.int64]
    m: NDArray[np.float64]
    l: NDArray[np.float64]  # noqa: E741 - the name of the papers
    O: NDArray[np.float64]  # noqa: E741
    alpha: NDArray[np.float64]
    scores: list[NDArray[np.float64]]

    @property
    def out(self) -> NDArray[np.float64]:
        """O / l, the attention over the keys absorbed so far; 0 before the first visible key."""
        return self.O / np.where(self.l > 0, self.l, 1)[:, None]


def row_history(events: Events, row: int, *, head: int = 0, batch: int = 0) -> RowHistory:
    """The history of a row whose states the trace holds."""
    place = {"row": row, "head": head, "batch": batch}
    found = [event for event in events if event["kind"] == "row" and all(event[key] == place[key] for key in place)]
    if not found:
        raise ValueError(
            f"[row_history] the trace must hold the states of row {row}, head {head}, batch {batch}; found "
            f"none; call ring_attention with trace=True and trace_rows=[{row}], or trace_rows='all'"
        )
    found.sort(key=lambda event: event["step"])

    def states(name: str) -> NDArray[np.float64]:
        return _numbers([found[0][name + "_before"], *(event[name + "_after"] for event in found)])

    return RowHistory(
        row=row,
        kv_owner=np.array([event["kv_owner"] for event in found], dtype=np.int64),
        m=states("m"),
        l=states("l"),
        O=states("O"),
        alpha=_numbers([event["alpha"] for event in found]),
        scores=[_numbers(event.get("scores", [])) for event in found],
    )


@dataclass(frozen=True)
class States:
    """The partial results of all rows after each step, in the order of the sequence.

    m and l are (steps, batch, heads, Sq), O is (steps, batch, Sq, heads, v_dim).
    """

    m: NDArray[np.float64]
    l: NDArray[np.float64]  # noqa: E741
    O: NDArray[np.float64]  # noqa: E741

    @property
    def out(self) -> NDArray[np.float64]:
        """O / l: the attention over the keys absorbed so far; 0 for a row without a visible key so far."""
        l = np.where(self.l > 0, self.l, 1)  # noqa: E741
        return self.O / np.moveaxis(l, 2, 3)[..., None]


def states(events: Events, header: dict[str, Any]) -> States:
    """The states of all rows, from a trace with trace_rows="all"."""
    steps, batch, heads, rows = (header[key] for key in ("devices", "batch", "heads", "seq"))
    m = np.full((steps, batch, heads, rows), np.nan)
    l, O = m.copy(), np.full((steps, batch, rows, heads, header["v_dim"]), np.nan)  # noqa: E741
    for event in events:
        if event["kind"] == "row":
            step, b, h, i = (event[key] for key in ("step", "batch", "head", "row"))
            m[step, b, h, i], l[step, b, h, i] = float(event["m_after"]), float(event["l_after"])
            O[step, b, i, h] = _numbers(event["O_after"])
    if np.isnan(m).any():
        raise ValueError(
            "[states] the trace must hold the states of all rows; found a trace without some of them; call "
            "ring_attention with trace=True and trace_rows='all'"
        )
    return States(m, l, O)


def _numbers(values: Any) -> NDArray[np.float64]:
    """The numbers of a trace, in which "-inf", "inf" and "nan" are strings."""
    return np.array(values, dtype=object).astype(np.float64)
