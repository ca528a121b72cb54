"""Probes, inputs that make certain mistakes visible, and the catalogue of mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from ringattn import _arrays, _engine
from ringattn._case import Probe, Vector, without_defaults
from ringattn._keywords import canonical_keywords, make_problem_arrays, takes_problem
from ringattn._values import boolean, integer, natural, quote, string

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ringattn._keywords import Problem


def probe(
    kind: str,
    *,
    seq: int = 256,
    heads: int | tuple[int, int] = (4, 2),
    dim: int = 64,
    devices: int = 4,
    layout: str = "contiguous",
    causal: bool = False,
    causal_align: str = "bottom-right",
    kv_seq: int | None = None,
    v_dim: int | None = None,
    batch: int = 1,
    seed: int = 0,
    **aliases: Any,
) -> Probe:
    """An input that makes certain mistakes visible. Run your attention on it, then call check(**case, out=...).

    heads is (query heads, K/V heads), or one number for both. The tensors are float64, and every narrower type
    holds them exactly, so convert them to the type of your attention. probe_kinds() lists the kinds.
    """
    renamed = canonical_keywords("probe", aliases, ["devices", "layout"])
    heads_q, heads_kv = _pair_of_heads(heads)
    ring: dict[str, Any] = {
        "devices": integer("devices", renamed.get("devices", devices)),
        "layout": string("layout", renamed.get("layout", layout)),
    }
    made = _engine.probe(
        string("kind", kind),
        batch=integer("batch", batch),
        seq=integer("seq", seq),
        kv_seq=None if kv_seq is None else integer("kv_seq", kv_seq),
        heads=integer("heads", heads_q),
        kv_heads=integer("heads", heads_kv),
        dim=integer("dim", dim),
        v_dim=None if v_dim is None else integer("v_dim", v_dim),
        causal=boolean("causal", causal),
        causal_align=string("causal_align", causal_align),
        seed=natural("seed", seed),
        **ring,
    )
    case = Probe(without_defaults(made), **ring, axes="bshd")
    case.kind = probe_kind(kind)
    return case


def _pair_of_heads(heads: Any) -> tuple[Any, Any]:
    if not isinstance(heads, tuple | list):
        return heads, heads
    if len(heads) != 2:
        raise ValueError(f"[heads] heads is (query heads, K/V heads), or one number; found {quote(heads)}; "
                         "pass two ints")
    return heads[0], heads[1]


def vectors() -> list[Vector]:
    """The golden vectors: small cases that together show every mistake of the catalogue."""
    found = []
    for id, comment, made in _engine.vectors():
        vector = Vector(without_defaults(made), axes="bshd")
        vector.id, vector.comment = id, comment
        found.append(vector)
    return found


def probe_kind(kind: str) -> _engine.ProbeKind:
    """The row of probe_kinds() with this kind."""
    return next(row for row in probe_kinds() if row.kind == kind)


def probe_kinds() -> list[_engine.ProbeKind]:
    """All kinds of probes, with the attributes kind, shows, right_answer and made_for."""
    return _engine.probe_kinds()


@takes_problem
def variants(
    id: str, q: Any, k: Any, v: Any, *, devices: int = 4, layout: str = "contiguous", **problem: Unpack[Problem]
) -> list[dict[str, str]]:
    """The variants of a mistake on a problem, as dicts of their parameters; none if it cannot occur there."""
    inputs = make_problem_arrays(q, k, v, **problem)
    return _engine.variants(
        string("id", id), inputs, devices=integer("devices", devices), layout=string("layout", layout)
    )


@takes_problem
def make_mistake(
    id: str,
    q: Any,
    k: Any,
    v: Any,
    *,
    devices: int = 4,
    layout: str = "contiguous",
    variant: int = 0,
    dout: Any = None,
    dlse: Any = None,
    **problem: Unpack[Problem],
) -> dict[str, NDArray[np.float64]]:
    """The results of a program with a mistake of the catalogue, in float64: out, lse and, with dout, dq, dk, dv.

    The mistake is simulated, so it may be any entry; ring_attention(fault=...) runs the engine with a
    fault. variant is a number of the list variants(id, ...). The other keywords are those of attention().
    """
    inputs = make_problem_arrays(q, k, v, **problem)
    return _engine.make_mistake(
        string("id", id),
        inputs,
        devices=integer("devices", devices),
        layout=string("layout", layout),
        variant=integer("variant", variant),
        dout=_arrays.optional_tensor("dout", dout),
        dlse=_arrays.optional_tensor("dlse", dlse),
    )


@overload
def mistakes() -> list[_engine.Mistake]: ...
@overload
def mistakes(id: str) -> _engine.Mistake: ...
def mistakes(id: str | None = None) -> list[_engine.Mistake] | _engine.Mistake:
    """The catalogue of mistakes, or the entry with the given id: title, wrong, fingerprint, why, fix, evidence."""
    return _engine.mistakes() if id is None else _engine.mistake(string("id", id))
