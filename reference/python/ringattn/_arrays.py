"""Conversion of user arrays to arrays that the engine accepts, without a copy if the type allows it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringattn._values import quote, reason, shorten

eight_bit_types = ("int8", "float8_e4m3fn", "float8_e5m2")
cpu_devices = (1, 3, 11)  # DLPack: CPU memory, and CPU memory pinned for CUDA or ROCm


def tensor(name: str, array: Any) -> Any:
    """A floating-point array, which the engine reads in place: a numpy array or a DLPack capsule."""
    if not isinstance(array, np.ndarray):
        capsule = _dlpack_capsule(name, array)
        if capsule is not None:
            return capsule
    return _from_numpy(name, _as_numpy(name, array))


def optional_tensor(name: str, array: Any) -> Any:
    """The same for an argument that may be None."""
    return None if array is None else tensor(name, array)


def tensor_or_shards(name: str, array: Any) -> Any:
    """A tensor, or a list of tensors: of a list or tuple of arrays, such as one per device."""
    if isinstance(array, list | tuple) and array and all(_is_array(part) for part in array):
        return [tensor(name, part) for part in array]
    return tensor(name, array)


def _is_array(value: Any) -> bool:
    """Whether it is an array with axes, so that a list of numbers is one array."""
    try:
        return len(value.shape) > 0
    except Exception:
        return False


def numbers(name: str, array: Any) -> NDArray[Any]:
    """A numpy array with the numbers of an array of any library, copied from a GPU if it is there."""
    try:
        here = array.detach().cpu() if hasattr(array, "detach") else array
        is_bfloat16 = str(getattr(here, "dtype", "")) == "torch.bfloat16"
    except Exception as error:
        raise TypeError(f"[{name}] the argument must be an array; found {_type_of(array)}, which cannot be copied: "
                        f"{reason(error)}; pass a numpy array") from error
    if not is_bfloat16:
        return _as_numpy(name, here)
    try:
        import ml_dtypes
        import torch

        return here.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    except Exception as error:
        raise TypeError(f"[{name}] numpy needs the package ml_dtypes for bfloat16; found {reason(error)}; install it, or "
                        "pass a wider type") from error


def pairs(name: str, array: Any) -> Any:
    """A bias (numbers) or a mask (booleans)."""
    if not isinstance(array, np.ndarray):
        capsule = _dlpack_capsule(name, array)
        if capsule is not None:
            return capsule
    found = _as_numpy(name, array)
    return found if found.dtype == bool else _from_numpy(name, found)


def heads(name: str, array: Any) -> list[float]:
    """One number for each query head."""
    found = numbers(name, array)
    if found.dtype.kind not in "fiu" and found.dtype.name != "bfloat16":
        raise TypeError(f"[{name}] the array must hold numbers; found {shorten(str(found.dtype))}; convert it")
    if found.ndim != 1:
        raise ValueError(f"[{name}] the shape must be (query heads); found {found.shape}; drop the other axes")
    return [float(each) for each in found]


def widened(name: str, array: Any) -> NDArray[np.float32] | None:
    """An array of 8 bits as float32, which holds its numbers exactly; None for an array of another type."""
    try:
        kind = str(getattr(array, "dtype", "")).removeprefix("torch.")
    except Exception:  # its own __str__ raised
        return None
    if kind not in eight_bit_types:
        return None
    if hasattr(array, "detach"):  # numpy has no type for the bits of torch
        array = array.detach().cpu().float()
    return _as_numpy(name, array).astype(np.float32)


def factors(name: str, array: Any) -> NDArray[np.float64]:
    """The factors of an array of 8 bits: numbers of any shape."""
    found = numbers(name, array)
    if found.dtype.kind not in "fiu" and found.dtype.name != "bfloat16":
        raise TypeError(f"[{name}] the factors must be numbers; found {shorten(str(found.dtype))}; pass floats")
    return np.ascontiguousarray(found, dtype=np.float64)


def integers(name: str, array: Any) -> NDArray[np.int64]:
    """Positions, segment ids or lengths as a contiguous int64 array."""
    found = _as_numpy(name, array)
    if found.dtype.kind not in "iu":
        raise TypeError(f"[{name}] the array must hold whole numbers; found {found.dtype}; convert it to int64")
    if found.size > 0 and found.max() >= 2**63:
        raise ValueError(f"[{name}] a number must be less than 2^63; found {found.max()}; choose a smaller one")
    return np.ascontiguousarray(found, dtype=np.int64)


def _dlpack_capsule(name: str, array: Any) -> Any:
    """The memory of a tensor of torch, jax or another library; None if it cannot be read in place."""
    try:
        device = array.__dlpack_device__() if hasattr(array, "__dlpack_device__") else (1, 0)
        elsewhere = "" if device[0] in cpu_devices else str(getattr(array, "device", f"DLPack device {device}"))
    except Exception:
        return None
    if elsewhere:
        raise TypeError(f"[{name}] the tensor must be in CPU memory; found one on {shorten(elsewhere)}; "
                        "copy it to the CPU, with .cpu() in torch or jax.device_get in jax")
    try:
        capsule = (array.detach() if getattr(array, "requires_grad", False) else array).__dlpack__()
    except Exception:
        return None
    return capsule if type(capsule).__name__ == "PyCapsule" else None


def _as_numpy(name: str, array: Any) -> NDArray[Any]:
    try:
        found = np.asarray(array)
    except Exception as error:
        raise TypeError(f"[{name}] the argument must be an array; found {_type_of(array)}, which numpy cannot "
                        f"convert: {reason(error)}; pass a numpy array") from error
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"[{name}] the argument must be an array without a mask; found a masked array; fill it, and "
                        "pass its mask as mask=")
    if found.dtype == object:
        raise TypeError(f"[{name}] the argument must be an array of numbers; found {_type_of(array)}; "
                        "pass a numpy array or an object with __dlpack__ or __array_interface__")
    return found


def _type_of(array: Any) -> str:
    return shorten(type(array).__name__)


def _from_numpy(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.name == "bfloat16":  # of ml_dtypes, which DLPack does not support: the engine reads the bits
        return array.view(np.uint16)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise TypeError(f"[{name}] the array must be float64, float32, float16 or bfloat16; found "
                        f"{shorten(str(array.dtype))}; convert it with .astype, or mark bits as bfloat16 with "
                        ".view(ml_dtypes.bfloat16)")
    # DLPack strides count elements: copy an array whose byte strides are not multiples of the element size (fields of
    # records), one at an odd address, and one in the byte order of another machine
    in_elements = array.flags.aligned and not any(stride % array.itemsize for stride in array.strides)
    if not array.dtype.isnative or not in_elements:
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return array
