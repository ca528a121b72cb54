"""Pictures of a ring with matplotlib, in the colours of ringviz: a block has the colour of its owner everywhere.

    ring = ringattn.ring_attention(q, k, v, devices=4, causal=True, trace=True)
    ringattn.plot.schedule(ringattn.schedule(4))     # which device holds which block at which step
    ringattn.plot.work(ring.live_pairs())            # visible pairs for each device and step
    ringattn.plot.timeline(ring)                     # arithmetic, messages and waits, on the virtual clock

Each function draws on _ax_, or on a new figure, and returns the axes. Colours are never the only sign: cells have
numbers, waits are hatched. use_style() gives all pictures, also your own, the same fonts and frames.
"""

from ringattn.plot._grids import mask, schedule, strips, visits, weights, work
from ringattn.plot._style import colour_of, use_style
from ringattn.plot._timeline import timeline

__all__ = ["colour_of", "mask", "schedule", "strips", "timeline", "use_style", "visits", "weights", "work"]
