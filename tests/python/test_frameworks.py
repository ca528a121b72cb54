"""Tensors of torch and jax are accepted, and their attention passes the check, if they are installed."""

import numpy as np
import pytest
import ringattn
from problems import draw

tensors = draw(1, seq=24, dim=16)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed")


@pytest.fixture
def jax():
    return pytest.importorskip("jax", reason="jax is not installed")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_strided_torch_tensors_are_accepted(torch, dtype):
    q, k, v = (torch.from_numpy(tensor).to(getattr(torch, dtype)) for tensor in tensors)
    q.requires_grad_()
    turned = [tensor.transpose(1, 2).contiguous().transpose(1, 2) for tensor in (q, k, v)]
    expected = ringattn.attention(*(tensor.detach().double().numpy() for tensor in (q, k, v)))
    assert np.array_equal(ringattn.attention(*turned), expected)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_attention_of_torch_is_right_forward_and_backward(torch, dtype):
    q, k, v = (torch.from_numpy(t).to(getattr(torch, dtype)).transpose(1, 2).detach().requires_grad_() for t in tensors)
    wide_k, wide_v = (tensor.repeat_interleave(2, dim=1) for tensor in (k, v))
    out = torch.nn.functional.scaled_dot_product_attention(q, wide_k, wide_v, is_causal=True)
    dout = torch.ones_like(out)
    out.backward(dout)
    ringattn.check(q, k, v, out=out, axes="bhsd", causal=True).raise_if_failed()
    ringattn.check(q, k, v, dq=q.grad, dk=k.grad, dv=v.grad, dout=dout, axes="bhsd", causal=True).raise_if_failed()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_attention_of_jax_is_right(jax, dtype):
    q, k, v = (jax.numpy.asarray(tensor, dtype=dtype) for tensor in tensors)
    out = jax.nn.dot_product_attention(q, k, v, is_causal=True)
    ringattn.check(q, k, v, out=out, causal=True).raise_if_failed()
