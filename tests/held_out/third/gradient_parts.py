"""Backward passes that are wrong in some rows, channels, heads, sequences or blocks. The forward pass is right."""

import dataclasses

import numpy as np

from held_out.attention import (
    Inputs,
    Results,
    attend,
    delta_of,
    differentiate,
    from_score_gradients,
    per_query_head,
    positions,
    score_gradients,
    visible,
    weights_from_lse,
)
from held_out.case import case


@case("one warp's part of delta is overwritten by its late initialization", source="karpathy/llm.c#847",
      kind="backward delta", backward=True, partial=True, seq=70, heads=3, causal=True,
      fact="in head 1, delta lacks the sum of P dP over keys 32..63; dq and dk are wrong in head 1, dv is right",
      words=(r"head 1", r"delta|rowsum", r"32|keys?"))
def delta_without_a_warp(inputs: Inputs, wrong: bool) -> Results:
    forward = attend(inputs)
    weights = weights_from_lse(inputs, forward.lse)
    products = np.einsum("bihd,bjhd->bhij", inputs.dout, per_query_head(inputs, inputs.v))
    delta = (weights * products).sum(axis=-1)
    if wrong:
        delta[:, 1] -= (weights * products)[:, 1, :, 32:64].sum(axis=-1)
    return differentiate(inputs, forward, delta=delta)


@case("the backward pass takes the width of the keys for the values", source="fla-org/flash-linear-attention#632",
      kind="backward channels", backward=True, partial=True, seq=43, heads=(4, 2), dim=(20, 36), causal=True,
      fact="dP sums over channels 0..19 of v and dout only, so dq and dk are wrong, and channels 20..35 of dv are 0",
      words=(r"channels? (0\.\.19|20)|first 20", r"dv", r"zero|\b0\b|never", r"dP|dq|dk"))
def width_of_the_keys(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    if not wrong:
        return right
    width = inputs.k.shape[-1]
    cut = inputs.replace(v=inputs.v[..., :width], dout=inputs.dout[..., :width])
    weights = weights_from_lse(inputs, right.lse)
    dscores = score_gradients(cut, weights, delta_of(right.out, inputs.dout))
    dv = right.dv.copy()
    dv[..., width:] = 0
    return dataclasses.replace(from_score_gradients(inputs, right, weights, dscores), dv=dv)


@case("gradients of keys that no row sees are not initialized", source="facebookresearch/xformers#456",
      kind="backward tiles", backward=True, partial=True, seq=(30, 58), heads=(4, 2), causal=True, window=(9, 0),
      fact="dk and dv of keys 0..18, which no row sees, hold stale memory (k and v) instead of 0",
      words=(r"dk", r"dv", r"0\.\.18|19 keys|first 19", r"no row|unseen|not zero|never|stale|hold"))
def gradients_of_unseen_keys(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    unseen = (~visible(inputs).any(axis=0) & wrong)[:, None, None]
    return dataclasses.replace(right, dk=np.where(unseen, inputs.k, right.dk), dv=np.where(unseen, inputs.v, right.dv))


@case("the backward pass reads lse of the first sequence for all", source="NVIDIA/TransformerEngine#3216",
      kind="backward lse", backward=True, partial=True, batch=3, seq=37, heads=(4, 2), causal=True,
      fact="in batches 1 and 2, the backward pass takes lse of batch 0; batch 0 is right",
      words=(r"lse|weights?", r"batch(es)? 1", r"batch 0|another|other"))
def lse_of_the_first_sequence(inputs: Inputs, wrong: bool) -> Results:
    forward = attend(inputs)
    lse = np.broadcast_to(forward.lse[:1], forward.lse.shape) if wrong else forward.lse
    return differentiate(inputs, forward, weights=weights_from_lse(inputs, lse))


@case("the last partial tile of rows is skipped in a windowed backward pass", source="ROCm/aiter#3742",
      kind="backward mask", backward=True, partial=True, seq=72, heads=2, causal=True, window=(20, 0),
      fact="dk and dv of the last 4 keys of each tile of 16 lack the last rows that see them (from 32 rows after the "
           "begin of the tile on); dq is right",
      words=(r"dk", r"rows?", r"lack|lost|miss|distance|window", r"keys? \d+|last 4|tile"))
def last_rows_of_the_window(inputs: Inputs, wrong: bool) -> Results:
    right, (row, key) = differentiate(inputs), positions(inputs)
    mask = visible(inputs) & ((row < key // 16 * 16 + 32) | (not wrong))
    cut = differentiate(inputs, mask=mask)
    return dataclasses.replace(right, dk=cut.dk, dv=cut.dv)


@case("delta is loaded without the offset of the head, except on the last device",
      source="fla-org/flash-linear-attention#1115", kind="backward delta", backward=True, partial=True, seq=51, heads=3,
      causal=True, devices=3,
      fact="in rows 0..33 (devices 0 and 1), delta of heads 1 and 2 is that of head 0; dq is wrong there, dk by their "
           "contributions; dv is right",
      words=(r"delta|rowsum", r"head 0", r"rows? 0\.\.33|devices? 0"))
def delta_without_the_offset_of_the_head(inputs: Inputs, wrong: bool) -> Results:
    forward = attend(inputs)
    delta = delta_of(forward.out, inputs.dout)
    rows = inputs.q.shape[1]
    before = rows - rows // inputs.options.devices
    if wrong:
        delta[..., :before] = delta[:, :1, :before]
    return differentiate(inputs, forward, delta=delta)


@case("rows without keys are given one key, and contribute to the gradients", source="NVIDIA/Megatron-LM#6910",
      kind="backward empty rows", backward=True, partial=True, seq=(40, 29), heads=2, causal=True,
      fact="rows 0..10, which see no key, see key 0 in the backward pass with weight exp(s): dq of these rows, dk and "
           "dv of key 0 are wrong",
      words=(r"rows? 0\.\.10|11 rows", r"key 0|first key", r"no key|empty|hidden|backward"))
def empty_rows_see_a_key(inputs: Inputs, wrong: bool) -> Results:
    mask = visible(inputs)
    mask = mask | (~mask.any(axis=1, keepdims=True) & (np.arange(mask.shape[1]) == 0) & wrong)
    return differentiate(inputs, mask=mask)
