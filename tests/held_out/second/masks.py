"""Masks that hide too little, too much, or the wrong keys."""

from held_out.attention import Inputs, Results, attend, positions, visible
from held_out.case import case


@case("the window of a draft block begins at that of its last row", source="flashinfer-ai/flashinfer#4137",
      kind="window", seq=(6, 77), heads=(4, 2), causal=True, window=(15, 0), partial=True,
      fact="rows 0..4 lose the keys of their window left of key 61, where the window of the last row begins",
      words=(r"rows? 0\.\.4", r"61|last row", r"lost|lose|miss|hidden|weight 0"))
def window_of_the_last_row(inputs: Inputs, wrong: bool) -> Results:
    row, key = positions(inputs)
    begin = row.max() - inputs.options.window_size[0]
    return attend(inputs, visible(inputs) & ((key >= begin) | (not wrong)))
