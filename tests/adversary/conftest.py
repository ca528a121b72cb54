"""Attacks on the package ringattn and the program: random, damaged and hostile input.

A test takes the number of its random examples from trials.trials, and runs each in the fixture `program` (of
tests/conftest.py) or `python`. So a failed test shows one shell command that repeats its smallest example.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that the tests import

from python_worker import PythonWorker  # noqa: E402


@pytest.fixture(scope="session")
def python(note_command):
    """Runs lines of Python in another process: see python_worker.PythonWorker."""
    worker = PythonWorker(note_command)
    yield worker
    worker.close()
