"""The verdict on an implementation of attention, and the name of its mistake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ringattn import _arrays, _engine
from ringattn._keywords import make_problem_arrays, takes_pair_problem
from ringattn._report import Report
from ringattn._values import boolean, integer, natural, precision, string

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ringattn._keywords import PairProblem


@takes_pair_problem
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
    dsinks: Any = None,
    dout: Any = None,
    dlse: Any = None,
    implementation: str | None = None,
    devices: int = 1,
    layout: str = "contiguous",
    strategy: str = "ring",
    group: int = 0,
    rows: int | None = None,
    seed: int = 0,
    blind_spots: bool = True,
    **problem: Unpack[PairProblem],
) -> Report:
    """Checks any of out, lse, dq, dk, dv, dsinks of your implementation against the definition in float64.

    out is (batch, Sq, heads, v_dim), lse is (batch, heads, Sq); dq, dk, dv have the shapes of q, k, v, and dsinks
    that of sinks, (heads). Gradients need dout (and dlse, if used). Of sequences so long that rows are sampled by
    default, dk and dv are tested by laws only. Inputs that leave a right result no digits are refused with
    ValueError.

    Every error is divided by its tolerance, the largest error that rounding explains at that element, so there is
    no tolerance to choose.

    implementation   operand type of your matrix products: "f64", "f32", "tf32", "bf16", "f16", "e4m3" or "e5m2",
                     or a type such as torch.bfloat16; default: the type of out
    devices, layout  how your sequence was distributed over devices; this only makes the diagnosis more specific
    strategy, group  "ring", "ulysses" (the devices exchange heads for rows) or "usp" (groups of _group_ devices exchange
                     heads and form a ring with this layout; device j of a group has part j of its rows)
    rows, seed       number of query rows to check: the first, the last, the shard borders and random ones;
                     default: all if that takes seconds, else 256
    blind_spots      whether a passing report lists the mistakes that this case cannot detect

    out and the other results may be lists with one array per device, in the order of the devices: they are joined by
    the layout and the strategy. lse may also be (batch, Sq, heads), with or without an axis of extent 1 at the end.

    Unless axes is given, the axes may be in any order: the report says how the tensors were read. The other keywords
    are those of ringattn._keywords.PairProblem.
    """
    ring = (string("strategy", strategy), integer("group", group), string("layout", layout), integer("devices", devices))
    results = {"out": out, "lse": lse, "dq": dq, "dk": dk, "dv": dv, "dsinks": dsinks}
    any_order = problem.get("axes") is None
    notes: list[str] = []
    if any_order:
        problem["axes"], notes = _likely_axes(q, k, v, results, {"dout": dout, "dlse": dlse}, ring, problem)
    inputs = make_problem_arrays(q, k, v, **problem)
    if inputs.padding:
        notes.append(inputs.padding)
    text, report, row_ratios, checked_rows, checked_keys = _engine.check(
        inputs,
        _submitted(results),
        dout=_arrays.optional_tensor("dout", dout),
        dlse=_arrays.optional_tensor("dlse", dlse),
        implementation=None if implementation is None else precision("implementation", implementation),
        rows=_rows(rows, default=0),
        seed=natural("seed", seed),
        blind_spots=boolean("blind_spots", blind_spots),
        any_order=any_order,
        notes=notes,
        ring=ring,
    )
    return Report(text, json.loads(report), row_ratios, checked_rows, checked_keys)


def assert_attention(out: Any, q: Any, k: Any, v: Any, **keywords: Any) -> None:
    """Raises AssertionError with the report unless check(q, k, v, out=out, ...) is ok. For test suites."""
    __tracebackhide__ = True
    check(q, k, v, out=out, **{"blind_spots": False, **keywords}).raise_if_failed()


class Laws(tuple[_engine.Law, ...]):
    """The tested laws; str() shows one law per line."""

    _text: str

    def __new__(cls, text: str, laws: list[_engine.Law]) -> Laws:
        made = super().__new__(cls, laws)
        made._text = text
        return made

    def __getnewargs__(self) -> tuple[str, list[_engine.Law]]:  # for pickle and copy
        return self._text, list(self)

    @property
    def ok(self) -> bool:
        """Whether all laws hold."""
        return all(law.holds for law in self)

    def __str__(self) -> str:
        return self._text.rstrip("\n")


@takes_pair_problem
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
    **problem: Unpack[PairProblem],
) -> Laws:
    """Tests the conservation laws whose inputs are given. They need no reference result and O(S d) time.

    N needs lse, and reads all keys for _rows_ query rows. The others need dout: A needs dv and no
    dropout; B needs dk and no soft-cap; C needs out and dv; D needs dq and dk. Shapes and keywords are those of check().
    """
    inputs = make_problem_arrays(q, k, v, **problem)
    if lse is None and dout is None:
        raise ValueError("[laws] a law needs lse, or gradients and dout; found neither lse nor dout; pass lse for the "
                         "forward pass, or dout with out, dq, dk and dv for the backward pass")
    text, found = _engine.laws(
        inputs,
        _submitted({"out": out, "lse": lse, "dq": dq, "dk": dk, "dv": dv}),
        dout=_arrays.optional_tensor("dout", dout),
        dlse=_arrays.optional_tensor("dlse", dlse),
        implementation=None if implementation is None else precision("implementation", implementation),
        rows=_rows(rows, default=64),
        seed=natural("seed", seed),
    )
    return Laws(text, found)


def _likely_axes(
    q: Any,
    k: Any,
    v: Any,
    results: dict[str, Any],
    cotangents: dict[str, Any],
    ring: tuple[str, int, str, int],
    problem: PairProblem,
) -> tuple[str, list[str]]:
    """The order of the axes in which the submission can be read and is nearest to attention, and a sentence on it."""

    def read(axes: str) -> tuple[float, int, int] | None:
        try:
            inputs = make_problem_arrays(q, k, v, **{**problem, "axes": axes})
            given = {name: _arrays.optional_tensor(name, array) for name, array in cotangents.items()}
            return _engine.ordered_reading(inputs, _submitted(results), **given, ring=ring)
        except ValueError:
            return None

    axes, note = _engine.choose_order(read)
    return axes, [note] if note else []


def _submitted(results: dict[str, Any]) -> dict[str, Any]:
    return {name: _arrays.tensor_or_shards(name, array) for name, array in results.items() if array is not None}


def _rows(rows: int | None, default: int) -> int:
    if rows is None:
        return default
    found = integer("rows", rows)
    if found < 1:
        raise ValueError(f"[rows] rows must be at least 1; found {found}; leave it out for the default")
    return found
