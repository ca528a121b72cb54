"""The distribution of a sequence over the devices of a ring, and the schedule of the blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringattn import _engine, _svg
from ringattn._keywords import canonical_keywords
from ringattn._values import integer, string

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Sharding:
    """The rows of a sequence of length seq on the devices of a ring. It draws itself in notebooks."""

    seq: int
    devices: int
    layout: str
    rows: list[Integers] = field(repr=False)  # for each device, its rows in ascending order

    @property
    def order(self) -> Integers:
        """The rows in shard order, device after device: x[order] is the sequence as the devices hold it."""
        return np.concatenate(self.rows)

    @property
    def inverse(self) -> Integers:
        """The inverse of order: x[order][inverse] is x."""
        return np.argsort(self.order)

    @property
    def device_of_row(self) -> Integers:
        """For each row of the sequence, the device that holds it."""
        return np.repeat(np.arange(self.devices), [len(rows) for rows in self.rows])[self.inverse]

    def shard(self, array: Any, axis: int = 1) -> list[NDArray[Any]]:
        """The part of each device, along the sequence axis; axis 1 is that of (batch, sequence, heads, head_dim)."""
        whole = np.asarray(array)
        if not -whole.ndim <= axis < whole.ndim or whole.shape[axis] != self.seq:
            raise ValueError(
                f"[shard] axis {axis} must have {self.seq} rows; found the shape {whole.shape}; "
                "pass the sequence axis as axis="
            )
        return [np.take(whole, rows, axis=axis) for rows in self.rows]

    def gather(self, shards: list[Any], axis: int = 1) -> NDArray[Any]:
        """The inverse of shard(): the parts of all devices, back in the order of the sequence."""
        whole = np.concatenate(shards, axis=axis)
        if len(shards) != self.devices or whole.shape[axis] != self.seq:
            raise ValueError(
                f"[gather] {self.devices} shards must have {self.seq} rows in all along axis {axis}; found "
                f"{len(shards)} shards with {whole.shape[axis]}; pass one shard per device"
            )
        return np.take(whole, self.inverse, axis=axis)

    def _repr_html_(self) -> str:
        return _svg.strip(self.device_of_row, f"{self.layout}: the device of each row")


def sharding(seq: int, *, devices: int = 4, layout: str = "contiguous", **aliases: Any) -> Sharding:
    """The distribution that ring_attention uses for a sequence of length seq, and its inverse.

    layout is "contiguous" (device r holds chunk r of P), "zigzag" (chunks r and 2P - 1 - r of 2P) or "striped"
    (rows r, r + P, r + 2P, ...).
    """
    renamed = canonical_keywords("sharding", aliases, ["devices", "layout"])
    count = integer("devices", renamed.get("devices", devices))
    name = string("layout", renamed.get("layout", layout))
    return Sharding(seq, count, name, _engine.rows_by_device(integer("seq", seq), count, name))


def schedule(devices: int) -> Integers:
    """The ring as a table, (devices, steps): the owner of the block that each device holds at each step."""
    return np.array(_engine.schedule(integer("devices", devices)), dtype=np.int64)
