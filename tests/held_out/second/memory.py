"""Right formulas on the wrong memory: heads, pages, slots, addresses, channels."""

import dataclasses

import numpy as np

from held_out.attention import Inputs, Results, attend, positions
from held_out.case import case


@case("queries are smoothed by the mean of their block, and the correction of block 0 is added to every block",
      source="flashinfer-ai/flashinfer#3838", kind="addresses", seq=70, heads=(4, 2), partial=True,
      fact="from row 16 on, the queries of each block of 16 rows are shifted by one vector (mean of block 0 minus mean "
           "of their block); rows 0..15 are right",
      words=(r"rows? 16|16\.\.", r"quer|\bq\b|score", r"mean|shift|block|vector|constant"))
def correction_of_the_first_block(inputs: Inputs, wrong: bool) -> Results:
    block, rows = 16, inputs.q.shape[1]
    means = [inputs.q[:, start : start + block].mean(axis=1, keepdims=True) for start in range(0, rows, block)]
    shift = np.concatenate([means[0] - mean for mean in means], axis=1)[:, np.arange(rows) // block]
    return attend(inputs.replace(q=inputs.q + wrong * shift))


@case("the combine kernel steps over rows by the stride of a token instead of a row", source="flagos-ai/FlagGems#5235",
      kind="addresses", seq=(10, 96), heads=3,
      fact="out holds right rows in wrong places: the rows of each tile of 4 stand 3 (number of heads) places apart, "
           "and skipped places are 0; lse is right",
      words=(r"place|other row|another|displac|stride|hold", r"zero|\b0\b|never", r"lse.*(right|agree)|head"))
def combine_with_the_stride_of_a_token(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    if not wrong:
        return right
    batch, rows, heads, dim = right.out.shape
    results, tile = right.out.transpose(0, 2, 1, 3).reshape(-1, dim), 4
    number = np.arange(len(results))
    address = number // tile * tile + number % tile * heads
    inside = address < len(results)
    memory = np.zeros_like(results)
    memory[address[inside]] = results[inside]
    return dataclasses.replace(right, out=memory.reshape(batch, rows, heads, dim))


@case("accumulators are stored with the register layout of another instruction",
      source="Dao-AILab/flash-attention#2553", kind="addresses", seq=56, dim=32, causal=True,
      fact="in each tile of 16 rows and 16 channels of out, the upper right and the lower left quadrant of 8 x 8 are "
           "exchanged; lse is right",
      words=(r"channels? 8|8 channels", r"rows? 8|8 rows|other rows", r"exchang|swap|hold|permut"))
def register_layout(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    if not wrong:
        return right
    batch, rows, heads, dim = right.out.shape
    padded = np.pad(right.out, ((0, 0), (0, -rows % 16), (0, 0), (0, 0)))
    quadrants = padded.reshape(batch, -1, 2, 8, heads, dim // 16, 2, 8).swapaxes(2, 6)
    return dataclasses.replace(right, out=quadrants.reshape(padded.shape)[:, :rows])


@case("K/V heads are padded to the number of ranks, and query heads are not", source="vllm-project/vllm-omni#5716",
      kind="heads", seq=45, heads=(8, 2), causal=True, partial=True,
      fact="query head h uses K/V head h // 2 of 4 heads, of which 2 and 3 are zeros: heads 2, 3 read K/V head 1, "
           "heads 4..7 read zeros; heads 0 and 1 are right",
      words=(r"heads? 2", r"K/V head 1", r"heads? 4\.\.7", r"zero|no K/V head|score 0|\b0\b"))
def padded_kv_heads(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    padding = ((0, 0), (0, 0), (0, 2), (0, 0))
    return attend(inputs.replace(k=np.pad(inputs.k, padding), v=np.pad(inputs.v, padding)))


@case("the write offset of the cache does not advance", source="ekryski/mlx-swift-lm#90", kind="pages", seq=(6, 60),
      heads=(4, 2), causal=True,
      fact="all new keys are written to slot 54: row i reads keys 0..53, its own key, and i zero keys of score 0 "
           "instead of keys 54..53 + i",
      words=(r"54", r"zero|score 0", r"own|only|lost|miss|hidden"))
def write_offset_is_stuck(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    new = inputs.q.shape[1]
    row, key = positions(inputs)
    zeros = np.arange(new) < np.arange(new)[:, None]
    mask = np.concatenate([(key < row.min()) | (key == row), zeros], axis=1)
    padding = ((0, 0), (0, new), (0, 0), (0, 0))
    return attend(inputs.replace(k=np.pad(inputs.k, padding), v=np.pad(inputs.v, padding)), mask)


@case("a cache of one window is written before the attention of earlier rows", source="hw-native-sys/pypto-lib#459",
      kind="pages", seq=50, heads=(4, 2), causal=True, window=(15, 0),
      fact="key j is read from slot j modulo 16, which holds the last key written there: one of keys 34..49",
      words=(r"16|modulo|slot", r"34|later|last|other keys", r"hold|read|instead"))
def cache_of_one_window(inputs: Inputs, wrong: bool) -> Results:
    slots, keys = inputs.options.window_size[0] + 1, inputs.k.shape[1]
    key = np.arange(keys)
    source = key + wrong * slots * ((keys - 1 - key) // slots)
    return attend(inputs.replace(k=inputs.k[:, source], v=inputs.v[:, source]))


@case("pages left of the window are removed from the table, but not from the length", source="vllm-project/vllm#23010",
      kind="pages", seq=(3, 83), heads=(4, 2), causal=True, window=(40, 0), partial=True,
      fact="keys 40..47 are read from keys 72..79, keys 48..50 from 80..82, and 51..63 from empty slots: the table is "
           "shifted by 2 pages of 16",
      words=(r"4[08]", r"72|80|32 (keys )?(later|further)", r"page|16|zero|shift"))
def shifted_page_table(inputs: Inputs, wrong: bool) -> Results:
    page, keys = 16, inputs.k.shape[1]
    pages = -(-keys // page)
    removed = (keys - inputs.options.window_size[0] - 1) // page
    table = np.array([*range(removed, pages), *range(pages - removed, pages)]) if wrong else np.arange(pages)
    source = table[np.arange(keys) // page] * page + np.arange(keys) % page
    padding = ((0, 0), (0, -keys % page), (0, 0), (0, 0))
    moved = {name: np.pad(getattr(inputs, name), padding)[:, source] for name in ("k", "v")}
    return attend(inputs.replace(**moved))


@case("the offset of the values overflows in the last sequence", source="fla-org/flash-linear-attention#1080",
      kind="addresses", batch=3, seq=47, heads=(4, 2), causal=True, partial=True,
      fact="in batch 2, query heads 2 and 3 use the values of batch 0 (K/V head 1), with right weights; lse is right",
      words=(r"batch 2", r"heads? 2", r"values? of batch 0|v .*batch 0|batch 0"))
def values_of_another_batch(inputs: Inputs, wrong: bool) -> Results:
    v = inputs.v.copy()
    if wrong:
        v[-1, :, 1:] = inputs.v[0, :, 1:]
    return attend(inputs.replace(v=v))


@case("every tile of value channels is stored at channel 0", source="fla-org/flash-linear-attention#1028",
      kind="channels", seq=(9, 64), heads=(4, 2), dim=(20, 40),
      fact="channels 0..7 of out hold channels 32..39, channels 8..15 hold 24..31, and channels 16..39 are 0",
      words=(r"channels? 0", r"32", r"channels? 16", r"zero|\b0\b|never written"))
def value_tiles_at_channel_zero(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    if not wrong:
        return right
    tile, channels = 16, right.out.shape[-1]
    out = np.zeros_like(right.out)
    for first in range(0, channels, tile):
        stored = right.out[..., first : first + tile]
        out[..., : stored.shape[-1]] = stored
    return dataclasses.replace(right, out=out)


@case("the prefetch of a tile has the length of the tile before", source="mirage-project/mirage#698",
      kind="stale memory", seq=(5, 75), heads=(4, 2), causal=True, partial=True,
      fact="keys and values 22..26 are zeros (score 0): 5 rows of the second tile are not loaded, as the first has 11 "
           "keys instead of 16",
      words=(r"22\.\.26|keys? 22|5 keys", r"zero|score 0|not (read|loaded)|value"))
def prefetch_of_the_tile_before(inputs: Inputs, wrong: bool) -> Results:
    key, first, tile = np.arange(inputs.k.shape[1]), inputs.k.shape[1] % 16, 16
    loaded = ~((key >= 2 * first) & (key < first + tile) & wrong)[:, None, None]
    return attend(inputs.replace(k=inputs.k * loaded, v=inputs.v * loaded))
