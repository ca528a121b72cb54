"""A report as notebooks show it: the text, the block matrix, and a map of the errors."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ringattn._report import Report

most_columns = 128  # of an error map; neighbouring rows share a column beyond that
cell = 9  # pixels

colour_of_verdict = {"pass": "#2e7d32", "note": "#b26a00", "fail": "#c62828", "convention": "#6a1b9a"}


def page(report: Report) -> str:
    parts = [f'<b style="color:{colour_of_verdict[report.verdict]}">{report.verdict.upper()}</b>']
    parts += [f"<b>{html.escape(name['id'])}</b> {html.escape(name['title'])}" for name in _one_each(report.names)]
    parts.append(f'<pre style="line-height:1.2">{html.escape(str(report))}</pre>')
    if report.blocks:
        parts.append(block_matrix(report.blocks["weight"]))
    if report.where:
        tensor = report.where["tensor"]
        rows = report.keys if tensor in ("dk", "dv") else report.rows
        parts.append(error_map(tensor, report.row_ratios[tensor], rows))
    return "<div>" + "<br>".join(parts[:-1]) + parts[-1] + "</div>"


def block_matrix(weight: list[list[Any]]) -> str:
    """A table of devices and K/V blocks; 1 is right, less is blue, more is red."""
    head = "".join(f"<th>block {block}</th>" for block in range(len(weight[0])))
    rows = [
        f"<tr><th>device {device}</th>" + "".join(_weight_cell(float(value)) for value in values) + "</tr>"
        for device, values in enumerate(weight)
    ]
    return f"<table><caption>weight of each K/V block</caption><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def error_map(tensor: str, row_ratio: NDArray[np.float64], rows: list[int]) -> str:
    """Each head of each sequence is a line, each judged row a column; the darker, the more allowances away."""
    lines = row_ratio.reshape(-1, row_ratio.shape[-1])
    columns = np.array_split(np.arange(lines.shape[1]), min(most_columns, lines.shape[1]))
    squares = []
    for line, ratios in enumerate(lines):
        for column, members in enumerate(columns):
            worst = float(ratios[members].max())
            squares.append(
                f'<rect x="{column * cell}" y="{line * cell}" width="{cell - 1}" height="{cell - 1}" '
                f'fill="{_colour_of_ratio(worst)}"><title>rows {rows[members[0]]}..{rows[members[-1]]}, '
                f"head {line % row_ratio.shape[1]}, sequence {line // row_ratio.shape[1]}: {worst:.3g}</title></rect>"
            )
    size = f'width="{len(columns) * cell}" height="{len(lines) * cell}"'
    return f"<figure><figcaption>error of {tensor}: rows from left to right, heads from top to bottom</figcaption>" \
           f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(squares)}</svg></figure>'


def _one_each(names: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({name["id"]: name for name in names}.values())


def _weight_cell(value: float) -> str:
    if math.isnan(value):
        return "<td>-</td>"
    distance = min(abs(value - 1), 1.0)
    colour = f"rgba(198,40,40,{distance:.2f})" if value > 1 else f"rgba(21,101,192,{distance:.2f})"
    return f'<td style="background:{colour}">{value:.2f}</td>'


def _colour_of_ratio(ratio: float) -> str:
    """Green within the allowance, yellow for a note, then red, darker with each power of ten."""
    if ratio <= 1:
        return "#c8e6c9"
    if ratio <= 4:
        return "#ffe082"
    if not math.isfinite(ratio):
        return "#000000"
    return f"hsl(4,70%,{max(20.0, 65 - 12 * math.log10(ratio)):.0f}%)"
