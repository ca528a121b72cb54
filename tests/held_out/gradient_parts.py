"""Backward passes that are wrong in some rows, channels, heads or blocks. The forward pass is right."""

import dataclasses

import numpy as np

from held_out.attention import (
    Inputs,
    Results,
    attend,
    delta_of,
    differentiate,
    dv_per_query_head,
    raw_scores,
    sum_of_groups,
)
from held_out.case import case


@case("the last tile of dv overwrites the first rows of the next head", source="flagos-ai/FlagGems#898",
      kind="backward tiles", backward=True, partial=True, seq=58, heads=4,
      fact="in dv, rows 0..5 of heads 1..3 are wrong: they hold the padding rows of the head before; head 0 is right",
      words=(r"dv", r"rows? 0\.\.5|keys? 0\.\.5|6 (rows|keys)", r"heads? 1",
             r"hold|padding|head before|previous head"))
def padding_overwrites_the_next_head(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    tile, keys = 16, inputs.k.shape[1]
    beyond = (-keys % tile) * wrong
    per_head = dv_per_query_head(inputs, np.exp(-right.lse)[..., None])
    padding = sum_of_groups(inputs, per_head)
    dv = right.dv.copy()
    dv[:, :beyond, 1:] = padding[:, :, :-1]
    return dataclasses.replace(right, dv=dv)


@case("a tile of dk is overwritten before all its columns are read", source="NVIDIA/cudnn-frontend#396",
      kind="backward channels", backward=True, partial=True, seq=64, heads=(4, 2), dim=32, causal=True,
      fact="in dk, channels 16..23 of keys 0..47 hold those of the block of 16 keys after",
      words=(r"dk", r"channels? 16", r"16 (rows|keys)|next block|block after|later|keys? 0\.\.47"))
def columns_of_the_next_block(inputs: Inputs, wrong: bool) -> Results:
    right, block = differentiate(inputs), 16
    dk = right.dk.copy()
    if wrong:
        dk[:, :-block, :, 16:24] = right.dk[:, block:, :, 16:24]
    return dataclasses.replace(right, dk=dk)


@case("delta is computed while the last rows of dout are not written yet",
      source="Dao-AILab/flash-attention#2481", kind="backward delta", backward=True, partial=True, seq=71, heads=(4, 2),
      causal=True, fact="delta is 0 in rows 48..70: dq is wrong in these rows, dk by their contributions; dv is right",
      words=(r"delta|rowsum", r"rows? 48", r"dq|dk"))
def delta_before_dout(inputs: Inputs, wrong: bool) -> Results:
    forward = attend(inputs)
    delta = delta_of(forward.out, inputs.dout)
    if wrong:
        delta[..., 48:] = 0
    return differentiate(inputs, forward, delta=delta)


def deeply_negative_rows(inputs: Inputs) -> Inputs:
    """Rows 10..17 have scores near -800 before the scale; the spread over the keys stays small."""
    direction = np.zeros(inputs.q.shape[-1])
    direction[0] = 1.0
    q, k = inputs.q.copy(), inputs.k.copy()
    q[..., 0], k[..., 0] = 0.0, 200.0
    q[:, 10:18] -= 4 * direction
    return inputs.replace(q=q, k=k)


@case("the backward pass recomputes scores in float16", source="NVIDIA/cudnn-frontend#744",
      kind="precision", backward=True, partial=True, seq=40, heads=2, dim=16, prepare=deeply_negative_rows,
      fact="dq, dk and dv have errors of some per cent from rows 10..17, whose scores are near -200: the backward "
           "weights are wrong",
      words=(r"rows? 10\.\.17", r"less precise|rounded to|f16|large scores"))
def scores_recomputed_in_float16(inputs: Inputs, wrong: bool) -> Results:
    forward = attend(inputs)
    raw = raw_scores(inputs)
    if wrong:
        raw = raw.astype(np.float16).astype(np.float64)
    weights = np.exp(inputs.scale * raw - forward.lse[..., None])
    return differentiate(inputs, forward, weights=weights)


@case("the offset of dout overflows from the second document on", source="Dao-AILab/flash-attention#2611",
      kind="backward delta", backward=True, partial=True, batch=1, seq=78, heads=(4, 2), cu_seqlens=(0, 30, 53, 78),
      causal=True,
      fact="delta of document 2 (rows 53..77) is computed from rows 0..24 of dout; dq and dk are wrong there, dv "
           "is right",
      words=(r"delta|rowsum", r"document.* 2|rows? 53", r"dout|rows? 0|other rows"))
def delta_of_wrapped_rows(inputs: Inputs, wrong: bool) -> Results:
    forward, last = attend(inputs), inputs.options.cu_seqlens[-2]
    dout = inputs.dout.copy()
    if wrong:
        dout[:, last:] = inputs.dout[:, : dout.shape[1] - last]
    return differentiate(inputs, forward, delta=delta_of(forward.out, dout))


@case("dv is stored with the column step of dk", source="Dao-AILab/flash-attention#2552", kind="backward channels",
      backward=True, partial=True, seq=50, heads=2, dim=(32, 24),
      fact="in dv, channels 12..15 hold those of channels 16..19; everything else is right",
      words=(r"dv", r"channels? 12", r"channels? 16|16\.\.19"))
def columns_of_dv(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    dv = right.dv.copy()
    if wrong:
        dv[..., 12:16] = right.dv[..., 16:20]
    return dataclasses.replace(right, dv=dv)


@case("the tail of a padded accumulator is read back and never written", source="Dao-AILab/flash-attention#2896",
      kind="backward tiles", backward=True, partial=True, seq=61, heads=(4, 2), causal=True,
      fact="in dq, rows 28..31 of each tile of 32 rows (28..31 and 60) are 0; dk and dv are right",
      words=(r"dq", r"rows? 28|28\.\.31", r"zero|\b0\b|never written|empty"))
def tail_of_the_accumulator(inputs: Inputs, wrong: bool) -> Results:
    right, tile, written = differentiate(inputs), 32, 28
    rows = np.arange(inputs.q.shape[1])
    return dataclasses.replace(right, dq=np.where(((rows % tile >= written) & wrong)[:, None, None], 0, right.dq))


def very_negative_rows(inputs: Inputs) -> Inputs:
    """Rows 20..24 have an lse near -100; the spread over the keys stays small."""
    q, k = inputs.q.copy(), inputs.k.copy()
    q[..., 0], k[..., 0] = 0.0, 64.0
    q[:, 20:25, :, 0] = -6.5
    return inputs.replace(q=q, k=k)


@case("padding of the last tile overflows in rows of very small lse", source="pytorch/pytorch#196678",
      kind="backward tiles", backward=True, partial=True, seq=48, heads=2, dim=16, prepare=very_negative_rows,
      fact="dq is NaN in rows 20..24, whose lse is below -88: exp(0 - lse) of padding keys overflows; dk and dv "
           "are right",
      words=(r"dq", r"NaN", r"rows? 20\.\.24", r"exp\(0|overflow|below -88|small lse"))
def padding_overflows(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    overflow = (right.lse < -np.log(np.finfo(np.float32).max)) & wrong
    return dataclasses.replace(right, dq=np.where(overflow.transpose(0, 2, 1)[..., None], np.nan, right.dq))
