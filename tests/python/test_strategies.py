"""Every exact strategy from Python: the result of attention(), and a sentence where a strategy cannot compute a problem."""

import numpy as np
import pytest
import ringattn


def draw(seed, heads=8, kv_heads=2):
    random = np.random.default_rng(seed)
    shape = lambda length, of, dim: random.standard_normal((2, length, of, dim))  # noqa: E731
    return shape(23, heads, 5), shape(31, kv_heads, 5), shape(31, kv_heads, 3), shape(23, heads, 3)


@pytest.mark.parametrize(
    "strategy, group",
    [("all-gather", 0), ("bidirectional", 0), ("double-ring", 2), ("ulysses", 0), ("usp", 2), ("auto", 0), ("tree", 0)],
)
def test_every_strategy_equals_attention(strategy, group):
    q, k, v, dout = draw(1)
    mask = {"causal": True, "causal_align": "bottom-right"}
    gradients = {} if strategy == "tree" else {"dout": dout}
    found = ringattn.ring_attention(
        q, k, v, devices=4, strategy=strategy, group=group, layout="zigzag", **mask, **gradients
    )
    out, lse = ringattn.attention(q, k, v, return_lse=True, **mask)
    np.testing.assert_allclose(found.out, out, atol=1e-13)
    np.testing.assert_allclose(found.lse, lse, atol=1e-13)
    if gradients:
        for name, expected in zip(("dq", "dk", "dv"), ringattn.attention_vjp(q, k, v, dout, **mask), strict=True):
            np.testing.assert_allclose(getattr(found, name), expected, atol=1e-12)


def test_a_trace_names_the_strategy():
    q, k, v, _ = draw(2)
    header = ringattn.ring_attention(q, k, v, devices=4, strategy="double-ring", group=2, trace=True).trace_header
    assert header["strategy"] == "double-ring" and header["group"] == 2
    assert "strategy" not in ringattn.ring_attention(q, k, v, devices=4, trace=True).trace_header


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"strategy": "spiral"}, "must be one of"),
        ({"strategy": "usp"}, "must be given; found none; choose as group a divisor of 4"),
        ({"strategy": "ring", "group": 2}, "only double-ring and usp have groups"),
        ({"strategy": "usp", "group": -1}, "0 stands for none; found -1"),
        ({"strategy": "double-ring", "group": 3}, "found 4 devices in groups of 3"),
        ({"strategy": "ulysses", "devices": 3}, "found 8 heads for 3 devices"),
        ({"strategy": "all-gather", "fault": "stale"}, "for a ring only"),
        ({"strategy": "all-gather", "trace": True, "trace_rows": [0]}, "for a ring only"),
    ],
)
def test_a_strategy_that_cannot_compute_a_problem_says_why(options, sentence):
    q, k, v, _ = draw(3)
    with pytest.raises(ValueError, match=sentence):
        ringattn.ring_attention(q, k, v, **{"devices": 4} | options)
