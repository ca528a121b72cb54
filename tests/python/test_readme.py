"""The Python example of README.md runs."""

import re
from pathlib import Path

import pytest
import ringattn

readme = Path(__file__).parents[2] / "README.md"


def the_example():
    (example,) = re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
    return example


def test_the_example_of_the_readme_passes_for_a_right_implementation(capsys):
    exec(the_example(), {"mine": ringattn.attention})
    assert "VERDICT  PASS" in capsys.readouterr().out


def test_the_example_of_the_readme_raises_for_a_wrong_one():
    def without_mask(q, k, v, causal):
        return ringattn.attention(q, k, v)

    with pytest.raises(AssertionError, match="NAME     M1"):
        exec(the_example(), {"mine": without_mask})
