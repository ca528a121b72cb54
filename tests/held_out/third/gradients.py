"""Backward passes that are wrong everywhere. The forward pass is right."""

import dataclasses

import numpy as np

from held_out.attention import (
    Array,
    Inputs,
    Results,
    attend,
    delta_of,
    differentiate,
    dk_per_query_head,
    dv_per_query_head,
    score_gradients,
    weights_from_lse,
)
from held_out.case import case


@case("dv is stored with the row stride of the packed projection", source="Dao-AILab/flash-attention#2541",
      kind="backward addresses", backward=True, seq=52, heads=3,
      fact="dv of key j stands at key 4 j, and the other keys of dv are 0; dq and dk are right",
      words=(r"dv", r"4|stride|place|another|other key", r"zero|\b0\b|never"))
def dv_with_the_packed_stride(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    if not wrong:
        return right
    dv = np.zeros_like(right.dv)
    dv[:, ::4] = right.dv[:, : dv.shape[1] // 4]
    return dataclasses.replace(right, dv=dv)


@case("the scale of the backward pass is that of the padded head dimension", source="tile-ai/tilelang-ascend#1670",
      kind="backward scale", backward=True, seq=45, heads=(4, 2), dim=20, causal=True,
      fact="the backward pass uses the scale 1/sqrt(32) = 0.177 instead of 1/sqrt(20) = 0.224, for its weights, dq and "
           "dk",
      words=(r"scale", r"0\.17|sqrt\(32\)|0\.79", r"backward|gradient|dq|dk"))
def scale_of_the_padded_dimension(inputs: Inputs, wrong: bool) -> Results:
    forward = attend(inputs)
    padded = dataclasses.replace(inputs.options, softmax_scale=32**-0.5)
    return differentiate(inputs.replace(options=padded) if wrong else inputs, forward)


@case("the backward pass recomputes scores without the soft-cap", source="Dao-AILab/flash-attention#2402",
      kind="backward soft-cap", backward=True, seq=43, heads=(4, 2), causal=True, softcap=2.5,
      fact="the backward pass does not know the soft-cap: its weights are exp(s - lse) of scores that are not capped, "
           "and dS lacks the derivative of the cap",
      words=(r"cap", r"backward|gradient|dq", r"without|ignor|not (applied|capped)|missing|uncapped"))
def backward_without_the_soft_cap(inputs: Inputs, wrong: bool) -> Results:
    uncapped = dataclasses.replace(inputs.options, softcap=0.0)
    return differentiate(inputs.replace(options=uncapped) if wrong else inputs, attend(inputs))


@case("the sum over a group adds query heads that belong to other K/V heads", source="dylanyunlon/Neuron_SP#95",
      kind="backward heads", backward=True, seq=42, heads=(6, 2), causal=True,
      fact="dk and dv of K/V head g sum query heads g, g + 2, g + 4 instead of 3 g .. 3 g + 2; dq is right",
      words=(r"dk", r"query head", r"K/V head", r"% ?2|instead|0, 2|interleav|modulo"))
def sum_over_other_heads(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    if not wrong:
        return right
    weights = weights_from_lse(inputs, right.lse)
    dk = dk_per_query_head(inputs, score_gradients(inputs, weights, delta_of(right.out, inputs.dout)))
    dv = dv_per_query_head(inputs, weights)

    def strided_sum(tensor: Array) -> Array:
        batch, seq, _, dim = tensor.shape
        return tensor.reshape(batch, seq, inputs.group, -1, dim).sum(axis=2)

    return dataclasses.replace(right, dk=strided_sum(dk), dv=strided_sum(dv))


@case("dk and dv are exchanged in the packed gradient", source="feifeibear/long-context-attention#121",
      kind="backward axes", backward=True, seq=46, heads=(4, 2), causal=True,
      fact="dk holds dv, and dv holds dk; dq is right", words=(r"dk", r"dv", r"exchang|swap|hold"))
def exchanged_dk_and_dv(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    return dataclasses.replace(right, dk=right.dv, dv=right.dk) if wrong else right


@case("dk is not multiplied by the scale", source="Dao-AILab/flash-attention#2651", kind="backward scale",
      backward=True, seq=50, heads=(4, 2), dim=28, fact="dk is too large by 1/scale = sqrt(28) = 5.29; dq is right",
      words=(r"dk", r"scale|5\.29"))
def dk_without_the_scale(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    return dataclasses.replace(right, dk=right.dk / inputs.scale if wrong else right.dk)
