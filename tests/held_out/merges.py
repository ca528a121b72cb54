"""Partial results that are merged with wrong weights."""

import dataclasses

import numpy as np

from held_out.attention import Array, Inputs, Results, attend, finite, merged, rowwise, scores_of, softmax, visible
from held_out.case import case


def part(inputs: Inputs, keys: slice) -> Results:
    """The state of some keys."""
    inside = np.zeros(inputs.k.shape[1], bool)
    inside[keys] = True
    return attend(inputs, visible(inputs) & inside)


def parts(inputs: Inputs, size: int) -> list[Results]:
    return [part(inputs, slice(start, start + size)) for start in range(0, inputs.k.shape[1], size)]


def weighted(states: list[Results], logs: list[Array]) -> Array:
    """The sum of the outputs, weighted by exp(logs) / sum(exp(logs))."""
    total = np.logaddexp.reduce(logs)
    return sum(rowwise(np.exp(log - finite(total))) * state.out for state, log in zip(states, logs, strict=True))


def prefix_and_suffix(inputs: Inputs) -> list[Results]:
    """The keys of the cache, and those that came with the queries."""
    cached = max(inputs.k.shape[1] - inputs.q.shape[1], inputs.k.shape[1] // 3)
    return [part(inputs, slice(0, cached)), part(inputs, slice(cached, None))]


@case("base-2 lse of prefix and suffix are merged as natural logarithms", source="sgl-project/sglang#35045",
      kind="merge", seq=(50, 90), heads=(4, 2), causal=True,
      fact="keys 0..39 and keys 40..89 are weighted by exp(lse / ln 2): the larger lse gets too much weight",
      words=(r"keys? (0\.\.)?(39|40)|prefix|block", r"base 2|log2|ln ?2|1\.44"))
def merge_in_base_two(inputs: Inputs, wrong: bool) -> Results:
    states = prefix_and_suffix(inputs)
    factor = 1 / np.log(2) if wrong else 1.0
    return Results(weighted(states, [factor * state.lse for state in states]))


@case("an empty split has lse 0 instead of minus infinity", source="ROCm/aiter#3641", kind="merge", seq=70,
      heads=2, causal=True,
      fact="each of the 5 splits of 14 keys that a row does not see adds exp(0) to its denominator",
      words=(r"empty|split|sees? no|without visible", r"denominator|exp\(0\)|lse (of )?0|adds? 1|too (small|large)"))
def empty_split_counts(inputs: Inputs, wrong: bool) -> Results:
    states = parts(inputs, 14)
    logs = [np.where(np.isfinite(state.lse), state.lse, 0.0 if wrong else -np.inf) for state in states]
    return Results(weighted(states, logs), np.logaddexp.reduce(logs))


@case("two empty states are merged to NaN", source="flashinfer-ai/flashinfer#4051", kind="merge", seq=(61, 40),
      causal=True, partial=True, fact="rows 0..20, which see no key, are NaN in out and lse instead of 0 and -inf",
      words=(r"NaN", r"rows? 0\.\.20|21 rows", r"no key|-inf"))
def empty_rows_are_nan(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    empty = np.isneginf(right.lse) & wrong
    return Results(np.where(rowwise(empty) > 0, np.nan, right.out), np.where(empty, np.nan, right.lse))


@case("a document whose prefix has ended gets the state of the chunk before once more",
      source="sgl-project/sglang#22688", kind="merge", batch=1, heads=(4, 2), cu_seqlens=(0, 58, 79), seq=79,
      causal=True, partial=True,
      fact="in document 1 (rows 58..78), its first 12 keys are counted twice; document 0 is right",
      words=(r"document.* 1|rows? 58", r"twice|2 times|weight 2", r"keys? 58|12 keys|69|first"))
def ended_prefix_counts_twice(inputs: Inputs, wrong: bool) -> Results:
    starts = np.array(inputs.options.cu_seqlens[:-1])
    keys = np.arange(inputs.k.shape[1])
    document = np.searchsorted(starts, keys, side="right") - 1
    again = (document == len(starts) - 1) & (keys < starts[-1] + 12) & wrong
    return attend(inputs, scores=scores_of(inputs) + np.log1p(again))


@case("the splits do not store their lse, so all have the same weight", source="flashinfer-ai/flashinfer#50",
      kind="merge", seq=(11, 84), heads=(6, 2), fact="out is the mean of the outputs of the 4 splits of 21 keys",
      words=(r"mean|average|equal|same weight|1/4|0\.25", r"split|block|keys"))
def splits_are_averaged(inputs: Inputs, wrong: bool) -> Results:
    states = parts(inputs, -(-inputs.k.shape[1] // 4))
    return Results(weighted(states, [np.where(np.isneginf(s.lse), -np.inf, 0.0) if wrong else s.lse for s in states]))


@case("a thread block overwrites the lse of the prefix before another one reads it",
      source="local-inference-lab/vllm#468", kind="merge", seq=(33, 70), causal=True, partial=True,
      fact="in some rows and heads, channels 8..23 or 16..23 weight the prefix (keys 0..36) by the merged lse",
      words=(r"channels? (8|16)", r"keys? 0\.\.36|prefix|block", r"lse|weight"))
def aliased_lse(inputs: Inputs, wrong: bool) -> Results:
    prefix, suffix = prefix_and_suffix(inputs)
    right = merged([prefix, suffix])
    late = weighted([prefix, suffix], [right.lse, suffix.lse])
    return dataclasses.replace(right, out=np.where(reads_late(right.out) & wrong, late, right.out))


def reads_late(out: Array) -> Array:
    """Where the thread of an element belongs to the second thread block of its token and head."""
    batch, rows, heads, dim = out.shape
    per_head, per_block = -(-dim // 8), 8
    thread = np.arange(batch * rows * heads)[:, None] * per_head + np.arange(dim) // 8
    return (thread // per_block > thread[:, :1] // per_block).reshape(out.shape)


# ---- Over devices -----------------------------------------------------------


@case("every step of the ring attends to the whole block, from later devices too",
      source="zhuzilin/ring-flash-attention#54", kind="ring", seq=72, causal=True, devices=4,
      fact="blocks of later devices are visible; only the own block is masked",
      words=(r"later device|future|hidden|blocks?", r"!|visible|mask"))
def later_devices_are_visible(inputs: Inputs, wrong: bool) -> Results:
    device = np.arange(inputs.k.shape[1]) * inputs.options.devices // inputs.k.shape[1]
    return attend(inputs, visible(inputs) | ((device[:, None] != device[None, :]) & wrong))


@case("lse of the second half is not updated by the steps that compute only this half",
      source="NVIDIA/TransformerEngine#716", kind="ring", seq=80, heads=(4, 2), causal=True, devices=4,
      layout="zigzag", partial=True,
      fact="in the second chunk of devices 0..2, lse lacks the blocks of later devices, and out is too large by "
           "exp of that",
      words=(r"lse", r"chunk|second half|rows? \d+", r"lack|miss|later|too (small|large)|without"))
def half_update_is_lost(inputs: Inputs, wrong: bool) -> Results:
    devices, rows = inputs.options.devices, inputs.k.shape[1]
    chunk = np.arange(rows) * 2 * devices // rows
    device = np.minimum(chunk, 2 * devices - 1 - chunk)
    lost = (chunk[:, None] >= devices) & (device[None, :] > device[:, None])
    right = attend(inputs)
    _, lse = softmax(np.where(visible(inputs) & ~(lost & wrong), scores_of(inputs), -np.inf))
    return Results(right.out * rowwise(np.exp(right.lse - lse)), lse)


@case("a striped mask is computed inside each bucket, without the index of the bucket",
      source="lucidrains/ring-attention-pytorch#11", kind="ring", seq=64, causal=True, devices=4, layout="striped",
      fact="local rows are compared modulo the bucket of 8: later buckets are visible and earlier ones hidden in part",
      words=(r"bucket|modulo|8|tile", r"mask|visible|hidden"))
def striped_buckets(inputs: Inputs, wrong: bool) -> Results:
    position = np.arange(inputs.k.shape[1])
    local, device = position // inputs.options.devices % 8, position % inputs.options.devices
    inside = local * inputs.options.devices + device
    return attend(inputs, inside[None, :] <= inside[:, None] if wrong else None)
