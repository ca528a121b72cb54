"""A warp: 32 lanes, their registers, and where each of them is."""

import numpy as np
from ptx.parser import RuleBroken

LANES = 32
LANE = np.arange(LANES)


class Split:
    """Lanes that are at the same instruction."""

    def __init__(self, place, lanes):
        self.place, self.lanes = place, lanes
        self.whole = bool(lanes.all())
        self.waits = False  # for the other lanes of an instruction that takes all


class Product:
    """What a register will hold when a product of a warpgroup is done."""

    value = None


class Groups:
    """What goes on while a warp does other things, in groups that it commits one after the other."""

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
        self.barrier = None  # at which it waits
        self.polls = False  # what it asked for is not there yet
        self.copies, self.products = Groups(), Groups()  # of cp.async and wgmma
        # Bytes of shared memory that a lane has written, and that products and the copy engine do not find yet
        self.unpublished = [set() for _ in range(LANES)]
        self.clock = self.fence = 0  # instructions so far, and at the last wgmma.fence
        self.written = [0] * registers  # the clock when an ordinary instruction wrote them

    # ---- Registers --------------------------------------------------------------------

    def read(self, register):
        value = self.registers[register]
        if isinstance(value, Product):
            value = self.registers[register] = value.value
            if value is None:
                raise RuleBroken("a register is read while a product is to write it")
        if value is None:
            raise RuleBroken("a register is read that nobody has written")
        return value

    def write(self, register, value, split):
        if not split.whole:
            before = self.registers[register]
            before = np.zeros(LANES, value.dtype) if before is None else self.read(register)
            value = np.where(split.lanes, value, before)
        self.registers[register] = value
        self.written[register] = self.clock

    # ---- Where its lanes are ------------------------------------------------------------

    def run(self, actions, steps):
        """So many instructions, or fewer if it has to wait. Lanes that are behind go first."""
        self.polls = False
        for _ in range(steps):
            if not self.splits or self.barrier is not None or self.polls:
                return
            ready = [split for split in self.splits if not split.waits]
            if not ready:
                raise RuleBroken(f"lanes of warp {self.number} wait for one another")
            split = min(ready, key=lambda split: split.place) if len(ready) > 1 else ready[0]
            self.clock += 1
            actions[split.place](self, split)

    def go(self, split, place):
        """The lanes of a split go on at an instruction, together with those that are there already."""
        split.place = place
        for other in self.splits if len(self.splits) > 1 else ():
            if other is not split and other.place == place:
                self.splits.remove(split)
                other.lanes = other.lanes | split.lanes
                other.whole, other.waits = bool(other.lanes.all()), False
                return

    def branch(self, split, taken, place):
        """Of a split, the lanes _taken_ go on at an instruction, the others at the next."""
        if (taken == split.lanes).all():
            return self.go(split, place)
        if taken.any():
            other = Split(place, taken)
            split.lanes, split.whole = split.lanes & ~taken, False
            self.splits.append(other)
            self.go(other, place)
        self.go(split, split.place + 1)

    def all_here(self, split, members=0xFFFFFFFF):
        """Whether all lanes of a mask have come to this instruction; else those of the split wait."""
        split.waits = not (split.whole or (split.lanes | ~(members >> LANE & 1).astype(bool)).all())
        return not split.waits
