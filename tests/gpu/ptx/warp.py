"""A warp: 32 lanes, their registers, and the instruction of each lane."""

import numpy as np
from ptx.parser import RuleBroken

LANES = 32
LANE = np.arange(LANES)


class Split:
    """Lanes that are at the same instruction."""

    def __init__(self, place, lanes):
        self.place, self.lanes = place, lanes
        self.whole = bool(lanes.all())
        self.waits = False  # for the other lanes at an instruction that needs all of them


class Product:
    """The future value of a register that a pending warpgroup product writes."""

    value = None


class Groups:
    """Asynchronous operations of a warp, in groups that are committed one after the other."""

    def __init__(self):
        self.open, self.committed = [], []

    def __bool__(self):
        return bool(self.open or self.committed)

    def add(self, work):
        self.open.append(work)

    def commit(self):
        self.committed.append(self.open)
        self.open = []

    def finish(self, all_but):
        while len(self.committed) > all_but:
            for work in self.committed.pop(0):
                work()


class Warp:
    def __init__(self, block, number, registers):
        self.block, self.number = block, number
        self.registers = [None] * registers
        self.splits = [Split(0, np.ones(LANES, bool))]
        self.barrier = None  # the barrier at which it waits
        self.polls = False  # an unsuccessful poll
        self.copies, self.products = Groups(), Groups()  # of cp.async and wgmma
        # Bytes of shared memory that a lane has written and that are not yet visible to products and TMA
        self.unpublished = [set() for _ in range(LANES)]
        self.clock = self.fence = 0  # instructions so far, and at the last wgmma.fence
        self.written = [0] * registers  # the clock at the last ordinary write to each register

    # ---- Registers --------------------------------------------------------------------

    def read(self, register):
        value = self.registers[register]
        if isinstance(value, Product):
            value = self.registers[register] = value.value
            if value is None:
                raise RuleBroken("a register is read while a pending product writes it")
        if value is None:
            raise RuleBroken("an uninitialized register is read")
        return value

    def write(self, register, value, split):
        if not split.whole:
            before = self.registers[register]
            before = np.zeros(LANES, value.dtype) if before is None else self.read(register)
            value = np.where(split.lanes, value, before)
        self.registers[register] = value
        self.written[register] = self.clock

    # ---- Lanes and divergence -----------------------------------------------------------

    def run(self, actions, steps):
        """Executes a number of instructions, or fewer if the warp has to wait. Lanes that are behind go first."""
        self.polls = False
        for _ in range(steps):
            if not self.splits or self.barrier is not None or self.polls:
                return
            ready = [split for split in self.splits if not split.waits]
            if not ready:
                raise RuleBroken(f"lanes of warp {self.number} are deadlocked")
            split = min(ready, key=lambda split: split.place) if len(ready) > 1 else ready[0]
            self.clock += 1
            actions[split.place](self, split)

    def go(self, split, place):
        """Moves the lanes of a split to an instruction, and merges them with lanes already there."""
        split.place = place
        for other in self.splits if len(self.splits) > 1 else ():
            if other is not split and other.place == place:
                self.splits.remove(split)
                other.lanes = other.lanes | split.lanes
                other.whole, other.waits = bool(other.lanes.all()), False
                return

    def branch(self, split, taken, place):
        """Moves the lanes _taken_ of a split to an instruction, and the others to the next one."""
        if (taken == split.lanes).all():
            return self.go(split, place)
        if taken.any():
            other = Split(place, taken)
            split.lanes, split.whole = split.lanes & ~taken, False
            self.splits.append(other)
            self.go(other, place)
        self.go(split, split.place + 1)

    def all_here(self, split, members=0xFFFFFFFF):
        """Whether all lanes of a mask have reached this instruction; otherwise the split waits."""
        split.waits = not (split.whole or (split.lanes | ~(members >> LANE & 1).astype(bool)).all())
        return not split.waits
