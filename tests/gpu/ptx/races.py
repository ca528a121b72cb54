"""Races in shared memory: who touches what another writes must have waited for the other, or the other for him.

Warps, and the copy engine for each mbarrier, have vector clocks (Mattern 1988): what one has released when it comes to a
barrier, the others know when they have waited there. Lanes of one warp count as one.
"""

import numpy as np
from ptx.parser import RuleBroken

MOST_MBARRIERS = 16


class Races:
    def __init__(self, warps, bytes_):
        agents = warps + MOST_MBARRIERS
        self.agents, self.most_agents = warps, agents
        self.known = np.eye(agents, dtype=np.int32)  # (agent, of whom): up to which of his times
        self.reading = np.zeros((bytes_ // 4, agents), np.int32)  # when each agent last read a word
        self.writer, self.written = np.zeros((2, bytes_ // 4), np.int32)  # who wrote it last, and when

    def new_agent(self):
        if self.agents == self.most_agents:
            raise NotImplementedError(f"more than {MOST_MBARRIERS} mbarriers")
        self.agents += 1
        return self.agents - 1

    # ---- Waiting for one another ----------------------------------------------------

    def release(self, agent):
        """What the agent has done and knows; what it does from now on is later."""
        released = self.known[agent].copy()
        self.known[agent, agent] += 1
        return released

    def acquire(self, agent, released):
        np.maximum(self.known[agent], released, out=self.known[agent])

    # ---- Access ------------------------------------------------------------------------

    def read(self, agent, addresses, known=None):
        """_known_: what the agent knew when it began, where that is not now."""
        words = self._settled(addresses, self.known[agent] if known is None else known)
        self.reading[words, agent] = self.known[agent, agent]

    def write(self, agent, addresses, known=None):
        known = self.known[agent] if known is None else known
        words = self._settled(addresses, known)
        if (self.reading[words] > known).any():
            raise RuleBroken("shared memory is written while another may still read it")
        self.writer[words], self.written[words] = agent, self.known[agent, agent]

    def _settled(self, addresses, known):
        words = np.unique(addresses // 4)
        if (self.written[words] > known[self.writer[words]]).any():
            raise RuleBroken("shared memory is used that another may just be writing")
        return words
