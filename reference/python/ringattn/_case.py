"""Test cases: the tensors and keywords of one call of check()."""

from __future__ import annotations

from typing import Any

import numpy as np

from ringattn import _engine


class Case(dict[str, Any]):
    """A case for check(**case, out=...). Its items are also attributes: case.q, case.k, case.v, case.dout."""

    @property
    def options(self) -> dict[str, Any]:
        """The keywords that attention(case.q, case.k, case.v, **case.options) needs."""
        others = ("q", "k", "v", "dout", "dlse", "devices", "layout", "axes")
        return {name: value for name, value in self.items() if name not in others}

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            kind = type(self).__name__.lower()
            raise AttributeError(f"[{kind}] the {kind} has no item {name}; its items are {', '.join(self)}") from None

    def _text(self) -> str:
        return f"q {self.q.shape}, k {self.k.shape}, {', '.join(self.options) or 'no mask'}"


class Probe(Case):
    """A case that makes certain mistakes visible."""

    kind: _engine.ProbeKind
    """What the probe makes visible, and how to read a right result."""

    def __repr__(self) -> str:
        return f"<probe {self.kind.kind}: {self._text()}>"


class Vector(Case):
    """A golden vector: a case whose numbers are exact in every type."""

    id: str
    comment: str
    """What it tests."""

    def __repr__(self) -> str:
        return f"<vector {self.id}: {self._text()}>"


def without_defaults(made: dict[str, Any]) -> dict[str, Any]:
    """Removes the keywords that have default values, so that implementations without these features can run."""

    # Positions and segment ids, unless they are the default ones; one row stands for all sequences
    names = [name for name in made if name.endswith(("_positions", "_ids"))]
    integers = {name: np.array(made.pop(name), dtype=np.int64) for name in names}
    integers = {name: rows[0] if len(rows) == 1 else rows for name, rows in integers.items()}
    q, kv = integers["q_positions"], integers["kv_positions"]
    consecutive = all(np.array_equal(rows, np.arange(rows.shape[-1])) for rows in (q, kv))
    if not consecutive or q.shape != kv.shape:
        made |= {"q_positions": q, "kv_positions": kv}
    if integers["q_segment_ids"].any() or integers["kv_segment_ids"].any():
        made |= {name: integers[name] for name in ("q_segment_ids", "kv_segment_ids")}

    # The other keywords
    default_values = {"softmax_scale": None, "softcap": 0.0, "causal": False, "window_size": (-1, -1)}
    return {name: value for name, value in made.items() if name not in default_values or value != default_values[name]}
