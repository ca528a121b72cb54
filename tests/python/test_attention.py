"""The definition has the mathematical properties of attention."""

import numpy as np
import pytest
import ringattn
from hypothesis import given
from hypothesis import strategies as st
from problems import assert_close, draw, plain_attention
from trials import trials

some_out, some_lse = ringattn.attention(*draw(1), return_lse=True)
sizes = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)


@trials(60)
@given(seeds, st.integers(1, 3), sizes, sizes, st.integers(1, 3), st.integers(1, 3), sizes, sizes)
def test_attention_equals_the_textbook_formula_for_every_shape(seed, batch, seq, kv_seq, kv_heads, group, dim, v_dim):
    heads = (kv_heads * group, kv_heads)
    q, k, v = draw(seed, batch=batch, seq=seq, kv_seq=kv_seq, heads=heads, dim=dim, v_dim=v_dim)
    out, lse = ringattn.attention(q, k, v, return_lse=True)
    expected_out, expected_lse = plain_attention(q, k, v)
    assert_close(out, expected_out)
    assert_close(lse, expected_lse)


@trials(30)
@given(seeds, sizes, sizes)
def test_values_of_one_give_rows_of_one(seed, seq, kv_seq):
    q, k, v = draw(seed, seq=seq, kv_seq=kv_seq)
    assert_close(ringattn.attention(q, k, np.ones_like(v)), np.ones(q.shape))


@trials(30)
@given(seeds, sizes, sizes)
def test_merging_the_results_for_two_halves_of_the_keys_gives_the_result_for_all_keys(seed, first, second):
    q, k, v = draw(seed, seq=5, kv_seq=first + second)
    halves = [ringattn.attention(q, k[:, keys], v[:, keys], return_lse=True) for keys in (slice(first), slice(first, None))]
    whole = ringattn.attention(q, k, v, return_lse=True)
    for order in (halves, halves[::-1]):
        for found, expected in zip(ringattn.merge(*order[0], *order[1]), whole):
            assert_close(found, expected)


def test_merge_is_associative():
    parts = [ringattn.attention(*draw(seed), return_lse=True) for seed in (1, 2, 3)]
    a, b, c = parts
    left, right = ringattn.merge(*ringattn.merge(*a, *b), *c), ringattn.merge(*a, *ringattn.merge(*b, *c))
    assert_close(left[0], right[0])
    assert_close(left[1], right[1])


def test_the_result_for_no_key_is_neutral_on_both_sides_of_a_merge():
    some = ringattn.attention(*draw(4), return_lse=True)
    none = np.zeros_like(some[0]), np.full_like(some[1], -np.inf)
    for found in (ringattn.merge(*some, *none), ringattn.merge(*none, *some)):
        assert np.array_equal(found[0], some[0]) and np.array_equal(found[1], some[1])
    nothing = ringattn.merge(*none, *none)
    assert not nothing[0].any() and np.all(nothing[1] == -np.inf)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((some_out, some_lse, some_out * np.nan, some_lse), '"out_b" has nan'),
        ((some_out * np.inf, some_lse, some_out, some_lse), "must be finite; \"out_a\""),
        ((some_out, some_lse * np.nan, some_out, some_lse), "must be finite or -inf; \"lse_a\" has nan"),
        ((some_out, some_lse, some_out, np.full_like(some_lse, np.inf)), "\"lse_b\" has inf"),
    ],
)
def test_merge_rejects_results_that_are_not_finite(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        ringattn.merge(*arguments)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["dout", "dlse"])
def test_gradients_that_are_not_finite_are_rejected(name, number):
    q, k, v = draw(13)
    given = {"dout": np.ones(q.shape), "dlse": np.ones((1, 4, 16))}
    given[name].flat[-1] = number
    right = ringattn.attention(q, k, v)
    calls = (
        lambda: ringattn.attention_vjp(q, k, v, **given),
        lambda: ringattn.ring_attention(q, k, v, **given),
        lambda: ringattn.check(q, k, v, out=right, **given),
        lambda: ringattn.laws(q, k, v, out=right, **given),
    )
    for call in calls:
        with pytest.raises(ValueError, match=f'must be finite; "{name}" has {number}'):
            call()


def test_a_bias_of_minus_infinity_hides_a_key():
    q, k, v = draw(14)
    visible = np.random.default_rng(14).random((16, 16)) < 0.5
    bias, dout = np.where(visible, 0.0, -np.inf), np.ones(q.shape)
    assert np.array_equal(ringattn.attention(q, k, v, bias=bias), ringattn.attention(q, k, v, mask=visible))
    for found, expected in zip(ringattn.attention_vjp(q, k, v, dout, bias=bias), ringattn.attention_vjp(q, k, v, dout, mask=visible)):
        assert np.array_equal(found, expected)


def test_with_causal_a_query_attends_to_the_keys_up_to_its_own_position():
    q, k, v = draw(5)
    assert_close(ringattn.attention(q, k, v, causal=True), plain_attention(q, k, v, np.tri(16, dtype=bool))[0])


@pytest.mark.parametrize(("align", "offset"), [("bottom-right", 4), ("top-left", 0)])
def test_causal_align_aligns_the_last_or_the_first_query_and_key(align, offset):
    q, k, v = draw(6, seq=5, kv_seq=9)
    visible = np.tri(5, 9, offset, dtype=bool)
    assert_close(ringattn.attention(q, k, v, causal=True, causal_align=align), plain_attention(q, k, v, visible)[0])


def test_a_window_is_inclusive_and_intersects_with_causal():
    q, k, v = draw(7)
    distance = np.arange(16)[:, None] - np.arange(16)
    found = ringattn.attention(q, k, v, window_size=(3, 2)), ringattn.attention(q, k, v, window_size=(3, None), causal=True)
    assert_close(found[0], plain_attention(q, k, v, (distance <= 3) & (distance >= -2))[0])
    assert_close(found[1], plain_attention(q, k, v, (distance <= 3) & (distance >= 0))[0])


def test_a_mask_is_true_where_a_query_attends_and_broadcasts_as_in_numpy():
    q, k, v = draw(8, batch=2)
    visible = np.random.default_rng(8).random((16, 16)) < 0.5
    expected = plain_attention(q, k, v, visible)[0]
    for mask in (visible, visible[None, None], np.broadcast_to(visible, (2, 4, 16, 16)), np.asfortranarray(visible)):
        assert_close(ringattn.attention(q, k, v, mask=mask), expected)
    assert_close(ringattn.attention(q, k, v, bias=np.where(visible, 0.0, -1e6)), ringattn.attention(q, k, v, mask=visible))


def test_a_query_without_visible_keys_has_out_zero_and_lse_minus_infinity():
    q, k, v = draw(9)
    visible = np.ones((16, 16), dtype=bool)
    visible[3] = False
    out, lse = ringattn.attention(q, k, v, mask=visible, return_lse=True)
    assert not out[:, 3].any() and np.all(lse[:, :, 3] == -np.inf) and np.isfinite(np.delete(lse, 3, axis=2)).all()


def test_packed_documents_give_the_results_of_the_single_documents():
    q, k, v = draw(10)
    found = ringattn.attention(q, k, v, causal=True, cu_seqlens_q=[0, 5, 5, 16], cu_seqlens_k=[0, 5, 5, 16])
    alone = [ringattn.attention(q[:, rows], k[:, rows], v[:, rows], causal=True) for rows in (slice(5), slice(5, 16))]
    assert_close(found, np.concatenate(alone, axis=1))
    assert_close(found, ringattn.attention(q, k, v, causal=True, q_segment_ids=[0] * 5 + [1] * 11, kv_segment_ids=[0] * 5 + [1] * 11))


def test_permuted_rows_with_their_positions_give_the_permuted_result():
    q, k, v = draw(11)
    order = np.random.default_rng(11).permutation(16)
    found = ringattn.attention(
        q[:, order], k[:, order], v[:, order], causal=True, q_positions=order, kv_positions=order
    )
    assert_close(found, ringattn.attention(q, k, v, causal=True)[:, order])


def test_scale_and_softcap_are_applied_in_that_order():
    q, k, v = draw(12, heads=(2, 2))
    scores = 2.0 * np.tanh(0.3 * np.einsum("bihd,bjhd->bhij", q, k) / 2.0)
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    assert_close(ringattn.attention(q, k, v, softmax_scale=0.3, softcap=2.0), np.einsum("bhij,bjhd->bihd", weights, v))


@trials(10)
@given(seeds, st.booleans())
def test_the_vector_jacobian_product_is_the_derivative_of_the_loss(seed, causal):
    q, k, v = draw(seed, seq=5, heads=(2, 1), dim=4)
    numbers = np.random.default_rng(seed + 1)
    dout, dlse = numbers.standard_normal(q.shape), numbers.standard_normal((1, 2, 5))

    def loss(*tensors):
        out, lse = ringattn.attention(*tensors, causal=causal, return_lse=True)
        return (out * dout).sum() + (lse * dlse).sum()

    gradients = ringattn.attention_vjp(q, k, v, dout, dlse=dlse, causal=causal)
    for n, gradient in enumerate(gradients):
        step = 1e-5 * numbers.standard_normal(gradient.shape)
        moved = [[tensor + sign * step if i == n else tensor for i, tensor in enumerate((q, k, v))] for sign in (1, -1)]
        # A central difference has an error of third order in the step, and a rounding error of 1e-16 / 1e-5
        assert abs((loss(*moved[0]) - loss(*moved[1])) / 2 - (gradient * step).sum()) <= 1e-4 * np.abs(gradient * step).sum() + 1e-12
