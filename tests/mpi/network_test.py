"""The figures of a slow network, and the network itself where root allows one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import network_figures
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from network import missing
from network_figures import Figures, Machine, Problem
from trials import trials

script = Path(network_figures.__file__)
needs_network = pytest.mark.skipif(missing() is not None, reason=str(missing()))
hang_seconds = 120  # the longest test takes 4 s on an idle machine


def namespaces(process):
    """The names of the namespaces that the script has made."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    return re.findall(rf"ringattn-{process.pid}-\w+", listed)


def start(program, *options, **environment):
    pipe = subprocess.PIPE
    command = [sys.executable, "-B", script, program.path, *map(str, options)]
    return subprocess.Popen(command, env=os.environ | environment, stdout=pipe, stderr=pipe, text=True)


def is_ring(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "ringattn\n"
    except OSError:
        return False


def wait_until(condition):
    until = time.monotonic() + hang_seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def exact(problem, machine):
    """The figures of a ring of this machine, without other work."""
    size = 2 * 4 * problem.heads * problem.dim * problem.block
    compute, transfer = problem.flops / machine.flops, machine.latency + size / machine.bytes_per_second
    return Figures(size, compute, transfer, max(compute, transfer), max(0, transfer - compute))


# ---- Figures --------------------------------------------------------------------

machines = st.builds(Machine, flops=st.floats(1e9, 1e12), bytes_per_second=st.floats(1e6, 1e10), latency=st.floats(0, 1e-3))


def test_each_step_of_a_recorded_ring_but_the_last_has_a_transfer(program):
    with program.workspace() as workspace:
        answer = workspace.run("run", "--seq", "150", "--devices", "3", "--heads", "2", "--dim", "5", "--trace", "run.jsonl")
        assert answer.status == 0
        steps = network_figures.steps_of((workspace.path / "run.jsonl").read_text().splitlines())
    assert len(steps) == 3 * 2
    rows_of_k_and_v, positions = 50 * 2 * 2 * 5 * 4, 50 * 16
    assert all(each.bytes == rows_of_k_and_v + positions for each in steps)
    assert all(0 < each.compute <= each.step and 0 <= each.exposed <= each.transfer for each in steps)


@trials(50)
@given(machines, st.integers(2, 9), st.integers(1, 5), st.integers(1, 70), st.sets(st.integers(1, 9999), min_size=2, max_size=5))
def test_the_machine_is_found_in_the_figures_of_its_ring(machine, processes, heads, dim, blocks):
    problems = [Problem(processes, block, heads, dim) for block in blocks]
    found = network_figures.machine_of({problem: exact(problem, machine) for problem in problems})
    longest = exact(max(problems, key=lambda problem: problem.block), machine).transfer
    assert found.flops == pytest.approx(machine.flops)
    # A sum of five transfers of rounding 2^-53 each, over differences that may be 10^-4 of them
    assert found.latency == pytest.approx(machine.latency, rel=1e-9, abs=1e-9 * longest)
    assert found.bytes_per_second == pytest.approx(machine.bytes_per_second, rel=1e-6)


@trials(10)
@given(machines, st.integers(2, 9), st.integers(1, 5), st.integers(1, 70), st.integers(1, 9999))
def test_a_planned_step_takes_the_longer_of_arithmetic_and_transfer(program, machine, processes, heads, dim, block):
    problem = Problem(processes, block, heads, dim)
    planned = network_figures.plan_of(program.path, problem, machine)
    assert planned.step == pytest.approx(exact(problem, machine).step, rel=1e-3)  # rates have 9 decimals in GB/s


@trials(10)
@given(machines, st.integers(2, 9), st.integers(1, 5), st.integers(1, 70), st.integers(1, 40))
def test_the_block_between_exact_measurements_that_hides_its_transfer_is_the_planned_one(
    program, machine, processes, heads, dim, step
):
    machine = Machine(machine.flops, machine.bytes_per_second, 0)
    planned = network_figures.plan_of(program.path, Problem(processes, 64, heads, dim), machine).hiding_block
    assume(planned >= 2)
    problems = [Problem(processes, block, heads, dim) for block in (int(planned), int(planned) + step)]
    found = network_figures.measured_hiding_block({problem: exact(problem, machine) for problem in problems})
    assert found == pytest.approx(planned, rel=1e-3)


def test_no_hiding_block_is_claimed_outside_of_the_measured_ones():
    machine = Machine(1e9, 1e6, 0)
    hiding = 2000
    for blocks in ((hiding + 1, 3 * hiding), (hiding // 3, hiding - 1), (hiding,)):
        problems = [Problem(3, block, 2, 7) for block in blocks]
        assert network_figures.measured_hiding_block({problem: exact(problem, machine) for problem in problems}) is None


# ---- The network ------------------------------------------------------------------


def test_a_machine_without_the_tools_or_the_rights_is_skipped_with_a_sentence(program):
    process = start(program, PATH="/no/such/directory")
    out, err = process.communicate(timeout=hang_seconds)
    assert process.returncode == 0 and out == ""
    assert re.fullmatch(r"skipped: (network namespaces need root|there is no ip)\n", err)


def test_bad_options_are_refused_with_a_sentence(program):
    for options in (["--blocks", "500,"], ["--rates", "0"], ["--processes", "1"], ["--rounds", "two"]):
        process = start(program, *options)
        _, err = process.communicate(timeout=hang_seconds)
        assert process.returncode == 2 and f"{options[0]}: must be a whole number from" in err


@needs_network
def test_processes_on_hosts_of_their_own_measure_every_block_on_every_cable(program):
    process = start(program, "--processes", 3, "--blocks", "30,70", "--rates", "50,900", "--rounds", 1, "--dim", 5, "--json")
    out, err = process.communicate(timeout=hang_seconds)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert [cable["megabits_per_second"] for cable in report["cables"]] == [50, 900]
    for cable in report["cables"]:
        assert [row["block"] for row in cable["blocks"]] == [30, 70]
        assert all(row["bytes"] == row["block"] * (2 * 4 * 4 * 5 + 16) for row in cable["blocks"])
        assert all(row["transfer_seconds"] > 0 and row["planned_step_seconds"] > 0 for row in cable["blocks"])
    assert not namespaces(process)


@needs_network
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_namespace_and_no_process(program, ending):
    process = start(program, "--blocks", "60000", "--rates", "1")

    def ring():
        """The processes of the ring on the last host."""
        last = f"ringattn-{process.pid}-3"
        listed = subprocess.run(["ip", "netns", "pids", last], capture_output=True, text=True).stdout.split()
        return [pid for pid in listed if is_ring(pid)]

    wait_until(ring)
    assert namespaces(process)
    found = ring()
    process.send_signal(ending)
    process.communicate(timeout=hang_seconds)
    assert process.returncode == 128 + ending
    assert not namespaces(process)
    wait_until(lambda: not any(map(is_ring, found)))  # a killed process needs time to free its memory
