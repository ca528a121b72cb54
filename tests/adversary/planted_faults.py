"""Problems of any magnitude with right and wrong results, and the verdicts of ringattn.check on them."""

import json
import warnings

import ml_dtypes
import numpy as np
import ringattn

heads, kv_heads, dim, v_dim = 2, 1, 3, 2
distance = 0.1  # a planted fault differs from the truth by this part of the largest element


def judge(seed, dtype, seq, kv_seq, powers, causal=False, gradients=False):
    """Prints the verdict on the right result and on each planted fault as JSON: "refused" if the input is.

    powers are the powers of ten of q, k, v and dout. Prints {} where the type does not hold the result.
    """
    warnings.simplefilter("ignore", RuntimeWarning)  # numpy overflows to inf
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    numbers = np.random.default_rng(seed)
    shapes = (1, seq, heads, dim), (1, kv_seq, kv_heads, dim), (1, kv_seq, kv_heads, v_dim), (1, seq, heads, v_dim)
    q, k, v, dout = ((10.0**power * numbers.standard_normal(shape)).astype(dtype) for shape, power in zip(shapes, powers))
    mask = {"causal": causal, "causal_align": "bottom-right"}
    if not all(holds(dtype, tensor) for tensor in (q, k, v, dout)):
        return print("{}")

    # The truth in float64, and the right result as the type stores it
    wide = [tensor.astype(np.float64) for tensor in (q, k, v, dout)]
    if gradients:
        names, truth = ("dq", "dk", "dv"), ringattn.attention_vjp(*wide, **mask)
    else:
        names, truth = ("out",), (ringattn.attention(*wide[:3], **mask),)
    right = [tensor.astype(dtype) for tensor in truth]
    if not all(holds(dtype, tensor) for tensor in right):
        return print("{}")

    # One wrong tensor at a time, the others right
    verdicts = {"right": verdict(q, k, v, dout, mask, dict(zip(names, right)))}
    for n, name in enumerate(names):
        for fault, wrong in faults(right[n], numbers):
            if np.abs(wrong.astype(float) - truth[n]).max() > distance * np.abs(truth[n]).max():
                results = {**dict(zip(names, right)), name: wrong}
                verdicts[f"{name} {fault}"] = verdict(q, k, v, dout, mask, results)
    print(json.dumps(verdicts))


def faults(right, numbers):
    yield "zero", np.zeros_like(right)
    yield "negated", -right
    yield "shuffled", right[:, numbers.permutation(right.shape[1])]
    yield "constant", np.full_like(right, right.flat[0])


def verdict(q, k, v, dout, mask, results):
    cotangents = {} if "out" in results else {"dout": dout}
    try:
        return ringattn.check(q, k, v, **results, **cotangents, **mask, blind_spots=False).verdict
    except ValueError as error:
        return "refused" if str(error).startswith("[") else repr(error)


def holds(dtype, tensor):
    """Whether the numbers are finite, and the largest one keeps the digits of its type beside subnormal numbers."""
    limits = ml_dtypes.finfo(dtype)
    return bool(np.isfinite(tensor).all() and np.abs(tensor).max() > limits.smallest_normal / limits.eps)
