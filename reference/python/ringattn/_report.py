"""What the oracle says: for people, for programs and for notebooks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringattn import _html


class Report:
    """The report of check(). print() shows the text of the command line."""

    def __init__(
        self,
        text: str,
        content: dict[str, Any],
        row_ratios: dict[str, NDArray[np.float64]],
        rows: list[int],
        keys: list[int],
    ) -> None:
        self._text = text
        self._content = content
        self.row_ratios = row_ratios
        """By tensor: the worst element of each judged row in allowances, (batch, heads, rows)."""
        self.rows = rows
        """The query rows that were judged."""
        self.keys = keys
        """The keys whose dk and dv were judged."""

    @property
    def verdict(self) -> str:
        """"pass", "note" (right, with less precision than declared), "fail" or "convention"."""
        return self._content["verdict"]

    @property
    def ok(self) -> bool:
        """Whether the result is right; a note on precision is."""
        return self.verdict in ("pass", "note")

    @property
    def ratio(self) -> float:
        """The error of the worst element, in what the arithmetic explains: up to 1 is a pass, up to 4 a note."""
        return float(self._content["gauge_ratio"])

    @property
    def names(self) -> list[dict[str, Any]]:
        """The mistakes that give this result: id, title, residual, parameters. More than one: twins."""
        return self._content["names"]

    @property
    def runner_up(self) -> dict[str, Any] | None:
        """The nearest mistake that was rejected."""
        return self._content["runner_up"]

    @property
    def blind_to(self) -> list[str] | None:
        """Ids of the mistakes that this case cannot show; None where nobody looked."""
        return self._content["blind_to"]

    @property
    def where(self) -> dict[str, Any] | None:
        """Batches, heads, rows, documents and devices that are wrong, and the first wrong row."""
        return self._content["where"]

    @property
    def blocks(self) -> dict[str, Any] | None:
        """The weight that each K/V block has in the rows of each device, where it is 1 if all is right."""
        return self._content["blocks"]

    @property
    def laws(self) -> dict[str, Any]:
        """The conservation laws that could be tried, by id: statement, holds, ratio."""
        return self._content.get("laws", {})

    def to_json(self) -> str:
        """What `ringattn check --json` writes."""
        return json.dumps(self._content, indent=2) + "\n"

    def raise_if_failed(self) -> None:
        """Raises AssertionError with the text of the report, unless ok."""
        __tracebackhide__ = True
        if not self.ok:
            raise AssertionError("\n" + self._text)

    def __str__(self) -> str:
        return self._text.rstrip("\n")

    def __repr__(self) -> str:
        named = ", ".join(dict.fromkeys(name["id"] for name in self.names))
        return f"<report: {self.verdict}, {self.ratio:.3g} allowances{', ' + named if named else ''}>"

    def _repr_html_(self) -> str:
        return _html.page(self)
