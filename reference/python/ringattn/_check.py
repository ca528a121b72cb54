"""A verdict on somebody's attention, and the name of its mistake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ringattn import _arrays, _engine
from ringattn._keywords import integer, make_problem_arrays, string, takes_problem
from ringattn._report import Report

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ringattn._keywords import Problem


@takes_problem
def check(
    q: Any,
    k: Any,
    v: Any,
    *,
    out: Any = None,
    lse: Any = None,
    dq: Any = None,
    dk: Any = None,
    dv: Any = None,
    dout: Any = None,
    dlse: Any = None,
    implementation: str | None = None,
    devices: int = 1,
    layout: str = "contiguous",
    rows: int | None = None,
    seed: int = 0,
    blind_spots: bool = True,
    **problem: Unpack[Problem],
) -> Report:
    """Judges any of out, lse, dq, dk, dv of your implementation against the definition in float64.

    out (batch, Sq, heads, v_dim), lse (batch, heads, Sq), dq, dk, dv in the shapes of q, k, v; gradients need
    the dout (and dlse) they belong to, and with long sequences out and lse. An error is divided by what the
    arithmetic explains, so there is no tolerance to choose; implementation says what your matrix products
    take, "f64", "f32", "tf32", "bf16" or "f16" (default: the type of out). devices and layout say how your
    sequence was spread; they only sharpen the diagnosis. rows judges so many rows, the first, the last, the
    borders and random ones; by default all where that takes seconds, else 256. blind_spots lists the mistakes
    that this case could not show. The other keywords are those of attention().
    """
    inputs = make_problem_arrays(q, k, v, **problem)
    text, report, row_ratios, judged_rows, judged_keys = _engine.check(
        inputs,
        _claims(out=out, lse=lse, dq=dq, dk=dk, dv=dv),
        dout=_tensor("dout", dout),
        dlse=_tensor("dlse", dlse),
        implementation=None if implementation is None else string("implementation", implementation),
        devices=integer("devices", devices),
        layout=string("layout", layout),
        rows=_rows(rows, otherwise=0),
        seed=_seed(seed),
        blind_spots=bool(blind_spots),
    )
    return Report(text, json.loads(report), row_ratios, judged_rows, judged_keys)


def assert_attention(out: Any, q: Any, k: Any, v: Any, **keywords: Any) -> None:
    """For tests: raises AssertionError with the report unless check(q, k, v, out=out, ...) is ok."""
    __tracebackhide__ = True
    check(q, k, v, out=out, **{"blind_spots": False, **keywords}).raise_if_failed()


class Laws(tuple[_engine.Law, ...]):
    """Laws that right results obey; printed, each stands on a line."""

    _text: str

    def __new__(cls, text: str, laws: list[_engine.Law]) -> Laws:
        made = super().__new__(cls, laws)
        made._text = text
        return made

    @property
    def ok(self) -> bool:
        """Whether all of them hold."""
        return all(law.holds for law in self)

    def __str__(self) -> str:
        return self._text.rstrip("\n")


@takes_problem
def laws(
    q: Any,
    k: Any,
    v: Any,
    *,
    out: Any = None,
    lse: Any = None,
    dq: Any = None,
    dk: Any = None,
    dv: Any = None,
    dout: Any = None,
    dlse: Any = None,
    implementation: str | None = None,
    rows: int = 64,
    seed: int = 0,
    **problem: Unpack[Problem],
) -> Laws:
    """The conservation laws for which there is enough: no reference, O(S d), so any length will do.

    N needs lse, and looks at _rows_ rows. The others need dout: A with dv, B with dk and without a soft-cap, C with
    out and dv, D with dq and dk. Shapes and keywords are those of check().
    """
    inputs = make_problem_arrays(q, k, v, **problem)
    if lse is None and dout is None:
        raise ValueError("[laws] there is none to try; found neither lse nor dout; give lse for the forward, or dout with "
                         "out, dq, dk and dv for the backward")
    text, found = _engine.laws(
        inputs,
        _claims(out=out, lse=lse, dq=dq, dk=dk, dv=dv),
        dout=_tensor("dout", dout),
        dlse=_tensor("dlse", dlse),
        implementation=None if implementation is None else string("implementation", implementation),
        rows=_rows(rows, otherwise=64),
        seed=_seed(seed),
    )
    return Laws(text, found)


def _claims(**arrays: Any) -> dict[str, Any]:
    return {name: _arrays.tensor(name, array) for name, array in arrays.items() if array is not None}


def _tensor(name: str, array: Any) -> Any:
    return None if array is None else _arrays.tensor(name, array)


def _rows(rows: int | None, otherwise: int) -> int:
    if rows is None:
        return otherwise
    if integer("rows", rows) < 1:
        raise ValueError(f"[rows] at least one row must be judged; found {rows}; leave it out to judge as many as fit")
    return integer("rows", rows)


def _seed(seed: int) -> int:
    if integer("seed", seed) < 0:
        raise ValueError(f"[seed] a seed must not be negative; found {seed}; choose another one")
    return integer("seed", seed)
