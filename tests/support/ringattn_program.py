"""Runs the program ringattn in a directory of its own, with limits, and keeps a shell command that repeats the run."""

import base64
import contextlib
import gzip
import os
import shlex
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

GiB = 1 << 30
hang_seconds = 120  # no run of a test takes a tenth of this on an idle machine


@dataclass(frozen=True)
class Answer:
    """The outcome of a process."""

    status: int  # exit status, or 128 + the signal that ended it
    out: str
    err: str

    @property
    def ended_by_signal(self):
        return self.status > 128

    @property
    def is_refusal(self):
        """Bad input was refused: status 2, and one sentence on standard error, at most 2000 characters long."""
        sentence = self.err.removeprefix("ringattn: ")
        return self.status == 2 and not self.out and self.err != sentence and sentence.count("\n") == 1 and 10 < len(sentence) < 2000


class Program:
    """A program that tests run. _note_ receives the shell command that repeats everything done so far."""

    def __init__(self, path, note=lambda line: None):
        self.path, self.note = Path(path), note

    @contextlib.contextmanager
    def workspace(self):
        """A fresh directory for one example, removed at its end."""
        with tempfile.TemporaryDirectory(prefix="ringattn-test-") as directory:
            yield Workspace(self, Path(directory))

    def __call__(self, *arguments, **limits):
        """Runs the program in a fresh directory."""
        with self.workspace() as workspace:
            return workspace.run(*arguments, **limits)


class Workspace:
    """The directory of one example."""

    def __init__(self, program, path):
        self.program, self.path = program, path
        self._steps = ['cd "$(mktemp -d)"']

    def write(self, name, content):
        """Writes a file of these bytes."""
        (self.path / name).write_bytes(content)
        packed = base64.b64encode(gzip.compress(content, mtime=0)).decode()
        self._did(f"echo {packed} | base64 -d | gunzip > {quoted(name)}")
        return name

    def extend(self, name, size):
        """Gives a file this size in bytes; the new ones are zero and take no space."""
        os.truncate(self.path / name, size)
        self._did(f"truncate -s {size} {quoted(name)}")
        return name

    def run(self, *arguments, launcher=(), environment=None, memory=4 * GiB, seconds=hang_seconds, stdin=b""):
        """Runs the program to its end. _launcher_ are words before its path, for example mpirun -n 2."""
        process = self.start(*arguments, launcher=launcher, environment=environment, memory=memory)
        try:
            out, err = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program did not end within {seconds} s") from None
        finally:
            kill(process)
        status = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return Answer(status, readable(out), readable(err))

    def start(self, *arguments, launcher=(), environment=None, memory=4 * GiB):
        """Starts the program, with pipes as its three streams, as the leader of a process group."""
        words = [*map(str, launcher), str(self.program.path), *arguments]
        variables = [f"{name}={value}" for name, value in (environment or {}).items()]
        command = " ".join([*map(quoted, variables), *map(quoted, words)])
        self._did(f"(ulimit -v {memory >> 10} && timeout -k 1 {hang_seconds} {'env ' if variables else ''}{command})")
        limited = ["sh", "-c", 'ulimit -v "$0" && exec "$@"', str(memory >> 10), *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            limited, cwd=self.path, env={**os.environ, **(environment or {})}, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )

    def _did(self, step):
        self._steps.append(step)
        self.program.note("(" + "; ".join(self._steps) + ")")


def kill(process):
    """Ends a process that Workspace.start has started, and all processes of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def readable(output):
    return output.decode(errors="backslashreplace")


def quoted(word):
    """A word of a bash command, in ASCII."""
    if word.isascii() and word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(f"\\x{byte:02x}" for byte in os.fsencode(word)) + "'"
