"""Matrix products: by a warp from registers (mma), and by a warpgroup, in which each warp computes its own 16 rows,
from registers and shared memory (wgmma)."""

import re

import numpy as np
from ptx.arithmetic import ELEMENTS
from ptx.async_instructions import by_whole_warp, swizzled
from ptx.program import TYPES, instruction, vector
from ptx.parser import RuleBroken
from ptx.memory_instructions import aligned, bytes_of, count_bank_conflicts
from ptx.warp import LANE, LANES, Product

u16, u32, u64, f32 = TYPES["u16"], TYPES["u32"], TYPES["u64"], TYPES["f32"]
g, t = LANE // 4, LANE % 4  # "groupID" and "threadID_in_group"


def a_operand(registers, value):
    """(16, 16), from four registers with two adjacent elements each."""
    A = np.zeros((16, 16), np.float32)
    for i, register in enumerate(registers):
        for e, element in enumerate(np.ascontiguousarray(register).view(u16).reshape(LANES, 2).T):
            A[g + i % 2 * 8, 2 * t + i // 2 * 8 + e] = value(np.ascontiguousarray(element))
    return A


# ---- A warp --------------------------------------------------------------------------------


@instruction("ldmatrix.sync.aligned.m8n8.x4")
def _(program, instruction):
    writes = [program.write(register) for register in vector(instruction.operands[0])]
    address = program.address(instruction.operands[1])

    def load(warp, split):
        if not warp.all_here(split):
            return False
        count_bank_conflicts(warp.block.machine, address(warp), 16)
        warp.block.races.read(warp.number, bytes_of(address(warp), 16))
        for rows, write in zip(aligned(address(warp), 16).reshape(4, 8), writes):
            matrix = warp.block.shared.load((rows[:, None] + 2 * np.arange(8)).ravel(), u16).reshape(8, 8)
            if ".trans." in instruction.opcode:
                matrix = matrix.T
            write(warp, split, np.ascontiguousarray(matrix).ravel().view(u32))

    return load


# D (16, 8) = A (16, 16) B (16, 8) + C
@instruction("mma.sync.aligned.m16n8k16.row.col.f32")
def _(program, instruction):
    value = ELEMENTS[instruction.opcode.split(".")[-2]][1]
    D, A, B, C = [vector(operand) for operand in instruction.operands]
    writes = [program.write(register) for register in D]
    A, B = [[program.read(register, u32) for register in registers] for registers in (A, B)]
    C = [program.read(register, f32) for register in C]

    def multiply(warp, split):
        if not warp.all_here(split):
            return False
        right = np.zeros((16, 8), np.float32)
        for i, read in enumerate(B):
            for e, element in enumerate(np.ascontiguousarray(read(warp)).view(u16).reshape(LANES, 2).T):
                right[2 * t + i * 8 + e, g] = value(np.ascontiguousarray(element))
        product = a_operand([read(warp) for read in A], value) @ right
        for i, (read, write) in enumerate(zip(C, writes)):
            write(warp, split, read(warp) + product[g + i // 2 * 8, 2 * t + i % 2])

    return multiply


# ---- A warpgroup ------------------------------------------------------------------------------


@instruction("wgmma.fence")
def _(program, instruction):
    def fence(warp):
        warp.fence = warp.clock

    return by_whole_warp(fence)


@instruction("wgmma.commit_group")
def _(program, instruction):
    return by_whole_warp(lambda warp: warp.products.commit())


@instruction("wgmma.wait_group")
def _(program, instruction):
    return by_whole_warp(lambda warp: warp.products.finish(int(instruction.operands[0])))


def places_of(descriptor, rows, neighbours):
    """The addresses of (rows, 16) elements given by a descriptor with 128-byte swizzle ("Matrix descriptor").

    _neighbours_: 64 rows of a column are contiguous, instead of the columns of a row.
    """
    start, leading, stride = [(descriptor >> bit & 0x3FFF) << 4 for bit in (0, 16, 32)]
    if descriptor >> 62 != 1 or descriptor >> 49 & 7 != 0:
        raise RuleBroken(f"descriptor {descriptor:#x} must have 128-byte swizzle and no base offset")
    i, k = np.arange(rows)[:, None], np.arange(16)
    if neighbours:
        places = start + i % 64 * 2 + i // 64 * leading + k % 8 * 128 + k // 8 * stride
    else:
        places = start + i % 8 * 128 + i // 8 * stride + k * 2
    return swizzled(places)


# D (64, columns) = A (64, 16) B (16, columns), or D +=
@instruction("wgmma.mma_async.sync.aligned")
def _(program, instruction):
    columns, kind = re.search(r"m64n(\d+)k16\.f32\.(\w+)\.\2$", instruction.opcode).groups()
    columns, value = int(columns), ELEMENTS[kind][1]
    D, A, B, adds, *scales_and_majors = instruction.operands
    D, in_registers = [program.register(name) for name in vector(D)], A.startswith("{")
    assert scales_and_majors[:2] == ["1", "1"] and len(D) == columns // 2, instruction
    *A_neighbours, B_neighbours = [major == "1" for major in scales_and_majors[2:]]
    A = [program.register(name) for name in vector(A)] if in_registers else program.read(A, u64)
    B, adds = program.read(B, u64), program.read(adds, TYPES["pred"])

    def begin(warp):
        if any(warp.written[register] > warp.fence for register in D + (A if in_registers else [])):
            raise RuleBroken("a register of a product was written after the last wgmma.fence")
        adds_now, known = adds(warp)[0], warp.block.races.known[warp.number].copy()
        right_at = places_of(int(B(warp)[0]), columns, B_neighbours)
        if in_registers:
            left_registers = [warp.read(register).view(u32) for register in A]
        else:
            left_at = places_of(int(A(warp)[0]), 64, *A_neighbours)[warp.number % 4 * 16 :][:16]
        before, after = [warp.registers[register] for register in D], [Product() for _ in D]

        def elements(places):
            warp.block.races.read(warp.number, places, known)
            return value(warp.block.published.view(u16)[places // 2])

        def multiply():
            left = a_operand(left_registers, value) if in_registers else elements(left_at)
            product = left @ elements(right_at).T
            for r, sum_ in enumerate(after):
                sum_.value = product[g + r % 4 // 2 * 8, r // 4 * 8 + 2 * t + r % 2]
                if adds_now:
                    old = before[r].value if isinstance(before[r], Product) else before[r]
                    sum_.value = sum_.value + old.view(f32)

        warp.products.add(multiply)
        for register, sum_ in zip(D, after):
            warp.registers[register], warp.written[register] = sum_, 0

    return by_whole_warp(begin)
