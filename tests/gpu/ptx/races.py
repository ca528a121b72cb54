"""Detects races in shared memory: two accesses to a word, one of them a write, must be ordered by a barrier.

Warps, and TMA for each mbarrier, have vector clocks (Mattern 1988): a barrier passes the clocks that agents released on
arrival to the agents that wait there. The lanes of one warp count as one agent.
"""

import numpy as np
from ptx.parser import RuleBroken

MOST_MBARRIERS = 16


class Races:
    def __init__(self, warps, bytes_):
        agents = warps + MOST_MBARRIERS
        self.agents, self.most_agents = warps, agents
        # (agent, other): the latest time of the other agent with which the agent has synchronized
        self.known = np.eye(agents, dtype=np.int32)
        self.reading = np.zeros((bytes_ // 4, agents), np.int32)  # the time at which each agent last read a word
        self.writer, self.written = np.zeros((2, bytes_ // 4), np.int32)  # the last writer of each word, and when

    def new_agent(self):
        if self.agents == self.most_agents:
            raise NotImplementedError(f"more than {MOST_MBARRIERS} mbarriers")
        self.agents += 1
        return self.agents - 1

    # ---- Synchronization -------------------------------------------------------------

    def release(self, agent):
        """The agent's vector clock; its later accesses get a later time."""
        released = self.known[agent].copy()
        self.known[agent, agent] += 1
        return released

    def acquire(self, agent, released):
        np.maximum(self.known[agent], released, out=self.known[agent])

    # ---- Access ------------------------------------------------------------------------

    def read(self, agent, addresses, known=None):
        """_known_: the agent's clock when the access began, if that is not the current one."""
        words = self._settled(addresses, self.known[agent] if known is None else known)
        self.reading[words, agent] = self.known[agent, agent]

    def write(self, agent, addresses, known=None):
        known = self.known[agent] if known is None else known
        words = self._settled(addresses, known)
        if (self.reading[words] > known).any():
            raise RuleBroken("shared memory is written while another agent may still read it")
        self.writer[words], self.written[words] = agent, self.known[agent, agent]

    def _settled(self, addresses, known):
        words = np.unique(addresses // 4)
        if (self.written[words] > known[self.writer[words]]).any():
            raise RuleBroken("shared memory is accessed while another agent may still write it")
        return words
