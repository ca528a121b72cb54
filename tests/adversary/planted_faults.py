"""Problems of any magnitude with right and wrong results, and the verdicts of ringattn.check on them."""

import json
import warnings

import ml_dtypes
import numpy as np
import ringattn

heads, kv_heads, dim, v_dim = 2, 1, 3, 2
clearly_wrong = 0.26  # a result that is wrong by a quarter of the magnitude of its terms never passes


def judge(seed, dtype, seq, kv_seq, powers, causal=False, gradients=False):
    """Prints the verdict on the right result and on each planted fault as JSON: "refused" if the input is.

    powers are the powers of ten of q, k, v and dout. Prints {} where the type does not hold the tensors.
    """
    warnings.simplefilter("ignore", RuntimeWarning)  # numpy overflows to inf
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    numbers = np.random.default_rng(seed)
    shapes = (1, seq, heads, dim), (1, kv_seq, kv_heads, dim), (1, kv_seq, kv_heads, v_dim), (1, seq, heads, v_dim)
    tensors = (10.0**power * numbers.standard_normal(shape) for shape, power in zip(shapes, powers))
    q, k, v, dout = (tensor.astype(dtype) for tensor in tensors)
    mask = {"causal": causal, "causal_align": "bottom-right"}
    if not all(holds(dtype, tensor) for tensor in (q, k, v, dout)):
        return print("{}")

    # The truth in float64, and the right result as the type stores it
    wide = [tensor.astype(np.float64) for tensor in (q, k, v, dout)]
    truth, magnitudes = (of_gradients if gradients else of_out)(*wide, mask)
    right = {name: tensor.astype(dtype) for name, tensor in truth.items()}
    if not all(holds(dtype, tensor) for tensor in right.values()):
        return print("{}")

    # One wrong tensor at a time, the others right
    given = {**mask, "dout": dout} if gradients else mask
    verdicts = {"right": verdict(q, k, v, right, given)}
    for name in right:
        for fault, wrong in faults(right[name], numbers):
            if is_wrong(wrong.astype(np.float64), truth[name], magnitudes[name]):
                verdicts[f"{name} {fault}"] = verdict(q, k, v, {**right, name: wrong}, given)
    print(json.dumps(verdicts))


def of_out(q, k, v, _, mask):
    """The truth, and the magnitude of its terms: the same formula with their absolute values."""
    return {"out": ringattn.attention(q, k, v, **mask)}, {"out": ringattn.attention(q, k, np.abs(v), **mask)}


def of_gradients(q, k, v, dout, mask):
    """The same for the gradients."""
    truth = dict(zip(("dq", "dk", "dv"), ringattn.attention_vjp(q, k, v, dout, **mask)))
    P = ringattn.attention(q, k, np.eye(k.shape[1])[None, :, None], **mask)  # the values pick out the weights
    out = ringattn.attention(q, k, v, **mask)
    q, k, v, out, dout = (np.abs(tensor) for tensor in (q, k, v, out, dout))
    dS = dim**-0.5 * P * (np.einsum("bihd,bjgd->bihj", dout, v) + (dout * out).sum(axis=-1, keepdims=True))
    magnitudes = {
        "dq": np.einsum("bihj,bjgd->bihd", dS, k),
        "dk": np.einsum("bihj,bihd->bjd", dS, q)[:, :, None],
        "dv": np.einsum("bihj,bihd->bjd", P, dout)[:, :, None],
    }
    return truth, magnitudes


def is_wrong(found, truth, magnitude):
    """Whether the error of a head is clear beside the magnitude of its terms (Euclidean norms)."""
    unit = magnitude.max()
    error, size = (np.linalg.norm(tensor / unit, axis=(1, 3)) for tensor in (found - truth, magnitude))
    return bool((error > clearly_wrong * size).any())


def faults(right, numbers):
    yield "zero", np.zeros_like(right)
    yield "negated", -right
    yield "shuffled", right[:, numbers.permutation(right.shape[1])]
    yield "constant", np.full_like(right, right.flat[0])


def verdict(q, k, v, results, given):
    try:
        return ringattn.check(q, k, v, **results, **given, blind_spots=False).verdict
    except ValueError as error:
        return "refused" if str(error).startswith("[") else repr(error)


def holds(dtype, tensor):
    """Whether the numbers are finite, and the largest one keeps the digits of its type beside subnormal numbers."""
    limits = ml_dtypes.finfo(dtype)
    return bool(np.isfinite(tensor).all() and np.abs(tensor).max() > limits.smallest_normal / limits.eps)
