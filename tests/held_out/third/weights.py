"""Wrong maxima, sums, weights and logarithms."""

import dataclasses

import numpy as np

from held_out.attention import Inputs, Results, attend, masked, merged, scores_of, visible, weighted_values
from held_out.case import case
from held_out.merges import prefix_and_suffix, weighted


@case("cumulative lengths of the splits are used as their lengths", source="tile-ai/TileOPs#728", kind="splits",
      seq=(6, 80), heads=(4, 2), fact="keys 40..79 are counted twice, in the splits 1 to 3",
      words=(r"40\.\.79|keys? 40|last 40", r"twice|2 times|weight 2|double|x 2"))
def cumulative_split_lengths(inputs: Inputs, wrong: bool) -> Results:
    key, split = np.arange(inputs.k.shape[1]), 20
    times = sum((key >= n * split) & (key < n * split + (n + 1 if wrong else 1) * split) for n in range(4))
    return attend(inputs, scores=scores_of(inputs) + np.log(times))


@case("the accumulator is divided by the running sum in every tile", source="1bit-MONSTER/1bit-MONSTER#495",
      kind="denominator", seq=60, heads=(4, 2), causal=True,
      fact="keys of earlier tiles of 16 are divided by the sum of weights up to their own tile instead of the final "
           "sum, so early keys weigh too much; lse is right",
      words=(r"tile|block|keys? 0", r"sum|denominator|divided|running", r"early|earlier|too (large|much)"))
def divided_in_every_tile(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    scores, tile = masked(scores_of(inputs), visible(inputs)), 16
    largest = np.full((*scores.shape[:-1], 1), -np.inf)
    weights, total = np.zeros_like(scores), 0.0
    for start in range(0, scores.shape[-1], tile):
        keys = slice(start, start + tile)
        new = np.maximum(largest, scores[..., keys].max(axis=-1, keepdims=True))
        terms, decay = np.exp(scores[..., keys] - new), np.exp(largest - new)
        total = total * decay + terms.sum(axis=-1, keepdims=True)
        weights *= decay
        weights[..., keys] = terms / total
        largest = new
    return Results(weighted_values(inputs, weights), (np.log(total) + largest)[..., 0])


@case("each warp feeds its own part of the score to the softmax", source="1bit-MONSTER/1bit-MONSTER#495",
      kind="channels", seq=44, heads=2, dim=48,
      fact="channels 0..15, 16..31 and 32..47 of out use weights whose scores sum over the same channels of q and k "
           "only",
      words=(r"channels? (0|16|32)", r"score|weights?", r"own|only|part|differ"))
def scores_are_not_reduced_over_warps(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    warp = 16
    options = dataclasses.replace(inputs.options, softmax_scale=inputs.scale)
    found = [attend(inputs.replace(q=inputs.q[..., lanes], k=inputs.k[..., lanes], v=inputs.v[..., lanes],
                                   options=options))
             for lanes in (slice(first, first + warp) for first in range(0, inputs.q.shape[-1], warp))]
    return Results(np.concatenate([part.out for part in found], axis=-1), found[0].lse)


@case("the maximum is not subtracted in the last tile of the sum", source="tenstorrent/tt-metal#51278",
      kind="denominator", seq=75,
      fact="in the denominator, the terms of keys 64..74 (the last tile) are exp(s) instead of exp(s - m), so too "
           "large by exp(m); the numerator is right",
      words=(r"64|last tile|last 11", r"denominator|sum", r"max|exp\(m\)|exp\(s\)"))
def last_tile_without_maximum(inputs: Inputs, wrong: bool) -> Results:
    scores, tile = masked(scores_of(inputs), visible(inputs)), 32
    largest = scores.max(axis=-1, keepdims=True)
    terms = np.exp(scores - largest)
    last = (scores.shape[-1] - 1) // tile * tile
    rest = np.exp(scores[..., last:] - (0 if wrong else largest))
    total = terms[..., :last].sum(axis=-1, keepdims=True) + rest.sum(axis=-1, keepdims=True)
    return Results(weighted_values(inputs, terms / total), (np.log(total) + largest)[..., 0])


@case("the row offset of the suffix overflows in the merge", source="vllm-project/vllm#45500", kind="merge",
      seq=(46, 90), heads=(4, 2), causal=True, partial=True,
      fact="rows 32..45 merge the part of keys 44..89 of rows 0..13 (32 rows before), with their own weights; lse is "
           "right",
      words=(r"rows? 32", r"rows? 0\.\.13|32 rows|another row|other row", r"44|suffix|part|merge"))
def suffix_of_another_row(inputs: Inputs, wrong: bool) -> Results:
    prefix, suffix = prefix_and_suffix(inputs)
    right = merged([prefix, suffix])
    row = np.arange(inputs.q.shape[1])
    read = dataclasses.replace(suffix, out=suffix.out[:, np.where(wrong, row % 32, row)])
    return dataclasses.replace(right, out=weighted([prefix, read], [prefix.lse, suffix.lse]))
