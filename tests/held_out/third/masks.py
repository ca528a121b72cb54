"""Masks that hide too little, too much, or the wrong keys."""

import numpy as np

from held_out.attention import Inputs, Results, attend, positions
from held_out.case import case


@case("the length of the longest document bounds the keys of every document", source="vllm-project/flash-attention#18",
      kind="documents", batch=1, heads=(4, 2), cu_seqlens=(0, 21, 52, 79), seq=79, partial=True,
      fact="rows 0..20 (document 0) also see keys 21..30, up to the length 31 of document 1; the others are right",
      words=(r"document 0|rows? 0\.\.20", r"21\.\.30|10 keys|keys? 21", r"document 1|after|next|beyond"))
def length_of_the_longest_document(inputs: Inputs, wrong: bool) -> Results:
    starts, keys = np.array(inputs.options.cu_seqlens), np.arange(inputs.k.shape[1])
    document = np.searchsorted(starts, keys, side="right") - 1
    first = starts[document][:, None]
    longest = np.diff(starts).max()
    return attend(inputs, (keys >= first) & (keys < first + longest) if wrong else None)


@case("the column of the mask wraps at 64", source="ml-explore/mlx#3360", kind="mask", seq=90, heads=2, causal=True,
      partial=True, fact="keys 64..89 are taken for keys before the first row, so every row sees them",
      words=(r"64\.\.89|keys? 64|last 26", r"every row|all rows|future|visible|see"))
def columns_of_the_mask_wrap(inputs: Inputs, wrong: bool) -> Results:
    row, key = positions(inputs)
    wrapped = np.where(wrong & (key >= 64), key - 128, key)
    return attend(inputs, wrapped <= row)


@case("a chunk of queries is aligned to the end of the whole sequence", source="GeeeekExplorer/nano-vllm#213",
      kind="mask", seq=(20, 60), heads=(4, 2), causal=True,
      fact="every row sees 15 keys too many after its own position; 15 slots after key 59 are not written yet "
           "(zeros of score 0)",
      words=(r"15", r"future|after|too many|later", r"zero|score 0|beyond|after the (last|end)|extra"))
def aligned_to_the_whole_sequence(inputs: Inputs, wrong: bool) -> Results:
    missing = 15 * wrong
    row, key = positions(inputs)
    padding = ((0, 0), (0, missing), (0, 0), (0, 0))
    mask = np.arange(key.size + missing) <= row + missing
    return attend(inputs.replace(k=np.pad(inputs.k, padding), v=np.pad(inputs.v, padding)), mask)
