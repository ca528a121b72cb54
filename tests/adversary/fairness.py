"""The rule that every run of the program keeps, whatever its input."""

import json

from case_files import header_of

right_statuses = {"check": {0, 1, 3}, "examine": {0, 1}, "laws": {0, 1}, "run": {0}}  # of other commands {0}


def check_fair(answer, workspace, command, given):
    """A complete result, or one sentence and no output. _given_: the names of the files before the run."""
    assert not answer.ended_by_signal, f"ended by signal {answer.status - 128}: {answer.err}"
    new = {path.name: path for path in workspace.path.iterdir() if path.name not in given}
    if answer.status == 2:
        assert answer.is_refusal, (answer.out[:500], answer.err[:3000])
        assert not new, f"a refused run left {sorted(new)}"
        return
    assert answer.status in right_statuses.get(command, {0}), (answer.status, answer.out[-500:], answer.err[-500:])
    assert not answer.err, answer.err
    for name, path in new.items():
        check_complete(name, path)


def check_complete(name, path):
    """A file that the program has written is complete. Its content says what it is: a user may give any name."""
    assert not name.startswith(".ringattn-"), f"a temporary file was left: {name}"
    if path.is_dir():
        return
    content = path.read_bytes()
    if content.startswith((b"<!doctype html>", b"<!DOCTYPE html>")):
        assert content.endswith(b"</html>\n")
    elif content.startswith((b"#", b"|")):
        assert content.endswith(b"\n")
    elif content.startswith(b'{"schema"'):
        for line in content.splitlines():
            json.loads(line)
    elif content[:2] in (b"{\n", b'{"'):
        json.loads(content)
    else:
        header_of(content)
