"""Wrong memories of constant size."""

import numpy as np
import pytest
from answers import budget_of, require_explained, require_named


def newest(count, token, sinks=0):
    """The newest tokens and the sinks, each once."""
    return sorted({*range(min(sinks, token + 1)), *range(max(0, token + 1 - count), token + 1)})


def missing(scores, kept, maximum=None):
    weights = np.exp(scores - (scores.max() if maximum is None else maximum))
    return weights[~kept].sum() / weights.sum()


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("M16", lambda token, window, sinks: newest(window + 1, token, sinks)),
        ("M2", lambda token, window, sinks: newest(window - 1, token - 1, sinks)),
        ("M1", lambda token, window, sinks: list(range(max(0, token - window + 1), 24))),
    ],
)
def test_a_mistake_of_the_catalogue_is_named(mistake, answer):
    require_named("keep", mistake, answer)


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("keep", lambda token, window, sinks: newest(window, token), "it drops token 0, a sink"),
        (
            "keep",
            lambda token, window, sinks: [*range(min(sinks, token + 1)), *newest(window, token)],
            "it keeps token 0 twice",
        ),
        (
            "keep",
            lambda token, window, sinks: list(range(min(token + 1, window + sinks))),
            "the oldest token of the window must leave",
        ),
        (
            "keep",
            lambda token, window, sinks: newest(window - sinks, token, sinks),
            "token 2, which is still in the window",
        ),
        (
            "keep",
            lambda token, window, sinks: newest(window + sinks, token, sinks),
            "token 2, which has left the window",
        ),
        (
            "keep",
            lambda token, window, sinks: sorted({*range(sinks), *newest(window, token)}),
            "it keeps token 1, which has not arrived yet",
        ),
        ("keep", lambda token, window, sinks: [99], "tokens are numbered from 0 to 23; it returns 99 for token 0"),
        ("slot", lambda token, window, sinks: token % (window + sinks), "token 7 overwrites token 0, a sink"),
        ("slot", lambda token, window, sinks: token % window, "token 5 overwrites token 0, a sink"),
        ("slot", lambda token, window, sinks: min(token, window + sinks - 1), "token 2, which is still in the window"),
        ("slot", lambda token, window, sinks: token, "token 3 goes to slot 3, and the memory has the slots 0 to 2"),
        ("slot", lambda token, window, sinks: 0.5, "one whole number"),
        (
            "bound",
            lambda scores, kept, longest: longest * missing(scores, kept),
            "is off by 4.109, and the bound is 2.055",
        ),
        ("bound", lambda scores, kept, longest: 2 * longest * np.mean(~kept), "the missing keys have the weight 0.685"),
        ("bound", lambda scores, kept, longest: 2 * longest, "nothing is missing, so the memory is exact"),
        (
            "bound",
            lambda scores, kept, longest: 2 * longest * missing(scores, kept, 0),
            "finite number; it returns nan for scores up to 1513",
        ),
    ],
)
def test_a_wrong_answer_that_is_not_in_the_catalogue_is_explained(name, answer, sentence):
    require_explained(name, answer, sentence)


def test_the_circle_of_a_buffer_may_begin_at_any_of_its_slots():
    ((used, best),) = budget_of("slot", lambda token, window, sinks: token if token < sinks else sinks + token % window)
    assert used == best


def test_a_bound_that_is_larger_than_needed_is_right_and_shows_it_in_its_budget():
    assert budget_of("bound", lambda scores, kept, longest: 3 * longest * missing(scores, kept)) == [(1.5, 1)]
