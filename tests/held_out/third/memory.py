"""Right formulas on the wrong memory: heads, pages, slots, addresses, channels."""

import dataclasses

import numpy as np

from held_out.attention import Inputs, Results, attend, visible
from held_out.case import case


@case("the first channels of some heads are not stored", source="Dao-AILab/flash-attention#1214", kind="channels",
      seq=(13, 57), heads=5, dim=40, causal=True, partial=True,
      fact="out is 0 in channels 0..7 of heads 3 and 4; everything else is right",
      words=(r"channels? 0\.\.7|first 8", r"heads? 3", r"zero|\b0\b|never written"))
def first_channels_are_not_stored(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    out = right.out.copy()
    if wrong:
        out[:, :, 3:, :8] = 0
    return dataclasses.replace(right, out=out)


@case("K/V heads are tiled instead of repeated", source="ekzhang/jax-js#180", kind="heads", seq=47, heads=(6, 3),
      causal=True, fact="query head h uses K/V head h % 3 instead of h // 2",
      words=(r"K/V head", r"% ?3|modulo|tiled|interleav|instead"))
def tiled_heads(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    tiled = {name: np.tile(getattr(inputs, name), (1, 1, inputs.group, 1)) for name in ("k", "v")}
    return attend(inputs.replace(**tiled))


@case("new keys are written one slot too far, and the hole is read", source="microsoft/onnxruntime-genai#2354",
      kind="pages", batch=3, seq=(7, 64), heads=(4, 2), causal=True,
      fact="every row also reads one stale slot between keys 56 and 57, which holds key and value 57 of the next "
           "sequence of the batch",
      words=(r"one (key|slot) (more|too)|additional|extra|more key", r"next|another|batch|sequence", r"57"))
def hole_of_the_cache(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    first = inputs.k.shape[1] - inputs.q.shape[1]
    longer = {name: np.concatenate([getattr(inputs, name), np.roll(getattr(inputs, name), -1, axis=0)[:, [first]]],
                                   axis=1) for name in ("k", "v")}
    mask = np.pad(visible(inputs), ((0, 0), (0, 1)), constant_values=True)
    return attend(inputs.replace(**longer), mask)


@case("the offset of a head lacks the factor of the sequence", source="1bit-MONSTER/1bit-MONSTER#2451",
      kind="addresses", seq=39, heads=4, causal=True, partial=True,
      fact="row i of query head h is computed from the query of row i + h of head 0; head 0 is right",
      words=(r"head 0", r"row i ?\+|other row|shift|rows? later|row .*\+", r"quer|\bq\b"))
def offset_of_a_head_in_rows(inputs: Inputs, wrong: bool) -> Results:
    batch, rows, heads, dim = inputs.q.shape
    memory = inputs.q.transpose(0, 2, 1, 3).reshape(batch, heads * rows, dim)
    misread = memory[:, np.arange(rows)[:, None] + np.arange(heads)]
    return attend(inputs.replace(q=misread) if wrong else inputs)


@case("lse has rows padded to 32 and is read without padding", source="feifeibear/long-context-attention#122",
      kind="lse", seq=25, heads=3,
      fact="lse of a head stands 32 instead of 25 places after that of the head before, with +inf between: only batch "
           "0, head 0 is right; out is right",
      words=(r"lse", r"inf", r"32|shift|place|pad|7"))
def padded_lse(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    if not wrong:
        return right
    rows = right.lse.shape[-1]
    padded = np.pad(right.lse, ((0, 0), (0, 0), (0, -rows % 32)), constant_values=np.inf)
    return dataclasses.replace(right, lse=padded.reshape(-1)[: right.lse.size].reshape(right.lse.shape))
