"""The colours of blocks: those of the light theme of ringviz (visualizer/draw/theme.cpp)."""

from __future__ import annotations

identity = ("#1E57DE", "#E97109", "#096D47", "#B32A77", "#9F8A6C", "#A4020C", "#24A4A8", "#9184FF")
ink = "#1A1E27"
faint_ink = "#5B6475"
outline = "#CBD1DB"
wait = "#8A93A3"
wrong = "#C81E1E"
right = "#0B7660"


def colour_of(owner: int) -> str:
    """The colour of the block of a device; colours repeat from the ninth device on."""
    return identity[owner % len(identity)]


def ink_on(background: str) -> str:
    """Black or white, whichever has more contrast on the background."""
    channels = [int(background[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#FFFFFF"
