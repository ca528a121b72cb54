"""Checks attention that is written with torch: modules, autograd functions, plain functions, and rings of processes.

    case = ringattn.probe("random", seq=64, devices=1, causal=True)
    report = ringattn.torch.check_module(MyAttention(), case, dtype=torch.bfloat16, is_causal=True)

    parts = ringattn.torch.of_all_ranks(out)        # in each process of torch.distributed
    report = ringattn.check(q, k, v, out=parts, devices=len(parts), layout="zigzag")

torch is imported by the first call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ringattn._case import Case
from ringattn._check import check
from ringattn._report import Report
from ringattn._values import quote, string

if TYPE_CHECKING:
    import torch

places = {"bshd": (0, 1, 2, 3), "bhsd": (0, 2, 1, 3), "sbhd": (1, 0, 2, 3)}


def check_module(
    module: Any,
    case: Case,
    *,
    axes: str = "bshd",
    dtype: Any = None,
    device: Any = "cpu",
    backward: bool = True,
    implementation: Any = None,
    **arguments: Any,
) -> Report:
    """Calls module(q, k, v, **arguments) on a case, also its backward, and checks the results against the definition.

    module     a torch.nn.Module, a torch.autograd.Function, or any function of three tensors; it returns out, or a tuple
               that begins with out and lse
    case       a case of ringattn.probe() or ringattn.vectors(), whose options the arguments must describe
    axes       order of the axes in which the module takes and returns tensors
    dtype      type of the tensors; default: torch.float32
    device     where the module computes; results are copied to the CPU
    backward   whether gradients are checked, too

    implementation is that of check().
    """
    import torch

    order = string("axes", axes)
    if order not in places:
        raise ValueError(f"[axes] the order of the axes must be bshd, bhsd or sbhd; found {quote(axes)}; choose one of them")

    # Call it
    def to_torch(array: Any) -> torch.Tensor:
        moved = torch.from_numpy(array).permute(places[order])
        return moved.to(device=device, dtype=torch.float32 if dtype is None else dtype).contiguous()

    inputs = [to_torch(case[name]).requires_grad_(backward) for name in ("q", "k", "v")]
    is_autograd_function = isinstance(module, type) and issubclass(module, torch.autograd.Function)
    returned = (module.apply if is_autograd_function else module)(*inputs, **arguments)
    results = returned if isinstance(returned, tuple | list) else (returned,)
    if not results or not isinstance(results[0], torch.Tensor):
        raise TypeError("[check_module] the module must return a tensor, or a tuple that begins with out and lse; "
                        f"found {quote(type(returned).__name__)}; wrap it in a function that does")
    submitted = {"out": results[0]}
    if len(results) > 1 and isinstance(results[1], torch.Tensor):
        submitted["lse"] = results[1]

    # Its backward
    if backward:
        cotangents = {"dout": to_torch(case["dout"])}
        if not results[0].requires_grad:
            raise ValueError("[check_module] out must depend on q, k and v through autograd; found no gradient; "
                             "pass backward=False")
        gradients = torch.autograd.grad(results[0], inputs, cotangents["dout"].reshape(results[0].shape), allow_unused=True)
        zeros = zip(("dq", "dk", "dv"), gradients, inputs)
        submitted |= {name: torch.zeros_like(of) if found is None else found for name, found, of in zeros}
    else:
        cotangents = {}

    # Judge what the module was given: the case in its type
    tensors = {**dict(zip("qkv", inputs)), **submitted, **cotangents}
    here: dict[str, Any] = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
    ring = {name: case[name] for name in ("devices", "layout") if name in case}
    return check(**here, **ring, **case.options, axes=order, implementation=implementation, blind_spots=False)


def of_all_ranks(tensor: torch.Tensor, group: Any = None) -> list[torch.Tensor]:
    """The tensors of all ranks of torch.distributed in the order of the ranks, in CPU memory, for check(out=...).

    Every rank of the group must call it. The tensors may have different shapes.
    """
    import torch

    parts: list[Any] = [None] * torch.distributed.get_world_size(group)
    torch.distributed.all_gather_object(parts, tensor.detach().cpu(), group=group)
    return parts
