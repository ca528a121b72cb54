"""The plan of attention on real machines: whether it fits and hides, how long it takes, and its energy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from ringattn import _engine
from ringattn._keywords import canonical_keywords
from ringattn._values import boolean, integer, number, string

if TYPE_CHECKING:
    from typing_extensions import Unpack


class PlanOptions(TypedDict, total=False):
    """What is planned beside the model and the length, as the options of `ringattn plan`."""

    batch: int
    new_tokens: int | str
    causal: bool
    training: bool
    chunked_loss: bool
    dtype: str
    weight_bytes: float

    layers: int
    width: int
    ffn: int
    ffn_matrices: int
    heads: int
    kv_heads: int
    dim: int
    vocabulary: int
    positions: int

    nodes: int
    devices_per_node: int
    tensor_parallel: int
    fsdp: int
    chip: str
    chip_tflops: float
    chip_memory_gib: float
    chip_watts: float
    link: str
    node_link: str
    link_latency_us: float
    node_link_latency_us: float

    strategy: str
    layout: str
    ulysses: int
    overlap: bool

    chip_efficiency: float
    link_efficiency: float
    waiting_share: float
    pue: float


def token_count(name: str, value: Any) -> str:
    """A whole number, or a text such as "128K"."""
    return string(name, value) if isinstance(value, str) else str(integer(name, value))


converters: dict[str, Callable[[str, Any], Any]] = {
    "int": integer,
    "float": number,
    "str": string,
    "bool": boolean,
    "int | str": token_count,
}


@dataclass(frozen=True)
class Plan:
    """The JSON of `ringattn plan`. print() shows the answer."""

    answer: list[str]  # fits or not, hidden or exposed, how long, and the cheapest change that would help
    best: str  # the strategy that is the fastest of those that fit
    strategies: list[dict[str, Any]] = field(repr=False)  # bytes, seconds, joules of each
    change: dict[str, Any] | None = field(repr=False)
    # Each pass of one layer with the best strategy: begin and end of arithmetic and messages, in seconds; none for
    # rings of more than 128 devices
    timeline: list[dict[str, Any]] = field(repr=False)
    request: dict[str, Any] = field(repr=False)  # with the figures of all presets
    assumptions: list[str] = field(repr=False)

    def __getitem__(self, strategy: str) -> dict[str, Any]:
        """The entry of a strategy: plan["ring"]["seconds"]."""
        for entry in self.strategies:
            if entry["strategy"] == strategy:
                return entry
        planned = ", ".join(entry["strategy"] for entry in self.strategies)
        raise KeyError(f"[plan] the strategy must be planned; found {strategy!r}; choose one of {planned}")

    @property
    def fits(self) -> bool:
        """Whether the best strategy fits into the memory of a device."""
        return bool(self[self.best]["fits"])

    def __str__(self) -> str:
        return "\n".join(self.answer)


def plan(model: str = "llama3-8b", seq: int | str = "128K", **options: Unpack[PlanOptions]) -> Plan:
    """Plans one forward pass, or a training step, of a model on a group of devices, for all strategies or one.

    model, seq       a preset, see plan_presets(), and tokens: 131072 or "128K"
    layers, width, ffn, ffn_matrices, heads, kv_heads, dim, vocabulary, positions
                     override extents of the preset
    batch, new_tokens, causal, training, dtype, weight_bytes, chunked_loss
                     sequences in a ring; new tokens behind cached ones; mask; a step with Adam; storage types; logits
                     of 1024 tokens at a time
    nodes, devices_per_node, tensor_parallel, fsdp
                     devices; those that share a layer; those over which weights are sharded
    chip, chip_tflops, chip_memory_gib, chip_watts
                     a preset, and figures that override it
    link, node_link, link_latency_us, node_link_latency_us
                     the network of a device and the links inside a node: presets, or rates in one direction with their
                     unit, "50GB/s" or "400Gb/s"
    strategy, layout, ulysses, overlap
                     "all" or one strategy; distribution of the rows; the degree in usp; messages during arithmetic
    chip_efficiency, link_efficiency, waiting_share, pue
                     assumptions: parts of the peak that are reached, the power of a waiting chip, that of the building

    The result has the fields of the JSON of `ringattn plan`; the defaults are those of its --help.
    """
    types = PlanOptions.__annotations__
    kinds = {"model": "str", "seq": "int | str", **{name: _text(kind) for name, kind in types.items()}}
    wanted = _engine.PlanOptions()
    given = canonical_keywords("plan", dict(options), list(types))
    for name, value in {"model": model, "seq": seq, **given}.items():
        setattr(wanted, name, converters[kinds[name]](name, value))
    return Plan(**json.loads(_engine.plan(wanted)))


def plan_presets() -> dict[str, list[dict[str, Any]]]:
    """The models, chips and links that plan() knows by name, with their figures and the source of each."""
    return json.loads(_engine.plan_presets())


def _text(annotation: Any) -> str:
    return getattr(annotation, "__forward_arg__", annotation)
