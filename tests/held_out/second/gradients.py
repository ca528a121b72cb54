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
    from_score_gradients,
    score_gradients,
    scores_of,
    softmax,
    weights_from_lse,
)
from held_out.case import case
from held_out.merges import part


@case("the backward pass of a block subtracts the delta of its own output", source="tenstorrent/tt-metal#53205",
      kind="backward ring", backward=True, seq=54, heads=2, devices=3,
      fact="delta of a block is dout . (output of this block alone) instead of dout . out: dq and dk are wrong, dv is "
           "right",
      words=(r"delta|rowsum", r"block|device", r"own|each|alone|per"))
def delta_of_the_block(inputs: Inputs, wrong: bool) -> Results:
    right, local = differentiate(inputs), inputs.k.shape[1] // inputs.options.devices
    if not wrong:
        return right
    weights = weights_from_lse(inputs, right.lse)
    dscores = np.zeros_like(weights)
    for start in range(0, inputs.k.shape[1], local):
        keys = slice(start, start + local)
        delta = delta_of(part(inputs, keys).out, inputs.dout)
        dscores[..., keys] = score_gradients(inputs, weights, delta)[..., keys]
    return from_score_gradients(inputs, right, weights, dscores)


@case("gradients of keys and values stay on the device that computes them", source="NVIDIA/TransformerEngine#2484",
      kind="backward ring", backward=True, seq=57, heads=2, devices=3,
      fact="dk and dv of the block of device d hold the sum over all blocks of what the rows of device d contribute, "
           "instead of what all rows contribute to this block; dq is right",
      words=(r"dk", r"device|block", r"rows of|own|travel|sent|sum|other"))
def gradients_stay(inputs: Inputs, wrong: bool) -> Results:
    right, devices = differentiate(inputs), inputs.options.devices
    if not wrong:
        return right
    device = np.arange(inputs.q.shape[1]) * devices // inputs.q.shape[1]
    found = [differentiate(inputs.replace(dout=inputs.dout * (device == one)[:, None, None]))
             for one in range(devices)]

    def sum_of_blocks(tensor: Array) -> Array:
        return sum(np.split(tensor, devices, axis=1))

    return dataclasses.replace(right, dk=np.concatenate([sum_of_blocks(one.dk) for one in found], axis=1),
                               dv=np.concatenate([sum_of_blocks(one.dv) for one in found], axis=1))


@case("each block of the backward pass is normalized by its own lse", source="NVIDIA/Megatron-LM#1464",
      kind="backward ring", backward=True, seq=48, heads=(4, 2), devices=3,
      fact="the backward weights of a block are exp(s - lse of this block alone) instead of exp(s - lse of all blocks)",
      words=(r"lse|weights?", r"block|device", r"own|alone|each|local"))
def normalized_by_the_block(inputs: Inputs, wrong: bool) -> Results:
    forward, local = attend(inputs), inputs.k.shape[1] // inputs.options.devices
    if not wrong:
        return differentiate(inputs, forward)
    scores = scores_of(inputs)
    blocks = [softmax(scores[..., start : start + local])[0] for start in range(0, scores.shape[-1], local)]
    return differentiate(inputs, forward, weights=np.concatenate(blocks, axis=-1))


@case("gradients of keys and values make one hop too few", source="zhuzilin/ring-flash-attention#10",
      kind="backward ring", backward=True, seq=64, heads=(4, 2), causal=True, devices=4,
      fact="dk and dv of device d + 1 lie on device d: they are displaced by 16 keys; dq is right",
      words=(r"dk", r"16|block|device", r"displac|hop|shift|another|other|hold|instead"))
def one_hop_too_few(inputs: Inputs, wrong: bool) -> Results:
    right = differentiate(inputs)
    shift = inputs.k.shape[1] // inputs.options.devices * wrong
    return dataclasses.replace(right, dk=np.roll(right.dk, -shift, axis=1), dv=np.roll(right.dv, -shift, axis=1))


@case("the gradient of lse enters with the wrong sign", source="linxihui/dkernel#3", kind="backward lse",
      backward=True, lse_gradient=True, seq=48, heads=3, causal=True,
      fact="dS subtracts dlse like delta instead of adding it; dv is right",
      words=(r"dlse|lse", r"sign|subtract|negat|-1"))
def negative_dlse(inputs: Inputs, wrong: bool) -> Results:
    return differentiate(inputs if inputs.dlse is None or not wrong else inputs.replace(dlse=-inputs.dlse))
