"""PTX, as nvcc writes it, executed instruction by instruction: what the inline assembly of gpu/ really says, as the PTX
ISA describes it (https://docs.nvidia.com/cuda/parallel-thread-execution/), read a second time.

parser.py reads kernels and program.py decodes them; machine.py has blocks of threads whose warps (warp.py) go on by turns,
memory.py and races.py watch what they touch; what instructions do stands in arithmetic.py, memory_instructions.py, async_instructions.py and
tensor_cores.py. Instructions that no kernel of gpu/ has are not there.
"""

from ptx import arithmetic, async_instructions, memory_instructions, tensor_cores  # noqa: F401  (they register)
