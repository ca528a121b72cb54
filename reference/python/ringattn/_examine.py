"""The measurement of an implementation of attention: which keys it reads, with which weights, under which scores."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from ringattn import _arrays, _engine
from ringattn._catalogue import _pair_of_heads
from ringattn._keywords import make_problem_arrays, takes_problem
from ringattn._ranks import RankError, function_of_ranks
from ringattn._values import boolean, integer, number, precision, quote, reason, string
from ringattn._worlds import Worlds

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ringattn._keywords import Problem


@dataclass(frozen=True)
class Finding:
    """One departure from attention."""

    kind: str
    """The kind of the finding, as "scale" or "visible_band"."""
    sentence: str
    """What the heads and rows do instead of attention."""
    numbers: dict[str, Any]
    """The measured numbers, and lists of rows, keys or heads."""
    where: list[dict[str, Any]]
    """The rows of each query head, as dicts with batch, head and rows."""


class Examination:
    """What examine() found. print() shows the same text as `ringattn examine`."""

    def __init__(self, measured: tuple[Any, ...], error: BaseException | None) -> None:
        self._text, content, self._html, self.weights, self.right_weights, self.even_weights, scale = measured
        self._content = json.loads(content)
        self._error = error
        self.scale: NDArray[np.float64] | None = None if scale is None else scale[..., 0]
        """The effective scale of each sequence and query head, (batch, heads)."""

    weights: NDArray[np.float64] | None
    """The measured weights under varied scores, (batch, heads, Sq, Skv); None if they could not be measured."""
    right_weights: NDArray[np.float64] | None
    """The right weights of the same inputs."""
    even_weights: NDArray[np.float64] | None
    """The measured weights where all scores are 0: a key that is read has the weight 1 / (number of keys read)."""

    @property
    def findings(self) -> list[Finding]:
        """The departures from attention that rounding does not explain; empty if there are none."""
        return [Finding(f["kind"], f["sentence"], f["numbers"], f["where"]) for f in self._content["findings"]]

    @property
    def ok(self) -> bool:
        """Whether there are no findings."""
        return not self._content["findings"]

    @property
    def visible(self) -> NDArray[np.bool_] | None:
        """Which keys each row reads, (batch, heads, Sq, Skv)."""
        return None if self.even_weights is None else self.even_weights != 0

    @property
    def explained(self) -> bool:
        """Whether a computation with exactly these findings gives the same out for ordinary numbers.

        False does not mean that there are more findings: of many kinds the result is not computed.
        """
        return bool(self._content["explained"])

    @property
    def calls(self) -> int:
        """How often the function was called."""
        return int(self._content["calls"])

    def raise_if_any(self) -> None:
        """Raises AssertionError with the text if there are findings."""
        __tracebackhide__ = True
        if not self.ok:
            raise AssertionError(str(self)) from self._error

    def to_json(self) -> str:
        """The JSON text that `ringattn examine --json` writes."""
        return json.dumps(self._content, indent=2) + "\n"

    def __str__(self) -> str:
        return self._text.rstrip("\n")

    def __repr__(self) -> str:
        kinds = ", ".join(dict.fromkeys(finding.kind for finding in self.findings))
        return f"<examination: {kinds or 'nothing found'}, {self.calls} calls>"

    def _repr_html_(self) -> str:
        return self._html


Implementation = Callable[..., Any] | Sequence[Callable[..., Any]]


@overload
def examine(function: Implementation, *, worlds: None = None, **keywords: Any) -> Examination: ...
@overload
def examine(*, worlds: Mapping[int, Implementation], **keywords: Any) -> Worlds: ...
@takes_problem
def examine(
    function: Implementation | None = None,
    *,
    worlds: Mapping[int, Implementation] | None = None,
    backward: Implementation | Mapping[int, Implementation] | None = None,
    batch: int = 2,
    seq: int = 128,
    kv_seq: int | None = None,
    heads: int | tuple[int, int] = (4, 2),
    dim: int = 64,
    v_dim: int | None = None,
    dlse: bool = False,
    implementation: str | None = None,
    devices: int | None = None,
    layout: str = "contiguous",
    timeout: float | None = None,
    **problem: Unpack[Problem],
) -> Examination | Worlds:
    """Calls your attention on inputs whose results spell out its weights, and says where they depart from attention.

    function is called about ten times as function(q=..., k=..., v=...) with numpy arrays (batch, seq, heads, head_dim)
    and returns out, or (out, lse) with lse (batch, heads, Sq). The arrays are float32 (float64 for "f64"), of numbers
    that every narrower type holds exactly, so convert them to the type of your attention.

    function may be a list with one function per rank. Each is called with the rows that the layout gives to its rank,
    on a thread of its own, and returns the results of its rows; they are joined as gather() does.

    Choose a shape in which a mistake can show: several sequences and tiles, fewer K/V heads than query heads. The
    keywords of the problem, as causal or window_size, say what the function is meant to compute.

    worlds           instead of function: {1: function, 2: function, 4: functions}, the implementation on several
                     numbers of devices. The result is a Worlds, which also compares them: what is found on one device
                     does not come from the ring
    backward         called as backward(q=..., k=..., v=..., dout=...); returns (dq, dk, dv). A list, or a dict, if
                     function or worlds is one
    dlse             backward also takes dlse=..., (batch, heads, Sq): the derivative of lse is examined, too
    implementation   operand type of your matrix products: "f64", "f32", "tf32", "bf16" or "f16", or a type such as
                     torch.bfloat16; default: the type of out
    devices, layout  how your sequence is distributed over devices; findings are said in these terms. Of a list, devices
                     is its length
    timeout          seconds that one call may take; the function then runs on another thread

    The other keywords are those of attention().
    """
    keywords = {"batch": batch, "seq": seq, "kv_seq": kv_seq, "heads": heads, "dim": dim, "v_dim": v_dim, "dlse": dlse,
                "implementation": implementation, "layout": layout, "timeout": timeout, **problem}
    if worlds is None:
        return _examine_one(function, backward=backward, devices=devices, **keywords)
    if function is not None or devices is not None:
        raise TypeError("[examine] worlds holds the functions for each number of devices; found "
                        f"{'a function' if function is not None else 'devices'}, too; leave it out")
    if not isinstance(worlds, Mapping) or not worlds:
        raise TypeError(f"[examine] worlds must be a dict from numbers of devices to functions; found {quote(worlds)}; "
                        "pass {1: function, 2: function}")
    gradients = backward if isinstance(backward, Mapping) else dict.fromkeys(worlds, backward)
    if gradients.keys() != worlds.keys():
        raise ValueError(f"[examine] backward must hold the numbers of devices of worlds, {quote(list(worlds))}; found "
                         f"{quote(list(gradients))}; give both for each number")
    return Worlds({integer("worlds", count): _examine_one(each, backward=gradients[count], devices=count, **keywords)
                   for count, each in worlds.items()})


def _examine_one(
    function: Any,
    *,
    backward: Any,
    batch: int,
    seq: int,
    kv_seq: int | None,
    heads: int | tuple[int, int],
    dim: int,
    v_dim: int | None,
    dlse: bool,
    implementation: str | None,
    devices: int | None,
    layout: str,
    timeout: float | None,
    **problem: Any,
) -> Examination:
    heads_q, heads_kv = (integer("heads", each) for each in _pair_of_heads(heads))
    shape = {"batch": batch, "seq": seq, "kv_seq": seq if kv_seq is None else kv_seq, "dim": dim,
             "v_dim": dim if v_dim is None else v_dim}
    extents = {name: integer(name, value) for name, value in shape.items()}
    q_shape = (extents["batch"], extents["seq"], heads_q, extents["dim"])
    k_shape = (extents["batch"], extents["kv_seq"], heads_kv, extents["dim"])
    v_shape = (*k_shape[:3], extents["v_dim"])
    _engine.require_measurable(q_shape, k_shape, v_shape)
    axes = problem.get("axes") or "bshd"
    q, k, v = (_blank(each, axes) for each in (q_shape, k_shape, v_shape))
    inputs = make_problem_arrays(q, k, v, **problem)

    seconds = None if timeout is None else number("timeout", timeout)
    caller = _Caller(seconds)
    ranks = function if isinstance(function, list | tuple) else None
    if ranks is not None and devices not in (None, len(ranks)):
        raise ValueError(f"[examine] a list has one function per device; found {len(ranks)} functions for "
                         f"{quote(devices)} devices; pass one for each")
    name_of_layout = string("layout", layout)
    function, backward = (
        function_of_ranks(each, layout=name_of_layout, axes=axes) if isinstance(each, list | tuple) else each
        for each in (function, backward)
    )
    if not callable(function):
        raise TypeError(f"[examine] the implementation must be a function, or a list of functions; found {quote(function)}; "
                        "pass function or worlds")
    measured = _engine.examine(
        inputs,
        forward=lambda q, k, v: caller.forward(function, q=q, k=k, v=v),
        backward=None
        if backward is None
        else lambda q, k, v, dout, of_lse: caller.gradients(
            backward, q=q, k=k, v=v, dout=dout, **({"dlse": of_lse} if dlse else {})
        ),
        dlse=boolean("dlse", dlse),
        implementation=None if implementation is None else precision("implementation", implementation),
        devices=integer("devices", len(ranks or [1]) if devices is None else devices),
        layout=name_of_layout,
    )
    return Examination(measured, caller.error)


def _blank(shape: tuple[int, ...], axes: Any) -> NDArray[np.float64]:
    """Zeros of a shape (batch, seq, heads, dim), with the axes in the given order and no memory of their own."""
    order = {"bshd": (0, 1, 2, 3), "bhsd": (0, 2, 1, 3), "sbhd": (1, 0, 2, 3)}.get(axes, (0, 1, 2, 3))
    return np.broadcast_to(np.float64(0), tuple(shape[axis] for axis in order))


class _Caller:
    """Calls the functions of the user. What is no result becomes a sentence, which completes "call 3 ..."."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self.error: BaseException | None = None

    def forward(self, function: Callable[..., Any], **arrays: Any) -> Any:
        """(out, lse or None), or a sentence."""
        found = self._call(function, arrays)
        if isinstance(found, _Failure):
            return found.sentence
        pair = isinstance(found, tuple | list)
        if pair and len(found) != 2:
            return f"returned {len(found)} values; expected out or (out, lse)"
        out, lse = found if pair else (found, None)
        return self._arrays([("out", out)] + ([] if lse is None else [("lse", lse)]), length=2)

    def gradients(self, function: Callable[..., Any], **arrays: Any) -> Any:
        """(dq, dk, dv), or a sentence."""
        found = self._call(function, arrays)
        if isinstance(found, _Failure):
            return found.sentence
        if not isinstance(found, tuple | list) or len(found) != 3:
            return f"of the backward pass returned {quote(type(found).__name__)}; expected (dq, dk, dv)"
        return self._arrays(list(zip(("dq", "dk", "dv"), found, strict=True)), length=3)

    def _arrays(self, named: list[tuple[str, Any]], length: int) -> Any:
        arrays: list[Any] = []
        for name, array in named:
            if array is None:
                return f"returned None for {name}; expected an array"
            try:
                arrays.append(_arrays.tensor(name, array))
            except (TypeError, ValueError) as error:
                return f"returned no array: {error}"
        return (*arrays, *[None] * (length - len(arrays)))

    def _call(self, function: Callable[..., Any], arrays: dict[str, Any]) -> Any:
        if self._timeout is None:
            return self._run(function, arrays)
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(self._run(function, arrays)), daemon=True)
        thread.start()
        thread.join(self._timeout)
        return found[0] if found else _Failure(f"did not return within {self._timeout:g} s")

    def _run(self, function: Callable[..., Any], arrays: dict[str, Any]) -> Any:
        try:
            found = function(**arrays)
        except RankError as failure:
            self.error = failure.error
            return _Failure(f"on rank {failure.rank} raised {type(failure.error).__name__}: {reason(failure.error)}")
        except Exception as error:
            self.error = error
            return _Failure(f"raised {type(error).__name__}: {reason(error)}")
        return _Failure("returned None; expected out or (out, lse)") if found is None else found


@dataclass(frozen=True)
class _Failure:
    sentence: str
