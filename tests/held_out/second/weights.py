"""Wrong maxima, sums, weights and logarithms."""

import dataclasses

import numpy as np

from held_out.attention import Inputs, Results, attend, masked, scores_of, visible, weighted_values
from held_out.case import case


def rows_of_low_scores(inputs: Inputs) -> Inputs:
    """Rows 5..12 have scores near -136; the spread over the keys stays small."""
    q, k = inputs.q.copy(), inputs.k.copy()
    q[..., 0], k[..., 0] = 0.0, 64.0
    q[:, 5:13, :, 0] = -8.5
    return inputs.replace(q=q, k=k)


@case("the maximum of a hidden block is 0, and stays the maximum of rows with low scores",
      source="Dao-AILab/flash-attention#2082", kind="maximum", seq=50, heads=2, dim=16, causal=True,
      prepare=rows_of_low_scores, partial=True,
      fact="rows 5..12, whose scores are near -136, are 0 in out and -inf in lse: exp(score - 0) underflows, as the "
           "block of keys visited first is hidden and leaves the maximum 0",
      words=(r"rows? 5\.\.12", r"zero|\b0\b|-inf|no key", r"underflow|maximum|small|low|exp\("))
def maximum_of_a_hidden_block(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    scores = masked(scores_of(inputs), visible(inputs))
    row_tile, key_block = 32, 16
    hidden_first = np.arange(inputs.q.shape[1])[:, None] % row_tile < key_block
    largest = scores.max(axis=-1, keepdims=True)
    shift = np.where(hidden_first, np.maximum(largest, 0), largest)
    terms = np.exp(scores - shift).astype(np.float32).astype(np.float64)
    total = terms.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        lse = (np.log(total) + shift)[..., 0]
    return Results(weighted_values(inputs, terms / np.where(total > 0, total, 1)), lse)


@case("rescaling is skipped although the weights refer to the new maximum", source="meta-pytorch/MSLK#242",
      kind="maximum", seq=(30, 68),
      fact="a block of 16 keys whose maximum exceeds that of the first block weighs too little by exp(difference of "
           "the maxima); lse, too",
      words=(r"block|tile|keys? 16", r"max", r"exp\(|rescal|too (little|small)"))
def skipped_rescaling(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    scores, block, threshold = masked(scores_of(inputs), visible(inputs)), 16, 8 * np.log(2)
    largest = np.full((*scores.shape[:-1], 1), -np.inf)
    weights, total = np.zeros_like(scores), 0.0
    for start in range(0, scores.shape[-1], block):
        keys = slice(start, start + block)
        new = np.maximum(largest, scores[..., keys].max(axis=-1, keepdims=True))
        rescaled = new - largest > threshold
        decay = np.where(rescaled, np.exp(largest - new), 1.0)
        weights *= decay
        weights[..., keys] = np.exp(scores[..., keys] - new)
        total = total * decay + weights[..., keys].sum(axis=-1, keepdims=True)
        largest = np.where(rescaled, new, largest)
    return Results(weighted_values(inputs, weights / total), (np.log(total) + largest)[..., 0])


@case("lse adds a logarithm of base 2 to a natural maximum", source="intel/sycl-tla#848", kind="lse", seq=41,
      heads=(4, 2), causal=True,
      fact="lse is m + log2(l) instead of m + ln(l), with the maximum m of the row; out is right",
      words=(r"lse", r"base 2|log2|1\.44|ln ?2", r"max|\bm\b"))
def lse_of_two_bases(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    largest = masked(scores_of(inputs), visible(inputs)).max(axis=-1)
    base = np.log(2) if wrong else 1.0
    return dataclasses.replace(right, lse=largest + (right.lse - largest) / base)
