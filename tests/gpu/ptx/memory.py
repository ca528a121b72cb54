"""Memory that checks each access against its allocations."""

import numpy as np
from ptx.parser import RuleBroken

# The generic address at which each state space begins
SHARED, GLOBAL, PARAMETERS = 0, 1 << 32, 1 << 44


class Memory:
    """Bytes from a base address on, initialized to NaN. Access outside an allocation is an error."""

    def __init__(self, base, size):
        self.base, self.top = base, 0
        self.bytes = np.full((size + 7) // 8 * 8, 0xFF, np.uint8)
        self.allocated = np.zeros(len(self.bytes), bool)

    def allocate(self, array):
        """Copies an array to memory; returns its address, a multiple of 256."""
        at = self.top
        self.top += (array.nbytes + 511) // 256 * 256  # followed by a gap
        self.bytes[at : at + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self.allocated[at : at + array.nbytes] = True
        return self.base + at

    def array_at(self, address, like):
        at = address - self.base
        return self.bytes[at : at + like.nbytes].view(like.dtype).reshape(like.shape).copy()

    def load(self, addresses, dtype):
        size = np.dtype(dtype).itemsize
        return self.bytes.view(dtype)[self._places(addresses, size)]

    def store(self, addresses, values):
        self.bytes.view(values.dtype)[self._places(addresses, values.itemsize)] = values

    def _places(self, addresses, size):
        at = addresses - self.base
        if not (at.min(initial=0) >= 0 and at.max(initial=0) + size <= len(self.bytes)):
            raise RuleBroken(f"memory from {self.base:#x} on has no {[hex(a) for a in addresses]}")
        if (at % size).any() or not self.allocated[at].all():
            raise RuleBroken(f"not a multiple of {size}, or not allocated: {[hex(a) for a in addresses]}")
        return at // size
