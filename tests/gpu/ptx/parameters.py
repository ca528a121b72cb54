"""The parameters of a kernel launch: AttentionStep and BackwardStep of gpu/, byte for byte."""

import ctypes

POINTER, INT, FLOAT, BOOL = ctypes.c_uint64, ctypes.c_int, ctypes.c_float, ctypes.c_bool
MAX_DEVICES, UNLIMITED = 32, 1 << 30


def structure(name, **fields):
    return type(name, (ctypes.Structure,), {"_fields_": [(field, kind) for field, kind in fields.items()]})


def all_of(kind, names):
    return dict.fromkeys(names.split(), kind)


# gpu/primitives/attention_step.h
DeviceStep = structure(
    "DeviceStep",
    **all_of(POINTER, "Q K V q_positions kv_positions"),
    **all_of(INT, "q_rows kv_rows"),
    **all_of(POINTER, "m l O out lse"),
)
AttentionStep = structure(
    "AttentionStep",
    **all_of(INT, "element B H Hkv d dv"),
    scale=FLOAT,
    **all_of(INT, "left right"),
    **all_of(BOOL, "first last"),
    reserved_sms=INT,
    tile_counter=POINTER,
    devices=INT,
    device=DeviceStep * MAX_DEVICES,
)

# gpu/backward/backward_step.h
DeviceBackward = structure(
    "DeviceBackward",
    **all_of(POINTER, "Q dO K V q_positions kv_positions"),
    **all_of(INT, "q_rows kv_rows"),
    **all_of(POINTER, "lse row_term dQ dK dV"),
)
BackwardStep = structure(
    "BackwardStep",
    **all_of(INT, "element B H Hkv d dv"),
    scale=FLOAT,
    **all_of(INT, "left right"),
    **all_of(BOOL, "add_to_dQ add_to_dK_dV"),
    devices=INT,
    device=DeviceBackward * MAX_DEVICES,
)


def with_maps(step, names, maps):
    """A step followed by its tensor maps, as in MappedStep and MappedBackward; _maps_ by name and device."""
    behind = [maps.get((name, device), bytes(128)) for name in names for device in range(MAX_DEVICES)]
    return bytes(step) + bytes(-ctypes.sizeof(step) % 128) + b"".join(behind)
