"""The timeline of a run: arithmetic, messages and waits of each device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringattn import _theme
from ringattn._ring import RingResult
from ringattn.plot._style import axes_for, colour_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

compute_height, link_height = 0.5, 0.2  # of the bars; a device has 1


def timeline(ring: RingResult, *, ax: Axes | None = None, title: str = "", until: float | None = None) -> Axes:
    """Arithmetic (thick bars), messages on the link to the next device (thin bars) and waits (hatched), over time.

    _ring_ is the result of ring_attention(..., trace=True). Times are those of the virtual clock in ns. A bar has the
    colour and the number of the K/V block that it computes with or sends. _until_ extends the axis, to compare runs.
    """
    devices = len(ring.devices)
    end = max(record["t_end"] for record in ring.records("run"))
    ax = axes_for(ax, 8.4, 0.55 * devices + 0.9)

    # Arithmetic and waits
    for record in ring.records("compute"):
        if record["live_pairs"]:
            _bar(ax, record["t"], record["t_end"], record["device"], compute_height, record["kv_owner"], end)
    for record in ring.records("wait"):
        width = record["t_end"] - record["t"]
        if width > 0:
            ax.barh(record["device"] - 0.12, width, left=record["t"], height=compute_height, facecolor="white",
                    edgecolor=_theme.wait, hatch="////", linewidth=0.5)  # fmt: skip

    # Messages, each on the link of its sender
    for record in ring.records("recv"):
        if record["t_end"] > record["t"]:
            _bar(ax, record["t"], record["t_end"], record["peer"] + 0.36, link_height, record["owner"], end)

    ax.set(xlim=(0, (until or end) * 1.01), ylim=(devices - 0.4, -0.5), yticks=range(devices))
    ax.set(xlabel="virtual time (ns)", ylabel="device", title=title or "timeline")
    ax.grid(axis="x")
    ax.tick_params(axis="y", length=0)
    return ax


def _bar(ax: Axes, begin: float, finish: float, row: float, height: float, owner: int, end: float) -> None:
    colour = colour_of(owner)
    y = row - 0.12 if height == compute_height else row - 0.04
    ax.barh(y, finish - begin, left=begin, height=height, color=colour, edgecolor="white", linewidth=0.5)
    if height == compute_height and finish - begin > 0.02 * end:
        ax.text((begin + finish) / 2, y, str(owner), ha="center", va="center", fontsize=9, color=_theme.ink_on(colour))
