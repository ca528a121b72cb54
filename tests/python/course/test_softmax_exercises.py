"""Wrong ways to put the pieces of a softmax together."""

import numpy as np
import pytest
from answers import budget_of, require_explained, require_named


def weighted(weight_a, weight_b, out_a, out_b):
    return weight_a[:, None] * out_a + weight_b[:, None] * out_b


def merge_with(weights=None, lse=np.logaddexp):
    """A merge whose weights or lse are wrong; both are right where nothing is given."""

    def merge(out_a, lse_a, out_b, lse_b):
        both = np.logaddexp(lse_a, lse_b)
        safe = np.where(both == -np.inf, 0, both)
        chosen = weights(lse_a, lse_b, safe) if weights else (np.exp(lse_a - safe), np.exp(lse_b - safe))
        return weighted(*chosen, out_a, out_b), lse(lse_a, lse_b)

    return merge


def add_the_lse(out_a, lse_a, out_b, lse_b):
    lse = lse_a + lse_b
    return weighted(np.exp(lse_a - lse), np.exp(lse_b - lse), out_a, out_b), lse


def base_two(out_a, lse_a, out_b, lse_b):
    lse = np.logaddexp2(lse_a, lse_b)
    return weighted(2 ** (lse_a - lse), 2 ** (lse_b - lse), out_a, out_b), lse


def overflow(out_a, lse_a, out_b, lse_b):
    lse = lse_a + np.log(1 + np.exp(lse_b - lse_a))
    return weighted(np.exp(lse_a - lse), np.exp(lse_b - lse), out_a, out_b), lse


def without_the_empty_case(out_a, lse_a, out_b, lse_b):
    lse = np.logaddexp(lse_a, lse_b)
    return weighted(np.exp(lse_a - lse), np.exp(lse_b - lse), out_a, out_b), lse


def online_with(alpha_l=True, alpha_O=True, factor=lambda old, new: np.exp(old - new)):
    """An online update that rescales l, O or both, by a right or wrong factor."""

    def online(m, l, O, scores, values):  # noqa: E741
        m_new = max(m, scores.max(initial=-np.inf))
        if m_new == -np.inf:
            return m, l, O
        alpha, p = factor(m, m_new) if l > 0 else 0.0, np.exp(scores - m_new)
        return m_new, (alpha if alpha_l else 1) * l + p.sum(), (alpha if alpha_O else 1) * O + p @ values

    return online


def online_without_the_empty_case(m, l, O, scores, values):  # noqa: E741
    m_new = max(m, scores.max())
    alpha, p = np.exp(m - m_new), np.exp(scores - m_new)
    return m_new, alpha * l + p.sum(), alpha * O + p @ values


def finish_with(out=lambda l, O: O / l, lse=lambda m, l: m + np.log(l), empty=-np.inf):
    """The result of a row with a wrong out, a wrong lse, or a wrong lse of rows that saw no key."""
    return lambda m, l, O: (out(l, O), lse(m, l)) if l > 0 else (O, empty)


def softmax(lse, exp=np.exp):
    shares = exp(lse - lse.max(axis=0, initial=-1e300))
    return shares / np.maximum(shares.sum(axis=0), 1e-300)


@pytest.mark.parametrize(
    ("name", "mistake", "answer"),
    [
        ("shares", "L6", lambda lse: np.full_like(lse, 1 / len(lse))),
        ("shares", "L8", np.ones_like),
        ("shares", "L2", lambda lse: softmax(lse, np.exp2)),
        ("shares", "L11", lambda lse: np.exp(lse) / np.exp(lse).sum(axis=0)),
        ("shares", "L12", lambda lse: np.exp(lse - np.logaddexp.reduce(lse, axis=0))),
        ("merge", "L3", add_the_lse),
        ("merge", "L2", base_two),
        ("merge", "L5", merge_with(lambda a, b, both: (np.exp(b - both), np.exp(a - both)))),
        ("merge", "L7", merge_with(lambda a, b, both: (np.full_like(a, 0.5), np.full_like(b, 0.5)))),
        ("merge", "L8", merge_with(lambda a, b, both: (np.ones_like(a), np.ones_like(b)))),
        ("merge", "L11", overflow),
        ("merge", "L12", without_the_empty_case),
        ("online", "O1", online_with(alpha_O=False)),
        ("online", "O2", online_with(alpha_l=False)),
        ("online", "O3", online_with(alpha_l=False, alpha_O=False)),
        ("online", "O4", online_with(factor=lambda old, new: np.exp(new - old))),
        ("online", "O7", online_with(factor=lambda old, new: np.exp(2 * (old - new)))),
        ("online", "O9", online_without_the_empty_case),
        ("finish", "O5", finish_with(out=lambda l, O: O)),
        ("finish", "O10", finish_with(lse=lambda m, l: m)),
        ("finish", "O10", finish_with(lse=lambda m, l: np.log(l))),
        ("finish", "C1", finish_with(lse=lambda m, l: (m + np.log(l)) / np.log(2))),
        ("finish", "C5", finish_with(lse=lambda m, l: l * np.exp(m), empty=0.0)),
        ("finish", "C2", finish_with(empty=np.inf)),
    ],
)
def test_a_mistake_of_the_catalogue_is_named(name, mistake, answer):
    require_named(name, mistake, answer)


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("shares", lambda lse: lse / lse.sum(axis=0), "it divides lse by the sum of the lse"),
        ("shares", lambda lse: np.exp(lse - lse.max(axis=0)), "the shares of row 0 add up to .*, and not to 1"),
        ("tree", lambda pieces: [[(0, 1), (0, 2)]], "piece takes part in two merges"),
        ("tree", lambda pieces: [[(0, 1)]], "piece 2 of 5 is missing from the result"),
        (
            "tree",
            lambda pieces: [[(0, other)] for other in (1, 2, 3, 4, 4)],
            "piece 4 of 5 counts 2 times in the result",
        ),
        ("tree", lambda pieces: [(0, 1)], "a list of rounds"),
        (
            "finish",
            lambda m, l, O: (O / np.float64(l), m + np.log(l)),
            "a row that saw no key has l = 0, and 0 / 0 is NaN",
        ),
        ("anchor", lambda reference, largest: reference, "it subtracts -inf from a visible score"),
        (
            "anchor",
            lambda reference, largest: 0,
            "l overflows with the reference 0, where the largest score of the tile is 88",
        ),
        ("anchor", lambda reference, largest: 1000, "l is 0, although the row has seen a key"),
        ("anchor", lambda reference, largest: largest, "the sum l overflows"),
        ("anchor", lambda reference, largest: np.nan, "must be a finite number as soon as a key was visible"),
    ],
)
def test_a_wrong_answer_that_is_not_in_the_catalogue_is_explained(name, answer, sentence):
    require_explained(name, answer, sentence)


def test_a_chain_of_merges_is_right_and_takes_more_rounds_than_a_tree():
    assert budget_of("tree", lambda pieces: [[(0, other)] for other in range(1, pieces)]) == [(12, 4), (12, 12)]


def test_the_maximum_is_a_right_reference_and_rescales_more_often_than_needed():
    ((used, best),) = budget_of("anchor", max)
    assert used > 5 * best > 0
