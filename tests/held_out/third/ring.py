"""Wrong results of rings and of other ways to share the sequence among devices."""

import numpy as np

from held_out.attention import Inputs, Results, attend, scores_of, visible
from held_out.case import case


@case("local lengths are the length divided by the devices, so the last local row of each device is padding",
      source="NVIDIA/TransformerEngine#3331", kind="ring", seq=72, heads=(4, 2), causal=True, devices=4,
      layout="zigzag", partial=True,
      fact="on each device the last local row (rows 44, 53, 62 and 71) is 0 in out, and its key is seen by no row",
      words=(r"44", r"53", r"62", r"71", r"never|lost|hidden|weight 0|last"))
def last_local_row_is_padding(inputs: Inputs, wrong: bool) -> Results:
    devices, rows = inputs.options.devices, inputs.k.shape[1]
    chunk, local = np.arange(rows) // (rows // (2 * devices)), np.arange(rows) % (rows // (2 * devices))
    lost = (chunk >= devices) & (local == local.max()) & wrong
    return attend(inputs, visible(inputs) & ~lost[:, None] & ~lost[None, :])


@case("lengths of documents are rounded down to a multiple of the devices", source="NVIDIA/TransformerEngine#1930",
      kind="documents", batch=1, heads=3, cu_seqlens=(0, 29, 54, 82), seq=82, devices=2, partial=True,
      fact="the last token of documents of odd length (rows 28 and 53) is dropped: its out is 0 and its key is seen "
           "by no row; document 2 is right",
      words=(r"\b28\b", r"\b53\b", r"lost|hidden|never|weight 0|last|sees? no"))
def odd_documents_lose_a_token(inputs: Inputs, wrong: bool) -> Results:
    starts = np.array(inputs.options.cu_seqlens)
    ends = starts[1:][np.diff(starts) % inputs.options.devices > 0]
    lost = np.isin(np.arange(inputs.k.shape[1]), ends - 1) & wrong
    return attend(inputs, visible(inputs) & ~lost[:, None] & ~lost[None, :])


@case("a prefix that every rank holds goes around the ring", source="sgl-project/sglang#24053", kind="ring", seq=63,
      heads=(4, 2), devices=3, fact="keys 0..8 (the prefix) are counted three times, once for each device",
      words=(r"0\.\.8|first 9|9 keys", r"3 times|three times|weight 3|x 3"))
def prefix_of_every_rank(inputs: Inputs, wrong: bool) -> Results:
    times = np.where(wrong & (np.arange(inputs.k.shape[1]) < 9), inputs.options.devices, 1)
    return attend(inputs, scores=scores_of(inputs) + np.log(times))


@case("no block is exchanged", source="huggingface/diffusers#12443", kind="ring", seq=68, devices=4,
      fact="every device attends to its own block of 17 keys only", words=(r"own|local", r"block|device", r"only"))
def no_block_is_exchanged(inputs: Inputs, wrong: bool) -> Results:
    device = np.arange(inputs.k.shape[1]) * inputs.options.devices // inputs.k.shape[1]
    return attend(inputs, device[:, None] == device[None, :] if wrong else None)
