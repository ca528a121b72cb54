"""Wrong results of rings and of other ways to share the sequence among devices."""

import numpy as np

from held_out.attention import Array, Inputs, Results, attend
from held_out.case import case
from held_out.merges import parts, weighted


@case("every step of the ring overwrites out and lse", source="feifeibear/long-context-attention#176", kind="ring",
      seq=66, heads=(4, 2), devices=3,
      fact="out and lse are those of the block that arrives last: device d attends to the block of device d + 1 only "
           "(device 2 to that of device 0)",
      words=(r"device|block", r"only|one block|last", r"lost|miss|weight 0|hidden|overw"))
def last_step_only(inputs: Inputs, wrong: bool) -> Results:
    devices, rows = inputs.options.devices, inputs.k.shape[1]
    device = np.arange(rows) * devices // rows
    last = (device[:, None] + 1) % devices == device[None, :]
    return attend(inputs, last if wrong else None)


@case("the rows are not reordered, and the mask is that of zigzag shards",
      source="feifeibear/long-context-attention#53", kind="ring", seq=60, heads=2, causal=True, devices=3,
      fact="rows lie in contiguous shards, but are masked by the positions of zigzag shards",
      words=(r"zigzag", r"mask|position|order"))
def zigzag_mask_of_contiguous_shards(inputs: Inputs, wrong: bool) -> Results:
    devices, rows = inputs.options.devices, inputs.k.shape[1]
    chunk = rows // (2 * devices)
    device, local = np.arange(rows) // (2 * chunk), np.arange(rows) % (2 * chunk)
    position = np.where(local < chunk, device * chunk + local, (2 * devices - 2 - device) * chunk + local)
    return attend(inputs, position[None, :] <= position[:, None] if wrong else None)


@case("lse of a block has its axes exchanged when the ring merges it", source="feifeibear/long-context-attention#128",
      kind="ring", seq=15, heads=5, devices=3,
      fact="blocks are merged with the lse of row h and head i (local) instead of row i and head h: (rows, heads) is "
           "read as (heads, rows)",
      words=(r"lse|weight", r"row", r"head", r"exchang|transpos|swap|another|axes|other"))
def exchanged_lse_in_the_ring(inputs: Inputs, wrong: bool) -> Results:
    devices, rows = inputs.options.devices, inputs.k.shape[1]
    local = rows // devices
    states = parts(inputs, local)

    def read(lse: Array) -> Array:
        batch, heads = lse.shape[:2]
        blocks = lse.reshape(batch, heads, devices, local)
        return blocks.transpose(0, 3, 2, 1).reshape(lse.shape) if wrong else lse

    logs = [read(state.lse) for state in states]
    return Results(weighted(states, logs), np.logaddexp.reduce(logs))


@case("attention without a mask takes the halves of a causal ring", source="pytorch/pytorch#141429", kind="ring",
      seq=66, heads=2, devices=3, layout="zigzag",
      fact="blocks of earlier devices lose their second chunk of keys, and later devices are seen by the second chunk "
           "of rows only, as in the causal schedule",
      words=(r"chunk|half|halves", r"lost|lose|miss|hidden|weight 0|only", r"device|block"))
def halves_without_a_mask(inputs: Inputs, wrong: bool) -> Results:
    devices, rows = inputs.options.devices, inputs.k.shape[1]
    chunk = np.arange(rows) * 2 * devices // rows
    device = np.minimum(chunk, 2 * devices - 1 - chunk)
    row, key = device[:, None], device[None, :]
    computed = (row == key) | ((key < row) & (chunk[None, :] < devices)) | ((key > row) & (chunk[:, None] >= devices))
    return attend(inputs, computed if wrong else None)


@case("positions are not sharded, so every device has those of device 0", source="NVIDIA/TransformerEngine#2349",
      kind="ring", seq=64, heads=(4, 2), causal=True, devices=4, layout="zigzag",
      fact="every block of keys is masked by the positions of device 0 on both sides: as the own block",
      words=(r"device 0|own block|local", r"mask|triang|position", r"every|all|each"))
def positions_of_device_zero(inputs: Inputs, wrong: bool) -> Results:
    devices, rows = inputs.options.devices, inputs.k.shape[1]
    size = rows // (2 * devices)
    chunk = np.arange(rows) // size
    position = np.arange(rows) % size + np.where(chunk < devices, 0, size)
    return attend(inputs, position[None, :] <= position[:, None] if wrong else None)
