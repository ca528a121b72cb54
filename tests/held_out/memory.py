"""Right formulas on the wrong memory: pages, stale rows, addresses, heads and channels."""

import dataclasses

import numpy as np

from held_out.attention import (
    Inputs,
    Results,
    attend,
    masked,
    scores_of,
    softmax,
    visible,
    weighted_values,
)
from held_out.case import case


@case("the length of the last page is computed from the number of pages",
      source="flashinfer-ai/flashinfer-bench#145", kind="pages", heads=(4, 2),
      fact="the last 6 keys (69..74) are never read: the last page has 5 keys instead of 11",
      words=(r"69|last 6|6 keys", r"lost|miss|never|weight 0|hidden|not read"))
def length_of_the_last_page(inputs: Inputs, wrong: bool) -> Results:
    page, keys = 16, inputs.k.shape[1]
    pages = -(-keys // page)
    last = (pages - 1) % page + 1 if wrong else keys - (pages - 1) * page
    return attend(inputs, visible(inputs) & (np.arange(keys) < (pages - 1) * page + last))


@case("the last entry of a page table is stale", source="vllm-project/vllm#42494", kind="pages", batch=3, seq=58,
      heads=(4, 2), causal=True, partial=True,
      fact="in batch 1, keys 48..57 and their values are those of batch 0",
      words=(r"batch 1", r"4[89]|48\.\.57|10 keys|last", r"batch 0|another batch"))
def stale_entry_of_the_page_table(inputs: Inputs, wrong: bool) -> Results:
    page, keys = 16, inputs.k.shape[1]
    last = slice((keys - 1) // page * page, keys)
    k, v = inputs.k.copy(), inputs.v.copy()
    if wrong and len(k) > 1:
        k[1, last], v[1, last] = inputs.k[0, last], inputs.v[0, last]
    return attend(inputs.replace(k=k, v=v))


@case("a prefill ignores the page table and reads the pool in its own order", source="golang-design/accel#10",
      kind="pages", seq=64, causal=True,
      fact="keys are read in another order of blocks of 16: a causal row sees the keys of other pages",
      words=(r"order|permut|position|block", r"16|page"))
def page_table_is_ignored(inputs: Inputs, wrong: bool) -> Results:
    page, keys = 16, inputs.k.shape[1]
    pool = np.argsort(np.random.default_rng(5).permutation(-(-keys // page)))
    order = np.concatenate([np.arange(entry * page, min((entry + 1) * page, keys)) for entry in pool])
    return attend(inputs.replace(k=inputs.k[:, order], v=inputs.v[:, order]) if wrong else inputs)


@case("threads of the last partial block read beyond the end of the keys", source="pytorch/pytorch#169222",
      kind="stale memory", seq=(9, 70), dim=20,
      fact="26 keys after the end take part, with the first rows of the next head (zeros after the last head)",
      words=(r"26|after the (end|last)|beyond|more keys|extra", r"next head|head|pad"))
def keys_beyond_the_end(inputs: Inputs, wrong: bool) -> Results:
    block, keys = 32, inputs.k.shape[1]
    beyond = -keys % block if wrong else 0
    k, v = (following_memory(tensor, beyond) for tensor in (inputs.k, inputs.v))
    mask = np.ones((inputs.q.shape[1], keys + beyond), bool)
    mask[:, :keys] = visible(inputs)
    return attend(inputs.replace(k=k, v=v), mask)


def following_memory(tensor: np.ndarray, rows: int) -> np.ndarray:
    """Each head with _rows_ more rows: those that follow in memory ordered as (batch, heads, sequence)."""
    batch, seq, heads, dim = tensor.shape
    flat = tensor.transpose(0, 2, 1, 3).reshape(batch * heads * seq, dim)
    flat = np.concatenate([flat, np.zeros((rows, dim))])
    starts = np.arange(batch * heads)[:, None] * seq
    long = flat[starts + np.arange(seq + rows)]
    return long.reshape(batch, heads, seq + rows, dim).transpose(0, 2, 1, 3)


@case("a batch offset overflows, so new keys are written into batch 0", source="Dao-AILab/flash-attention#772",
      kind="stale memory", batch=3, seq=(5, 52), causal=True, partial=True,
      fact="batch 0 reads the last 5 keys and values of batch 2, and batch 2 reads zeros there; batch 1 is right",
      words=(r"batch(es)? .*0", r"batch.* 2", r"last 5|47|5 keys"))
def new_keys_go_to_batch_zero(inputs: Inputs, wrong: bool) -> Results:
    new = slice(inputs.k.shape[1] - inputs.q.shape[1], None)
    k, v = inputs.k.copy(), inputs.v.copy()
    if wrong:
        for cache in (k, v):
            cache[0, new], cache[-1, new] = cache[-1, new].copy(), 0.0
    return attend(inputs.replace(k=k, v=v))


@case("row offsets of q overflow in the last rows", source="thu-ml/SageAttention#386", kind="addresses",
      heads=(4, 2), causal=True, partial=True,
      fact="rows 60..74 are computed from the queries of rows 23..37, with their own mask",
      words=(r"60|last 15|15 rows", r"rows? 23|37 rows|other quer|another row"))
def query_rows_wrap(inputs: Inputs, wrong: bool) -> Results:
    rows = np.arange(inputs.q.shape[1])
    source = np.where(wrong & (rows >= 60), rows - 37, rows)
    return attend(inputs.replace(q=inputs.q[:, source]))


@case("the offset of a head is divided away, so every head reads head 0", source="BobMcDear/attorch#14",
      kind="heads", heads=4, seq=49, fact="heads 1..3 hold the result of head 0: q, k and v of head 0",
      words=(r"head 0", r"heads? 1|every head|all heads"))
def every_head_reads_head_zero(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    first = {name: np.repeat(getattr(inputs, name)[:, :, :1], getattr(inputs, name).shape[2], axis=2) for name in "qkv"}
    return attend(inputs.replace(**first))


@case("the combine kernel writes lse in another order of batch and heads",
      source="vllm-project/flash-attention#87", kind="lse", batch=3, seq=(1, 75), heads=(6, 2), partial=True,
      fact="out is right and lse holds right values in wrong places: batch and K/V head are exchanged in its layout",
      words=(r"lse", r"permut|place|other|another|order|transpos|hold", r"batch|head"))
def lse_in_another_order(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    if not wrong:
        return right
    batch, heads, rows = right.lse.shape
    kv_heads = inputs.k.shape[2]
    exchanged = right.lse.reshape(kv_heads, batch, heads // kv_heads, rows).transpose(1, 0, 2, 3)
    return dataclasses.replace(right, lse=exchanged.reshape(right.lse.shape))


@case("the head dimension is fixed to 32 in the kernel", source="triton-lang/triton#621", kind="channels", dim=40,
      seq=51, partial=True,
      fact="scores use channels 0..31 of q and k only, and channels 32..39 of out are 0",
      words=(r"channels? (0\.\.31|32)|32 of|first 32", r"channels? 32|zero|written"))
def first_channels_only(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    used = slice(0, 32)
    scale = inputs.scale
    cut = inputs.replace(q=inputs.q[..., used] * scale, k=inputs.k[..., used], v=inputs.v[..., used],
                         options=dataclasses.replace(inputs.options, softmax_scale=1.0))
    found = attend(cut, visible(inputs))
    missing = inputs.v.shape[-1] - found.out.shape[-1]
    return dataclasses.replace(found, out=np.pad(found.out, ((0, 0),) * 3 + ((0, missing),)))


@case("padding of the last tile passes through the soft-cap", source="ggml-org/llama.cpp#29034", kind="soft-cap",
      seq=70, heads=2, softcap=2.0,
      fact="26 keys after the end take part with the score -cap = -2: the denominator is too large by 26 exp(-2)",
      words=(r"26|pad|after the (end|last)|denominator", r"cap|-2"))
def padding_through_the_soft_cap(inputs: Inputs, wrong: bool) -> Results:
    tile, keys = 32, inputs.k.shape[1]
    filled = -keys % tile if wrong else 0
    padded = np.pad(scores_of(inputs), ((0, 0),) * 3 + ((0, filled),), constant_values=-inputs.options.softcap)
    weights, lse = softmax(masked(padded, np.ones(padded.shape, bool)))
    return Results(weighted_values(inputs, weights[..., :keys]), lse)


@case("the second sequence, shorter than a page, is read as empty", source="flashinfer-ai/flashinfer#725",
      kind="pages", batch=1, seq=37, heads=(4, 2), cu_seqlens=(0, 24, 37), partial=True,
      fact="out is 0 in document 1 (rows 24..36); document 0 is right",
      words=(r"document.* 1|rows? 24", r"zero|written|\b0\b"))
def short_sequence_is_empty(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    out = right.out.copy()
    if wrong:
        out[:, inputs.options.cu_seqlens[-2] :] = 0
    return Results(out)


@case("strides of q are ignored", source="pytorch/pytorch#163597", kind="addresses", seq=(7, 66), heads=4,
      fact="row i of head h is computed from the query of another row and head: (B, S, H, D) is read as (B, H, S, D)",
      words=(r"q\b|quer", r"other|another|order|axes|stride|place", r"head"))
def strides_of_q(inputs: Inputs, wrong: bool) -> Results:
    batch, rows, heads, dim = inputs.q.shape
    misread = inputs.q.reshape(batch, heads, rows, dim).transpose(0, 2, 1, 3)
    return attend(inputs.replace(q=misread) if wrong else inputs)


@case("a tile of queries is stored beyond the end of its sequence", source="ggml-org/llama.cpp#7465",
      kind="addresses", batch=3, seq=(27, 50), heads=2, partial=True,
      fact="rows 0..4 of batches 1 and 2 hold their queries attending to the keys of the batch before",
      words=(r"rows? 0\.\.4|first 5|5 rows", r"(batch|sequence)(es|s)? 1", r"batch (before|0)|keys of"))
def tile_beyond_the_end(inputs: Inputs, wrong: bool) -> Results:
    right, tile = attend(inputs), 8
    beyond = (-inputs.q.shape[1] % tile) * wrong
    before = attend(inputs.replace(k=np.roll(inputs.k, 1, axis=0), v=np.roll(inputs.v, 1, axis=0)))
    out = right.out.copy()
    out[1:, :beyond] = before.out[1:, :beyond]
    return dataclasses.replace(right, out=out)
