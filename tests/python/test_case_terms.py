"""Cases with a bias, a mask, dropout, padding or 8 bits: right results pass, results that ignore them do not."""

import ml_dtypes
import numpy as np
import pytest
import ringattn
from problems import assert_close, draw, plain_attention

batch, seq, kv_seq, heads = 2, 18, 26, (4, 2)
shape = (batch, heads[0], seq, kv_seq)


def problem(seed):
    numbers = np.random.default_rng(seed)
    q, k, v = draw(seed, batch=batch, seq=seq, kv_seq=kv_seq, heads=heads, dim=12, v_dim=10)
    return q, k, v, numbers.standard_normal((batch, seq, heads[0], 10)), numbers


def results(q, k, v, dout, **terms):
    out, lse = ringattn.attention(q, k, v, return_lse=True, **terms)
    dq, dk, dv = ringattn.attention_vjp(q, k, v, dout, **terms)
    return {"out": out, "lse": lse, "dq": dq, "dk": dk, "dv": dv}


def plain_with_terms(q, k, v, bias=0.0, mask=True, keep=True, p=0.0):
    """out by the textbook formula."""
    group = q.shape[2] // k.shape[2]
    k, v = np.repeat(k, group, axis=2), np.repeat(v, group, axis=2)
    scores = np.where(mask, np.einsum("bihd,bjhd->bhij", q, k) / np.sqrt(q.shape[-1]) + bias, -np.inf)
    weights = np.exp(scores)
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("bhij,bjhd->bihd", weights * keep / (1 - p), v)


def never_passes(q, k, v, out, without, **case):
    for wrong in (np.zeros_like(out), -out, out[:, ::-1], without):
        assert ringattn.check(q, k, v, out=wrong, blind_spots=False, **case).verdict == "fail"


@pytest.mark.parametrize("extents", [shape, (1, 4, 18, 26), (26,), (2, 1, 1, 26)])
def test_a_right_result_with_a_bias_passes_forward_and_backward(extents):
    q, k, v, dout, numbers = problem(1)
    bias = numbers.standard_normal(extents)
    bias[..., 5] = -np.inf
    right = results(q, k, v, dout, bias=bias)
    assert_close(right["out"], plain_with_terms(q, k, v, bias=bias))
    report = ringattn.check(q, k, v, dout=dout, bias=bias, **right)
    assert report.ok and not report.names and "bias" in str(report)
    assert ringattn.laws(q, k, v, dout=dout, bias=bias, **right).ok
    never_passes(q, k, v, right["out"], ringattn.attention(q, k, v), bias=bias)


def test_a_right_result_with_a_boolean_mask_passes_forward_and_backward():
    q, k, v, dout, numbers = problem(2)
    mask = numbers.random((seq, kv_seq)) < 0.6
    right = results(q, k, v, dout, mask=mask)
    assert_close(right["out"], plain_attention(q, k, v, mask)[0])
    assert ringattn.check(q, k, v, dout=dout, mask=mask, **right).ok
    never_passes(q, k, v, right["out"], ringattn.attention(q, k, v), mask=mask)
    report = ringattn.check(q, k, v, out=ringattn.attention(q, k, v, mask=~mask), attn_mask=mask)
    assert "attend to the keys that the mask hides" in str(report) and not report.names


def test_a_right_result_with_dropout_passes_forward_and_backward():
    q, k, v, dout, numbers = problem(3)
    keep = numbers.random(shape) < 0.7
    case = {"keep": keep, "dropout_p": 0.3}
    right = results(q, k, v, dout, **case)
    assert_close(right["out"], plain_with_terms(q, k, v, keep=keep, p=0.3))
    assert ringattn.check(q, k, v, dout=dout, **case, **right).ok
    assert [law.id for law in ringattn.laws(q, k, v, dout=dout, **case, **right)] == ["N", "B", "C", "D"]
    never_passes(q, k, v, right["out"], ringattn.attention(q, k, v), **case)


def test_the_gradients_with_dropout_are_the_slopes_of_the_loss():
    q, k, v, dout, numbers = problem(4)
    keep, bias = numbers.random(shape) < 0.7, numbers.standard_normal(shape)
    case = {"keep": keep, "dropout_p": 0.3, "bias": bias}
    gradients = dict(zip("qkv", ringattn.attention_vjp(q, k, v, dout, **case), strict=True))
    for name in "qkv":
        inputs = {"q": q, "k": k, "v": v}
        step = 1e-6 * numbers.standard_normal(inputs[name].shape)

        def loss(sign, name=name, inputs=inputs, step=step):
            moved = {**inputs, name: inputs[name] + sign * step}
            return np.sum(dout * ringattn.attention(moved["q"], moved["k"], moved["v"], **case))

        slope = np.sum(gradients[name] * step)
        # The error of a central difference is of third order in the step, and that of float64 1e-16 / 1e-6
        assert abs((loss(1) - loss(-1)) / 2 - slope) <= 1e-6 * np.linalg.norm(gradients[name]) * np.linalg.norm(step)


@pytest.mark.parametrize("causal", [False, True])
def test_padding_may_hold_anything_and_is_not_judged(causal):
    q, k, v, dout, _ = problem(5)
    used_q, used_k = [18, 7], [11, 26]
    case = {"seqused_q": used_q, "seqused_k": np.array(used_k, dtype=np.int32)}
    if causal:
        case |= {"causal": True, "causal_align": "bottom-right"}
    right = results(q, k, v, dout, **case)
    for b in range(batch):
        queries, keys = slice(0, used_q[b]), slice(0, used_k[b])
        alone = ringattn.attention(q[b : b + 1, queries], k[b : b + 1, keys], v[b : b + 1, keys],
                                   **{name: value for name, value in case.items() if "causal" in name})
        assert_close(right["out"][b : b + 1, queries], alone)

    # NaN in all padding
    for b in range(batch):
        for tensor in (q, dout, right["out"], right["dq"]):
            tensor[b, used_q[b] :] = np.nan
        right["lse"][b, :, used_q[b] :] = np.nan
        for tensor in (k, v, right["dk"], right["dv"]):
            tensor[b, used_k[b] :] = np.nan
    report = ringattn.check(q, k, v, dout=dout, blind_spots=False, **case, **right)
    assert report.ok and "11 queries and 15 keys, over all sequences, are padding" in str(report)
    whole = [np.nan_to_num(tensor) for tensor in (q, k, v)]
    assert not ringattn.check(q, k, v, out=ringattn.attention(*whole), **case).ok


def test_a_mistake_beside_padding_is_named():
    q, k, v = draw(6, batch=2, seq=40, dim=16)
    case = {"seqused_q": [40, 23], "seqused_k": [40, 23]}
    wrong = ringattn.attention(q, k, v, **case)
    report = ringattn.check(q, k, v, out=wrong, causal=True, **case)
    assert [name["id"] for name in report.names] == ["M1"]


@pytest.mark.parametrize(("kind", "implementation"), [(ml_dtypes.float8_e4m3fn, "e4m3"), (ml_dtypes.float8_e5m2, "e5m2"),
                                                      (np.int8, "f32")])
@pytest.mark.parametrize("form", ["tensor", "head", "block"])
def test_arrays_of_8_bits_are_multiplied_by_their_factors(kind, implementation, form):
    numbers = np.random.default_rng(7)
    extents = {"tensor": lambda heads: (), "head": lambda heads: (2, heads), "block": lambda heads: (2, heads, 3)}[form]
    stored, factors, wide = {}, {}, {}
    for name, heads_of, length in (("q", 4, 9), ("k", 2, 48), ("v", 2, 48)):
        stored[name] = (numbers.standard_normal((2, length, heads_of, 10)) * 30).astype(kind)
        factors[name] = numbers.uniform(0.5, 1.5, extents(heads_of)) / 30
        of_rows = np.broadcast_to(np.reshape(factors[name], (*np.shape(factors[name]), *[1] * (3 - np.ndim(factors[name])))),
                                  (2, heads_of, 3 if form == "block" else 1))
        of_rows = np.repeat(of_rows, length // of_rows.shape[2], axis=2)
        wide[name] = stored[name].astype(np.float64) * of_rows.transpose(0, 2, 1)[..., None]
    case = {**stored, **{f"descale_{name}": factor for name, factor in factors.items()}}
    right = ringattn.attention(wide["q"], wide["k"], wide["v"]).astype(np.float32)
    assert ringattn.check(**case, out=right, implementation=implementation, blind_spots=False).ok
    if form == "tensor":
        without_factor = right / np.float32(factors["v"])
        assert not ringattn.check(**case, out=without_factor, implementation=implementation, rows=1).ok


@pytest.mark.parametrize(
    ("keywords", "error", "part"),
    [
        ({"bias": np.full((18, 26), np.nan)}, ValueError, "finite or -inf"),
        ({"bias": np.full((18, 26), np.inf)}, ValueError, "finite or -inf"),
        ({"bias": np.zeros((18, 25))}, ValueError, "must fit"),
        ({"bias": np.zeros((1, 1, 1, 18, 26))}, ValueError, "more axes"),
        ({"mask": np.ones((18, 26))}, ValueError, "booleans"),
        ({"keep": np.ones(shape, dtype=bool)}, ValueError, "dropout_p"),
        ({"dropout_p": 0.5}, ValueError, "needs keep"),
        ({"keep": np.ones(shape, dtype=bool), "dropout_p": 1.0}, ValueError, "less than 1"),
        ({"keep": np.ones(shape, dtype=bool), "dropout_p": np.nan}, ValueError, "dropout_p"),
        ({"seqused_k": [3, 4, 5]}, ValueError, "one length for each"),
        ({"seqused_k": [3, 27]}, ValueError, "from 0 to the number of rows"),
        ({"seqused_k": [3.5, 2]}, TypeError, "whole numbers"),
        ({"seqused_k": [3, 2], "cu_seqlens_q": [0, 18], "cu_seqlens_k": [0, 26]}, ValueError, "padding"),
        ({"descale_q": 0.5}, ValueError, "8 bits"),
        ({"bias": np.full((18, 26), -1e30)}, ValueError, "bias of -inf"),
    ],
)
def test_terms_that_do_not_fit_are_refused_in_one_sentence(keywords, error, part):
    q, k, v, _, _ = problem(8)
    right = ringattn.attention(q, k, v)
    with pytest.raises(error, match=part) as refused:
        ringattn.check(q, k, v, out=right, **keywords)
    assert "\n" not in str(refused.value)
