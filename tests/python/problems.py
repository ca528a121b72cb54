"""Random problems, and a second implementation of attention in plain numpy."""

import numpy as np

allowed_error = 1e-12  # float64 on short sequences: a few hundred roundings of 1e-16, with a margin


def draw(seed, *, batch=1, seq=16, kv_seq=None, heads=(4, 2), dim=8, v_dim=None, dtype=np.float64):
    """q, k, v with normally distributed elements."""
    numbers = np.random.default_rng(seed)
    kv_seq, v_dim = kv_seq or seq, v_dim or dim
    shapes = (batch, seq, heads[0], dim), (batch, kv_seq, heads[1], dim), (batch, kv_seq, heads[1], v_dim)
    return tuple(numbers.standard_normal(shape).astype(dtype) for shape in shapes)


def plain_attention(q, k, v, visible=None):
    """out and lse by the textbook formula; _visible_ is (Sq, Skv), True where the query attends to the key."""
    group = q.shape[2] // k.shape[2]
    k, v = np.repeat(k, group, axis=2), np.repeat(v, group, axis=2)
    scores = np.einsum("bihd,bjhd->bhij", q, k) / np.sqrt(q.shape[-1])
    if visible is not None:
        scores = np.where(visible, scores, -np.inf)
    weights = np.exp(scores)
    total = weights.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        lse = np.log(total[..., 0])
    return np.einsum("bhij,bjhd->bihd", weights / np.where(total > 0, total, 1), v), lse


def assert_close(found, expected, error=allowed_error):
    """Asserts that the arrays agree up to rounding; infinities must be equal, and NaN fails."""
    __tracebackhide__ = True
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    assert found.shape == expected.shape
    finite = np.isfinite(expected)
    assert np.array_equal(found[~finite], expected[~finite])
    assert np.all(np.abs(found[finite] - expected[finite]) <= error * (1 + np.abs(expected[finite])))
