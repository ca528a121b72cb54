import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))  # for trials.py and ringattn_program.py

import trials  # noqa: E402
from ringattn_program import Program  # noqa: E402

command_to_repeat = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def run_scale():
    """RINGATTN_TEST_SCALE."""
    return trials.run_scale()


@pytest.fixture(scope="session")
def note_command(request):
    """Stores the shell command that repeats what the running test does; a failed test shows the last one."""
    return lambda line: request.config.stash.__setitem__(command_to_repeat, line)


@pytest.fixture(scope="session")
def program(note_command):
    """The program ringattn: see ringattn_program.Program."""
    path = os.environ.get("RINGATTN_PROGRAM")
    if not path:
        pytest.skip("RINGATTN_PROGRAM is not set to the path of the program ringattn")
    return Program(path, note_command)


def pytest_runtest_setup(item):
    item.config.stash[command_to_repeat] = ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the command that repeats a failed test, on one line."""
    report = yield
    line = item.config.stash.get(command_to_repeat, "")
    if report.when == "call" and report.failed and line:
        report.sections.append(("to repeat in bash", line))
    return report
