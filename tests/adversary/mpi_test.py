"""Processes of a ring that are killed or suspended at any moment, that never join, or that have other options.

The law: all processes end within the timeouts, and results are exact or refused with a sentence. They run at the
same time, because they spend most of it waiting for a timeout.
"""

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from ringattn_program import Program, kill
from trials import run_scale

pytestmark = pytest.mark.skipif(not shutil.which("mpirun"), reason="there is no mpirun")

hang_seconds = 60  # the timeout for the start is 15 s; a busy machine may need some times as long
at_once = 10
environment = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMP_NUM_THREADS": "1",
}

problem = "run --transport mpi --seq 150 --dim 16 --heads 2 --backward --layout zigzag --causal"


def ranks_of(process):
    """The processes of the program that mpirun has started and that have not ended, by rank."""
    found = {}
    for children in Path(f"/proc/{process.pid}/task").glob("*/children"):
        with suppress(OSError):
            found |= dict(filter(None, map(rank_of, children.read_text().split())))
    return found


def rank_of(child):
    """The rank of a process, and its number; None if it does not run the program (yet, or any more)."""
    with suppress(OSError):
        for variable in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if variable.startswith(b"OMPI_COMM_WORLD_RANK=") and Path(f"/proc/{child}/comm").read_text() == "ringattn\n":
                return int(variable.split(b"=")[1]), int(child)
    return None


def left_behind(mark):
    """Processes of a run that has ended: in their environment stands _mark_."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"ATTACK={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


@contextmanager
def launched(program, words, mark):
    """mpirun with _words_, in which the word "ringattn" stands for the program. Ends all processes at the end."""
    words = [str(program.path) if word == "ringattn" else word for word in words]
    with Program("mpirun").workspace() as workspace:
        process = workspace.start(*words, environment={**environment, "ATTACK": mark})
        try:
            yield process
            wait_for(lambda: not left_behind(mark))
        finally:
            kill(process)
            for left in left_behind(mark):
                with suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)


def attack(program, seed):
    """Kills or suspends one process of a ring at a random moment, and checks the law."""
    draw = random.Random(seed)
    ranks = draw.choice([2, 3, 5])
    rank, number = draw.randrange(ranks), draw.choice([signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM])
    moment = draw.uniform(0, draw.choice([0.05, 0.5]))
    mark = f"{os.getpid()}-{seed}"
    with launched(program, ["-n", str(ranks), "ringattn", *problem.split(), "--link-latency-us", "20000"], mark) as process:
        wait_for(lambda: rank in ranks_of(process) or process.poll() is not None)
        time.sleep(moment)
        send(process, rank, number)

        # If all others have ended, a suspended process keeps none waiting: continue it
        wait_for(lambda: not ranks_of(process).keys() - {rank})
        send(process, rank, signal.SIGCONT)
        out, err = outputs_of(process)
        what = f"{number.name} to process {rank} of {ranks} after {moment:.4f} s: status {process.returncode}, {out!r}, {err!r}"
        assert ("\nexact: " in out) if process.returncode == 0 else err, what


def outputs_of(process):
    with suppress(subprocess.TimeoutExpired):
        return [stream.decode() for stream in process.communicate(timeout=hang_seconds)]
    # Open MPI 4.1 itself may wait forever after it has ended all processes of an aborted run
    left = ranks_of(process)
    assert not left, f"no end within {hang_seconds} s; left: {left}"
    kill(process)
    return [stream.decode() for stream in process.communicate()]


def send(process, rank, number):
    """Sends a signal to one process of a ring, unless it has ended."""
    with suppress(KeyError, ProcessLookupError):
        os.kill(ranks_of(process)[rank], number)


def join_differently(program, words, seed):
    """Runs processes with different command lines, and checks the law."""
    mark = f"{os.getpid()}-join{seed}"
    with launched(program, words, mark) as process:
        out, err = outputs_of(process)
        assert process.returncode != 0 and err, f"{words}: status {process.returncode}, {out!r}, {err!r}"


def wait_for(condition):
    for _ in range(hang_seconds * 200):
        if found := condition():
            return found
        time.sleep(0.005)
    raise AssertionError("processes are missing at the start, or left at the end")


def run_all(attacks, note_command):
    """Runs all attacks, some at once. Each comes with the line that repeats it."""
    with ThreadPoolExecutor(at_once) as pool:
        running = [(line, pool.submit(run)) for line, run in attacks]
        for line, each in running:
            note_command(line)
            each.result()


others = [
    "run --seq 16",
    "--version",
    "run --transport mpi --seq 17",
    "run --transport mpi --seq 150 --dim 16 --heads 2 --backward --layout zigzag --causal --devices 3",
    "run --transport mpi --layout spiral",
    "run --transport mpi --input missing.st",
    "probe random",
]


def test_no_process_of_a_ring_waits_forever(program, note_command):
    quiet = Program(program.path)
    path = shlex.quote(str(program.path))
    attacks = []
    for seed in range(max(2, int(8 * run_scale()))):
        line = f"RINGATTN_PROGRAM={path} PYTHONPATH=tests/support python tests/adversary/mpi_test.py {seed}"
        attacks.append((line, lambda seed=seed: attack(quiet, seed)))
    for seed, other in enumerate(others):
        pair = [["-n", "1", "ringattn", *problem.split()], ["-n", "1", "ringattn", *other.split()]]
        first, second = pair if seed % 2 == 0 else reversed(pair)
        words = [*first, ":", *second]
        line = " ".join(["mpirun", *words]).replace("ringattn", path)
        attacks.append((line, lambda words=words, seed=seed: join_differently(quiet, words, seed)))
    run_all(attacks, note_command)


if __name__ == "__main__":
    attack(Program(os.environ["RINGATTN_PROGRAM"]), int(sys.argv[1]))
