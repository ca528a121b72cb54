"""A machine that executes PTX with random timing.

Warps of several thread blocks take turns in random order, for a random number of instructions. Copies and products
are executed as late as possible. A violation of the PTX ISA raises RuleBroken.
"""

import itertools
import random

import numpy as np
from ptx.memory import GLOBAL, PARAMETERS, SHARED, Memory
from ptx.races import Races
from ptx.parser import RuleBroken
from ptx.warp import LANES, Warp

SHARED_BYTES = 227 << 10  # the maximum of a thread block on Hopper


class MBarrier:
    """A phase ends when all threads and all expected bytes have arrived."""

    def __init__(self, threads, agent):
        self.threads = self.awaited = threads
        self.bytes = self.parity = 0
        self.agent = agent  # of TMA, for bytes that arrive here
        self.released = self.ended = 0  # by the arrivals of this phase, and by earlier ones

    def come(self, released, threads=0, announced=0, bytes_=0):
        self.released = np.maximum(self.released, released)
        self.bytes += announced - bytes_
        self.awaited -= threads
        if self.awaited < 0:
            raise RuleBroken("more threads arrive at an mbarrier than it was initialized for")
        if self.awaited == 0 and self.bytes == 0:
            self.awaited, self.parity, self.ended = self.threads, self.parity ^ 1, self.released


class Block:
    """A thread block with its shared memory: the view of its threads, and that of products and TMA."""

    def __init__(self, machine, program, index, threads):
        self.machine, self.index, self.threads = machine, index, threads
        self.shared = Memory(SHARED, SHARED_BYTES)
        self.shared.allocated[:] = True
        self.published = self.shared.bytes.copy()
        self.mbarriers = {}  # by address
        # By number: [expected threads, arrived threads, waiting warps, released clocks of those that arrived]
        self.barriers = {}
        self.copies = []  # of TMA, in flight: the mbarrier at which each will arrive, and its action
        self.awaited = set()  # mbarriers at which warps wait
        self.polls = 0  # number of successive unsuccessful polls
        self.warps = [Warp(self, number, program.registers) for number in range(threads // LANES)]
        self.races = Races(len(self.warps), SHARED_BYTES)

    def mbarrier(self, address):
        if int(address) not in self.mbarriers:
            raise RuleBroken(f"no mbarrier was initialized at {int(address):#x}")
        return self.mbarriers[int(address)]

    def arrive_at_barrier(self, warp, number, threads, waits):
        barrier = self.barriers.setdefault(number, [threads, 0, [], 0])
        barrier[1] += LANES
        barrier[3] = np.maximum(barrier[3], self.races.release(warp.number))
        if barrier[0] != threads or barrier[1] > threads:
            raise RuleBroken(f"barrier {number} is used for {barrier[0]} threads and for {threads}")
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
            raise RuleBroken("a thread block ends before its copies or products")
        if self.barriers:
            raise RuleBroken("a thread block ends while a barrier is incomplete")
        return True


class Machine:
    def __init__(self, seed, bytes_=1 << 24, at_once=2, most_steps=10_000_000):
        self.memory = Memory(GLOBAL, bytes_)
        self.chance = random.Random(seed)
        self.at_once, self.most_steps = at_once, most_steps
        self.tensor_maps = []
        self.bank_conflicts = 0  # lanes that had to wait because other lanes accessed another word of the same bank

    def launch(self, program, grid, threads, parameters):
        """Runs a kernel to its end; _parameters_ are the concatenated bytes of all parameters."""
        if len(parameters) != program.parameter_bytes:
            raise RuleBroken(f"parameters have {program.parameter_bytes} bytes, found {len(parameters)}")
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
        """Executes some instructions of one warp, or completes a copy if warps cannot continue without it."""
        ready = [warp for warp in block.warps if warp.splits and warp.barrier is None]
        poll_limit = 20 * len(block.warps)
        if block.polls > poll_limit:
            wanted = [copy for copy in block.copies if copy[0] in block.awaited]
            if wanted:
                copy = self.chance.choice(wanted)
                block.copies.remove(copy)
                copy[1]()
                block.polls = 0
            block.awaited.clear()
        if not ready or block.polls > 2 * poll_limit:
            raise RuleBroken("all warps are deadlocked")
        warp, steps = self.chance.choice(ready), self.chance.choice([1, 3, 10, 100])
        before = warp.clock
        try:
            warp.run(program.actions, steps)
        except RuleBroken as broken:
            behind = program.instructions[min(split.place for split in warp.splits)]
            raise RuleBroken(f"{broken}: block {block.index}, warp {warp.number}, {behind}") from None
        if warp.polls:
            block.polls += 1
        elif steps > 3:  # more than the instructions between two polls
            block.polls = 0
        return warp.clock - before
