"""Wrong backward passes."""

import numpy as np
import pytest
from answers import require_explained, require_named, solution_of


def backward_with(p_of=None, ds_of=None, factor=(1, 1, 1), order=(0, 1, 2)):
    """A backward of one pair of blocks with another P or dS, wrong factors, or its results in another order."""

    def backward(q, k, v, out, lse, dout, scale):
        s = scale * q @ k.T
        p = p_of(s, lse) if p_of else np.exp(s - lse[:, None])
        dp, delta = dout @ v.T, np.sum(dout * out, axis=1)[:, None]
        ds = ds_of(p, dp, delta) if ds_of else p * (dp - delta)
        powers = {-1: 1 / scale, 1: 1, 2: scale}
        dq, dk, dv = (part * powers[each] for part, each in zip((scale * ds @ k, scale * ds.T @ q, p.T @ dout), factor))
        return [(dq, dk, dv)[each] for each in order]

    return backward


@pytest.mark.parametrize(
    ("name", "mistake", "answer"),
    [
        ("delta", "G1", lambda out, dout: np.zeros(len(out))),
        ("delta", "G4", lambda out, dout: -np.sum(out * dout, axis=1)),
        ("backward", "G1", backward_with(ds_of=lambda p, dp, delta: p * dp)),
        ("backward", "G4", backward_with(ds_of=lambda p, dp, delta: p * (dp + delta))),
        ("backward", "G2", backward_with(ds_of=lambda p, dp, delta: p * (dp - np.sum(p * dp, axis=1, keepdims=True)))),
        ("backward", "G32", backward_with(ds_of=lambda p, dp, delta: p * dp - delta)),
        ("backward", "G5", backward_with(p_of=lambda s, lse: np.exp(s - np.log(np.exp(s).sum(axis=1, keepdims=True))))),
        ("backward", "G9", backward_with(factor=(-1, 1, 1))),
        ("backward", "G10", backward_with(factor=(1, 2, 1))),
        ("backward", "G22", backward_with(order=(0, 2, 1))),
        ("home", "G13", lambda step, devices: solution_of("home")(step, devices) if step < devices - 1 else []),
        ("home", "G41", lambda step, devices: []),
    ],
)
def test_a_mistake_of_the_catalogue_is_named(name, mistake, answer):
    require_named(name, mistake, answer)


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("delta", lambda out, dout: np.mean(out * dout, axis=1), "delta of row 0 is .*; it returns"),
        (
            "delta",
            lambda out, dout: np.sum(out * dout, axis=0),
            r"must have the shape \(6,\); it returns the shape \(8,\)",
        ),
        ("home", lambda step, devices: [(0, 1), (2, 1)], "two sums arrive at one device"),
        ("home", lambda step, devices: [(0, 9)], "devices are numbered from 0 to 3"),
    ],
)
def test_a_wrong_answer_that_is_not_in_the_catalogue_is_explained(name, answer, sentence):
    require_explained(name, answer, sentence)
