"""Measures from which block on a ring of processes hides its messages, on a good and on a slow cable, beside the plan:

    python tests/mpi/network_figures.py build/release/ringattn --rates 200,1000 --blocks 500,1000,2000,4000,8000

It needs root, ip, tc, unshare and Open MPI, and says so elsewhere.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from network import Network, NetworkError, NoNetwork, missing


@dataclass(frozen=True)
class Problem:
    """The block of each process has `block` queries and keys; forward, full mask, float32."""

    processes: int
    block: int
    heads: int
    dim: int

    @property
    def flops(self):
        """Of one step of one process: 4 D H c^2."""
        return 4 * self.dim * self.heads * self.block**2


@dataclass(frozen=True)
class Figures:
    """Medians over processes and steps, in seconds."""

    bytes: int  # of a message
    compute: float
    transfer: float
    step: float  # from the begin of a step to the begin of the next one
    exposed: float  # part of the transfer during which the receiver waited


# ---- Traces -------------------------------------------------------------------


def steps_of(trace):
    """The figures of each step that has a transfer, from the lines of a trace."""
    events = [json.loads(line) for line in trace][1:]  # after the header
    begins, ends, received = {}, {}, {}
    for event in events:
        place = event["device"], event["step"]
        if event["kind"] == "compute":
            (begins if event["at"] == "begin" else ends)[place] = 1e-9 * event["w"]
        elif event["kind"] == "recv" and event["at"] == "end":
            received[place] = event
    return [
        Figures(
            message["bytes"],
            ends[device, step] - begins[device, step],
            1e-9 * message["transfer_w"],
            begins[device, step + 1] - begins[device, step],
            1e-9 * message["exposed_w"],
        )
        for (device, step), message in received.items()
    ]


def medians(steps):
    columns = ("compute", "transfer", "step", "exposed")
    return Figures(steps[0].bytes, *(median(getattr(each, column) for each in steps) for column in columns))


# ---- The machine and its plan ---------------------------------------------------


@dataclass(frozen=True)
class Machine:
    flops: float  # F, of one process
    bytes_per_second: float  # B, of a cable
    latency: float  # of a message, in seconds


def machine_of(measured):
    """F of the largest block; B and the latency of the line through the transfers. _measured_: {Problem: Figures}."""
    largest = max(measured, key=lambda problem: problem.block)
    points = [(figures.bytes, figures.transfer) for figures in measured.values()]

    # transfer = latency + bytes / B, by least squares; through the origin if the latency would be negative
    x_mean, y_mean = (sum(column) / len(points) for column in zip(*points))
    variance = sum((x - x_mean) ** 2 for x, _ in points)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in points) / variance if variance > 0 else 0
    latency = y_mean - slope * x_mean
    if slope <= 0 or latency < 0:
        slope, latency = sum(x * y for x, y in points) / sum(x * x for x, _ in points), 0
    return Machine(largest.flops / measured[largest].compute, 1 / slope, latency)


@dataclass(frozen=True)
class Plan:
    step: float  # seconds of a step that has a transfer
    hiding_block: float  # tokens of a device from which on arithmetic takes longer than the transfer


def plan_of(program, problem, machine):
    """The plan of `ringattn plan` for one layer on this machine."""
    options = {
        "--layers": 1, "--width": problem.heads * problem.dim, "--ffn": 0, "--vocabulary": 0,
        "--heads": problem.heads, "--kv-heads": problem.heads, "--dim": problem.dim,
        "--seq": problem.processes * problem.block, "--dtype": "f32", "--strategy": "ring",
        "--nodes": problem.processes, "--devices-per-node": 1,
        "--chip-tflops": machine.flops / 1e12, "--chip-efficiency": 1, "--link-efficiency": 1,
        "--link": f"{machine.bytes_per_second / 1e9:.9f}GB/s", "--link-latency-us": 1e6 * machine.latency,
    }  # fmt: skip
    command = [program, "plan", "--json", "-", *(str(text) for option in options.items() for text in option)]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode != 0:
        raise NetworkError(answer.stderr.strip())
    ring = json.loads(answer.stdout)["strategies"][0]

    # The last step has no transfer: it takes the time of its arithmetic, an equal part of that of all devices and steps
    forward, processes = ring["layer"]["forward"], problem.processes
    compute = forward["busy_seconds"] / processes**2
    return Plan((forward["seconds"] - compute) / (processes - 1), ring["hiding_block"]["forward"])


def measured_hiding_block(measured):
    """The block whose transfer and arithmetic take equally long, between the measured ones; None outside of them."""
    ratios = sorted((problem.block, figures.transfer / figures.compute) for problem, figures in measured.items())
    for (c0, r0), (c1, r1) in zip(ratios, ratios[1:]):
        if r0 >= 1 >= r1 and r0 > r1:
            # On a straight line of the logarithms: the ratio is a power of the block if F and B are constant
            return c0 * (c1 / c0) ** (math.log(r0) / math.log(r0 / r1))
    return None


# ---- Runs -----------------------------------------------------------------------


def measure(network, program, problems, rounds):
    """{Problem: Figures} with the present cables. Each round runs all problems: other work affects all alike."""
    steps = {problem: [] for problem in problems}
    trace = network.path / "trace.jsonl"
    for turn in range(rounds):
        for problem in problems:
            if sys.stderr.isatty():
                print(f"\rround {turn + 1} of {rounds}: {problem.block} tokens \033[K", end="", file=sys.stderr)
            network.mpirun(
                program, "run", "--transport", "mpi", "--seq", problem.processes * problem.block,
                "--heads", problem.heads, "--dim", problem.dim, "--trace", trace)  # fmt: skip
            with trace.open() as lines:
                steps[problem] += steps_of(lines)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return {problem: medians(found) for problem, found in steps.items()}


def report_of(program, rate, measured):
    """The figures of one cable as JSON."""
    machine = machine_of(measured)
    plans = {problem: plan_of(program, problem, machine) for problem in measured}
    return {
        "megabits_per_second": rate,
        "flops": machine.flops,
        "bytes_per_second": machine.bytes_per_second,
        "latency_seconds": machine.latency,
        "blocks": [
            {
                "block": problem.block,
                "bytes": figures.bytes,
                "compute_seconds": figures.compute,
                "transfer_seconds": figures.transfer,
                "exposed_seconds": figures.exposed,
                "step_seconds": figures.step,
                "planned_step_seconds": plans[problem].step,
            }
            for problem, figures in measured.items()
        ],
        "hiding_block": measured_hiding_block(measured),
        "planned_hiding_block": next(iter(plans.values())).hiding_block,
    }


def table_of(cable):
    """The figures of one cable as text."""
    lines = [
        f"Cables of {cable['megabits_per_second']:g} Mbit/s. Measured: {cable['flops'] / 1e9:.1f} GFLOP/s of a process, "
        f"{cable['bytes_per_second'] / 1e6:.1f} MB/s and {1e3 * cable['latency_seconds']:.1f} ms of a cable",
        "",
        "  block    message    compute   transfer    exposed       step    planned",
    ]
    for row in cable["blocks"]:
        times = ("compute_seconds", "transfer_seconds", "exposed_seconds", "step_seconds", "planned_step_seconds")
        columns = "".join(f"{1e3 * row[time]:8.1f} ms" for time in times)
        lines.append(f"{row['block']:7d} {row['bytes'] / 1e6:7.2f} MB{columns}")
    found = cable["hiding_block"]
    hidden = f"from {found:.0f} tokens on" if found else "from none of the measured blocks to the next"
    return "\n".join([*lines, "", f"Arithmetic hides the transfer {hidden}; planned: {cable['planned_hiding_block']:.0f}."])


def whole_number(least):
    def parse(text):
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} on; found {text!r}")
        return int(text)

    return parse


def numbers(text):
    return sorted({whole_number(1)(part) for part in text.split(",")})


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path, help="the program ringattn, built with MPI")
    # Between two, both directions share one connection of Open MPI, and its short messages wait behind long ones
    parser.add_argument("--processes", type=whole_number(2), default=3, metavar="N",
                        help="processes, one on each host (default 3)")  # fmt: skip
    parser.add_argument("--rates", type=numbers, default=[200, 1000], metavar="LIST", help="of the cables, in Mbit/s (default 200,1000)")
    parser.add_argument("--blocks", type=numbers, default=[500, 1000, 2000, 4000, 8000], metavar="LIST",
                        help="tokens of a process (default 500,1000,2000,4000,8000)")  # fmt: skip
    parser.add_argument("--heads", type=whole_number(1), default=4, metavar="N", help="heads of attention (default 4)")
    parser.add_argument("--dim", type=whole_number(1), default=64, metavar="N", help="head dimension (default 64)")
    parser.add_argument("--rounds", type=whole_number(1), default=3, metavar="N", help="runs of each block (default 3)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of the text")
    return parser.parse_args()


def head_of(report):
    return (f"{report['processes']} processes on {report['cores']} cores, load {report['load']:.1f}; {report['heads']} heads of "
            f"dimension {report['dim']}, float32, no mask; medians of {report['rounds']} rounds")  # fmt: skip


def run(o):
    """Measures all cables and prints their figures."""
    program = o.program.resolve()
    if not program.is_file():
        raise NetworkError(f"[network] the program must be the path of ringattn; found {str(o.program)!r}; build it first")
    problems = [Problem(o.processes, block, o.heads, o.dim) for block in o.blocks]
    report = {"processes": o.processes, "heads": o.heads, "dim": o.dim, "rounds": o.rounds, "cores": os.cpu_count(),
              "load": os.getloadavg()[0], "cables": []}  # fmt: skip
    with Network(o.processes) as network:
        if not o.json:
            print(head_of(report))
        for rate in o.rates:
            network.set_rate(rate)
            report["cables"].append(report_of(program, rate, measure(network, program, problems, o.rounds)))
            if not o.json:
                print("\n" + table_of(report["cables"][-1]), flush=True)
    if o.json:
        print(json.dumps(report, indent=1))


def main(o):
    try:
        if reason := missing():
            raise NoNetwork(reason)
        run(o)
    except NoNetwork as reason:
        print(f"skipped: {reason}", file=sys.stderr)
    except NetworkError as error:
        print(f"network_figures: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(options()))
