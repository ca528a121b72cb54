"""One function for each rank of a distributed program, as one function of the whole sequence."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ringattn._gather import axis_of_sequence, gather
from ringattn._sharding import sharding
from ringattn._values import quote


class RankError(Exception):
    """An exception that the function of a rank raised."""

    def __init__(self, rank: int, error: Exception) -> None:
        super().__init__(rank, error)
        self.rank, self.error = rank, error


def function_of_ranks(functions: Sequence[Callable[..., Any]], *, layout: str, axes: str) -> Callable[..., Any]:
    """A function of whole arrays that calls each rank with its shards, and joins the results as gather() does.

    The ranks run at once, each on a thread of its own, so that they can wait for each other's messages.
    """
    if not functions or not all(callable(function) for function in functions):
        raise TypeError(f"[examine] a list must hold one function per rank; found {quote(functions)}; "
                        "pass functions of q=..., k=..., v=...")

    def whole(**arrays: Any) -> Any:
        shards = {name: _shards(name, array, len(functions), layout, axes) for name, array in arrays.items()}
        results = _run([(function, {name: parts[rank] for name, parts in shards.items()})
                        for rank, function in enumerate(functions)])
        if not isinstance(results[0], tuple | list):
            return gather(results, layout=layout, axes=axes)
        counts = [len(result) if isinstance(result, tuple | list) else 1 for result in results]
        if len(set(counts)) > 1:
            raise ValueError(f"[examine] all ranks must return the same results; found {quote(counts)} values; "
                             "return out, (out, lse) or (dq, dk, dv) on each rank")
        columns = list(zip(*results, strict=True))
        return tuple(None if all(part is None for part in column) else gather(column, layout=layout, axes=axes)
                     for column in columns)

    return whole


def _shards(name: str, array: Any, ranks: int, layout: str, axes: str) -> list[Any]:
    axis = 2 if name == "dlse" else axis_of_sequence.get(axes, 1)
    return sharding(array.shape[axis], devices=ranks, layout=layout).shard(array, axis=axis)


def _run(calls: list[tuple[Callable[..., Any], dict[str, Any]]]) -> list[Any]:
    """The results in the order of the ranks. The first exception ends the wait: others may wait for that rank."""
    ended: queue.SimpleQueue[tuple[int, Any, Exception | None]] = queue.SimpleQueue()

    def run(rank: int, function: Callable[..., Any], arrays: dict[str, Any]) -> None:
        try:
            ended.put((rank, function(**arrays), None))
        except Exception as error:
            ended.put((rank, None, error))

    for rank, (function, arrays) in enumerate(calls):
        threading.Thread(target=run, args=(rank, function, arrays), daemon=True).start()
    results: list[Any] = [None] * len(calls)
    for _ in calls:
        rank, found, error = ended.get()
        if error is not None:
            raise RankError(rank, error)
        results[rank] = found
    return results
