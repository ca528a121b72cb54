"""The common look of the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ringattn import _theme
from ringattn._theme import colour_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["axes_for", "cell", "colour_of", "outlined", "use_style"]

rc_params: dict[str, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "savefig.bbox": "tight",
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": _theme.ink,
    "axes.edgecolor": _theme.outline,
    "axes.labelcolor": _theme.ink,
    "axes.titlecolor": _theme.ink,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": _theme.faint_ink,
    "ytick.color": _theme.faint_ink,
    "grid.color": _theme.outline,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "hatch.linewidth": 0.8,
}


def use_style() -> None:
    """Gives all later pictures of matplotlib the look of this module."""
    plt = _pyplot()
    plt.rcParams.update(rc_params)
    plt.rcParams["axes.prop_cycle"] = plt.cycler(color=_theme.identity)


def axes_for(ax: Axes | None, width: float, height: float) -> Axes:
    """The given axes, or those of a new figure of that size in inches."""
    if ax is not None:
        return ax
    new: Axes = _pyplot().subplots(figsize=(width, height), layout="constrained")[1]
    return new


def cell(ax: Axes, column: float, row: float, colour: str, text: str = "", *, alpha: float = 1) -> None:
    """A filled cell of a grid with a text in black or white."""
    patches = _patches()
    square = patches.Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, facecolor=colour, alpha=alpha, linewidth=0)
    ax.add_patch(square)
    if text:
        ink = _theme.ink_on(colour) if alpha > 0.6 else _theme.ink
        ax.text(column, row, text, ha="center", va="center", color=ink)


def outlined(ax: Axes, columns: int, rows: int, column_label: str, row_label: str) -> None:
    """The frame of a grid of cells: integer ticks, no spines, row 0 at the top."""
    ax.set(xlim=(-0.55, columns - 0.45), ylim=(rows - 0.45, -0.55), xticks=range(columns), yticks=range(rows))
    ax.set(xlabel=column_label, ylabel=row_label, aspect="equal")
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "[plot] pictures need matplotlib; found none; install it with pip install matplotlib"
        ) from error
    return plt


def _patches() -> Any:
    import matplotlib.patches as patches

    return patches
