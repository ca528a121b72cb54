"""A circular memory is exact while it keeps every token, and says that it is approximate otherwise."""

import numpy as np
import pytest
import ringattn
from hypothesis import given
from hypothesis import strategies as st
from problems import assert_close, draw
from trials import trials


@trials(20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 17), st.integers(1, 20))
def test_a_window_of_tokens_equals_attention_with_that_mask(seed, seq, window):
    q, k, v = draw(seed, seq=seq, batch=2, v_dim=3)
    found = ringattn.circular_attention(q, k, v, window=window)
    assert_close(found.out, ringattn.attention(q, k, v, causal=True, window_size=(window - 1, 0)))
    assert found.sentence.startswith("exact" if window >= seq else "approximate")


def test_every_token_is_somewhere_and_the_memory_does_not_grow():
    options = {"sinks": 2, "window": 5, "heavy_hitters": 3, "pooled_slots": 2, "pool_width": 4, "linear": True}
    short, long = (ringattn.circular_attention(*draw(1, seq=seq), **options) for seq in (40, 160))
    assert sum(short.tokens.values()) == 40 and sum(long.tokens.values()) == 160
    assert short.bytes == long.bytes and short.tokens["sinks"] == 2 and long.tokens["dropped"] == 0
    assert 0 < long.mass_kept < 1 and long.error > 0 and long.multiply_adds > short.multiply_adds
    assert np.isfinite(long.out).all() and "approximate" in repr(long)


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"window": -1}, "window"),
        ({"window": 4, "pool_width": 0}, r"\[pool_width\]"),
        ({"window": 4, "gate": 2}, "gate"),
        ({"window": 4, "causal": False}, "causal"),
        ({"window": 4, "bias": np.zeros((16, 16))}, "bias"),
    ],
)
def test_bad_options_of_a_memory_are_rejected_with_a_clear_message(keywords, sentence):
    with pytest.raises(ValueError, match=sentence):
        ringattn.circular_attention(*draw(2), **keywords)
