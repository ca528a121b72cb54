"""The report of check(), as text, as JSON and as a page in notebooks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringattn import _html


class Report:
    """The report of check(). print() shows the same text as `ringattn check`.

    Errors are measured in tolerances. The tolerance of an element is the largest error that rounding explains there.
    """

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
        """By tensor: the largest error of each checked row in tolerances, (batch, heads, rows)."""
        self.rows = rows
        """The query rows that were checked."""
        self.keys = keys
        """The keys whose dk and dv were checked."""

    @property
    def verdict(self) -> str:
        """"pass", "note" (right, but less precise than declared), "fail" or "convention" (of another library)."""
        return self._content["verdict"]

    @property
    def ok(self) -> bool:
        """Whether the result is right: the verdict is "pass" or "note"."""
        return self.verdict in ("pass", "note")

    @property
    def ratio(self) -> float:
        """The largest error in tolerances: up to 1 is a pass, up to 4 a note."""
        return float(self._content["gauge_ratio"])

    @property
    def names(self) -> list[dict[str, Any]]:
        """The mistakes that explain this result: id, title, residual, parameters.

        Several mistakes are indistinguishable on this input: conventions first, then in the order of the catalogue.
        """
        return self._content["names"]

    @property
    def runner_up(self) -> dict[str, Any] | None:
        """The nearest mistake that was rejected; None unless it is at most half as far away as the right result."""
        return self._content["runner_up"]

    @property
    def blind_to(self) -> list[str] | None:
        """Ids of the mistakes that this case cannot detect; None if they were not computed."""
        return self._content["blind_to"]

    @property
    def where(self) -> dict[str, Any] | None:
        """The wrong batches, heads, rows, channels, documents and devices, their boxes, and the first wrong row."""
        return self._content["where"]

    @property
    def blocks(self) -> dict[str, Any] | None:
        """The weight of each K/V block in the rows of each device; 1 is right."""
        return self._content["blocks"]

    @property
    def measured(self) -> list[dict[str, Any]]:
        """What the numbers of wrong rows are, measured without the catalogue: kind, tensor, sentence, fix, boxes, rows.

        A finding holds to within rounding for each row that it names. Empty for a right result.
        """
        return (self._content["measured"] or {}).get("findings", [])

    @property
    def laws(self) -> dict[str, Any]:
        """The tested conservation laws by id: statement, holds, ratio."""
        return self._content.get("laws", {})

    def to_json(self) -> str:
        """The JSON text that `ringattn check --json` writes."""
        return json.dumps(self._content, indent=2) + "\n"

    def raise_if_failed(self) -> None:
        """Raises AssertionError with the text of the report unless ok."""
        __tracebackhide__ = True
        if not self.ok:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        return self._text.rstrip("\n")

    def __repr__(self) -> str:
        named = ", ".join(dict.fromkeys(name["id"] for name in self.names))
        return f"<report: {self.verdict}, {self.ratio:.3g} x the tolerance{', ' + named if named else ''}>"

    def _repr_html_(self) -> str:
        return _html.page(str(self), self._content, self.row_ratios, self.rows, self.keys)
