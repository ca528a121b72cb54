"""Tensors in the forms of other libraries are read as what they are, and the report says how."""

import numpy as np
import pytest
import ringattn
from problems import assert_close, draw, plain_attention

q, k, v = draw(1, batch=2, seq=24, heads=(6, 2), dim=8, v_dim=5)
dout = np.random.default_rng(1).standard_normal((2, 24, 6, 5))
right, right_lse = ringattn.attention(q, k, v, causal=True, return_lse=True)
places = {"bhsd": (0, 2, 1, 3), "sbhd": (1, 0, 2, 3)}


def turned(axes, *tensors):
    return [tensor.transpose(places[axes]) for tensor in tensors]


# ---- The order of the axes --------------------------------------------------------


@pytest.mark.parametrize("axes", ["bhsd", "sbhd"])
@pytest.mark.parametrize("kv_heads", [2, 6])
def test_tensors_in_another_order_are_recognized_by_their_result(axes, kv_heads):
    tensors = draw(2, batch=2, seq=24, heads=(6, kv_heads))
    out, lse = ringattn.attention(*tensors, causal=True, return_lse=True)
    if axes == "sbhd":  # with two sequences, 24 batches of two rows are unusual: the report only says so
        report = ringattn.check(*turned(axes, *tensors), out=out.transpose(places[axes]), causal=True, axes=axes)
        assert report.ok
        return
    report = ringattn.check(*turned(axes, *tensors), out=out.transpose(places[axes]), lse=lse, causal=True)
    assert report.ok and "(batch, heads, sequence, head_dim)" in str(report)
    assert str(ringattn.check(*tensors, out=out, causal=True)).count("are read as") == 0


def test_gradients_or_lse_alone_tell_the_order_of_the_axes():
    tensors = draw(2, batch=2, seq=24, heads=(6, 6))
    cotangent = np.random.default_rng(2).standard_normal(tensors[0].shape)
    names, gradients = ("dq", "dk", "dv"), ringattn.attention_vjp(*tensors, cotangent, causal=True)
    turned_gradients = dict(zip(names, turned("bhsd", *gradients)), dout=cotangent.transpose(0, 2, 1, 3))
    lse = ringattn.attention(*tensors, return_lse=True, causal=True)[1]
    for results in (turned_gradients, {"lse": lse}):
        report = ringattn.check(*turned("bhsd", *tensors), causal=True, blind_spots=False, **results)
        assert report.ok and "(batch, heads, sequence, head_dim)" in str(report)
    report = ringattn.check(*tensors, causal=True, blind_spots=False, dout=cotangent, **dict(zip(names, gradients)))
    assert report.ok and "are read as" not in str(report)
    assert "are read as" not in str(ringattn.check(*tensors, lse=lse / np.log(2), causal=True))


def test_a_wrong_result_in_another_order_is_judged_in_that_order():
    for wrong, id in ((ringattn.attention(q, k, v), "M1"), (1.3 * right, None)):
        report = ringattn.check(*turned("bhsd", q, k, v), out=wrong.transpose(0, 2, 1, 3), causal=True)
        assert not report.ok and "(batch, heads, sequence, head_dim)" in str(report)
        assert id is None or id in [name["id"] for name in report.names]


def test_an_implementation_that_exchanges_heads_and_rows_does_not_pass():
    tensors = draw(3, seq=24, heads=(6, 6))
    exchanged = ringattn.attention(*turned("bhsd", *tensors)).transpose(0, 2, 1, 3)
    report = ringattn.check(*tensors, out=exchanged)
    assert not report.ok and "otherwise the implementation exchanges heads and rows" in str(report)


def test_the_case_of_a_probe_is_never_read_in_another_order():
    case = ringattn.probe("random", seq=8, heads=8, dim=8, devices=1)
    out = ringattn.attention(*turned("bhsd", case.q, case.k, case.v)).transpose(0, 2, 1, 3)
    assert not ringattn.check(**case, out=out).ok


def test_out_may_have_another_order_than_q():
    report = ringattn.check(*turned("bhsd", q, k, v), out=right, causal=True)
    assert report.ok and "out is read as (batch, sequence, heads, head_dim)" in str(report)
    with pytest.raises(ValueError, match="out must have the shape"):
        ringattn.check(*turned("bhsd", q, k, v), out=right, causal=True, axes="bhsd")


@pytest.mark.parametrize(
    "form",
    [lambda lse: lse[..., None], lambda lse: lse.transpose(0, 2, 1), lambda lse: lse.transpose(0, 2, 1)[..., None]],
    ids=["(B, H, S, 1)", "(B, S, H)", "(B, S, H, 1)"],
)
def test_lse_may_have_the_shapes_that_libraries_write(form):
    assert ringattn.check(q, k, v, lse=form(right_lse), causal=True, blind_spots=False).ok
    given = {"dout": dout, "causal": True}
    gradients = dict(zip(("dq", "dk", "dv"), ringattn.attention_vjp(q, k, v, dout, dlse=right_lse, causal=True)))
    assert ringattn.check(q, k, v, **gradients, **given, dlse=form(right_lse), blind_spots=False).ok
    assert not ringattn.check(q, k, v, **gradients, **given, dlse=form(-right_lse), rows=2).ok


# ---- Packed documents ----------------------------------------------------------------

tokens, boundaries = 50, [0, 13, 30, 41]
packed = [tensor[0] for tensor in draw(4, seq=tokens, heads=(4, 2), v_dim=3)]


def plain_packed():
    out, lse = np.full((tokens, 4, 3), np.nan), np.full((4, tokens), np.nan)
    for begin, end in zip(boundaries, boundaries[1:]):
        document = slice(begin, end)
        visible = np.tri(end - begin, dtype=bool)
        found = plain_attention(*(tensor[None, document] for tensor in packed), visible)
        out[document], lse[:, document] = found[0][0], found[1][0]
    return out, lse


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_packed_documents_need_no_batch_and_may_end_early(kind):
    cu = np.array(boundaries, dtype=kind)
    given = {"causal": True, "cu_seqlens_q": cu, "cu_seqlens_k": cu}
    padded = [np.where(np.arange(tokens)[:, None, None] < 45, tensor, np.nan) for tensor in packed]
    out, lse = ringattn.attention(*padded, return_lse=True, **given)
    expected, expected_lse = plain_packed()
    assert out.shape == expected.shape and lse.shape == expected_lse.shape
    assert_close(out[:41], expected[:41])
    assert_close(lse[:, :41], expected_lse[:, :41])
    assert not out[41:].any() and np.all(lse[:, 41:] == -np.inf)
    report = ringattn.check(*padded, out=expected, lse=expected_lse, **given)
    assert report.ok and len(report.rows) == 41
    assert not ringattn.check(*padded, out=2 * expected, **given).ok


def test_gradients_of_packed_documents_are_judged_without_the_rows_after_the_last():
    given = {"causal": True, "cu_seqlens_q": boundaries, "cu_seqlens_k": boundaries}
    cotangent = np.where(np.arange(tokens)[:, None, None] < 41, np.ones((tokens, 4, 3)), np.nan)
    dq, dk, dv = ringattn.attention_vjp(*packed, cotangent, **given)
    assert dq.shape == packed[0].shape and dv.shape == packed[2].shape and not dv[41:].any()
    assert ringattn.check(*packed, dq=dq, dk=dk, dv=dv, dout=cotangent, **given).ok
    assert not ringattn.check(*packed, dq=dq, dk=2 * dk, dv=dv, dout=cotangent, **given).ok


def test_three_axes_without_boundaries_are_refused():
    with pytest.raises(ValueError, match="four axes.*cu_seqlens_q if documents are packed"):
        ringattn.attention(*packed)


# ---- One array per device --------------------------------------------------------------


@pytest.mark.parametrize("layout", ["contiguous", "zigzag", "striped"])
def test_results_of_the_ranks_are_joined_by_the_layout(layout, tmp_path):
    ring = {"devices": 3, "layout": layout}
    distribution = ringattn.sharding(24, **ring)
    parts, lse_parts = distribution.shard(right), distribution.shard(right_lse, axis=2)
    assert ringattn.check(q, k, v, out=parts, lse=tuple(lse_parts), causal=True, **ring).ok
    assert np.array_equal(ringattn.gather(parts, layout=layout), right)
    assert np.array_equal(ringattn.gather(lse_parts, layout=layout), right_lse)
    assert np.array_equal(ringattn.gather(distribution.shard(*turned("bhsd", right), axis=2), layout=layout, axes="bhsd"), *turned("bhsd", right))

    # The same from files
    paths = [tmp_path / f"rank{rank}.npz" for rank in range(3)]
    for path, out, lse in zip(paths, parts, lse_parts):
        np.savez(path, out=out, lse=lse)
    gathered = ringattn.gather(paths, layout=layout)
    assert np.array_equal(gathered["out"], right) and np.array_equal(gathered["lse"], right_lse)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda parts: ringattn.check(q, k, v, out=parts, devices=2), "found 3 arrays for 2 devices"),
        (lambda parts: ringattn.check(q, k, v, out=[right[:, :7], *parts[1:]], devices=3), "must have the shape"),
        (lambda parts: ringattn.gather([right[:, :6], *parts[1:]]), "gives .* rows to the ranks"),
        (lambda parts: ringattn.gather([right[..., :2], *parts[1:]]), "differ in their rows only"),
        (lambda parts: ringattn.gather(parts, axes="bdsh"), "bshd, bhsd or sbhd"),
        (lambda parts: ringattn.gather(["missing.npy"]), "which cannot be read"),
    ],
)
def test_results_of_ranks_that_do_not_fit_are_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(ringattn.sharding(24, devices=3).shard(right))


def test_nested_lists_of_numbers_are_one_array():
    assert ringattn.check(q, k, v, out=right.tolist(), causal=True).ok


# ---- Types and names ------------------------------------------------------------------


def test_numbers_of_a_narrow_type_in_a_wide_one_get_a_hint():
    bfloat16 = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed").bfloat16
    tensors = [tensor.astype(bfloat16).astype(np.float32) for tensor in draw(5, seq=8, heads=(2, 1), dim=4)]
    widened = ringattn.attention(*tensors, causal=True).astype(bfloat16).astype(np.float32)
    report = ringattn.check(*tensors, out=widened, causal=True)
    assert not report.ok and "every number of out is a bf16 number" in " ".join(str(report).split())
    assert ringattn.check(*tensors, out=widened, causal=True, implementation="bf16").ok
    for wrong in (np.zeros_like(widened), widened * np.float32(1.1), np.ones_like(widened)):
        assert "bf16 number" not in str(ringattn.check(*tensors, out=wrong, causal=True))


@pytest.mark.filterwarnings("ignore:.*is called")
def test_the_names_of_other_libraries_are_understood():
    assert ringattn.check(query=q, key=k, value=v, attn_output=right, softmax_lse=right_lse, is_causal=True).ok
    visible = np.tri(24, dtype=bool)
    for mask in (visible, np.where(visible, 0.0, -np.inf)):
        assert_close(ringattn.attention(q, k, v, attn_mask=mask), right)
        assert ringattn.check(q, k, v, out=right, attn_mask=mask).ok
    assert ringattn.check(q, k, v, out=right, causal=True, attn_mask=None).ok
    for name in ("mask", "bias", "attn_mask", "attn_bias"):
        with pytest.raises(ValueError, match="use causal, window_size, positions or segment ids"):
            ringattn.ring_attention(q, k, v, **{name: visible})
