"""A decoded kernel: for each instruction, a function of the warp that executes it."""

import re

import numpy as np
from ptx.memory import PARAMETERS, SHARED
from ptx.warp import LANE, LANES

TYPES = {
    **{f"b{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"u{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"s{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    "f32": np.dtype("f4"),
    "pred": np.dtype(bool),
}
# Bits of a register, by the prefix of its name
REGISTERS = {"%p": TYPES["pred"], "%rs": TYPES["b16"], "%r": TYPES["b32"], "%rd": TYPES["b64"], "%f": TYPES["f32"]}

INSTRUCTIONS = {}  # prefix of an opcode, to its decoder


def instruction(*opcodes):
    """Registers a decoder: it takes a Program and an Instruction and returns a function of warp and split
    that returns false if the split has to wait."""

    def enter(decode):
        INSTRUCTIONS.update(dict.fromkeys(opcodes, decode))
        return decode

    return enter


def type_of(instruction):
    return TYPES[instruction.opcode.rsplit(".", 1)[1]]


def vector(operand):
    return [part.strip() for part in operand.strip("{}").split(",")]


class Program:
    def __init__(self, kernel):
        self.instructions, self.labels = kernel.instructions, kernel.labels
        self._numbers = {}  # register numbers
        self._symbols, self.parameter_bytes, shared = {}, 0, SHARED
        for name, size in kernel.parameters:
            self._symbols[name] = PARAMETERS + self.parameter_bytes
            self.parameter_bytes += size
        for name, size in kernel.shared:
            self._symbols[name] = shared
            shared += (size + 15) // 16 * 16
        self.actions = [self._action(place, instruction) for place, instruction in enumerate(self.instructions)]
        self.registers = len(self._numbers)

    def _action(self, place, instruction):
        parts = instruction.opcode.split(".")
        names = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        decode = next((INSTRUCTIONS[name] for name in names if name in INSTRUCTIONS), None)
        if decode is None or (instruction.guard and parts[0] != "bra"):
            raise NotImplementedError(str(instruction))
        do = decode(self, instruction)
        if parts[0] in ("bra", "ret"):
            return do

        def action(warp, split):
            if do(warp, split) is not False:
                warp.go(split, place + 1)

        return action

    # ---- Operands ---------------------------------------------------------------------

    def register(self, name):
        return self._numbers.setdefault(name, len(self._numbers))

    def is_register(self, operand):
        return re.fullmatch(r"%[a-z]+\d+|\w+\$\d+", operand) is not None

    def read(self, operand, dtype):
        """Returns a function of the warp: 32 values of a type."""
        if self.is_register(operand):
            register = self.register(operand)
            return lambda warp: warp.read(register).view(dtype)
        if special := re.fullmatch(r"%(\w+)\.([xyz])", operand):
            axis = "xyz".index(special[2])
            return {
                "tid": lambda warp: ((LANES * warp.number + LANE) * (axis == 0)).astype(dtype),
                "ctaid": lambda warp: np.full(LANES, warp.block.index[axis], dtype),
                "nctaid": lambda warp: np.full(LANES, warp.block.machine.grid[axis], dtype),
            }[special[1]]
        constant = np.full(LANES, self._constant(operand, dtype))
        return lambda warp: constant

    def write(self, operand):
        """Returns a function of warp, split and 32 values."""
        if operand == "_":
            return lambda warp, split, value: None
        register = self.register(operand)
        dtype = REGISTERS.get(operand.rstrip("0123456789"), TYPES["pred"])

        def write(warp, split, value):
            if value.itemsize < dtype.itemsize:  # ld.u8 and setp write to a wider register
                value = value.astype(dtype)
            warp.write(register, value.view(dtype), split)

        return write

    def address(self, operand):
        """Returns a function of the warp: the 32 addresses of [base + offset]."""
        base, _, offset = operand.strip("[]").partition("+")
        offset = int(offset or 0)
        if not self.is_register(base):
            constant = np.full(LANES, int(self._constant(base, TYPES["b64"])) + offset)
            return lambda warp: constant
        register = self.register(base)
        return lambda warp: warp.read(register).astype(np.int64) + offset

    def _constant(self, operand, dtype):
        if operand.startswith("0f"):
            return np.uint32(int(operand[2:], 16)).view(dtype)
        if operand in self._symbols:
            return dtype.type(self._symbols[operand])
        if "shared_bytes" in operand:  # start of the dynamic shared memory
            return dtype.type(SHARED)
        value = int(operand.rstrip("U"), 0)
        return np.array([value % (1 << 8 * dtype.itemsize)], f"u{dtype.itemsize}").view(dtype)[0]
