"""Parses PTX text: the kernels of a module, and the instructions of each."""

import re
from dataclasses import dataclass, field


class RuleBroken(Exception):
    """A kernel violated a rule of the PTX ISA, or cannot terminate."""


@dataclass
class Instruction:
    opcode: str
    operands: list
    guard: tuple | None  # (a predicate, its required value)

    def __str__(self):
        return f"{self.opcode} {', '.join(self.operands)}"[:160]


@dataclass
class Kernel:
    name: str
    parameters: list  # (name, size in bytes)
    shared: list = field(default_factory=list)  # (name, size in bytes) of static allocations
    instructions: list = field(default_factory=list)
    labels: dict = field(default_factory=dict)  # label to instruction number


def kernels_of(text):
    """The kernels of a module by their mangled names."""
    text = re.sub(r"//.*", "", text)
    kernels = {}
    for entry in re.finditer(r"\.entry\s+(\w+)\s*\((.*?)\)[^{]*\{", text, re.S):
        parameters = re.findall(r"\.param\s+(?:\.align\s+\d+\s+)?\.\w\d+\s+(\w+)\[(\d+)\]", entry[2])
        kernel = Kernel(entry[1], [(name, int(size)) for name, size in parameters])
        _read_statements(kernel, text[entry.end() : _closing(text, entry.end())])
        kernels[kernel.name] = kernel
    return kernels


def _closing(text, at):
    """The position of the brace that closes the one before _at_."""
    depth = 1
    for brace in re.compile("[{}]").finditer(text, at):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.start()
    raise ValueError("a brace is never closed")


def _read_statements(kernel, body):
    scopes = [{}]  # names local to a brace, as in inline assembly

    def resolved(text):
        def whole(name):
            return next((scope[name[0]] for scope in reversed(scopes) if name[0] in scope), name[0])

        return re.sub(r"(?<![%\w.$])[A-Za-z_]\w*", whole, text)

    at, opened = 0, 0
    statement = re.compile(r"\s*(?:(?P<open>\{)|(?P<close>\})|(?P<label>[$\w]+):|(?P<text>[^;]+);)")
    while found := statement.match(body, at):
        at = found.end()
        if found["open"]:
            opened += 1
            inside = body[at : _closing(body, at)]
            names = re.findall(r"\.reg\s+\.\w+\s+([A-Za-z]\w*)\s*;|^\s*([A-Za-z]\w*):", inside, re.M)
            scopes.append({name: f"{name}${opened}" for pair in names for name in pair if name})
        elif found["close"]:
            scopes.pop()
        elif found["label"]:
            kernel.labels[resolved(found["label"])] = len(kernel.instructions)
        else:
            _read_statement(kernel, resolved(" ".join(found["text"].split())))


def _read_statement(kernel, text):
    if shared := re.match(r"\.shared .* (\w+)\[(\d+)\]", text):
        kernel.shared.append((shared[1], int(shared[2])))
    if text.startswith("."):
        return
    guard, opcode, operands = re.match(r"(?:@(!?\S+) )?(\S+)\s*(.*)", text).groups()
    kernel.instructions.append(
        Instruction(opcode, _split(operands), guard and (guard.lstrip("!"), not guard.startswith("!")))
    )


def _split(operands):
    """Splits at commas outside brackets."""
    parts = re.findall(r"(?:\{[^}]*\}|\[[^\]]*\]|[^,{\[])+", operands)
    return [part.strip() for part in parts if part.strip()]
