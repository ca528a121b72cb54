"""The C++ engine of the package ringattn. It has no defaults: ringattn/_keywords.py completes the arguments."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any  # a floating-point array in CPU memory: a numpy array or a DLPack capsule
Integers = NDArray[np.int64]
Float64 = NDArray[np.float64]

__version__: str

class ProblemArrays:
    """One attention problem: arrays, masks and scoring."""

    def __init__(
        self,
        q: Array,
        k: Array,
        v: Array,
        *,
        eight_bits: bool,
        axes: str,
        softmax_scale: float | None,
        causal: bool,
        causal_align: str | None,
        window_size: tuple[int, int],
        softcap: float,
        sinks: list[float],
        alibi_slopes: list[float],
        bias: Array | None,
        mask: Array | None,
        keep: Array | None,
        dropout_p: float,
        descale_q: Float64 | None,
        descale_k: Float64 | None,
        descale_v: Float64 | None,
        descale_block: int,
        q_positions: Integers | None,
        kv_positions: Integers | None,
        q_segment_ids: Integers | None,
        kv_segment_ids: Integers | None,
        cu_seqlens_q: Integers | None,
        cu_seqlens_k: Integers | None,
        seqused_q: Integers | None,
        seqused_k: Integers | None,
    ) -> None: ...
    @property
    def padding(self) -> str | None: ...
    @property
    def queries(self) -> int: ...

def attention(inputs: ProblemArrays) -> tuple[Float64, Float64]: ...
def attention_vjp(inputs: ProblemArrays, dout: Array, dlse: Array | None) -> tuple[Float64, ...]: ...
def merge(out_a: Array, lse_a: Array, out_b: Array, lse_b: Array, axes: str) -> tuple[Float64, Float64]: ...
def ring_attention(
    inputs: ProblemArrays,
    *,
    devices: int,
    layout: str,
    rotate: str,
    threads: int,
    overlap: bool,
    trace: bool,
    trace_rows: list[int] | None,
    ns_per_pair: float,
    link_gbps: list[float],
    link_latency_us: float,
    fault: str,
    dout: Array | None,
    dlse: Array | None,
) -> dict[str, Any]: ...
def check(
    inputs: ProblemArrays,
    submitted: dict[str, Array | list[Array]],
    *,
    dout: Array | None,
    dlse: Array | None,
    implementation: str | None,
    ring: tuple[str, int, str, int],
    rows: int,
    seed: int,
    blind_spots: bool,
    any_order: bool,
    notes: list[str],
) -> tuple[str, str, dict[str, Float64], list[int], list[int]]: ...
def examine(
    inputs: ProblemArrays,
    *,
    forward: Any,
    backward: Any,
    implementation: str | None,
    dlse: bool,
    devices: int,
    layout: str,
) -> tuple[str, str, str, Float64 | None, Float64 | None, Float64 | None, Float64 | None]: ...
def require_measurable(q: tuple[int, ...], k: tuple[int, ...], v: tuple[int, ...]) -> None: ...
def laws(
    inputs: ProblemArrays,
    submitted: dict[str, Array],
    *,
    dout: Array | None,
    dlse: Array | None,
    implementation: str | None,
    rows: int,
    seed: int,
) -> tuple[str, list[Law]]: ...

def ordered_reading(
    inputs: ProblemArrays,
    submitted: dict[str, Array | list[Array]],
    *,
    dout: Array | None,
    dlse: Array | None,
    ring: tuple[str, int, str, int],
) -> tuple[float, int, int]: ...
def choose_order(read: Callable[[str], tuple[float, int, int] | None]) -> tuple[str, str]: ...

class Law:
    """A conservation law: right results obey it for all inputs."""

    @property
    def id(self) -> str: ...
    @property
    def statement(self) -> str: ...
    @property
    def meaning(self) -> str:
        """What it means if the law is broken."""
    @property
    def ratio(self) -> float:
        """The largest |left - right|, in tolerances of its terms."""
    @property
    def left(self) -> float: ...
    @property
    def right(self) -> float: ...
    @property
    def holds(self) -> bool: ...

class Mistake:
    """An entry of the catalogue of mistakes."""

    @property
    def id(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def wrong(self) -> str:
        """The wrong formula."""
    @property
    def fingerprint(self) -> str:
        """How the mistake shows in the result."""
    @property
    def why(self) -> str:
        """Why the result is wrong."""
    @property
    def fix(self) -> str: ...
    @property
    def evidence(self) -> str:
        """Where it happened; empty if unknown."""
    @property
    def convention(self) -> str:
        """The libraries for which this is a convention; usually empty."""
    @property
    def probes(self) -> list[str]:
        """The kinds of probes that are made for it."""

class ProbeKind:
    """A row of the table of probes."""

    @property
    def kind(self) -> str: ...
    @property
    def shows(self) -> str:
        """What the probe contains and what it makes visible."""
    @property
    def right_answer(self) -> str:
        """How to read a right result."""
    @property
    def made_for(self) -> list[str]:
        """Ids of the mistakes for which it is made."""

def mistakes() -> list[Mistake]: ...
def mistake(id: str) -> Mistake: ...
def variants(id: str, inputs: ProblemArrays, *, devices: int, layout: str) -> list[dict[str, str]]: ...
def make_mistake(
    id: str,
    inputs: ProblemArrays,
    *,
    devices: int,
    layout: str,
    variant: int,
    dout: Array | None,
    dlse: Array | None,
) -> dict[str, Float64]: ...
def circular_attention(
    inputs: ProblemArrays,
    *,
    sinks: int,
    window: int,
    heavy_hitters: int,
    pooled_slots: int,
    pool_width: int,
    linear: bool,
    gate: float,
) -> dict[str, Any]: ...
class PlanOptions:
    """What is to be planned: presets by name, and figures that override them. Its fields are the keywords of plan()."""

    def __init__(self) -> None: ...

def plan(options: PlanOptions) -> str: ...
def plan_presets() -> str: ...
def rows_by_device(seq: int, devices: int, layout: str) -> list[Integers]: ...
def schedule(devices: int) -> list[list[int]]: ...
def vectors() -> list[tuple[str, str, dict[str, Any]]]: ...
def probe_kinds() -> list[ProbeKind]: ...
def probe(
    kind: str,
    *,
    batch: int,
    seq: int,
    kv_seq: int | None,
    heads: int,
    kv_heads: int,
    dim: int,
    v_dim: int | None,
    devices: int,
    layout: str,
    causal: bool,
    causal_align: str,
    seed: int,
) -> dict[str, Any]: ...
