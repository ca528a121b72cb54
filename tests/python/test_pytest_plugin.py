"""The plugin for pytest: cases from the golden vectors, reports as failures and as files."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import ringattn

header = "import pytest, ringattn\n"


@pytest.fixture
def run_tests(tmp_path):
    """Runs a file of tests in a process of its own; returns its exit status and output."""

    def run(source, *options):
        (tmp_path / "test_mine.py").write_text(header + source)
        command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py", *options]
        answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        return answer.returncode, answer.stdout + answer.stderr

    return run


def the_example():
    text = (Path(__file__).parents[2] / "reference/python/README.md").read_text()
    (example,) = [code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "attention_case" in code]
    return example


def test_the_example_passes_for_a_right_implementation_and_names_the_mistake_of_a_wrong_one(run_tests, tmp_path):
    status, output = run_tests("mine = ringattn.attention\n" + the_example(), "--ringattn-report", "reports")
    count = len([vector for vector in ringattn.vectors() if vector.options.keys() <= {"causal", "softmax_scale"}])
    assert status == 0 and f"{count} passed" in output and 0 < count < len(ringattn.vectors())
    reports = sorted((tmp_path / "reports").glob("*.json"))
    assert len(reports) == count and all(json.loads(path.read_text())["verdict"] == "pass" for path in reports)
    assert all("VERDICT  PASS" in path.with_suffix(".html").read_text() for path in reports)

    without_mask = "def mine(q, k, v, causal=False, **options):\n    return ringattn.attention(q, k, v, **options)\n"
    status, output = run_tests(without_mask + the_example(), "-k", "tiny-causal")
    assert status == 1 and "VERDICT  FAIL" in output and "the causal mask is forgotten" in output


def test_every_golden_vector_is_a_case(run_tests):
    source = "def test_right(attention_case, assert_attention):\n    case = attention_case\n"
    source += "    assert_attention(ringattn.attention(case.q, case.k, case.v, **case.options), **case)\n"
    status, output = run_tests(source)
    assert status == 0 and f"{len(ringattn.vectors())} passed" in output


def test_golden_vectors_describe_themselves():
    for vector in ringattn.vectors():
        assert vector.id and vector.comment and vector.id in repr(vector) and vector.axes == "bshd"
    assert len({vector.id for vector in ringattn.vectors()}) == 20
