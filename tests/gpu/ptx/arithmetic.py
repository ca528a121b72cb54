"""Instructions that act on each lane separately, and branches."""

import numpy as np
from ptx.program import TYPES, instruction, type_of, vector

np.seterr(all="ignore")
u32, f32, pred = TYPES["u32"], TYPES["f32"], TYPES["pred"]


def each_lane(program, instruction, compute, *dtypes):
    """d = compute(a, b, ...), by default all of the instruction's type."""
    target, *sources = instruction.operands
    dtypes = dtypes or [type_of(instruction)] * len(sources)
    write = program.write(target)
    reads = [program.read(source, dtype) for source, dtype in zip(sources, dtypes)]
    return lambda warp, split: write(warp, split, compute(*[read(warp) for read in reads]))


# ---- Numbers ------------------------------------------------------------------------


def quotient(a, b):
    b = np.where(b == 0, 1, b).astype(a.dtype)
    return (np.abs(a) // np.abs(b) * np.sign(a) * np.sign(b)).astype(a.dtype)


SIMPLE = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "mad": lambda a, b, c: a * b + c,
    "fma.rn": lambda a, b, c: (a.astype(np.float64) * b + c).astype(np.float32),
    "neg": lambda a: -a,
    "min": np.minimum,
    "max": np.maximum,
    "max.f32": np.fmax,
    "div": quotient,
    "rem": lambda a, b: a - quotient(a, b) * b,
    "rcp.rn": lambda a: 1 / a,
    "ex2.approx": np.exp2,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
    "popc": lambda a: np.array([int(x).bit_count() for x in a], u32),
}


def simple(compute):
    return lambda program, instruction: each_lane(program, instruction, compute)


for opcode, compute in SIMPLE.items():
    instruction(opcode)(simple(compute))


@instruction("mul.wide")
def _(program, instruction):
    wide = {"s32": TYPES["s64"], "u32": TYPES["u64"]}[instruction.opcode[-3:]]
    return each_lane(program, instruction, lambda a, b: a.astype(wide) * b.astype(wide))


# Shift counts beyond the width of a register are clamped to that width
@instruction("shl", "shr")
def _(program, instruction):
    dtype = type_of(instruction)
    bits = 8 * dtype.itemsize

    def shift(a, places):
        within = np.minimum(places, bits - 1).astype(dtype)
        if dtype.kind == "i":
            return a >> within
        shifted = a << within if instruction.opcode.startswith("shl") else a >> within
        return np.where(places < bits, shifted, dtype.type(0))

    return each_lane(program, instruction, shift, dtype, u32)


@instruction("bfi.b32")
def _(program, instruction):
    def insert(a, b, position, length):
        mask = ((np.uint64(1) << length.astype(np.uint64)) - np.uint64(1)) << position.astype(np.uint64)
        return (b & ~mask | a.astype(np.uint64) << position.astype(np.uint64) & mask).astype(np.uint32)

    return each_lane(program, instruction, insert, u32, u32, u32, u32)


# ---- Predicates ------------------------------------------------------------------------

COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


@instruction("setp")
def _(program, instruction):
    _, comparison, dtype = instruction.opcode.split(".")
    return each_lane(program, instruction, COMPARISONS[comparison], TYPES[dtype], TYPES[dtype])


@instruction("selp")
def _(program, instruction):
    dtype = type_of(instruction)
    return each_lane(program, instruction, lambda a, b, p: np.where(p, a, b), dtype, dtype, pred)


@instruction("bra")
def _(program, instruction):
    label = program.labels[instruction.operands[0]]
    if not instruction.guard:
        return lambda warp, split: warp.go(split, label)
    name, wanted = instruction.guard
    read = program.read(name, pred)
    return lambda warp, split: warp.branch(split, (read(warp) == wanted) & split.lanes, label)


@instruction("ret")
def _(program, instruction):
    return lambda warp, split: warp.splits.remove(split)


# ---- Registers -------------------------------------------------------------------------


# A copy keeps its status: the accumulator of a pending product, or a register unchanged since the last fence
@instruction("mov")
def _(program, instruction):
    target, source = instruction.operands
    if target.startswith("{") or source.startswith("{"):
        return halves(program, instruction)
    if not (program.is_register(source) and target.rstrip("0123456789") == source.rstrip("0123456789")):
        return each_lane(program, instruction, lambda a: a)
    to, of = program.register(target), program.register(source)

    def copy(warp, split):
        if not split.whole:
            return warp.write(to, warp.read(of), split)
        warp.registers[to], warp.written[to] = warp.registers[of], warp.written[of]

    return copy


def halves(program, instruction):
    """mov between a register and a vector of its two halves."""
    target, source = instruction.operands
    whole = type_of(instruction)
    half, bits = TYPES[f"b{4 * whole.itemsize}"], whole.type(4 * whole.itemsize)
    if target.startswith("{"):
        read, writes = program.read(source, whole), [program.write(part) for part in vector(target)]

        def split_up(warp, split):
            writes[0](warp, split, read(warp).astype(half))
            writes[1](warp, split, (read(warp) >> bits).astype(half))

        return split_up
    low, high = [program.read(part, half) for part in vector(source)]
    write = program.write(target)
    return lambda warp, split: write(warp, split, low(warp).astype(whole) | high(warp).astype(whole) << bits)


@instruction("cvta")
def _(program, instruction):
    return each_lane(program, instruction, lambda a: a)  # all addresses are generic


# ---- Type conversions -------------------------------------------------------------------


def bf16_of(x):
    """Rounds to nearest, ties to even; returns the bits."""
    bits = x.astype(np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    return np.where(np.isnan(x), 0x7FFF, rounded >> np.uint32(16)).astype(np.uint16)


def bf16_value(bits):
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


ELEMENTS = {  # conversion of float32 to 16 bits, and back
    "bf16": (bf16_of, bf16_value),
    "f16": (lambda x: x.astype(np.float16).view(np.uint16), lambda bits: bits.view(np.float16).astype(np.float32)),
}


@instruction("cvt")
def _(program, instruction):
    to, of = instruction.opcode.split(".")[-2:]
    if to.endswith("x2"):
        bits_of = ELEMENTS[to.removesuffix("x2")][0]
        pair = lambda high, low: bits_of(low).astype(np.uint32) | bits_of(high).astype(np.uint32) << np.uint32(16)
        return each_lane(program, instruction, pair, f32, f32)
    if to in ELEMENTS:
        return each_lane(program, instruction, ELEMENTS[to][0], f32)
    if of in ELEMENTS:
        return each_lane(program, instruction, ELEMENTS[of][1], TYPES["b16"])
    if ".sat." in instruction.opcode:
        return each_lane(program, instruction, lambda a: np.nan_to_num(np.clip(a, 0, 1), nan=0), f32)
    return each_lane(program, instruction, lambda a: a.astype(TYPES[to]), TYPES[of])
