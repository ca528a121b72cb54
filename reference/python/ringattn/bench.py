"""Times attention beside PyTorch and JAX, as far as they are installed: python -m ringattn.bench

An answer is checked before it is timed. Each round calls all libraries in turn, so that other work on this machine
slows all of them alike; the ratio is the median over the rounds of their times in the same round. Pass "forward"
computes out, pass "both" also the gradients of q, k and v. Clock "cpu" is the processor time of one thread (of all
threads of JAX, which has no setting for their number), clock "wall" the time that passes with all cores.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from ringattn._check import Laws, check, laws
from ringattn._engine import __version__
from ringattn._report import Report
from ringattn._ring import ring_attention

examples = """examples:
  python -m ringattn.bench
  python -m ringattn.bench --seq 256,2048 --dim 64 --rounds 21
  python -m ringattn.bench --seq 8192 --libraries torch --json > bench.json
"""


@dataclass(frozen=True)
class Problem:
    """Self-attention of one sequence in float32."""

    seq: int
    dim: int
    heads: int
    causal: bool
    backward: bool

    @property
    def flops(self) -> float:
        """Of the matrix products on visible pairs: two forward, five backward, 2 D each."""
        pairs = self.seq * (self.seq + 1) / 2 if self.causal else self.seq**2
        return (14 if self.backward else 4) * self.dim * self.heads * pairs

    def inputs(self) -> list[np.ndarray[Any, Any]]:
        """q, k, v, dout."""
        shape = (4, 1, self.seq, self.heads, self.dim)
        return list(np.random.default_rng(self.seq).standard_normal(shape, dtype=np.float32))


@dataclass(frozen=True)
class Clock:
    """What is timed: CPU time of one thread, or wall time on all cores."""

    name: str
    threads: int
    now: Callable[[], float]


def clocks() -> list[Clock]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [Clock("cpu", 1, time.process_time), Clock("wall", cores, time.perf_counter)]


# ---- Libraries --------------------------------------------------------------------

Arrays = Sequence[Any]  # out, or out, dq, dk, dv, each (batch, sequence, heads, head_dim)


@dataclass(frozen=True)
class Library:
    """A library that computes attention. prepare(problem, threads) returns a function that computes the results, and
    one that makes arrays of them, which is not timed."""

    name: str
    version: str
    prepare: Callable[[Problem, int], tuple[Callable[[], Any], Callable[[Any], Arrays]]]


def own() -> Library:
    def prepare(problem: Problem, threads: int) -> tuple[Callable[[], Any], Callable[[Any], Arrays]]:
        q, k, v, dout = problem.inputs()
        layout = "zigzag" if problem.causal else "contiguous"
        cotangent = dout if problem.backward else None

        def call() -> Any:
            return ring_attention(q, k, v, devices=threads, layout=layout, causal=problem.causal, dout=cotangent)

        return call, lambda ring: [ring.out, ring.dq, ring.dk, ring.dv] if problem.backward else [ring.out]

    return Library("ringattn", __version__, prepare)


def torch_library() -> Library:
    torch = importlib.import_module("torch")

    def prepare(problem: Problem, threads: int) -> tuple[Callable[[], Any], Callable[[Any], Arrays]]:
        # In the order of the axes that it expects: (batch, heads, sequence, head_dim)
        q, k, v, dout = (torch.from_numpy(array).transpose(1, 2).contiguous() for array in problem.inputs())
        for tensor in q, k, v:
            tensor.requires_grad_(problem.backward)

        def call() -> Any:
            torch.set_num_threads(threads)
            out = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=problem.causal)
            return [out, *torch.autograd.grad(out, (q, k, v), dout)] if problem.backward else [out]

        return call, lambda tensors: [tensor.detach().transpose(1, 2).numpy() for tensor in tensors]

    return Library("torch", torch.__version__, prepare)


def jax_library() -> Library:
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    jax = importlib.import_module("jax")

    def prepare(problem: Problem, threads: int) -> tuple[Callable[[], Any], Callable[[Any], Arrays]]:
        inputs = [jax.numpy.asarray(array) for array in problem.inputs()]

        def forward(q: Any, k: Any, v: Any) -> Any:
            return jax.nn.dot_product_attention(q, k, v, is_causal=problem.causal)

        def results(q: Any, k: Any, v: Any, dout: Any) -> Any:
            if not problem.backward:
                return [forward(q, k, v)]
            out, vjp = jax.vjp(forward, q, k, v)
            return [out, *vjp(dout)]

        compiled = jax.jit(results)
        return lambda: jax.block_until_ready(compiled(*inputs)), lambda arrays: [np.asarray(each) for each in arrays]

    return Library("jax", jax.__version__, prepare)


others: dict[str, Callable[[], Library]] = {"torch": torch_library, "jax": jax_library}


def installed(names: Sequence[str]) -> tuple[list[Library], list[str]]:
    """The libraries, this one first, and the names of those that cannot be imported."""
    libraries, missing = [own()], []
    for name in names:
        try:
            libraries.append(others[name]())
        except ImportError:
            missing.append(name)
    return libraries, missing


# ---- Measurement ------------------------------------------------------------------


checked_rows = 64  # of queries, and of keys
longest_checked_backward = 1024  # tokens: a reference for gradients needs whole matrices in float64


class WrongAnswer(Exception):
    """An answer that would have been timed."""


def require_right(library: Library, problem: Problem, results: Arrays) -> None:
    """Judges a sample of rows; the gradients of long sequences by conservation laws, which need no reference."""
    q, k, v, dout = problem.inputs()
    given: dict[str, Any] = dict(zip(["out", "dq", "dk", "dv"], results, strict=False))
    if problem.backward:
        given["dout"] = dout
    if problem.backward and problem.seq > longest_checked_backward:
        verdicts: list[Report | Laws] = [laws(q, k, v, axes="bshd", causal=problem.causal, **given)]
        given = {"out": given["out"]}
    else:
        verdicts = []
    verdicts.append(
        check(q, k, v, axes="bshd", causal=problem.causal, rows=checked_rows, blind_spots=False, **given)
    )
    for verdict in verdicts:
        if not verdict.ok:
            raise WrongAnswer(f"[bench] only right answers are timed; found a wrong one of {library.name}:\n{verdict}")


def measure(libraries: Sequence[Library], problem: Problem, clock: Clock, rounds: int) -> dict[str, list[float]]:
    """The times of each library in each round, in seconds. Raises WrongAnswer."""
    calls = {}
    for library in libraries:
        calls[library.name], arrays_of = library.prepare(problem, clock.threads)
        require_right(library, problem, arrays_of(calls[library.name]()))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = clock.now()
            call()
            times[name].append(clock.now() - began)
    return times


def ratio(times: Sequence[float], own_times: Sequence[float]) -> float:
    """How much longer another library takes: the median of the ratios of times in the same round."""
    return median(other / mine for other, mine in zip(times, own_times, strict=True))


def row_of(problem: Problem, clock: Clock, times: dict[str, list[float]]) -> dict[str, Any]:
    """One row of the report, as JSON. The clock of the CPU may show 0 for a short call."""
    smallest = time.get_clock_info("process_time").resolution
    times = {name: [max(each, smallest) for each in found] for name, found in times.items()}
    return {
        "seq": problem.seq,
        "dim": problem.dim,
        "heads": problem.heads,
        "mask": "causal" if problem.causal else "full",
        "pass": "both" if problem.backward else "forward",
        "clock": clock.name,
        "threads": clock.threads,
        "gflops": {name: problem.flops / median(found) / 1e9 for name, found in times.items()},
        "ratio": {name: ratio(found, times["ringattn"]) for name, found in times.items() if name != "ringattn"},
    }


# ---- Report -----------------------------------------------------------------------


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown processor"


def head_of(libraries: Sequence[Library]) -> str:
    names = [library.name for library in libraries]
    columns = "".join(f" {name:>9}" + ("" if name == "ringattn" else "  ratio") for name in names)
    return f" tokens  dim  mask    pass     clock, threads {columns}"


def line_of(row: dict[str, Any]) -> str:
    columns = "".join(
        f" {gflops:9.1f}" + (f" {row['ratio'][name]:6.2f}" if name in row["ratio"] else "")
        for name, gflops in row["gflops"].items()
    )
    clock = f"{row['clock']}, {row['threads']}"
    return f"{row['seq']:7d} {row['dim']:4d}  {row['mask']:<7} {row['pass']:<8} {clock:<15}{columns}"


def number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1 << 24:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 2^24; found {text!r}")
    return int(text)


def numbers(text: str) -> list[int]:
    return [number(part) for part in text.split(",")]


def names(text: str) -> list[str]:
    found = [name for name in text.split(",") if name]
    if not set(found) <= set(others):
        raise argparse.ArgumentTypeError(f"must be {' or '.join(others)}, with commas between them; found {text!r}")
    return found


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ringattn.bench",
        description=__doc__,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seq", type=numbers, default=[1024, 4096], metavar="LIST", help="tokens (default 1024,4096)")
    parser.add_argument("--dim", type=numbers, default=[64, 128], metavar="LIST", help="of a head (default 64,128)")
    parser.add_argument("--heads", type=number, default=8, metavar="N", help="number of heads (default 8)")
    parser.add_argument("--rounds", type=number, default=7, metavar="N", help="rounds of each problem (default 7)")
    parser.add_argument("--libraries", type=names, default=list(others), metavar="LIST",
                        help="beside ringattn, as far as they are installed (default torch,jax)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of the text")
    return parser.parse_args(arguments)


def require_memory(o: argparse.Namespace, libraries: Sequence[Library]) -> None:
    """jax holds all scores and their gradients: four matrices of each head, in float32."""
    needed = 4 * 4 * o.heads * max(o.seq) ** 2
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    if needed > available and "jax" in [library.name for library in libraries]:
        raise ValueError(
            f"[bench] the scores that jax holds must fit into half of the memory, {available >> 30} GiB; found "
            f"{max(o.seq)} tokens and {o.heads} heads, {needed >> 30} GiB; add --libraries torch"
        )


def run(o: argparse.Namespace) -> None:
    libraries, missing = installed(o.libraries)
    require_memory(o, libraries)
    versions = {library.name: library.version for library in libraries}
    problems = [
        (Problem(seq, dim, o.heads, causal, backward), clock)
        for seq in o.seq
        for dim in o.dim
        for backward in (False, True)
        for causal in (False, True)
        for clock in clocks()
    ]
    machine = {"processor": processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    if not o.json:
        print(f"{machine['processor']}, {machine['cores']} cores, load {machine['load']:.1f}")
        print(", ".join(f"{name} {version}" for name, version in versions.items()), end="")
        print(f"; {o.heads} heads, float32, {o.rounds} rounds")
        for name in missing:
            print(f"{name} is not installed: no column for it")
        print(f"GFLOP/s; ratio: the time of the library over that of ringattn\n\n{head_of(libraries)}", flush=True)

    rows = []
    for done, (problem, clock) in enumerate(problems):
        if sys.stderr.isatty():
            print(f"{done} of {len(problems)} \r", end="", file=sys.stderr, flush=True)
        rows.append(row_of(problem, clock, measure(libraries, problem, clock, o.rounds)))
        if not o.json:
            print(line_of(rows[-1]), flush=True)
    if o.json:
        print(json.dumps({"machine": machine, "versions": versions, "rounds": o.rounds, "rows": rows}, indent=1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 if an answer is wrong, 2 if the problem is refused."""
    try:
        run(parse(arguments))
    except WrongAnswer as error:
        print(error, file=sys.stderr)
        return 1
    except (ValueError, MemoryError) as error:
        print(f"python -m ringattn.bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
