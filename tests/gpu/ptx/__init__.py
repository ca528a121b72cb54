"""Executes PTX, as nvcc writes it, instruction by instruction: a second implementation of the inline assembly of gpu/,
according to the PTX ISA (https://docs.nvidia.com/cuda/parallel-thread-execution/).

parser.py reads kernels and program.py decodes them; machine.py runs thread blocks whose warps (warp.py) take turns;
memory.py and races.py check their memory accesses; the instructions are defined in arithmetic.py,
memory_instructions.py, async_instructions.py and tensor_cores.py. Only the instructions that kernels
of gpu/ use are implemented.
"""

from ptx import arithmetic, async_instructions, memory_instructions, tensor_cores  # noqa: F401  (register decoders)
