"""Wrong scales, soft-caps, denominators and logarithms."""

import dataclasses

import numpy as np

from held_out.attention import (
    Inputs,
    Results,
    attend,
    masked,
    per_query_head,
    raw_scores,
    rowwise,
    scores_of,
    softmax,
    visible,
    weighted_values,
)
from held_out.case import case, rounded


@case("the scale multiplies the weights instead of the scores", source="FrancescoSaverioZuppichini/ViT#6",
      kind="scale", seq=43, fact="the scores have scale 1, and out is multiplied by 1/sqrt(24) = 0.204",
      words=(r"scale", r"1\.0|scale.*(= )?1\b|not scaled|unscaled", r"0\.204|out.*(times|x|factor)|after the softmax"))
def scale_after_the_softmax(inputs: Inputs, wrong: bool) -> Results:
    if not wrong:
        return attend(inputs)
    unscaled = attend(inputs, scores=raw_scores(inputs))
    return dataclasses.replace(unscaled, out=inputs.scale * unscaled.out)


@case("the kernel accepts a soft-cap and never applies it", source="sgl-project/sgl-kernel-xpu#491",
      kind="soft-cap", seq=48, heads=(4, 2), causal=True, softcap=3.0,
      fact="the scores are not capped", words=(r"cap", r"ignor|not applied|without|forgot|missing|never|no "))
def soft_cap_is_dropped(inputs: Inputs, wrong: bool) -> Results:
    return attend(inputs, scores=inputs.scale * raw_scores(inputs) if wrong else None)


@case("the mask is applied before the soft-cap", source="Dao-AILab/flash-attention#1025", kind="soft-cap", seq=50,
      causal=True, softcap=2.0, fact="hidden keys have the score -cap = -2 and take part",
      words=(r"cap", r"before|order|hidden|future|-2"))
def mask_before_the_soft_cap(inputs: Inputs, wrong: bool) -> Results:
    hidden = -inputs.options.softcap if wrong else -np.inf
    return attend(inputs, np.ones_like(visible(inputs)), np.where(visible(inputs), scores_of(inputs), hidden))


@case("the sum of weights starts at 1 and the 1 is never rescaled", source="flagos-ai/FlagTree#1250",
      kind="denominator", causal=True, seq=55,
      fact="the denominator is l + 1 (l relative to the maximum of the row): out is too small by l / (l + 1)",
      words=(r"denominator|sum of weights|l \+ 1|\bl\b", r"\+ ?1|too large|1 more|starts"))
def sum_starts_at_one(inputs: Inputs, wrong: bool) -> Results:
    scores = masked(scores_of(inputs), visible(inputs))
    largest = scores.max(axis=-1, keepdims=True)
    terms = np.exp(scores - largest)
    total = terms.sum(axis=-1, keepdims=True) + wrong
    return Results(weighted_values(inputs, terms / total), (np.log(total) + largest)[..., 0])


@case("lse is stored in base 2", source="lightseekorg/tokenspeed#571", kind="lse", causal=True, seq=40, heads=(4, 2),
      fact="out is right, lse is 1/ln 2 = 1.4427 times too large",
      words=(r"lse", r"base 2|log2|1\.44|ln ?2"))
def lse_in_base_two(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    return dataclasses.replace(right, lse=right.lse / np.log(2)) if wrong else right


@case("keys are smoothed by their mean, and lse is not corrected", source="ROCm/aiter#3349", kind="lse", heads=(4, 2),
      fact="out is right, lse of row i is too small by scale q_i . mean(k)",
      words=(r"lse", r"mean", r"q"))
def lse_of_smoothed_keys(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    mean = per_query_head(inputs, inputs.k.mean(axis=1, keepdims=True))
    shift = inputs.scale * np.einsum("bihd,bjhd->bhi", inputs.q, mean)
    return dataclasses.replace(right, lse=right.lse - wrong * shift)


def flat_scores(inputs: Inputs) -> Inputs:
    return inputs.replace(q=0.3 * inputs.q)


@case("the sum of weights is accumulated in bfloat16", source="pytorch/executorch#20089", kind="precision", batch=1,
      seq=(24, 640), heads=1, dim=16, prepare=flat_scores,
      fact="the denominator is too small, as a bf16 sum stops growing at 256: rows of out sum to more than 1",
      words=(r"denominator|sum", r"bf16|precision|rounded|accumul|too small"))
def sum_in_bfloat16(inputs: Inputs, wrong: bool) -> Results:
    scores = masked(scores_of(inputs), visible(inputs))
    largest = scores.max(axis=-1, keepdims=True)
    terms = np.exp(scores - largest)
    total = terms.sum(axis=-1, keepdims=True)
    if wrong:
        total = np.zeros_like(total)
        for key in range(terms.shape[-1]):
            total = rounded(total + rounded(terms[..., key : key + 1], "bf16"), "bf16")
    return Results(weighted_values(inputs, terms / total), (np.log(total) + largest)[..., 0])


@case("running maximum and sum are kept in float16 between blocks", source="ggml-org/llama.cpp#24389",
      kind="precision", seq=64, heads=(4, 2), causal=True, precisions=("f32",),
      fact="the maximum and the sum of weights (so lse) have the precision of float16",
      words=(r"f16|half|float16|11 bits", r"lse|sum|maximum|running"))
def running_state_in_float16(inputs: Inputs, wrong: bool) -> Results:
    half = (lambda values: values.astype(np.float16).astype(np.float64)) if wrong else (lambda values: values)
    scores, block = masked(scores_of(inputs), visible(inputs)), 16
    largest = np.full((*scores.shape[:-1], 1), -np.inf)
    total, sums = np.zeros_like(largest), 0.0
    for start in range(0, scores.shape[-1], block):
        keys = slice(start, start + block)
        new = half(np.maximum(largest, scores[..., keys].max(axis=-1, keepdims=True)))
        terms, decay = np.exp(scores[..., keys] - new), np.exp(largest - new)
        total = half(half(total) * decay + terms.sum(axis=-1, keepdims=True))
        weighted = np.einsum("bhij,bjhd->bihd", inputs.operand(terms), per_query_head(inputs, inputs.v)[:, keys])
        sums, largest = sums * rowwise(decay[..., 0]) + weighted, new
    return Results(sums / rowwise(total[..., 0]), (np.log(total) + largest)[..., 0])


@case("the scale is computed from the width of all heads", source="karpathy/ng-video-lecture#6", kind="scale",
      seq=36, heads=4, causal=True, fact="the scale is 1/sqrt(4 * 24) = 0.102 instead of 0.204",
      words=(r"scale", r"0\.102|half|sqrt\(96\)|0\.5"))
def scale_of_all_heads(inputs: Inputs, wrong: bool) -> Results:
    heads = inputs.q.shape[2]
    return attend(inputs, scores=scores_of(inputs) / np.sqrt(heads) if wrong else None)


@case("lse of rows without keys is +inf", source="Dao-AILab/flash-attention#978", kind="lse", seq=(49, 30),
      causal=True, heads=2, partial=True,
      fact="lse is +inf in rows 0..18, which see no key, instead of -inf; out is right",
      words=(r"lse", r"\+?inf", r"rows? 0\.\.18|no key"))
def lse_of_empty_rows(inputs: Inputs, wrong: bool) -> Results:
    right = attend(inputs)
    return dataclasses.replace(right, lse=np.where(np.isneginf(right.lse) & wrong, np.inf, right.lse))
