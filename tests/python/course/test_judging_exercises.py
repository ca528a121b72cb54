"""Wrong readings of outputs, tests that see too little, and tolerances that forgive too much."""

import numpy as np
import pytest
from answers import budget_of, require_explained, solution_of

unit = 2.0**-24


def expose_with(mistake, options):
    """The right tests, but one."""
    return lambda each: options if each == mistake else solution_of("expose")(each)


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("leaks", lambda out: [], "it misses that query 0 sees key 1, .* M1, the causal mask is forgotten"),
        ("leaks", lambda out: np.argwhere(out > 0), "it reports that query 0 sees key 0, .*; the output is right"),
        ("leaks", lambda out: [(99, 100)], "query 99 sees key 100, and the output has 12 rows"),
        ("leaks", lambda out: [0.5], r"a list of pairs \(query, key\) of whole numbers"),
        (
            "suspect",
            lambda weights: [],
            "you miss that block 0 is twice on device 0, where its weight is 2.*the mistake is R3",
        ),
        ("suspect", lambda weights: [(0, 0, "lost")], "all weights are 1, and you report"),
        (
            "suspect",
            lambda weights: [
                (*place, "lost" if weight < 1 else "twice")
                for place, weight in np.ndenumerate(weights.round(6))
                if weight != 1
            ],
            "you report that block",
        ),
        (
            "close",
            lambda found, expected, tolerance: not np.any(abs(found - expected) > tolerance),
            "True for a NaN in the result",
        ),
        (
            "close",
            lambda found, expected, tolerance: bool(np.all(abs(found - expected) <= tolerance)),
            "False for -inf in the same place",
        ),
        (
            "close",
            lambda found, expected, tolerance: np.allclose(found, expected, 0, tolerance),
            "True for another shape",
        ),
        ("close", lambda found, expected, tolerance: 1, "it must return True or False; it returns int"),
        ("expose", expose_with("M1", {"seq": 9}), "M1, the causal mask is forgotten, cannot happen in this test"),
        ("expose", expose_with("H1", {"seq": 9, "heads": 4}), "H1, .* cannot happen in this test"),
        ("expose", expose_with("R1", {"seq": 9, "devices": 2}), "R1, the last hop is missing, cannot be told from M22"),
        ("expose", expose_with("V6", {"seq": 1, "batch": 2}), "V6, .*, passes"),
        ("expose", lambda mistake: {"seq": 10**9}, "32 is enough for each option; it returns seq = 1000000000 for M1"),
        ("expose", lambda mistake: {"sq": 3}, "its options for M1 make no probe: .* no keyword sq"),
        ("expose", lambda mistake: ["causal"], "a dict with options of ringattn.probe; it returns list"),
        (
            "tolerance",
            lambda a, b, unit: unit * np.sum(np.abs(a * b)),
            "a sum of 2000 products, equal and positive, .* is off by",
        ),
        (
            "tolerance",
            lambda a, b, unit: len(a) * unit * abs(np.sum(a * b)),
            "200 products, which cancel, .* is off by",
        ),
        ("tolerance", lambda a, b, unit: 0.025, "50 products, all tiny, passes"),
        ("tolerance", lambda a, b, unit: 1e-3 * np.sum(np.abs(a * b)), "that forgets one of 2000 products, .*, passes"),
        ("tolerance", lambda a, b, unit: -1, "and not negative; it returns -1"),
        ("order", lambda device, devices, arrived: arrived, "in run 1, where the blocks arrive in the order"),
        ("order", lambda device, devices, arrived: arrived[1:], "each of the 6 blocks must be absorbed once"),
        ("order", lambda device, devices, arrived: [0.5] * 6, "a list of owners, whole numbers"),
    ],
)
def test_a_wrong_answer_is_explained(name, answer, sentence):
    require_explained(name, answer, sentence)


def test_a_rich_test_sees_every_mistake_and_has_more_rows_than_needed():
    rich = {
        "seq": 12,
        "kv_seq": 17,
        "heads": (8, 2),
        "v_dim": 6,
        "batch": 2,
        "devices": 4,
        "layout": "zigzag",
        "causal": True,
    }
    assert budget_of("expose", lambda mistake: rich) == [(7 * 2 * 12, 21)]


def test_the_fewest_rows_that_show_a_mistake_are_those_of_the_solution():
    fewer = {
        "M1": {"causal": True},
        "S11": {"v_dim": 3},
        "H1": {"heads": (4, 2)},
        "V6": {"batch": 2},
        "M15": {"kv_seq": 8, "causal": True},
        "R1": {"devices": 4},
        "P4": {"devices": 2, "layout": "striped", "causal": True},
    }
    for mistake, options in fewer.items():
        rows = solution_of("expose")(mistake)["seq"]
        require_explained("expose", expose_with(mistake, options | {"seq": rows - 1}), mistake)


def test_a_tolerance_may_be_twice_as_large_as_needed_and_shows_it_in_its_budget():
    assert budget_of("tolerance", lambda a, b, unit: 2 * len(a) * unit * np.sum(np.abs(a * b))) == [(128, 64)]


def test_any_fixed_order_gives_the_same_bits():
    assert budget_of("order", lambda device, devices, arrived: sorted(arrived)) == [(1, 1)]
