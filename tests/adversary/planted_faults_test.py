"""A verdict is earned at any magnitude: right results pass, wrong ones do not, or the input is refused."""

import json

from hypothesis import given
from hypothesis import strategies as st
from trials import trials

seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(1, 9)
right_verdicts = {"pass", "note", "refused"}
wrong_verdicts = {"fail", "convention", "refused"}

# The powers of ten of q, k, v and dout that each type holds
ranges = {"float64": (-290, 290), "float32": (-28, 36), "float16": (0, 4)}
moderate = {"float64": (-3, 1), "float32": (-3, 1), "float16": (0, 1)}


@st.composite
def problems(draw, ranges):
    dtype = draw(st.sampled_from(sorted(ranges)))
    low, high = ranges[dtype]
    powers = st.tuples(*4 * [st.integers(low, high)])
    return {
        "seed": draw(seeds), "dtype": dtype, "seq": draw(lengths), "kv_seq": draw(lengths), "powers": draw(powers),
        "causal": draw(st.booleans()), "gradients": draw(st.booleans()),
    }  # fmt: skip


def verdicts(python, problem):
    call = ", ".join(f"{name}={value!r}" for name, value in problem.items())
    outcome = python.run(f"import planted_faults; planted_faults.judge({call})")
    assert not outcome.error, outcome
    return json.loads(outcome.printed)


def wrong(found):
    """The verdicts that are not earned."""
    return {
        result: verdict for result, verdict in found.items()
        if verdict not in (right_verdicts if result == "right" else wrong_verdicts)
    }  # fmt: skip


@trials(60)
@given(problems(ranges))
def test_right_results_of_any_magnitude_pass_and_planted_faults_do_not(python, problem):
    assert wrong(verdicts(python, problem)) == {}


@trials(40)
@given(problems(moderate))
def test_at_usual_magnitudes_no_input_is_refused(python, problem):
    found = verdicts(python, problem)
    assert wrong(found) == {} and "refused" not in found.values()
