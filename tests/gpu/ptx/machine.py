"""A machine that executes PTX, with as many accidents of timing as there may be.

Warps of several blocks of threads run by turns, in random order, for a random number of instructions. Copies come and
products are done as late as they may. What breaks a rule of the PTX ISA raises RuleBroken.
"""

import itertools
import random

import numpy as np
from ptx.memory import GLOBAL, PARAMETERS, SHARED, Memory
from ptx.races import Races
from ptx.parser import RuleBroken
from ptx.warp import LANES, Warp

SHARED_BYTES = 227 << 10  # as many as a block of threads may have on Hopper


class MBarrier:
    """A phase ends when all threads have arrived, and all bytes that were announced."""

    def __init__(self, threads, agent):
        self.threads = self.awaited = threads
        self.bytes = self.parity = 0
        self.agent = agent  # of the copy engine, where bytes come here
        self.released = self.ended = 0  # by those who have come in this phase, and before

    def come(self, released, threads=0, announced=0, bytes_=0):
        self.released = np.maximum(self.released, released)
        self.bytes += announced - bytes_
        self.awaited -= threads
        if self.awaited < 0:
            raise RuleBroken("more threads arrive at an mbarrier than it was made for")
        if self.awaited == 0 and self.bytes == 0:
            self.awaited, self.parity, self.ended = self.threads, self.parity ^ 1, self.released


class Block:
    """A block of threads with its shared memory, as threads see it and as products and the copy engine do."""

    def __init__(self, machine, program, index, threads):
        self.machine, self.index, self.threads = machine, index, threads
        self.shared = Memory(SHARED, SHARED_BYTES)
        self.shared.allocated[:] = True
        self.published = self.shared.bytes.copy()
        self.mbarriers = {}  # by address
        self.barriers = {}  # by number: [threads awaited, threads come, warps that wait, what those who came released]
        self.copies = []  # of the copy engine, on their way: the mbarrier where each will arrive, and what it does
        self.awaited = set()  # mbarriers at which warps wait
        self.polls = 0  # how often in succession they asked in vain
        self.warps = [Warp(self, number, program.registers) for number in range(threads // LANES)]
        self.races = Races(len(self.warps), SHARED_BYTES)

    def mbarrier(self, address):
        if int(address) not in self.mbarriers:
            raise RuleBroken(f"no mbarrier was made at {int(address):#x}")
        return self.mbarriers[int(address)]

    def arrive_at_barrier(self, warp, number, threads, waits):
        barrier = self.barriers.setdefault(number, [threads, 0, [], 0])
        barrier[1] += LANES
        barrier[3] = np.maximum(barrier[3], self.races.release(warp.number))
        if barrier[0] != threads or barrier[1] > threads:
            raise RuleBroken(f"barrier {number} is meant for {barrier[0]} threads, and for {threads}")
        if waits:
            warp.barrier = number
            barrier[2].append(warp)
        if barrier[1] == threads:
            del self.barriers[number]
            for other in barrier[2]:
                other.barrier = None
                self.races.acquire(other.number, barrier[3])

    def ended(self):
        if any(warp.splits for warp in self.warps):
            return False
        if self.copies or any(warp.copies or warp.products for warp in self.warps):
            raise RuleBroken("a block of threads ends before its copies, or its products")
        if self.barriers:
            raise RuleBroken("a block of threads leaves a barrier half full")
        return True


class Machine:
    def __init__(self, seed, bytes_=1 << 24, at_once=2, most_steps=10_000_000):
        self.memory = Memory(GLOBAL, bytes_)
        self.chance = random.Random(seed)
        self.at_once, self.most_steps = at_once, most_steps
        self.tensor_maps = []
        self.bank_conflicts = 0  # how often lanes had to wait, because others wanted another word of the same bank

    def launch(self, program, grid, threads, parameters):
        """Runs a kernel to its end; _parameters_ are the bytes of all of them, one behind the other."""
        if len(parameters) != program.parameter_bytes:
            raise RuleBroken(f"parameters have {program.parameter_bytes} bytes, and not {len(parameters)}")
        self.parameters = Memory(PARAMETERS, program.parameter_bytes + 256)
        self.parameters.allocate(np.frombuffer(parameters, np.uint8))
        self.grid = grid
        waiting = list(itertools.product(*map(range, grid)))
        self.chance.shuffle(waiting)
        blocks = []
        steps = 0
        while waiting or blocks:
            while waiting and len(blocks) < self.at_once:
                blocks.append(Block(self, program, waiting.pop(), threads))
            block = self.chance.choice(blocks)
            if block.ended():
                blocks.remove(block)
                continue
            steps += self._go_on(block, program)
            if steps > self.most_steps:
                raise RuleBroken(f"no end after {steps} instructions")

    def _go_on(self, block, program):
        """Lets some warp go on, or brings a copy where warps cannot go on without it."""
        ready = [warp for warp in block.warps if warp.splits and warp.barrier is None]
        patience = 20 * len(block.warps)
        if block.polls > patience:
            wanted = [copy for copy in block.copies if copy[0] in block.awaited]
            if wanted:
                copy = self.chance.choice(wanted)
                block.copies.remove(copy)
                copy[1]()
                block.polls = 0
            block.awaited.clear()
        if not ready or block.polls > 2 * patience:
            raise RuleBroken("all warps wait for what never comes")
        warp, steps = self.chance.choice(ready), self.chance.choice([1, 3, 10, 100])
        before = warp.clock
        try:
            warp.run(program.actions, steps)
        except RuleBroken as broken:
            behind = program.instructions[min(split.place for split in warp.splits)]
            raise RuleBroken(f"{broken}: block {block.index}, warp {warp.number}, {behind}") from None
        if warp.polls:
            block.polls += 1
        elif steps > 3:  # more than the instructions between two questions
            block.polls = 0
        return warp.clock - before
