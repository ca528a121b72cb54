"""Attention sinks and ALiBi: the numbers of query heads in the definition, the ring and the check."""

import numpy as np
import pytest
import ringattn
from ringattn import adapters
from problems import assert_close, draw

q, k, v = draw(1, seq=24, dim=16)
sinks, slopes = np.array([0.5, 2.0, -1.0, -np.inf]), np.array([0.25, 0.0, 0.5, 1.0])
numbers = np.random.default_rng(1)
dout, dlse = numbers.standard_normal(q.shape), numbers.standard_normal((1, 4, 24))
given = {"causal": True, "sinks": sinks, "alibi_slopes": slopes}
right, right_lse = ringattn.attention(q, k, v, return_lse=True, **given)
gradients = dict(zip(("dq", "dk", "dv", "dsinks"), ringattn.attention_vjp(q, k, v, dout, dlse=dlse, **given), strict=True))


def test_a_sink_lessens_the_weights_of_the_keys_by_one_factor_for_each_row():
    out, lse = ringattn.attention(q, k, v, causal=True, return_lse=True)
    found, found_lse = ringattn.attention(q, k, v, causal=True, sinks=sinks, return_lse=True)
    assert_close(found_lse, np.logaddexp(lse, sinks[None, :, None]))
    assert_close(found, out * np.exp(lse - found_lse).transpose(0, 2, 1)[..., None])


def test_alibi_is_a_bias_of_minus_the_slope_times_the_distance():
    distance = np.abs(np.arange(24)[:, None] - np.arange(24))
    found = ringattn.attention(q, k, v, causal=True, alibi_slopes=slopes)
    assert_close(found, ringattn.attention(q, k, v, causal=True, bias=-slopes[:, None, None] * distance))


def test_dsinks_are_the_derivatives_of_the_loss():
    def loss(sinks):
        out, lse = ringattn.attention(q, k, v, return_lse=True, **{**given, "sinks": sinks})
        return (out * dout).sum() + (lse * dlse).sum()

    step = 1e-5
    for head in range(3):
        moved = [loss(sinks + sign * step * np.eye(4)[head]) for sign in (1, -1)]
        assert abs((moved[0] - moved[1]) / (2 * step) - gradients["dsinks"][head]) <= 1e-7
    assert gradients["dsinks"][3] == 0


@pytest.mark.parametrize("layout", ["contiguous", "zigzag", "striped"])
@pytest.mark.parametrize("rotate", ["kv", "q"])
def test_the_ring_is_exact_with_sinks_and_alibi(layout, rotate):
    ring = ringattn.ring_attention(
        q, k, v, devices=3, layout=layout, rotate=rotate, dout=dout, dlse=dlse, trace=True, trace_rows="all", **given
    )
    assert_close(ring.out, right)
    assert_close(ring.lse, right_lse)
    for name, expected in gradients.items():
        assert_close(getattr(ring, name), expected)
    assert ring.trace_header["sinks"] == [0.5, 2.0, -1.0, "-inf"]


def test_without_sinks_there_are_no_gradients_of_sinks():
    assert len(ringattn.attention_vjp(q, k, v, dout)) == 3
    assert ringattn.ring_attention(q, k, v, dout=dout).dsinks is None


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_right_results_pass_in_every_type(dtype):
    inputs = tuple(tensor.astype(dtype) for tensor in (q, k, v, dout))
    out, lse = ringattn.attention(*inputs[:3], return_lse=True, **given)
    names = ("dq", "dk", "dv", "dsinks")
    results = dict(zip(names, ringattn.attention_vjp(*inputs, **given), strict=True), out=out)
    stored = {name: result.astype(dtype) for name, result in results.items()}
    report = ringattn.check(*inputs[:3], dout=inputs[3], lse=lse.astype(np.float32), **stored, **given)
    assert report.verdict == "pass", str(report)
    assert "ALiBi, sinks" in str(report)


def test_results_without_the_sinks_fail_and_the_report_says_so():
    report = ringattn.check(q, k, v, out=ringattn.attention(q, k, v, causal=True, alibi_slopes=slopes), **given)
    assert report.verdict == "fail"
    assert "were divided by a sum without the attention sink" in str(report)


def test_wrong_gradients_of_sinks_fail():
    report = ringattn.check(q, k, v, dsinks=-gradients["dsinks"], dout=dout, dlse=dlse, **given)
    assert report.verdict == "fail" and report.where is None
    assert ringattn.check(q, k, v, dsinks=gradients["dsinks"], dout=dout, dlse=dlse, **given).ok


def test_the_slopes_of_flash_attention_are_taken():
    found = ringattn.attention(**adapters.flash_attn(q, k, v, causal=True, alibi_slopes=slopes))
    assert_close(found, ringattn.attention(q, k, v, causal=True, alibi_slopes=slopes))


@pytest.mark.filterwarnings("ignore:.*is called")
@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: ringattn.attention(q, k, v, sinks=[1.0]), ValueError, "one number for each of the 4 query heads; found 1"),
        (lambda: ringattn.attention(q, k, v, s_aux=np.full(4, np.nan)), ValueError, "sinks must be finite numbers"),
        (lambda: ringattn.attention(q, k, v, sinks=np.ones((1, 4))), ValueError, r"must be \(query heads\); found \(1, 4\)"),
        (lambda: ringattn.attention(q, k, v, sinks=["a"] * 4), TypeError, "must hold numbers"),
        (lambda: ringattn.attention(q, k, v, alibi_slopes=-slopes), ValueError, "alibi_slopes must be at least 0"),
        (lambda: ringattn.check(q, k, v, dsinks=np.ones(4), dout=dout), ValueError, "the case has none"),
        (lambda: ringattn.check(q, k, v, dsinks=[np.ones(4)], dout=dout, **given), ValueError, "found a list; pass the sums"),
        (lambda: ringattn.check(q, k, v, dsinks=np.ones(3), dout=dout, **given), ValueError, "dsinks must have the shape"),
        (lambda: ringattn.examine(ringattn.attention, sinks=sinks), ValueError, "neither attention sinks nor ALiBi"),
    ],
)
def test_bad_numbers_of_heads_are_rejected_with_a_clear_message(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
