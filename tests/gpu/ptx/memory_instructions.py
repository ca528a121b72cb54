"""Instructions that move data: to and from memory, and between the lanes of a warp."""

import numpy as np
from ptx.program import TYPES, instruction, type_of, vector
from ptx.parser import RuleBroken
from ptx.warp import LANE, LANES

u32, f32 = TYPES["u32"], TYPES["f32"]


def memory_of(instruction):
    """Selects the memory by the state space in the opcode; returns a function of the warp."""
    space = next(part for part in instruction.opcode.split(".") if part in ("shared", "global", "param"))
    return {
        "shared": lambda warp: warp.block.shared,
        "global": lambda warp: warp.block.machine.memory,
        "param": lambda warp: warp.block.machine.parameters,
    }[space]


def aligned(addresses, bytes_):
    if (addresses % bytes_).any():
        raise RuleBroken(f"{[hex(a) for a in addresses]} are not multiples of {bytes_}")
    return addresses


def bytes_of(addresses, bytes_):
    return addresses[:, None] + np.arange(bytes_)


# ---- Memory ---------------------------------------------------------------------------


def count_bank_conflicts(machine, addresses, bytes_):
    """Shared memory has 32 banks of 4-byte words; lanes whose accesses total 128 bytes are served together."""
    lanes = 128 // max(bytes_, 4)
    for n in range(0, len(addresses), lanes):
        words = np.unique(addresses[n : n + lanes, None] // 4 + np.arange(max(bytes_ // 4, 1)))
        machine.bank_conflicts += int(np.bincount(words % 32).max()) - 1


@instruction("ld")
def _(program, instruction):
    dtype, memory = type_of(instruction), memory_of(instruction)
    writes = [program.write(register) for register in vector(instruction.operands[0])]
    address, size = program.address(instruction.operands[1]), dtype.itemsize * len(writes)

    def load(warp, split):
        at = aligned(address(warp)[split.lanes], size)
        if memory(warp) is warp.block.shared:
            count_bank_conflicts(warp.block.machine, at, size)
            warp.block.races.read(warp.number, bytes_of(at, size))
        for n, write in enumerate(writes):
            value = np.zeros(LANES, dtype)
            value[split.lanes] = memory(warp).load(at + n * dtype.itemsize, dtype)
            write(warp, split, value)

    return load


@instruction("st")
def _(program, instruction):
    dtype, memory = type_of(instruction), memory_of(instruction)
    reads = [program.read(source, dtype) for source in vector(instruction.operands[1])]
    address, size = program.address(instruction.operands[0]), dtype.itemsize * len(reads)

    def store(warp, split):
        at = aligned(address(warp)[split.lanes], size)
        for n, read in enumerate(reads):
            memory(warp).store(at + n * dtype.itemsize, read(warp)[split.lanes])
        if memory(warp) is warp.block.shared:
            count_bank_conflicts(warp.block.machine, at, size)
            warp.block.races.write(warp.number, bytes_of(at, size))
            for lane, written in zip(LANE[split.lanes], bytes_of(at, size).tolist()):
                warp.unpublished[lane].update(written)

    return store


# atom.inc returns the old value and stores the next one, or 0 after the last
@instruction("atom.global.inc.u32")
def _(program, instruction):
    target, place, last = instruction.operands
    write, address, last = program.write(target), program.address(place), program.read(last, u32)

    def take(warp, split):
        value = np.zeros(LANES, u32)
        for lane in LANE[split.lanes]:
            at = address(warp)[lane : lane + 1]
            value[lane] = warp.block.machine.memory.load(at, u32)[0]
            following = 0 if value[lane] >= last(warp)[lane] else value[lane] + 1
            warp.block.machine.memory.store(at, np.array([following], u32))
        write(warp, split, value)

    return take


@instruction("red.relaxed.gpu.global.add.v2.f32")
def _(program, instruction):
    address = program.address(instruction.operands[0])
    reads = [program.read(source, f32) for source in vector(instruction.operands[1])]

    def add(warp, split):
        at, memory = aligned(address(warp)[split.lanes], 8), warp.block.machine.memory
        for n, read in enumerate(reads):
            for place, x in zip(at + 4 * n, read(warp)[split.lanes]):
                memory.store(place[None], memory.load(place[None], f32) + x)

    return add


# ---- Lanes of a warp ----------------------------------------------------------------------


@instruction("shfl.sync")
def _(program, instruction):
    target, *sources = instruction.operands
    write = program.write(target.split("|")[0])
    value, lane, clamp, members = [program.read(source, u32) for source in sources]

    def shuffle(warp, split):
        if not warp.all_here(split, members(warp)[0]):
            return False
        if (clamp(warp) != 31).any():
            raise NotImplementedError("shuffles of part of a warp")
        other = LANE ^ lane(warp) if ".bfly." in instruction.opcode else lane(warp) % LANES
        write(warp, split, value(warp)[other])

    return shuffle


@instruction("vote.sync.ballot.b32")
def _(program, instruction):
    target, source, members = instruction.operands
    write, read, members = program.write(target), program.read(source, TYPES["pred"]), program.read(members, u32)

    def vote(warp, split):
        if not warp.all_here(split, members(warp)[0]):
            return False
        write(warp, split, np.full(LANES, np.packbits(read(warp), bitorder="little").view(u32)[0]))

    return vote


@instruction("bar.warp.sync")
def _(program, instruction):
    members = program.read(instruction.operands[0], u32)
    return lambda warp, split: warp.all_here(split, members(warp)[0])
