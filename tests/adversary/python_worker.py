"""Runs lines of Python in another process, so that a crash or a hang there ends no test."""

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import threading
from dataclasses import dataclass

GiB = 1 << 30
hang_seconds = 60
imports = "import numpy as np, ringattn; "


@dataclass(frozen=True)
class Outcome:
    """What a line of Python did: it printed something, raised an exception, or ended the process."""

    printed: str
    error: str = ""  # the type of the exception; empty without one
    message: str = ""

    @property
    def is_refusal(self):
        """Bad input was refused with a sentence of this package: "[operation] rule; what was found; what to do"."""
        one_line = self.message.startswith("[") and "\n" not in self.message and 20 < len(self.message) < 2000
        return self.error in ("ValueError", "TypeError") and one_line


class PythonWorker:
    """A process that runs one line after another. _note_ receives the shell command that repeats the last line."""

    def __init__(self, note):
        self.note, self.process = note, None

    def run(self, line, seconds=hang_seconds):
        """Runs a line in which np and ringattn are imported. A crash or a hang is an AssertionError."""
        self.note(f"PYTHONPATH=tests/adversary {os.path.relpath(sys.executable)} -c {shlex.quote(imports + line)}")
        self.process = self.process or self._started()
        hang = threading.Timer(seconds, self.process.kill)
        hang.start()
        try:
            self.process.stdin.write(json.dumps(line) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        finally:
            expired = not hang.is_alive()
            hang.cancel()
        if answer:
            return Outcome(**json.loads(answer))
        status = self.process.wait()
        self.process = None
        raise AssertionError(f"no end within {seconds} s" if expired else f"the process ended with status {status}")

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    @staticmethod
    def _started():
        """A new process; a memory limit turns a huge allocation into MemoryError, with room for numpy and threads."""
        pipe = subprocess.PIPE
        command = ["sh", "-c", 'ulimit -v "$0" && exec "$@"', str(8 * GiB >> 10), sys.executable, __file__]
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def serve():
    """The worker itself: one line of JSON in, one out."""
    import numpy
    import ringattn

    answers, sys.stdout = sys.stdout, sys.stderr
    for request in sys.stdin:
        printed = io.StringIO()
        outcome = {}
        try:
            with contextlib.redirect_stdout(printed):
                exec(json.loads(request), {"np": numpy, "ringattn": ringattn})
        except BaseException as error:  # noqa: BLE001: every exception is an outcome
            outcome = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps({"printed": printed.getvalue(), **outcome}), file=answers, flush=True)


if __name__ == "__main__":
    serve()
