"""Small pictures of objects, as SVG in the HTML output of notebooks."""

from __future__ import annotations

import html

import numpy as np
from numpy.typing import NDArray

from ringattn import _theme

cell = 22  # width and height of a row of the sequence, in pixels
shown_rows = 64  # a longer sequence is cut, with a note


def strip(device_of_row: NDArray[np.int64], caption: str) -> str:
    """One cell for each row of a sequence, in the colour of its device."""
    shown = device_of_row[:shown_rows]
    cells = "".join(_cell(row, int(device)) for row, device in enumerate(shown))
    if len(shown) < len(device_of_row):
        caption += f" (the first {shown_rows} of {len(device_of_row)})"
    size = f'width="{max(1, len(shown)) * cell}" height="{cell}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">{cells}</svg>'
    return f"<figure><figcaption>{html.escape(caption)}</figcaption>{svg}</figure>"


def _cell(row: int, device: int) -> str:
    colour = _theme.colour_of(device)
    x, middle = row * cell, cell / 2
    return (
        f'<rect x="{x}" y="0" width="{cell - 1}" height="{cell - 1}" fill="{colour}"><title>row {row}: device {device}'
        f'</title></rect><text x="{x + middle}" y="{middle + 4}" text-anchor="middle" '
        f'fill="{_theme.ink_on(colour)}">{device}</text>'
    )
