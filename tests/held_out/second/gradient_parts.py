"""Backward passes that are wrong in some rows, channels, heads, sequences or blocks. The forward pass is right."""

import dataclasses

import numpy as np

from held_out.attention import (
    Inputs,
    Results,
    delta_of,
    differentiate,
    dk_per_query_head,
    score_gradients,
    weights_from_lse,
)
from held_out.case import case


@case("the last tile of keys of a document runs into the next one in the backward pass",
      source="tile-ai/tilelang#2010", kind="backward documents", backward=True, heads=3, seq=77,
      cu_seqlens=(0, 23, 50, 77), batch=1, partial=True,
      fact="in the backward pass, rows of document 0 also see keys 23..31, and rows of document 1 keys 50..54, of the "
           "next document; out and lse are right",
      words=(r"document 0|rows? 0\.\.22", r"23\.\.31|keys? 23|9 keys", r"50\.\.54|keys? 50|document 1|next",
             r"backward|gradient|dq"))
def last_tile_of_a_document(inputs: Inputs, wrong: bool) -> Results:
    starts, keys, tile = np.array(inputs.options.cu_seqlens), np.arange(inputs.k.shape[1]), 16
    document = np.searchsorted(starts, keys, side="right") - 1
    ends = starts[:-1] + -(-np.diff(starts) // tile) * tile
    mask = (keys >= starts[document][:, None]) & (keys < ends[document][:, None])
    return differentiate(inputs, mask=mask if wrong else None)


@case("the last step of the backward ring copies into one chunk instead of adding",
      source="NVIDIA/TransformerEngine#1054", kind="backward ring", backward=True, partial=True, seq=60, heads=(4, 2),
      causal=True, devices=3, layout="zigzag",
      fact="dk and dv of keys 20..29 (chunk 2) hold the contributions of device 2 only and lack those of rows 40..59; "
           "dq is right",
      words=(r"dk", r"20\.\.29|keys? 20|chunk 2", r"40|device|lack|lost|miss"))
def copied_chunk(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    if not wrong:
        return right
    devices = inputs.options.devices
    chunk = np.arange(inputs.k.shape[1]) * 2 * devices // inputs.k.shape[1]
    own = np.isin(chunk, (devices - 1, devices))
    lost = differentiate(inputs.replace(dout=inputs.dout * own[:, None, None]))
    kept = (chunk == devices - 1)[:, None, None]
    return dataclasses.replace(right, dk=np.where(kept, lost.dk, right.dk), dv=np.where(kept, lost.dv, right.dv))


@case("padded channels of dk and dv are stored over the next head", source="Dao-AILab/flash-attention#2698",
      kind="backward channels", backward=True, partial=True, seq=45, heads=3, causal=True,
      fact="dk and dv are 0 in channels 0..7 of heads 1 and 2; dq is right",
      words=(r"dk", r"dv", r"channels? 0\.\.7|first 8", r"heads? 1", r"zero|\b0\b|never"))
def padded_channels_over_the_next_head(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    dk, dv = right.dk.copy(), right.dv.copy()
    if wrong:
        dk[:, :, 1:, :8], dv[:, :, 1:, :8] = 0, 0
    return dataclasses.replace(right, dk=dk, dv=dv)


@case("the accumulator of dq has as many rows as channels", source="pytorch/pytorch#186142",
      kind="backward documents", backward=True, partial=True, batch=1, seq=88, heads=2, cu_seqlens=(0, 35, 61, 88),
      causal=True,
      fact="dq is 0 from row 24 of each document on (rows 24..34, 59, 60 and 85..87); dk and dv are right",
      words=(r"dq", r"24\.\.34|row 24", r"59", r"zero|\b0\b|never"))
def short_accumulator_of_dq(inputs: Inputs, wrong: bool) -> Results:
    right, rows = differentiate(inputs), np.arange(inputs.q.shape[1])
    starts = np.array(inputs.options.cu_seqlens)
    local = rows - starts[np.searchsorted(starts, rows, side="right") - 1]
    lost = ((local >= inputs.q.shape[-1]) & wrong)[:, None, None]
    return dataclasses.replace(right, dq=np.where(lost, 0, right.dq))


@case("channels of k that all heads share are not summed over the heads", source="NVIDIA/TransformerEngine#1975",
      kind="backward channels", backward=True, partial=True, seq=40, heads=(6, 2), causal=True,
      fact="channels 16..23 of dk hold the contribution of the first query head of each group instead of the sum of 3",
      words=(r"dk", r"channels? 16", r"query head|group|sum"))
def shared_channels_are_not_summed(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    weights = weights_from_lse(inputs, right.lse)
    per_head = dk_per_query_head(inputs, score_gradients(inputs, weights, delta_of(right.out, inputs.dout)))
    dk = right.dk.copy()
    if wrong:
        dk[..., 16:] = per_head[:, :, :: inputs.group, 16:]
    return dataclasses.replace(right, dk=dk)


@case("half of a tile of weights is overwritten before dv reads it", source="hao-ai-lab/FastVideo#1819",
      kind="backward tiles", backward=True, partial=True, seq=64, heads=(4, 2),
      fact="dv of keys 16..31 of each tile of 32 holds dv of keys 0..15 of the tile; dq and dk are right",
      words=(r"dv", r"16\.\.31|keys? 16", r"0\.\.15|16 keys|another|other"))
def overwritten_half_of_a_tile(inputs: Inputs, wrong: bool) -> Results:
    right, key = differentiate(inputs), np.arange(inputs.k.shape[1])
    return dataclasses.replace(right, dv=right.dv[:, np.where(wrong, key // 32 * 32 + key % 16, key)])
