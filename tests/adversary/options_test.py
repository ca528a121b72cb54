"""Command lines and metadata of random options, good and hostile: a result that is right, or one sentence."""

import re

import pytest
from case_files import case, hostile_integers, hostile_texts, results, safetensors
from fairness import check_fair
from hypothesis import given
from hypothesis import strategies as st
from trials import trials

MiB = 1 << 20
commands = ["run", "recall", "check", "examine", "probe", "laws", "spectrum", "mistakes", "vectors", "bench", "plan"]

# Options that start other programs or take minutes
left_out = {
    "--help",
    "--program",
    "--self-test",
    "--transport",
    "--backend",
    "--link-gbps",
    "--link-latency-us",
    "--passes",
    "--runs",
    "--filter",
}

# What makes a command short, and able to succeed
usual = {
    "run": ["--seq", "9"],
    "recall": ["--text", "text", "--prompt", "to be", "--words", "2"],
    "check": ["case.safetensors", "--out", "results.safetensors"],
    "examine": ["--program", "cp {case} {out}", "--seq", "9"],
    "laws": ["case.safetensors", "--out", "results.safetensors"],
    "spectrum": ["case.safetensors", "--out", "results.safetensors", "--devices", "2"],
    "mistakes": ["O1", "--input", "case.safetensors", "--devices", "2"],
    "probe": ["random", "--seq", "9"],
    "vectors": ["list", "--filter", "nothing"],
    "plan": ["--seq", "64K"],
    "bench": ["--seq", "16", "--dim", "4", "--heads", "1", "--model-seq", "16", "--passes", "1"],
}

inputs = {
    "case.safetensors": case(),
    "long.safetensors": case(tokens=12, metadata={"devices": "3", "layout": "zigzag", "causal": "true"}),
    "packed.safetensors": safetensors(
        {**dict.fromkeys("qkv", ("F32", (1, 6, 2, 4))), "q_positions": ("I64", (6,)), "kv_segment_ids": ("I64", (1, 6))}
    ),
    "results.safetensors": results(),
    "text": b"to be or not to be, that is the question",
    "empty": b"",
}

hostile = st.sampled_from([*hostile_texts, *map(str, hostile_integers)])
small = st.integers(1, 12).map(str)
files = st.sampled_from(
    [*inputs, "new.safetensors", "new.json", "new.trace", ".", "missing/new", "n" * 300, "/dev/null", "/dev/full", "-"]
)


@pytest.fixture(scope="module")
def options(program):
    """command -> [(option, type, description)], as its --help lists them."""
    table = {}
    for command in commands:
        text = program(command, "--help").out
        entries = re.findall(r"^  (?:-h,)?(--[a-z-]+)\S* ?(\S*)[ \n]+(.*(?:\n {20,}.*)*)", text, re.MULTILINE)
        table[command] = [entry for entry in entries if entry[0] not in left_out]
        assert len(table[command]) >= 2, text
    return table


def values(kind, description):
    """Good values of an option of this type, and sometimes hostile ones."""
    if kind.startswith(("FILE", "CASE")):
        return files.filter(lambda name: "perfetto" not in description or not name.startswith("/dev"))
    if kind == "NAME":
        words = re.findall(r"[a-z0-9-]+", description.rpartition("(default")[0] or description)
        return st.sampled_from(words) | hostile
    good = {
        "N": small,
        "L,R": st.builds("{},{}".format, st.integers(-1, 9), st.integers(-1, 9)),
        "X": st.sampled_from(["0.5", "2", "-1", "0"]),
    }
    return good.get(kind, small) | good.get(kind, small) | hostile


@st.composite
def words(draw, table):
    """Up to four options of a command with their values."""
    chosen = []
    for option, kind, description in draw(st.lists(st.sampled_from(table), max_size=4, unique_by=lambda entry: entry[0])):
        if kind in ("", "[default:"):
            chosen.append(draw(st.sampled_from([option, option, f"{option}={draw(hostile)}"])))
        else:
            chosen += [option, draw(values(kind, description))]
    return chosen


def attack(program, command, arguments, more=None):
    with program.workspace() as workspace:
        for name, content in {**inputs, **(more or {})}.items():
            workspace.write(name, content)
        present = {path.name for path in workspace.path.iterdir()}
        answer = workspace.run(command, *arguments, memory=4096 * MiB)
        for name, content in inputs.items():
            unchanged = (workspace.path / name).read_bytes() == content
            assert unchanged or (answer.status != 2 and name in arguments), f"{name} was changed"
        check_fair(answer, workspace, command, present)
        if command == "run" and answer.status == 0 and "-" not in arguments:
            assert answer.out.splitlines()[-1].startswith("exact"), answer.out
        return answer


@pytest.mark.parametrize("command", commands)
@trials(40)
@given(data=st.data())
def test_any_options_give_a_result_or_one_sentence(program, options, command, data):
    given_words = data.draw(words(options[command]))
    base = [word for n, word in enumerate(usual[command]) if not replaced(n, usual[command], given_words)]
    if command == "run" and {"--input", "--text"} & set(given_words):
        base = []
    attack(program, command, base + given_words)


def replaced(n, base, given_words):
    """Whether a word of the usual options is replaced by a random one: an option may be given once."""
    option = base[n] if base[n].startswith("--") else base[n - 1]
    return option.startswith("--") and option in given_words


@trials(40)
@given(data=st.data())
def test_any_metadata_give_an_exact_run_or_one_sentence(program, options, data):
    keys = [option[2:].replace("-", "_") for option, _, _ in options["run"]] + ["transport", "world_size", "author", ""]
    known = {option[2:].replace("-", "_"): (kind, description) for option, kind, description in options["run"]}
    metadata = {}
    for key in data.draw(st.lists(st.sampled_from(keys), max_size=4, unique=True)):
        kind, description = known.get(key, ("", ""))
        metadata[key] = data.draw(values(kind, description) if kind else st.sampled_from(["true", "false"]) | hostile)
    command, more = data.draw(
        st.sampled_from([("run", ["--output", "out.safetensors"]), ("check", ["--out", "results.safetensors"]), ("mistakes", [])])
    )
    case_words = {"run": ["--input"], "check": [], "mistakes": ["R9", "--input"]}[command]
    content = case(gradients=False, metadata=metadata)
    attack(program, command, [*case_words, "with.safetensors", *more], {"with.safetensors": content})


@trials(6)
@given(
    st.sampled_from([1024, 1025, 65536, 10**6, 2**30, 2**31, 2**63, 2**64]),
    st.sampled_from(["check", "mistakes", "laws", "spectrum", "probe"]),
)
def test_any_number_of_devices_takes_no_more_than_the_tokens_need(program, devices, command):
    arguments = {
        "check": ["case.safetensors", "--out", "results.safetensors"],
        "laws": ["case.safetensors", "--out", "results.safetensors"],
        "spectrum": ["case.safetensors", "--out", "results.safetensors"],
        "mistakes": ["R9", "--input", "case.safetensors"],
        "probe": ["random", "--seq", "9", "--output", "new.safetensors"],
    }[command]
    with program.workspace() as workspace:
        for name, content in inputs.items():
            workspace.write(name, content)
        answer = workspace.run(command, *arguments, "--devices", str(devices), memory=2048 * MiB)
        check_fair(answer, workspace, command, set(inputs))
        assert (answer.status == 2) == (devices > 1024), answer
