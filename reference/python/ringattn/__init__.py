"""Exact ring attention, and a checker that names the mistakes of other implementations.

    out, lse = ringattn.attention(q, k, v, causal=True, return_lse=True)      # the definition, in float64
    ring = ringattn.ring_attention(q, k, v, devices=4, layout="zigzag", causal=True)
    report = ringattn.check(q, k, v, out=mine, causal=True)                   # is it right? if not, which mistake?
    print(report)
    print(ringattn.examine(mine, causal=True))                                # how does a function differ from attention?

Tensors are (batch, sequence, heads, head_dim); axes= selects other orders. The functions accept every array that
implements DLPack, the array interface or the buffer protocol (numpy, torch, jax) in float64, float32, float16 or
bfloat16, and return numpy arrays.
"""

from ringattn import adapters, torch
from ringattn._attention import attention, attention_vjp, merge
from ringattn._case import Case, Probe, Vector
from ringattn._catalogue import make_mistake, mistakes, probe, probe_kinds, variants, vectors
from ringattn._check import Laws, assert_attention, check, laws
from ringattn._circular_memory import MemoryResult, circular_attention
from ringattn._engine import Law, Mistake, ProbeKind, __version__
from ringattn._examine import Examination, Finding, examine
from ringattn._gather import gather
from ringattn._plan import Plan, plan, plan_presets
from ringattn._report import Report
from ringattn._ring import Device, RingResult, ring_attention
from ringattn._sharding import Sharding, schedule, sharding
from ringattn._show import Page, show
from ringattn._trace import RowHistory, States
from ringattn._worlds import Worlds

__all__ = [
    "attention",
    "attention_vjp",
    "ring_attention",
    "merge",
    "check",
    "assert_attention",
    "examine",
    "laws",
    "probe",
    "probe_kinds",
    "mistakes",
    "make_mistake",
    "variants",
    "schedule",
    "circular_attention",
    "plan",
    "plan_presets",
    "sharding",
    "show",
    "gather",
    "vectors",
    "adapters",
    "Case",
    "Device",
    "Examination",
    "Finding",
    "Law",
    "Laws",
    "MemoryResult",
    "Mistake",
    "Page",
    "Plan",
    "Probe",
    "ProbeKind",
    "Report",
    "RingResult",
    "RowHistory",
    "Sharding",
    "States",
    "Vector",
    "Worlds",
    "__version__",
]
