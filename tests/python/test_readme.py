"""The Python examples of README.md run."""

import re
from pathlib import Path

import pytest
import ringattn

readme = Path(__file__).parents[2] / "README.md"


def the_example(function):
    """The example that calls this function of the package."""
    examples = re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
    (example,) = (example for example in examples if f"ringattn.{function}(" in example)
    return example


def right(q, k, v, causal=True):
    return ringattn.attention(q, k, v, causal=causal)


def without_mask(q, k, v, causal=True):
    return ringattn.attention(q, k, v)


def with_another_kv_head(q, k, v):
    out = right(q, k, v)
    out[:, :, 3:] = right(q[:, :, 3:], k[:, :, :1], v[:, :, :1])
    return out


def test_the_test_of_the_readme_passes_for_a_right_implementation(capsys):
    exec(the_example("check"), {"mine": right})
    assert "VERDICT  PASS" in capsys.readouterr().out


def test_the_test_of_the_readme_raises_for_a_wrong_one():
    with pytest.raises(AssertionError, match="NAME     M1"):
        exec(the_example("check"), {"mine": without_mask})


def test_the_examination_of_the_readme_finds_nothing_in_a_right_implementation():
    exec(the_example("examine"), {"mine": right})


def test_the_examination_of_the_readme_prints_the_finding_that_it_shows(capsys):
    (shown,) = re.findall(r"^    (FOUND .*)$", readme.read_text(), re.MULTILINE)
    with pytest.raises(AssertionError):
        exec(the_example("examine"), {"mine": with_another_kv_head})
    assert shown in capsys.readouterr().out
