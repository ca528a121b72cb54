"""A verdict is earned at any magnitude: right results pass, wrong ones do not, or the input is refused."""

import json

from hypothesis import given
from hypothesis import strategies as st
from trials import trials

seeds = st.integers(0, 2**32 - 1)
lengths = st.integers(1, 9)
right_verdicts = {"pass", "note", "refused"}
wrong_verdicts = {"fail", "convention", "refused"}

# The powers of ten of tensors that each type holds, and those of scores
any_tensor = {"float64": (-290, 300), "float32": (-30, 37), "bfloat16": (-35, 37), "float16": (-1, 4)}
any_score = (-12, 30)
usual_tensor = {dtype: (-1, 1) for dtype in any_tensor}
usual_score = (-2, 1)


@st.composite
def problems(draw, tensors, scores):
    """The arguments of planted_faults.judge."""
    dtype = draw(st.sampled_from(sorted(tensors)))
    power = st.integers(*tensors[dtype])
    of_q, of_v, of_dout = draw(power), draw(power), draw(power)
    low, high = tensors[dtype]
    of_k = min(max(draw(st.integers(*scores)) - of_q, low), high)
    powers = of_q, of_k, of_v, of_dout
    return {
        "seed": draw(seeds), "dtype": dtype, "seq": draw(lengths), "kv_seq": draw(lengths), "powers": powers,
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
@given(problems(any_tensor, any_score))
def test_right_results_of_any_magnitude_pass_and_planted_faults_do_not(python, problem):
    assert wrong(verdicts(python, problem)) == {}


@trials(40)
@given(problems(usual_tensor, usual_score))
def test_at_usual_magnitudes_no_input_is_refused(python, problem):
    found = verdicts(python, problem)
    assert wrong(found) == {} and "refused" not in found.values()
