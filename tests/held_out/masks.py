"""Masks that hide too little, too much, or the wrong keys."""

import dataclasses

import numpy as np

from held_out.attention import Inputs, Results, attend, masked, positions, scores_of, softmax, visible, weighted_values
from held_out.case import case


@case("a window of nine keys is passed as nine keys before the query", source="huggingface/transformers#39408",
      kind="window", causal=True, window=(8, 0), seq=53, heads=(4, 2),
      fact="every row sees one key more at the left end: distance 9 instead of 8",
      words=("window", r"one (key )?(more|too)|left.*9|9 keys|off by one"))
def window_one_wider(inputs: Inputs, wrong: bool) -> Results:
    left, right = inputs.options.window_size
    return attend(inputs, visible(inputs, window_size=(left + wrong, right)))


@case("the right side of the window is compared with < instead of <=", source="huggingface/transformers#47162",
      kind="window", window=(12, 4), seq=61,
      fact="the last visible key at the right, distance 4, is hidden", words=("window", r"right|ahead|distance 4"))
def strict_right_window(inputs: Inputs, wrong: bool) -> Results:
    left, right = inputs.options.window_size
    return attend(inputs, visible(inputs, window_size=(left, right - wrong)))


@case("the window limits the hidden future instead of the visible past", source="huggingface/transformers#41184",
      kind="window", causal=True, window=(10, 0), seq=67, heads=(4, 2), dim=20,
      fact="the left limit does not hide anything, and keys more than 11 positions in the future are visible",
      words=(r"future|beyond|after the query|hides", r"1[12]|window"))
def window_hides_the_near_future(inputs: Inputs, wrong: bool) -> Results:
    row, key = positions(inputs)
    width = inputs.options.window_size[0] + 1
    return attend(inputs, ~((key > row) & (key <= row + width)) if wrong else None)


@case("the last block of keys is computed from the first row of a tile", source="ROCm/rocMLIR#2165",
      kind="tile bounds", causal=True, partial=True,
      fact="in each tile of 32 rows, rows 16..31 lose the last 16 keys (the second half of the diagonal block)",
      words=(r"rows? \d+\.\.\d+", r"tile|block|keys? \d+\.\.", r"lost|lose|miss|weight 0|hidden|skipped"))
def bound_from_the_first_row(inputs: Inputs, wrong: bool) -> Results:
    row, key = positions(inputs)
    row_tile, key_tile = 32, 16
    end = (row // row_tile * row_tile + key_tile) // key_tile * key_tile
    return attend(inputs, visible(inputs) & (key < end) if wrong else None)


@case("the loop over full tiles runs into the diagonal tile, without a mask", source="triton-lang/triton#8853",
      kind="tile bounds", causal=True, seq=70, heads=2, partial=True,
      fact="in every second tile of 16 rows, the diagonal tile is unmasked and its visible keys are counted twice",
      words=(r"twice|2 times|double", r"future|hidden|mask", r"tile|rows? \d+"))
def full_tiles_overrun(inputs: Inputs, wrong: bool) -> Results:
    row, key = positions(inputs)
    row_tile, key_tile = 16, 32
    first = row // row_tile * row_tile
    full = key < -(-first // key_tile) * key_tile
    diagonal = (key >= first) & (key < first + key_tile) & (key <= row)
    times = full.astype(float) + diagonal if wrong else visible(inputs).astype(float)
    with np.errstate(divide="ignore"):
        return attend(inputs, times > 0, scores_of(inputs) + np.log(times))


@case("rows are divided by the group size although heads are not packed into rows",
      source="Dao-AILab/flash-attention#2528", kind="heads and mask", causal=True, seq=59, heads=(6, 2),
      fact="row i sees keys up to i / 3 (the group size) instead of up to i",
      words=(r"i ?/ ?3|divided by|third|group|row.*/ ?3", r"keys?|visible|sees"))
def causal_limit_of_packed_heads(inputs: Inputs, wrong: bool) -> Results:
    row, key = positions(inputs)
    return attend(inputs, key <= row // inputs.group if wrong else None)


@case("the first tile of queries ignores the window", source="flashinfer-ai/flashinfer#4972", kind="window",
      window=(20, -1), seq=(75, 105), heads=(4, 2), partial=True,
      fact="rows 0..31 also see the keys left of their window; the other rows are right",
      words=(r"rows? 0\.\.31|32 rows|first 32", r"window|left|too far"))
def first_tile_ignores_the_window(inputs: Inputs, wrong: bool) -> Results:
    tile = 32
    free = np.arange(inputs.q.shape[1])[:, None] < tile
    return attend(inputs, visible(inputs) | free if wrong else None)


@case("the window is applied to whole tiles only", source="sgl-project/sglang#31501", kind="window", causal=True,
      window=(18, 0), heads=2, fact="rows see keys left of the window, down to the border of a tile of 16 keys",
      words=("window", r"tile|multiple|border|aligned|round|16"))
def window_of_whole_tiles(inputs: Inputs, wrong: bool) -> Results:
    row, key = positions(inputs)
    tile, left = 16, inputs.options.window_size[0]
    start = np.maximum(row // tile * tile - left, 0) // tile * tile
    return attend(inputs, (key <= row) & (key >= start) if wrong else None)


@case("values of evicted blocks are multiplied by weight zero", source="vllm-project/vllm#30887",
      kind="stale memory", causal=True, window=(10, 0), seq=(40, 101), heads=(4, 2), partial=True,
      fact="rows 0..15 of out are NaN in all heads, while lse is right: weight 0 times a NaN in v",
      words=(r"NaN", r"rows? 0\.\.15|16 rows|first", r"lse.*(right|agree|correct)|0 (x|times|\*) NaN|hidden key"))
def evicted_values(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    tile_of_rows = 16
    out = right.out.copy()
    if wrong:
        out[:, :tile_of_rows] = np.nan
    return dataclasses.replace(right, out=out)


@case("masked scores are set to -1e-12 instead of minus infinity", source="hyunwoongko/transformer#10",
      kind="mask value", causal=True, seq=45,
      fact="hidden keys have the score 0, so each keeps the weight exp(-lse)",
      words=(r"hidden|future|masked", r"scores? (of |are |are set to )?0|exp\(0\)|finite"))
def masked_scores_are_zero(inputs: Inputs, wrong: bool) -> Results:
    hidden = -1e-12 if wrong else -np.inf
    scores = np.where(visible(inputs), scores_of(inputs), hidden)
    return attend(inputs, np.ones_like(visible(inputs)), scores)


@case("zeros that fill the last tile of keys are not masked", source="flashinfer-ai/flashinfer#5090",
      kind="tile bounds",
      fact="21 keys after the end take part with score 0: the denominator is too large by 21 exp(0)",
      words=(r"21|pad|after the (end|last)|zero", r"score 0|denominator|exp\(0\)|sum|lse"))
def zero_keys_in_the_last_tile(inputs: Inputs, wrong: bool) -> Results:
    tile, keys = 32, inputs.k.shape[1]
    filled = -keys % tile if wrong else 0
    padded = np.pad(scores_of(inputs), ((0, 0),) * 3 + ((0, filled),))
    weights, lse = softmax(masked(padded, np.ones(padded.shape, bool)))
    return Results(weighted_values(inputs, weights[..., :keys]), lse)


@case("only the first boundary of cu_seqlens is used", source="Tencent-Hunyuan/HunyuanVideo#310", kind="documents",
      batch=1, heads=4, cu_seqlens=(0, 17, 40, 75), partial=True,
      fact="documents 1 and 2 (rows 17..39 and 40..74) attend to each other; document 0 is right",
      words=(r"document", r"rows? 17|documents? 1", r"boundar|each other|document 1 .*document 2|other documents"))
def first_boundary_only(inputs: Inputs, wrong: bool) -> Results:
    boundaries = inputs.options.cu_seqlens
    return attend(inputs, visible(inputs, cu_seqlens=(*boundaries[:2], boundaries[-1])) if wrong else None)


@case("a block of keys is skipped as soon as its first row does not see it", source="openvinotoolkit/openvino#35438",
      kind="tile bounds", seq=60, heads=2, causal=True, partial=True,
      fact="rows lose the keys after the first row of their tile of 8 (blocks of 4 keys): rows 4..7 of each tile "
           "lose up to 4 keys",
      words=(r"rows? \d+\.\.\d+", r"keys? (of|in|after|up|\d)|diagonal|block of 4",
             r"lost|lose|miss|weight 0|skipped|hidden"))
def partial_blocks_are_skipped(inputs: Inputs, wrong: bool) -> Results:
    row, key = positions(inputs)
    row_tile, key_block = 8, 4
    skipped = key // key_block * key_block > row // row_tile * row_tile
    return attend(inputs, visible(inputs) & ~(skipped & wrong))


@case("the loop over keys ends at the number of queries", source="jax-ml/jax#24491", kind="tile bounds",
      seq=(40, 72), heads=(4, 2), fact="keys 40..71 are never visited: the loop uses the length of q for k",
      words=(r"keys? 40|40\.\.71|last 32|32 keys|number of queries", r"lost|miss|never|weight 0|not (read|seen)"))
def keys_up_to_the_number_of_queries(inputs: Inputs, wrong: bool) -> Results:
    key = np.arange(inputs.k.shape[1])
    return attend(inputs, visible(inputs) & ((key < inputs.q.shape[1]) | (not wrong)))


@case("context parallelism drops the window", source="PrimeIntellect-ai/prime-rl#2828", kind="window", seq=64,
      heads=(4, 2), causal=True, window=(14, 0), devices=4, layout="zigzag",
      fact="the window is ignored: rows see all keys before them",
      words=(r"window", r"ignor|forgot|without|not applied|whole"))
def window_is_dropped(inputs: Inputs, wrong: bool) -> Results:
    return attend(inputs, visible(inputs, window_size=(-1, -1)) if wrong else None)
