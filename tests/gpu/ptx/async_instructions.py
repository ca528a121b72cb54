"""Asynchronous instructions, and instructions that wait for them and for other threads."""

import re

import numpy as np
from ptx.machine import MBarrier
from ptx.memory import PARAMETERS
from ptx.program import TYPES, instruction
from ptx.parser import RuleBroken
from ptx.memory_instructions import aligned
from ptx.warp import LANE, LANES

u32, u64, s32 = TYPES["u32"], TYPES["u64"], TYPES["s32"]


def by_whole_warp(do):
    """An instruction that all lanes execute together."""
    return lambda warp, split: do(warp) if warp.all_here(split) else False


# ---- Barriers ----------------------------------------------------------------------------


@instruction("bar.sync", "barrier.cta.sync", "barrier.cta.arrive")
def _(program, instruction):
    waits = instruction.opcode.endswith("sync")
    number, *count = [program.read(operand, u32) for operand in instruction.operands]

    def come(warp):
        threads = count[0](warp)[0] if count else warp.block.threads
        warp.block.arrive_at_barrier(warp, int(number(warp)[0]), int(threads), waits)

    return by_whole_warp(come)


# A warp has unlimited registers here: ptxas checks their number
@instruction("setmaxnreg")
def _(program, instruction):
    return by_whole_warp(lambda warp: None)


# ---- mbarrier ----------------------------------------------------------------------------------


@instruction("mbarrier.init")
def _(program, instruction):
    address, threads = program.address(instruction.operands[0]), program.read(instruction.operands[1], u32)

    def make(warp, split):
        for at, count in zip(aligned(address(warp), 8)[split.lanes], threads(warp)[split.lanes]):
            warp.block.mbarriers[int(at)] = MBarrier(int(count), warp.block.races.new_agent())

    return make


@instruction("mbarrier.arrive")
def _(program, instruction):
    address = program.address(instruction.operands[1])
    announced = program.read((instruction.operands + ["0"])[2], u32)

    def arrive(warp, split):
        released = warp.block.races.release(warp.number)
        for lane in LANE[split.lanes]:
            barrier = warp.block.mbarrier(address(warp)[lane])
            barrier.come(released, threads=1, announced=int(announced(warp)[lane]))

    return arrive


@instruction("mbarrier.try_wait.parity")
def _(program, instruction):
    write, address = program.write(instruction.operands[0]), program.address(instruction.operands[1])
    parity = program.read(instruction.operands[2], u32)

    def try_wait(warp, split):
        ended = np.zeros(LANES, bool)
        for lane in LANE[split.lanes]:
            barrier = warp.block.mbarrier(address(warp)[lane])
            ended[lane] = barrier.parity != parity(warp)[lane]
            if ended[lane]:
                warp.block.races.acquire(warp.number, barrier.ended)
            else:
                warp.block.awaited.add(barrier)
        warp.polls = not ended[split.lanes].all()
        write(warp, split, ended)

    return try_wait


# ---- Fences ----------------------------------------------------------------------------------------


@instruction("fence.mbarrier_init")
def _(program, instruction):
    return lambda warp, split: None


@instruction("fence.proxy.async")
def _(program, instruction):
    def publish(warp, split):
        for lane in LANE[split.lanes]:
            places = np.fromiter(warp.unpublished[lane], int)
            warp.block.published[places] = warp.block.shared.bytes[places]
            warp.unpublished[lane].clear()

    return publish


# ---- Copies of 16 bytes: cp.async -------------------------------------------------------------------


@instruction("cp.async.cg")
def _(program, instruction):
    to, of = program.address(instruction.operands[0]), program.address(instruction.operands[1])
    size = program.read(instruction.operands[3], u32)
    words = 4 * np.arange(4)

    def begin(warp, split):
        places = [aligned(address(warp), 16)[split.lanes] for address in (to, of)]
        known = warp.block.races.known[warp.number].copy()
        for shared, place, count in zip(*places, size(warp)[split.lanes]):

            def copy(shared=shared, place=place, count=count):
                words_there = warp.block.machine.memory.load(place + words, u32) if count else np.zeros(4, u32)
                warp.block.races.write(warp.number, shared + words, known)
                warp.block.shared.store(shared + words, words_there)

            warp.copies.add(copy)

    return begin


@instruction("cp.async.commit_group")
def _(program, instruction):
    return by_whole_warp(lambda warp: warp.copies.commit())


@instruction("cp.async.wait_group")
def _(program, instruction):
    return by_whole_warp(lambda warp: warp.copies.finish(int(instruction.operands[0])))


# ---- TMA: cp.async.bulk.tensor ---------------------------------------------------------------------------


class TensorMap:
    """A tensor map as the driver encodes it: boxes of 64 columns of 16 bits, of matrices (heads, rows, columns)."""

    MARK = 0x7E4504

    def __init__(self, machine, matrices, heads, rows, columns, box_rows):
        self.matrices, self.extents, self.box_rows = matrices, (heads, rows, columns), box_rows
        self.number = len(machine.tensor_maps)
        machine.tensor_maps.append(self)

    def parameter(self):
        return np.array([self.MARK, self.number] + 14 * [0], u64).tobytes()

    @staticmethod
    def at(machine, address):
        mark, number = machine.parameters.load(address + 8 * np.arange(2), u64)
        if mark != TensorMap.MARK or (address - PARAMETERS) % 64:
            raise RuleBroken(f"no tensor map lies at {address:#x}")
        return machine.tensor_maps[int(number)]

    def box(self, memory, column, row, head):
        """(box_rows, 64), with zeros beyond the end of the matrix."""
        heads, rows, columns = self.extents
        box = np.zeros((self.box_rows, 64), np.uint16)
        r, c = np.arange(row, min(row + self.box_rows, rows)), np.arange(column, min(column + 64, columns))
        if 0 <= head < heads and len(r) and len(c):
            places = self.matrices + 2 * ((head * rows + r)[:, None] * columns + c)
            box[: len(r), : len(c)] = memory.load(places.ravel(), np.dtype(np.uint16)).reshape(places.shape)
        return box


def swizzled(addresses):
    """128-byte swizzle: bits 4 to 6 are replaced by their exclusive or with bits 7 to 9."""
    return addresses ^ (addresses >> 7 & 7) << 4


@instruction("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes")
def _(program, instruction):
    to, source, arrived = instruction.operands
    tensor_map, *place = re.match(r"\[(\S+), \{(\S+), (\S+), (\S+)\}\]", source).groups()
    to, tensor_map, arrived = program.address(to), program.address(tensor_map), program.address(arrived)
    place = [program.read(axis, s32) for axis in place]

    def send_for(warp, split):
        for lane in LANE[split.lanes]:
            block, at = warp.block, aligned(to(warp), 1024)[lane]
            box_map = TensorMap.at(block.machine, tensor_map(warp)[lane])
            corner = [int(axis(warp)[lane]) for axis in place]
            barrier, known = block.mbarrier(arrived(warp)[lane]), block.races.release(warp.number)

            def copy(block=block, at=at, box_map=box_map, corner=corner, barrier=barrier, known=known):
                box = box_map.box(block.machine.memory, *corner)
                places = swizzled(at + 2 * np.arange(box.size))
                block.races.write(barrier.agent, places, known)
                for view in (block.shared.bytes, block.published):
                    view.view(np.uint16)[places // 2] = box.ravel()
                barrier.come(np.maximum(known, block.races.release(barrier.agent)), bytes_=box.nbytes)

            block.copies.append((barrier, copy))

    return send_for
