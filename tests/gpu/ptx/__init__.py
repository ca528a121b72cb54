"""PTX, as nvcc writes it, executed instruction by instruction: what the inline assembly of gpu/ really says, as the PTX
ISA describes it (https://docs.nvidia.com/cuda/parallel-thread-execution/), read a second time."""

from ptx import arithmetic, asynchrony, tensor_cores, traffic  # noqa: F401  (they enter their instructions)
