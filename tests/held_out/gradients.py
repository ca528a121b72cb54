"""Backward passes that differentiate something else, in all rows and heads. The forward pass is right."""

import dataclasses

import numpy as np

from held_out.attention import (
    Array,
    Inputs,
    Results,
    attend,
    cap_slope,
    delta_of,
    differentiate,
    dk_per_query_head,
    dq_of,
    dv_per_query_head,
    from_score_gradients,
    per_query_head,
    score_gradients,
    scores_of,
    sum_of_groups,
    visible,
    weights_from_lse,
)
from held_out.case import case, rounded


@case("the backward pass ignores the right side of the window", source="AMD-AGI/Primus-Turbo#262",
      kind="backward mask", backward=True, seq=57, window=(12, 5), heads=(4, 2),
      fact="the backward pass also sees the keys right of the window; out and lse are right",
      words=(r"backward|gradient", r"right (side|bound|limit)|keys (right|after|ahead)|one side"))
def backward_without_right_window(inputs: Inputs, wrong: bool) -> Results:
    left, right = inputs.options.window_size
    return differentiate(inputs, mask=visible(inputs, window_size=(left, -1 if wrong else right)))


@case("the kernel of dk and dv splits the head index by the wrong count",
      source="XunhaoLai/native-sparse-attention-triton#27", kind="backward heads", backward=True, seq=45, heads=(6, 2),
      fact="in dk and dv, query head h is paired with K/V head h // 2 instead of h // 3, and heads 4, 5 are lost; "
           "dq is right",
      words=(r"dk|dv", r"head", r"// ?2|head 2.*K/V head 1|lost"))
def dk_dv_head_split(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    kv_heads = inputs.k.shape[2]
    if not wrong:
        return right
    found = {"dk": np.zeros_like(inputs.k), "dv": np.zeros_like(inputs.v)}
    for head in range(inputs.q.shape[2]):
        kv_head = head // kv_heads
        if kv_head >= kv_heads:
            continue
        one = only_heads(inputs, head, kv_head)
        lse, delta = right.lse[:, [head]], delta_of(right.out, inputs.dout)[:, [head]]
        weights = weights_from_lse(one, lse)
        found["dk"][:, :, kv_head] += dk_per_query_head(one, score_gradients(one, weights, delta))[:, :, 0]
        found["dv"][:, :, kv_head] += dv_per_query_head(one, weights)[:, :, 0]
    return dataclasses.replace(right, **found)


def only_heads(inputs: Inputs, head: int, kv_head: int) -> Inputs:
    return inputs.replace(q=inputs.q[:, :, [head]], dout=inputs.dout[:, :, [head]], k=inputs.k[:, :, [kv_head]],
                          v=inputs.v[:, :, [kv_head]])


@case("gradients of broadcast K/V heads are not summed over the group", source="marin-community/levanter#449",
      kind="backward heads", backward=True, seq=41, heads=(6, 2), causal=True,
      fact="dk and dv hold the contribution of one query head of each group (the first) instead of the sum of 3",
      words=(r"dk", r"group|query head|sum"))
def groups_are_not_summed(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    if not wrong:
        return right
    weights = weights_from_lse(inputs, right.lse)
    dscores = score_gradients(inputs, weights, delta_of(right.out, inputs.dout))
    first = slice(None, None, inputs.group)
    return dataclasses.replace(right, dk=dk_per_query_head(inputs, dscores)[:, :, first],
                               dv=dv_per_query_head(inputs, weights)[:, :, first])


@case("the preprocess of delta assumes another order of axes", source="flagos-ai/FlagAttention#1",
      kind="backward delta", backward=True, seq=38, heads=4, causal=True,
      fact="delta of (head, row) is that of another row and head, as (B, S, H, D) is read as (B, H, S, D); dv is right",
      words=(r"delta|rowsum", r"dq|dk", r"dv.*(right|agree|pass)|order|axes|row"))
def delta_in_another_order(inputs: Inputs, wrong: bool) -> Results:
    forward = attend(inputs)
    delta = delta_of(forward.out, inputs.dout)
    misread = delta.transpose(0, 2, 1).reshape(delta.shape)
    return differentiate(inputs, forward, delta=misread if wrong else delta)


@case("each step of the backward ring uses the keys and values of step 0", source="huggingface/diffusers#14265",
      kind="backward ring", backward=True, seq=60, devices=3,
      fact="dq is 3 times the gradient of attention to the own block; dk and dv of every block are the sum of all "
           "own blocks",
      words=(r"own|local|step 0|block", r"dq", r"3 times|x 3|weight 3|times|sum"))
def ring_backward_with_stale_keys(inputs: Inputs, wrong: bool) -> Results:
    right, devices = differentiate(inputs), inputs.options.devices
    if not wrong:
        return right
    own = np.split(np.arange(inputs.q.shape[1]), devices)
    local = [differentiate(inputs.replace(**{name: getattr(inputs, name)[:, rows] for name in ("q", "k", "v", "dout")}))
             for rows in own]
    return dataclasses.replace(right, dq=devices * np.concatenate([block.dq for block in local], axis=1),
                               dk=np.tile(sum(block.dk for block in local), (1, devices, 1, 1)),
                               dv=np.tile(sum(block.dv for block in local), (1, devices, 1, 1)))


@case("k and v are transposed twice before the backward pass", source="huggingface/diffusers#14338",
      kind="backward axes", backward=True, batch=3, seq=12, heads=12, dim=20,
      fact="the backward pass reads k and v with sequence and heads exchanged; the forward pass is right",
      words=(r"transpos|exchang|swap|axes", r"head", r"sequence|row|k and v"))
def keys_transposed_twice(inputs: Inputs, wrong: bool) -> Results:
    forward = attend(inputs)
    swapped = inputs.replace(k=inputs.k.transpose(0, 2, 1, 3), v=inputs.v.transpose(0, 2, 1, 3))
    return differentiate(swapped if wrong else inputs, forward)


@case("the incoming gradient is not used", source="mindspore-lab/mindone#1438", kind="backward input",
      backward=True, seq=44, heads=(4, 2), causal=True,
      fact="dq, dk and dv are those of dout = 1 in every element",
      words=(r"dout|\bdO\b", r"ones|= ?1|not used|ignored"))
def dout_is_one(inputs: Inputs, wrong: bool) -> Results:
    return differentiate(inputs.replace(dout=np.ones_like(inputs.dout)) if wrong else inputs)


@case("the slope of the soft-cap is computed from scores that are not divided by the cap",
      source="Dao-AILab/flash-attention#1033", kind="backward soft-cap", backward=True, seq=47, softcap=3.0,
      causal=True, fact="dS is multiplied by 1 - s^2 instead of 1 - (s / cap)^2; dv is right",
      words=(r"cap", r"derivative|slope|1 - |tanh|factor"))
def slope_of_undivided_scores(inputs: Inputs, wrong: bool) -> Results:
    forward = attend(inputs)
    weights = weights_from_lse(inputs, forward.lse)
    dscores = score_gradients(inputs, weights, delta_of(forward.out, inputs.dout))
    if wrong:
        dscores *= (1 - scores_of(inputs) ** 2) / cap_slope(inputs)
    return from_score_gradients(inputs, forward, weights, dscores)


@case("the gradient of lse is ignored", source="Dao-AILab/flash-attention#1137", kind="backward lse",
      backward=True, lse_gradient=True, seq=52, heads=(4, 2),
      fact="dlse is missing in dS; dv is right", words=(r"dlse|lse", r"ignor|miss|not|without|forgot|drop"))
def dlse_is_ignored(inputs: Inputs, wrong: bool) -> Results:
    return differentiate(dataclasses.replace(inputs, dlse=None) if wrong else inputs)


@case("tiles of queries run out of order, and the sums of dk and dv are cleared late",
      source="AI-Hypercomputer/maxdiffusion#485", kind="backward tiles", backward=True, seq=66, heads=2,
      fact="dk and dv lack the contributions of rows 16..31; dq is right",
      words=(r"dk", r"rows? 16|16\.\.31", r"lack|miss|lost|without|contribut"))
def sums_are_cleared_late(inputs: Inputs, wrong: bool) -> Results:
    right, tile = differentiate(inputs), 16
    if not wrong:
        return right
    dout = inputs.dout.copy()
    dout[:, tile : 2 * tile] = 0
    lost = differentiate(inputs.replace(dout=dout))
    return dataclasses.replace(right, dk=lost.dk, dv=lost.dv)


@case("dk is written with the stride of the query heads", source="fla-org/flash-linear-attention#384",
      kind="backward addresses", backward=True, seq=40, heads=(4, 2), causal=True,
      fact="dk per query head stands at (row * 4 + head) in a buffer of (row * 2 + head): rows and heads are displaced",
      words=(r"dk", r"stride|displac|other rows|buffer", r"query head"))
def dk_with_the_stride_of_query_heads(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    if not wrong:
        return right
    weights = weights_from_lse(inputs, right.lse)
    dk = dk_per_query_head(inputs, score_gradients(inputs, weights, delta_of(right.out, inputs.dout)))
    return dataclasses.replace(right, dk=first_elements(dk, inputs.k))


def first_elements(tensor: Array, like: Array) -> Array:
    """The beginning of the memory of each batch, in a smaller shape."""
    return np.stack([batch.reshape(-1)[: one.size].reshape(one.shape) for batch, one in zip(tensor, like, strict=True)])


@case("dout is loaded beyond the last row", source="flagos-ai/FlagGems#3607", kind="backward tiles", backward=True,
      seq=58, heads=3,
      fact="dv of every key of a head has the same vector too much: rows 0..5 of the next head, weighted by exp(-lse)",
      words=(r"dv", r"same|constant|every key|all keys", r"next head|beyond|rows? 0\.\.5|pad"))
def dout_beyond_the_last_row(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    batch, rows, heads, dim = inputs.dout.shape
    beyond = -rows % 64 if rows % 64 else 0
    beyond = min(beyond, rows) * wrong
    next_dout = np.concatenate([inputs.dout[:, :beyond, 1:], np.zeros((batch, beyond, 1, dim))], axis=2)
    next_lse = np.concatenate([right.lse[:, 1:, :beyond], np.zeros((batch, 1, beyond))], axis=1)
    extra = np.einsum("bhi,bihd->bhd", np.exp(-next_lse), next_dout)[:, None]
    one_per_group = sum_of_groups(inputs, extra)
    return dataclasses.replace(right, dv=right.dv + one_per_group)


@case("every document writes dq into the slot of the first one", source="ROCm/TransformerEngine#657",
      kind="backward documents",
      backward=True, batch=1, seq=79, heads=2, cu_seqlens=(0, 23, 49, 79), causal=True, partial=True,
      fact="dq is right in document 0 and 0 in documents 1 and 2 (rows 23..78); dk and dv are right",
      words=(r"dq", r"document|rows? 23", r"zero|\b0\b|never written|empty"))
def dq_of_the_first_document_only(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    dq = right.dq.copy()
    if wrong:
        dq[:, inputs.options.cu_seqlens[1] :] = 0
    return dataclasses.replace(right, dq=dq)


@case("the keys are scaled and rounded to bfloat16 before scores are recomputed", source="hao-ai-lab/FastVideo#1730",
      kind="precision", backward=True, seq=48, heads=2, causal=True, precisions=("f32",),
      prepare=lambda inputs: inputs.replace(q=6 * inputs.q),
      fact="the weights of the backward pass are rebuilt from less precise scores, with errors that grow with the "
           "score",
      words=(r"backward|gradient|rebuilt", r"precis|round|bf16|large scores"))
def scaled_keys_in_bfloat16(inputs: Inputs, wrong: bool) -> Results:
    forward = attend(inputs)
    factor = inputs.scale / np.log(2)
    keys = rounded(inputs.k * factor, "bf16") / factor if wrong else inputs.k
    return differentiate(inputs, forward, weights=weights_from_lse(inputs.replace(k=keys), forward.lse))


@case("strides of dout are ignored", source="Dao-AILab/flash-attention#355", kind="backward addresses",
      backward=True, batch=3, seq=39, heads=(4, 2), causal=True,
      fact="dout of row i of batch b is that of another row and batch: (S, B, H, D) is read as (B, S, H, D)",
      words=(r"dout|\bdO\b", r"other|another|order|axes|stride|place"))
def strides_of_dout(inputs: Inputs, wrong: bool) -> Results:
    batch, rows, *rest = inputs.dout.shape
    misread = inputs.dout.transpose(1, 0, 2, 3).reshape(batch, rows, *rest)
    return differentiate(inputs.replace(dout=misread) if wrong else inputs)


@case("the backward pass of the windowed branch has neither mask nor window", source="meta-pytorch/MSLK#263",
      kind="backward mask", backward=True, seq=54, heads=(4, 2), causal=True, window=(15, 0),
      fact="the backward pass sees all keys, without causal mask and window; out and lse are right",
      words=(r"backward|gradient", r"mask", r"window|causal|all keys|forward"))
def backward_without_mask(inputs: Inputs, wrong: bool) -> Results:
    return differentiate(inputs, mask=visible(inputs, causal=False, window_size=(-1, -1)) if wrong else None)
