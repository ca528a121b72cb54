"""Any call of a public function returns a result, or raises ValueError or TypeError with a sentence of this package."""

import pytest
from call_arguments import functions, hostile, unknown_keywords
from hypothesis import given
from hypothesis import strategies as st
from trials import trials


@st.composite
def calls(draw, function):
    """A call with up to two hostile arguments among the right ones, and perhaps an unknown keyword."""
    needed, known = functions[function]
    optional = sorted(known.keys() - set(needed.split()))
    chosen = needed.split()
    if optional:
        chosen += draw(st.lists(st.sampled_from(optional), max_size=3, unique=True))
    attacked = draw(st.lists(st.sampled_from(chosen), max_size=2, unique=True)) if chosen else []
    arguments = [f"{name}={draw(hostile if name in attacked else known[name])}" for name in chosen]
    if "q" in known and draw(st.integers(0, 19)) == 0:
        arguments.append(draw(unknown_keywords))
    return f"ringattn.{function}({', '.join(arguments)})"


@pytest.mark.parametrize("function", functions)
def test_any_call_returns_or_is_refused_with_a_sentence(function, python):
    @trials(200 if functions[function][1] else 1)
    @given(calls(function))
    def holds(call):
        outcome = python.run(f"import warnings; warnings.simplefilter('ignore'); {call}")
        report = function == "assert_attention" and outcome.error == "AssertionError" and outcome.message.startswith("case")
        assert not outcome.error or outcome.is_refusal or report, outcome

    holds()
