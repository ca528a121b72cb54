"""Signals, full disks, closed streams, links and hostile names, for every command that writes a file.

The law: afterwards an output file is the old one or complete, and no temporary file is left.
"""

import json
import os
import shlex
import shutil
import signal
import stat
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringattn_program import Program, kill, quoted
from trials import trials

old = b"an old file\n"
# A program inherits which signals are ignored: SIGHUP under nohup, for example
signals = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]

# Commands of ringattn, with the files that they write; the last four would take minutes
commands = {
    "run --seq 40 --backward --output out.st --trace a.trace --trace-rows 0 --steps steps.st --json r.json": "out.st a.trace a.trace.perfetto.json steps.st r.json",
    "probe random --seq 40 --output out.st": "out.st",
    "probe leak --seq 40 --output out.st --second-run second.st": "out.st second.st",
    "mistakes O1 --make --input case.st --output out.st --json r.json": "out.st r.json",
    "mistakes O1 --input case.st --json r.json": "r.json",
    "check case.st --out mine.st --json r.json --markdown r.md": "r.json r.md",
    "laws case.st --out mine.st --json r.json": "r.json",
    "spectrum case.st --out mine.st --json r.json": "r.json",
    "recall --prompt copying --json r.json": "r.json",
    "vectors write vectors --json r.json": "vectors/tiny.json vectors/tiny.safetensors vectors/index.json r.json",
    "vectors run --program 'cat {case} > {out}' --json r.json": "r.json",
    "examine --program 'cat {case} > {out}' --seq 16 --json r.json --html r.html": "r.json r.html",
    "examine --program 'cat {case} > {out}; sleep 300' --seq 16 --json r.json --html r.html": "r.json r.html",
    "vectors run --program 'cat {case} > {out}; sleep 300' --json r.json": "r.json",
    "mistakes --self-test --json r.json": "r.json",
    "bench --seq 4096 --passes 1000 --json r.json": "r.json",
}

# Commands of ringviz, and a program instead of ffmpeg
visualizer_commands = {
    "shot --scene ring --size 160x90 --out a.png --json r.json": "a.png r.json",
    "render --scene ring --size 160x90 --out a%02d.png": "a01.png a02.png a03.png",
    "export --scene ring --out a.trace": "a.trace",
    "export --scene ring --perfetto --out a.json": "a.json",
    "movie --scene ring --size 160x90 --out a.mp4": "a.mp4",
    "movie --scene ring --size 160x90 --pause 60 --out a.gif": "a.gif",
    "movie --scene ring --size 160x90 --out a.png": "a_0000.png a_0001.png",
}
ffmpeg = b"#!/bin/sh\ncat > movie\nsleep 0.1\ncat movie > /dev/stdout\nsleep 0.1\nrm movie\necho end >> /dev/stdout\n"


def is_complete(path):
    """Whether a file ends where its format says."""
    content = path.read_bytes()
    if path.suffix in (".st", ".safetensors"):
        size = int.from_bytes(content[:8], "little")
        tensors = json.loads(content[8 : 8 + size])
        tensors.pop("__metadata__", None)
        return len(content) == 8 + size + max(tensor["data_offsets"][1] for tensor in tensors.values())
    if path.suffix == ".json":
        return json.loads(content) is not None
    if path.suffix == ".trace":
        return content.endswith(b"\n") and all(json.loads(line) for line in content.splitlines())
    endings = {".png": b"IEND\xaeB`\x82", ".md": b"\n", ".html": b"</html>\n", ".mp4": b"end\n", ".gif": b"end\n"}
    return content.endswith(endings[path.suffix])


def check_files(directory, names):
    """The law, for the output files of these names."""
    for name in names:
        path = directory / name
        assert not path.exists() or path.read_bytes() == old or is_complete(path), f"{name} is not complete"
    left = [path for path in directory.rglob("*") if path.name.startswith(".ringattn")]
    assert not left, f"temporary files are left: {left}"


@pytest.fixture(scope="module")
def inputs(program):
    """The folder of a case and a wrong result of it."""
    with program.workspace() as workspace:
        assert workspace.run(*"probe random --seq 40 --output case.st".split()).status == 0
        assert workspace.run(*"mistakes O1 --make --input case.st --output mine.st".split()).status == 0
        yield workspace.path


@pytest.fixture(scope="module")
def ringviz(program, note_command):
    path = program.path.with_name("ringviz")
    if not path.exists():
        pytest.skip("there is no ringviz beside the program ringattn")
    return Program(path, note_command)


def prepare(workspace, inputs, names):
    """Writes the inputs and old output files. Returns the environment and, for the reproduction, a line of bash."""
    for name in ("case.st", "mine.st"):
        shutil.copy(inputs / name, workspace.path)
    for folder in ("vectors", "tmp"):
        (workspace.path / folder).mkdir()
    for name in names:
        (workspace.path / name).write_bytes(old)
    (workspace.path / "ffmpeg").write_bytes(ffmpeg)
    (workspace.path / "ffmpeg").chmod(0o755)
    ringattn = quoted(str(workspace.program.path.with_name("ringattn")))
    line = f'cd "$(mktemp -d)" && mkdir vectors tmp && {ringattn} probe random --seq 40 --output case.st > tmp/log && '
    line += f"{ringattn} mistakes O1 --make --input case.st --output mine.st > tmp/log && "
    line += f"printf %b {quoted(repr(ffmpeg.decode())[1:-1])} > ffmpeg && chmod +x ffmpeg && echo an old file | tee {' '.join(names)} > tmp/log && "
    line += 'rm tmp/log && export PATH="$PWD:$PATH" TMPDIR="$PWD/tmp" && '
    return {"PATH": f"{workspace.path}:{os.environ['PATH']}", "TMPDIR": str(workspace.path / "tmp")}, line


def attack_with_signal(program, inputs, note, command, names, number, seconds):
    with program.workspace() as workspace:
        environment, line = prepare(workspace, inputs, names)
        process = workspace.start(*shlex.split(command), environment=environment)
        note(f"({line}timeout -s {number.value} {seconds:.4f} {quoted(str(program.path))} {command}; find . -name '.ringattn*')")
        time.sleep(seconds)
        process.send_signal(number)
        try:
            process.communicate(timeout=30)
        finally:
            kill(process)
        assert process.returncode in (0, 1, -number)
        check_files(workspace.path, names)
        movie = workspace.path / "movie"
        assert process.returncode >= 0 or not movie.exists() or growth(movie) == 0, "the encoder still runs"


def growth(path):
    before = path.stat().st_size
    time.sleep(0.05)
    return path.stat().st_size - before


# Most moments are within the start of a process and the creation of its files
moments = st.one_of(st.integers(0, 400), st.integers(0, 2500)).map(lambda tenths: tenths / 1e4)


@trials(80)
@given(command=st.sampled_from(list(commands)), number=st.sampled_from(signals), seconds=moments)
def test_a_signal_leaves_old_or_complete_files(program, inputs, note_command, command, number, seconds):
    attack_with_signal(program, inputs, note_command, command, commands[command].split(), number, seconds)


@trials(40)
@given(command=st.sampled_from(list(visualizer_commands)), number=st.sampled_from(signals), seconds=moments)
def test_a_signal_to_the_visualizer_leaves_old_or_complete_files(ringviz, inputs, note_command, command, number, seconds):
    attack_with_signal(ringviz, inputs, note_command, command, visualizer_commands[command].split(), number, seconds)


def is_sentence(text):
    return text.startswith(("ringattn: ", "ringviz: ")) and text.count("\n") == 1


slow = ("vectors", "mistakes --self", "bench", "recall")
quick_commands = [command for command in commands if not command.startswith(slow) and "sleep" not in command]


@trials(25)
@given(command=st.sampled_from(quick_commands), kilobytes=st.integers(0, 60), ignored=st.booleans())
def test_a_full_disk_leaves_old_files(program, inputs, note_command, command, kilobytes, ignored):
    # A limit on the size of a file acts like a full disk, if its signal is ignored
    names = commands[command].split()
    with program.workspace() as workspace:
        environment, line = prepare(workspace, inputs, names)
        script = f"ulimit -f {2 * kilobytes}; " + ("trap '' XFSZ; " if ignored else "") + 'exec "$@"'
        answer = workspace.run(*shlex.split(command), launcher=("sh", "-c", script, "sh"), environment=environment)
        note_command(f"({line}sh -c {quoted(script)} sh {quoted(str(program.path))} {command}; ls -lA)")
        failed = answer.status == 2 and is_sentence(answer.err) if ignored else answer.status == 128 + signal.SIGXFSZ
        assert failed or answer.status in (0, 1), answer
        check_files(workspace.path, names)
        if answer.status in (0, 1):
            assert all((workspace.path / name).read_bytes() != old for name in names)


printing = [*quick_commands, *(f"{command} --help" for command in ("", "run", "check", "vectors")), "--version", "mistakes", "probe", "mistakes --json r.json"]


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-"])
def test_a_full_or_closed_standard_output_is_reported(program, inputs, note_command, redirection):
    for command in printing:
        names = [*commands.get(command, "").split(), "r.json"]
        with program.workspace() as workspace:
            environment, line = prepare(workspace, inputs, names)
            script = f'exec "$@" {redirection}'
            answer = workspace.run(*shlex.split(command), launcher=("sh", "-c", script, "sh"), environment=environment)
            note_command(f"({line}{quoted(str(program.path))} {command} {redirection}; ls -lA)")
            assert answer.status == 2 and is_sentence(answer.err) and "standard output" in answer.err, answer
            check_files(workspace.path, names)


@pytest.mark.parametrize(
    "command",
    [
        "check case.st --out mine.st --json - --markdown -",
        "run --seq 8 --json - --output -",
        "run --seq 8 --output -",
        "run --seq 8 --json r.json > r.json",
        "run --seq 8 --output /dev/stdout > r.json",
        "mistakes O1 --make --input case.st --output same --json link",
        "check case.st --out mine.st --json same --markdown link",
    ],
)
def test_two_outputs_to_one_place_are_refused(program, inputs, note_command, command):
    with program.workspace() as workspace:
        environment, line = prepare(workspace, inputs, [])
        (workspace.path / "link").symlink_to("same")
        arguments, _, target = command.partition(" > ")
        script = f'exec "$@" > {target}' if target else 'exec "$@"'
        answer = workspace.run(*shlex.split(arguments), launcher=("sh", "-c", script, "sh"), environment=environment)
        note_command(f"({line}ln -s same link; {quoted(str(program.path))} {command})")
        assert answer.is_refusal, answer
        left = {path.name for path in workspace.path.iterdir()} - {"case.st", "mine.st", "vectors", "tmp", "ffmpeg", "link", target}
        assert not left


hostile_names = st.one_of(
    st.text(st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1, max_size=40),
    st.binary(min_size=1, max_size=20).filter(lambda name: not set(name) & {0, ord("/")}).map(os.fsdecode),
    st.sampled_from(["", "-", "--", ".", "..", "/", "missing/out", "case.st/out", "tmp", "tmp/", "tmp/../out", "./-", "/dev/full", "/dev/null", "/proc/out"]),
    st.sampled_from(["link", "chain", "dangling", "loop", "to_folder", "nowhere", "a" * 251, "a" * 255, "a" * 256, "a" * 5000, "b/" * 3000]),
)


@trials(60)
@given(name=hostile_names)
def test_any_name_is_written_completely_or_refused(program, inputs, note_command, name):
    links = {"link": "target", "chain": "link", "dangling": "new", "loop": "loop", "to_folder": "tmp", "nowhere": "missing/out"}
    with program.workspace() as workspace:
        environment, line = prepare(workspace, inputs, ["target"])
        for link, target in links.items():
            (workspace.path / link).symlink_to(target)
        answer = workspace.run("probe", "random", "--seq", "4", f"--output={name}", environment=environment)
        pairs = "; ".join(f"ln -s {target} {link}" for link, target in links.items())
        note_command(f"({line}{pairs}; {quoted(str(program.path))} probe random --seq 4 {quoted('--output=' + name)}; ls -lA)")
        assert answer.status == 0 or (answer.status == 2 and is_sentence(answer.err)), answer
        written = workspace.path / os.fsencode(name).decode(errors="surrogateescape")
        if answer.status == 0 and not written.is_char_device():
            content = written.read_bytes()
            size = int.from_bytes(content[:8], "little")
            assert json.loads(content[8 : 8 + size])["q"]
        assert all((workspace.path / link).is_symlink() for link in links)
        if name not in ("target", "link", "chain"):
            assert (workspace.path / "target").read_bytes() == old
        check_files(workspace.path, [])


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_or_file_without_permission_to_write_is_refused(program, inputs):
    with program.workspace() as workspace:
        prepare(workspace, inputs, ["tmp/out.st"])
        target = workspace.path / "tmp/out.st"
        for path in (workspace.path / "tmp", target):
            mode = path.stat().st_mode
            path.chmod(mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
            assert workspace.run("probe", "random", "--output", "tmp/out.st").is_refusal
            assert target.read_bytes() == old
            path.chmod(mode)
        check_files(workspace.path, [])


@pytest.mark.parametrize("megabytes", [26, 30, 40, 60])
def test_too_little_memory_is_a_sentence(program, ringviz, note_command, inputs, megabytes):
    for each, command in [(ringviz, "shot --scene ring --out a.png"), (program, "run --seq 64 --devices 16 --output out.st"), (program, "check case.st --out mine.st --json r.json")]:
        with each.workspace() as workspace:
            environment, line = prepare(workspace, inputs, [])
            answer = workspace.run(*command.split(), environment=environment, memory=megabytes << 20)
            not_loaded = answer.status == 127  # the libraries of the GPU version take more
            assert not_loaded or answer.status in (0, 1) or (answer.status == 2 and is_sentence(answer.err)), answer
            check_files(workspace.path, [])
