"""The HTML page of a report, for notebooks: the text, the matrix of block weights, and a map of the errors."""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

max_columns = 128  # of an error map; with more rows, neighbouring rows share a column
cell = 9  # width and height of a cell of the map, in pixels

colour_of_verdict = {"pass": "#2e7d32", "note": "#b26a00", "fail": "#c62828", "convention": "#6a1b9a"}


def page(
    text: str, content: dict[str, Any], row_ratios: dict[str, NDArray[np.float64]], rows: list[int], keys: list[int]
) -> str:
    """The page of a report: its text, its JSON content, and the error of each checked row by tensor."""
    verdict, names, blocks, where = (content[key] for key in ("verdict", "names", "blocks", "where"))
    parts = [f'<b style="color:{colour_of_verdict[verdict]}">{verdict.upper()}</b>']
    parts += [f"<b>{html.escape(name['id'])}</b> {html.escape(name['title'])}" for name in _without_repeats(names)]
    parts.append(f'<pre style="line-height:1.2">{html.escape(text)}</pre>')
    if blocks:
        parts.append(block_matrix(blocks["weight"]))
    if where:
        tensor = where["tensor"]
        parts.append(error_map(tensor, row_ratios[tensor], keys if tensor in ("dk", "dv") else rows))
    return "<div>" + "<br>".join(parts[:-1]) + parts[-1] + "</div>"


def block_matrix(weight: list[list[Any]]) -> str:
    """A table, devices down and K/V blocks across: weight 1 is right, smaller weights are blue, larger ones red."""
    head = "".join(f"<th>block {block}</th>" for block in range(len(weight[0])))
    rows = [
        f"<tr><th>device {device}</th>" + "".join(_weight_cell(float(value)) for value in values) + "</tr>"
        for device, values in enumerate(weight)
    ]
    caption = "<caption>weight of each K/V block in your output</caption>"
    return f"<table>{caption}<tr><th></th>{head}</tr>{''.join(rows)}</table>"


def error_map(tensor: str, row_ratio: NDArray[np.float64], rows: list[int]) -> str:
    """One line per sequence and head, one column per checked row; a darker cell has a larger error."""
    lines = row_ratio.reshape(-1, row_ratio.shape[-1])
    columns = np.array_split(np.arange(lines.shape[1]), min(max_columns, lines.shape[1]))
    squares = []
    for line, ratios in enumerate(lines):
        for column, members in enumerate(columns):
            worst = float(ratios[members].max())
            squares.append(
                f'<rect x="{column * cell}" y="{line * cell}" width="{cell - 1}" height="{cell - 1}" '
                f'fill="{_colour_of_ratio(worst)}"><title>rows {rows[members[0]]}..{rows[members[-1]]}, '
                f"head {line % row_ratio.shape[1]}, sequence {line // row_ratio.shape[1]}: "
                f"{worst:.3g} x the tolerance</title></rect>"
            )
    size = f'width="{len(columns) * cell}" height="{len(lines) * cell}"'
    caption = f"largest error of {tensor} per row: rows from left to right, heads from top to bottom"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(squares)}</svg>'
    return f"<figure><figcaption>{caption}</figcaption>{svg}</figure>"


def _without_repeats(names: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({name["id"]: name for name in names}.values())


def _weight_cell(value: float) -> str:
    if math.isnan(value):
        return "<td>-</td>"
    distance = min(abs(value - 1), 1.0)
    colour = f"rgba(198,40,40,{distance:.2f})" if value > 1 else f"rgba(21,101,192,{distance:.2f})"
    return f'<td style="background:{colour}">{value:.2f}</td>'


def _colour_of_ratio(ratio: float) -> str:
    """Green up to 1 tolerance, yellow up to 4 (a note), then red, darker with each power of ten; black: not finite."""
    if ratio <= 1:
        return "#c8e6c9"
    if ratio <= 4:
        return "#ffe082"
    if not math.isfinite(ratio):
        return "#000000"
    return f"hsl(4,70%,{max(20.0, 65 - 12 * math.log10(ratio)):.0f}%)"
