"""The arguments of other libraries describe the attention that these libraries compute."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import ringattn
from problems import assert_close, draw, plain_attention
from ringattn import adapters

q, k, v = draw(1, batch=2, seq=9, kv_seq=14, heads=(4, 2), dim=8, v_dim=6)
rows, keys = np.arange(9)[:, None], np.arange(14)[None, :]


def turned(*tensors):
    return [tensor.transpose(0, 2, 1, 3) for tensor in tensors]


def test_torch_aligns_a_causal_mask_at_the_top_left_and_has_heads_before_rows():
    out = ringattn.attention(**adapters.sdpa(*turned(q, k, v), is_causal=True, scale=0.5))
    expected, _ = plain_attention(q * 0.5 * np.sqrt(8), k, v, keys <= rows)
    assert_close(out, *turned(expected))
    expected, _ = plain_attention(q, k, v, keys > 3)
    with pytest.warns(UserWarning, match="attn_mask is called mask here"):
        assert_close(ringattn.attention(**adapters.sdpa(*turned(q, k, v), attn_mask=np.broadcast_to(keys > 3, (9, 14)))), *turned(expected))


def test_flash_attention_aligns_masks_at_the_bottom_right():
    out = ringattn.attention(**adapters.flash_attn(q, k, v, causal=True, window_size=(4, 0)))
    place = rows + 5
    assert_close(out, plain_attention(q, k, v, (keys <= place) & (keys >= place - 4))[0])


def test_packed_documents_of_flash_attention_restart_at_their_boundaries():
    lengths_q, lengths_k = [0, 4, 9], [0, 8, 14]
    packed = adapters.flash_attn_varlen(q[0], k[0], v[0], lengths_q, lengths_k, 5, 8, causal=True)
    out = ringattn.attention(**packed)
    for n in range(2):
        mine, theirs = slice(*lengths_q[n : n + 2]), slice(*lengths_k[n : n + 2])
        Sq, Skv = lengths_q[n + 1] - lengths_q[n], lengths_k[n + 1] - lengths_k[n]
        visible = np.arange(Skv)[None, :] <= np.arange(Sq)[:, None] + Skv - Sq
        assert_close(out[mine], plain_attention(q[:1, mine], k[:1, theirs], v[:1, theirs], visible)[0][0])


def test_jax_aligns_masks_at_the_top_left():
    out = ringattn.attention(**adapters.jax(q, k, v, is_causal=True, local_window_size=3))
    assert_close(out, plain_attention(q, k, v, (keys <= rows) & (keys >= rows - 3))[0])


@pytest.mark.parametrize(
    ("adapter", "argument"),
    [
        (adapters.sdpa, {"dropout_p": 0.1}),
        (adapters.flash_attn, {"dropout_p": 0.2}),
        (adapters.jax, {"query_seq_lengths": [3, 4]}),
    ],
)
def test_an_argument_without_an_equivalent_is_refused(adapter, argument):
    with pytest.raises(ValueError, match=f"no equivalent of {next(iter(argument))}"):
        adapter(q, k, v, **argument)


# ---- The libraries themselves, where they are installed ------------------------------------


def names_of(function):
    return list(inspect.signature(function).parameters)


def test_the_adapter_of_jax_has_the_arguments_of_jax():
    jax = pytest.importorskip("jax", reason="jax is not installed")
    assert names_of(adapters.jax) == names_of(jax.nn.dot_product_attention)
    tensors = [jax.numpy.asarray(tensor, dtype="float32") for tensor in (q, k, v[..., :6])]
    given = {"is_causal": True, "scale": 0.4}
    tensors[2] = tensors[1]
    out = jax.nn.dot_product_attention(*tensors, **given)
    assert ringattn.check(**adapters.jax(*tensors, **given), out=out).ok


def test_the_adapter_of_torch_describes_its_attention():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tensors = [torch.from_numpy(np.ascontiguousarray(t)).float() for t in turned(q, np.repeat(k, 2, 2), np.repeat(v, 2, 2))]
    given = {"is_causal": True, "scale": 0.4}
    out = torch.nn.functional.scaled_dot_product_attention(*tensors, **given)
    assert ringattn.check(**adapters.sdpa(*tensors, **given), out=out).ok


# ---- The examples of the README -------------------------------------------------------------


def examples():
    """The Python examples of the README of the package, by the library that they import."""
    text = (Path(__file__).parents[2] / "reference/python/README.md").read_text()
    return {re.search(r"import (torch|jax|pytest)", code).group(1): code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL)}


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_the_examples_with_libraries_run(library, capsys):
    pytest.importorskip(library, reason=f"{library} is not installed")
    exec(examples()[library], {})
    assert "VERDICT  PASS" in capsys.readouterr().out
