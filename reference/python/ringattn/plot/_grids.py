"""Pictures made of cells: the schedule, visits, work, masks, layouts and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ringattn import _theme
from ringattn._sharding import Sharding
from ringattn.plot._style import axes_for, cell, colour_of, outlined

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def schedule(owners: Any, *, ax: Axes | None = None, title: str = "") -> Axes:
    """The owner of the block that each device holds at each step; _owners_ is ringattn.schedule(devices)."""
    table = np.asarray(owners)
    devices, steps = table.shape
    ax = axes_for(ax, 0.55 * steps + 1.2, 0.55 * devices + 0.9)
    for (device, step), owner in np.ndenumerate(table):
        cell(ax, step, device, colour_of(int(owner)), str(owner))
    outlined(ax, steps, devices, "step", "device")
    ax.set_title(title or "whose K and V does a device hold?")
    return ax


def visits(counts: Any, *, numbers: Any = None, ax: Axes | None = None, title: str = "") -> Axes:
    """How often each device's queries met each K/V block; _counts_ is ring.visits(). One is right everywhere.

    _numbers_ are printed instead of the counts, for example the step of the meeting.
    """
    table, printed = np.asarray(counts), np.asarray(counts if numbers is None else numbers)
    ax = axes_for(ax, 0.6 * table.shape[1] + 1.2, 0.6 * table.shape[0] + 0.9)
    for (device, owner), count in np.ndenumerate(table):
        right = count == 1
        cell(ax, owner, device, colour_of(int(owner)) if right else _theme.wrong, str(printed[device, owner]),
             alpha=1 if right else 0.35)  # fmt: skip
    outlined(ax, table.shape[1], table.shape[0], "K/V block of device", "queries of device")
    ax.set_title(title or "how often did they meet?")
    return ax


def work(live_pairs: Any, *, ax: Axes | None = None, title: str = "") -> Axes:
    """The visible pairs of each device at each step; _live_pairs_ is ring.live_pairs().

    The fill of a cell is its part of the largest cell of the same step, for which all devices wait.
    """
    pairs = np.asarray(live_pairs)
    devices, steps = pairs.shape
    ax = axes_for(ax, 0.8 * steps + 1.4, 0.62 * devices + 1.1)
    slowest = np.maximum(pairs.max(axis=0), 1)
    for (device, step), count in np.ndenumerate(pairs):
        cell(ax, step, device, _theme.outline, alpha=0.45)
        _fill(ax, step, device, colour_of((device - step) % devices), count / slowest[step])
        ax.text(step, device, str(count), ha="center", va="center", fontsize=9)
    outlined(ax, steps, devices, "step", "device")
    busy = pairs.sum() / (devices * slowest.sum())
    ax.set(aspect="auto", title=title or f"visible pairs: devices are busy {busy:.0%} of the time")
    return ax


def strips(*shardings: Sharding, ax: Axes | None = None, title: str = "") -> Axes:
    """Layouts above each other: the device of each row of the sequence. The arguments are ringattn.sharding(...)."""
    columns = max(each.seq for each in shardings)
    ax = axes_for(ax, 0.34 * columns + 1.6, 0.42 * len(shardings) + 0.9)
    for line, each in enumerate(shardings):
        for row, device in enumerate(each.device_of_row):
            cell(ax, row, line, colour_of(int(device)), str(device))
    outlined(ax, columns, len(shardings), "row of the sequence", "")
    ax.set_yticks(range(len(shardings)), [each.layout for each in shardings])
    ax.set_title(title or "which device holds which row?")
    return ax


def mask(sharding: Sharding, *, causal: bool = True, ax: Axes | None = None, title: str = "") -> Axes:
    """The mask with rows and columns in shard order; a visible pair has the colour of the owner of its key."""
    ax = axes_for(ax, 3.4, 3.5)
    order, owner = sharding.order, sharding.device_of_row[sharding.order]
    visible = order[:, None] >= order[None, :] if causal else np.ones((len(order), len(order)), dtype=bool)
    image = np.ones((*visible.shape, 3))
    for device in range(sharding.devices):
        image[visible & (owner == device)[None, :]] = _rgb(colour_of(device))
    ax.imshow(image, interpolation="nearest")
    _block_lines(ax, sharding)
    ax.set_title(title or sharding.layout)
    return ax


def weights(matrix: Any, *, sharding: Sharding | None = None, ax: Axes | None = None, title: str = "") -> Axes:
    """A matrix of attention weights, (queries, keys); darker is larger. _sharding_ draws the borders of the blocks."""
    values = np.asarray(matrix, dtype=np.float64)
    ax = axes_for(ax, 3.6, 3.5)
    ax.imshow(values, cmap="Greys", interpolation="nearest", vmin=0)
    if sharding:
        _block_lines(ax, sharding)
    ax.set(title=title or "weights", xlabel="key", ylabel="query")
    return ax


def _block_lines(ax: Axes, sharding: Sharding) -> None:
    """The borders of the blocks of rows in shard order, with the number of the device at their middle."""
    ends = np.cumsum([len(rows) for rows in sharding.rows])
    for end in ends[:-1]:
        ax.axhline(end - 0.5, color=_theme.ink, linewidth=0.8)
        ax.axvline(end - 0.5, color=_theme.ink, linewidth=0.8)
    middles = ends - np.diff(ends, prepend=0) / 2 - 0.5
    ax.set_xticks(middles, [str(device) for device in range(sharding.devices)])
    ax.set_yticks(middles, [str(device) for device in range(sharding.devices)])
    ax.set(xlabel="keys of device", ylabel="queries of device")
    ax.tick_params(length=0)


def _fill(ax: Axes, column: int, row: int, colour: str, part: float) -> None:
    """Fills a part of a cell, from the left."""
    from matplotlib.patches import Rectangle

    ax.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94 * part, 0.94, facecolor=colour, alpha=0.6, linewidth=0))


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)
