"""Problems for the kernels of gpu/, launched as gpu/ launches them, on a machine that executes their PTX."""

import copy
import re
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import ringattn
from ptx.async_instructions import TensorMap
from ptx.parameters import UNLIMITED, AttentionStep, BackwardStep, DeviceBackward, DeviceStep, with_maps

# Number in gpu/primitives/attention_step.h, type, mangled name
ELEMENTS = {"bf16": (1, ml_dtypes.bfloat16, "13__nv_bfloat16"), "f16": (2, np.float16, "6__half")}


def kernel_name(name, element, d):
    """A pattern for the mangled name, without the enclosing namespaces."""
    return re.compile(rf"\d{name}I{ELEMENTS[element][2]}Li{d}E")


@dataclass
class Problem:
    """The data of one device at one step: queries, keys and values, and their positions."""

    element: str = "bf16"
    H: int = 1
    Hkv: int = 1
    d: int = 64
    q_rows: int = 100
    kv_rows: int = 100
    left: int = UNLIMITED
    right: int = UNLIMITED
    seed: int = 0
    tensors: dict = field(init=False)
    positions: dict = field(init=False)

    def __post_init__(self):
        numbers = np.random.default_rng(self.seed)
        places = 2 * max(self.q_rows, self.kv_rows)

        def normal(heads, rows):
            return numbers.standard_normal((1, heads, rows, self.d)).astype(ELEMENTS[self.element][1])

        def some_places(rows):
            return np.sort(numbers.choice(places, rows, replace=False))

        self.dout = normal(self.H, self.q_rows)
        self.tensors = {"q": normal(self.H, self.q_rows)} | {name: normal(self.Hkv, self.kv_rows) for name in "kv"}
        self.positions = {"q_positions": some_places(self.q_rows), "kv_positions": some_places(self.kv_rows)}

    def with_keys(self, begin, end):
        """The same problem with some of the keys."""
        part = copy.copy(self)
        part.kv_rows = end - begin
        part.tensors = self.tensors | {name: self.tensors[name][:, :, begin:end] for name in "kv"}
        part.positions = self.positions | {"kv_positions": self.positions["kv_positions"][begin:end]}
        return part

    def keywords(self):
        """Arguments for the functions of ringattn."""
        window = tuple(-1 if width == UNLIMITED else width for width in (self.left, self.right))
        return {**self.tensors, **self.positions, "window_size": window, "causal_align": "top-left", "axes": "bhsd"}

    def check(self, **results):
        report = ringattn.check(**self.keywords(), **results, implementation=self.element, blind_spots=False)
        report.raise_if_failed()


class Launches:
    """The addresses of the tensors of each device in the memory of a machine."""

    def __init__(self, machine, devices):
        self.machine = machine
        self.addresses = [{} for _ in range(devices)]

    def put(self, device, **arrays):
        for name, array in arrays.items():
            self.addresses[device][name] = self.machine.memory.allocate(array)

    def get(self, device, name, shape, dtype=np.float32):
        return self.machine.memory.array_at(self.addresses[device][name], np.zeros(shape, dtype))

    def step(self, kind, device_kind, problems, **more):
        """The parameters of a launch, after the problems are copied to memory."""
        p = problems[0]
        sizes = {"B": 1, "H": p.H, "Hkv": p.Hkv, "d": p.d, "dv": p.d, "scale": p.d**-0.5, "left": p.left, "right": p.right}
        step = kind(element=ELEMENTS[p.element][0], **sizes, devices=len(problems), **more)
        for device, problem in enumerate(problems):
            positions = {name: places.astype(np.int32) for name, places in problem.positions.items()}
            q, k, v = problem.tensors.values()
            self.put(device, Q=q, K=k, V=v, dO=problem.dout, **positions)
            known = dict(device_kind._fields_)
            pointers = {name: address for name, address in self.addresses[device].items() if name in known}
            step.device[device] = device_kind(q_rows=problem.q_rows, kv_rows=problem.kv_rows, **pointers)
        return step

    def mapped(self, step, problems, box_rows):
        """The step, with maps of the tensors in _box_rows_."""
        maps = {}
        for device, problem in enumerate(problems):
            for name, rows_of_box in box_rows.items():
                heads, rows = (problem.H, problem.q_rows) if name in ("Q", "dO") else (problem.Hkv, problem.kv_rows)
                at = self.addresses[device][name]
                tensor_map = TensorMap(self.machine, at, heads, rows, problem.d, rows_of_box)
                maps[name, device] = tensor_map.parameter()
        return with_maps(step, box_rows, maps)


def tiles(rows, tile_rows):
    return -(-max(rows) // tile_rows)


# ---- Forward ------------------------------------------------------------------------------

# For each rung: rows of a tile of queries and of keys, threads, and whether it uses TMA
FORWARD = {
    "tensor_cores": (64, 64, 128, False),
    "hopper": (64, 64, 128, True),
    "specialised": (192, 128, 512, True),
    "overlapped": (128, 128, 384, True),
    "persistent": (128, 128, 384, True),
}


def attend(machine, program, rung, steps):
    """out and lse of each device; _steps_ are the problems of all devices, step by step, with the same queries."""
    query_rows, key_rows, threads, uses_tma = FORWARD[rung]
    queries, heads = [problem.tensors["q"] for problem in steps[0]], steps[0][0].H
    launches = Launches(machine, len(queries))
    tile_counter = machine.memory.allocate(np.zeros(1, np.uint32))
    for device, q in enumerate(queries):
        state = np.full(q.shape, np.nan, np.float32)
        launches.put(device, O=state, out=np.full_like(q, np.nan), **{name: state[..., 0] for name in ("m", "l", "lse")})
    for n, problems in enumerate(steps):
        when = {"first": n == 0, "last": n == len(steps) - 1}
        step = launches.step(AttentionStep, DeviceStep, problems, tile_counter=tile_counter, **when)
        boxes = {"Q": query_rows, "K": key_rows, "V": key_rows}
        parameters = launches.mapped(step, problems, boxes) if uses_tma else bytes(step)
        grid = (tiles([q.shape[2] for q in queries], query_rows), heads, len(queries))
        if rung == "persistent":  # three persistent blocks, and a TileScheduler that processes two heads at a time
            parameters += np.array([grid[0], grid[1] * grid[2], 2], np.int32).tobytes()
            grid = (3, 1, 1)
        machine.launch(program, grid, threads, parameters)
    return [
        (launches.get(device, "out", q.shape, q.dtype), launches.get(device, "lse", q.shape[:3]))
        for device, q in enumerate(queries)
    ]


# ---- Backward ---------------------------------------------------------------------------------


def differentiate(machine, programs, rung, problems):
    """dq, dk and dv of each device, over all its keys at once; in float32."""
    launches = Launches(machine, len(problems))
    for device, problem in enumerate(problems):
        out, lse = ringattn.attention(**problem.keywords(), return_lse=True)
        row_term = np.where(np.isinf(lse), 0, -(out * problem.dout.astype(np.float64)).sum(axis=-1))
        launches.put(device, lse=lse.astype(np.float32), row_term=row_term.astype(np.float32))
        dQ, dK, dV = [np.full(tensor.shape, np.nan, np.float32) for tensor in problem.tensors.values()]
        launches.put(device, dQ=np.zeros_like(dQ) if rung == "fused" else dQ, dK=dK, dV=dV)
    step = launches.step(BackwardStep, DeviceBackward, problems, add_to_dQ=rung == "fused")
    q_rows, kv_rows = [p.q_rows for p in problems], [p.kv_rows for p in problems]
    H, Hkv = problems[0].H, problems[0].Hkv
    if rung == "fused":
        queries = 64 * 128 // problems[0].d
        parameters = launches.mapped(step, problems, {"Q": queries, "dO": queries, "K": 128, "V": 128})
        machine.launch(programs[0], (tiles(kv_rows, 128), Hkv, len(problems)), 384, parameters)
    else:
        machine.launch(programs[0], (tiles(q_rows, 64), H, len(problems)), 128, bytes(step))
        machine.launch(programs[1], (tiles(kv_rows, 64), Hkv, len(problems)), 128, bytes(step))
    return [
        [launches.get(device, name, tensor.shape) for name, tensor in zip(("dQ", "dK", "dV"), problem.tensors.values())]
        for device, problem in enumerate(problems)
    ]
