"""Conversion of user arrays to arrays that the engine accepts, without a copy if the type allows it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

cpu_devices = (1, 3, 11)  # DLPack: CPU memory, and CPU memory pinned for CUDA or ROCm


def tensor(name: str, array: Any) -> Any:
    """A floating-point array, which the engine reads in place."""
    if not isinstance(array, np.ndarray) and hasattr(array, "__dlpack__"):
        return _from_framework(name, array)
    return _from_numpy(name, array if isinstance(array, np.ndarray) else _as_numpy(name, array))


def optional_tensor(name: str, array: Any) -> Any:
    """The same for an argument that may be None."""
    return None if array is None else tensor(name, array)


def pairs(name: str, array: Any) -> Any:
    """A bias (numbers) or a mask (booleans)."""
    if isinstance(array, np.ndarray) and array.dtype == bool:
        return array
    if hasattr(array, "__dlpack__"):
        return tensor(name, array)
    found = _as_numpy(name, array)
    return found if found.dtype == bool else _from_numpy(name, found)


def integers(name: str, array: Any) -> NDArray[np.int64]:
    """Positions, segment ids or lengths as a contiguous int64 array."""
    found = _as_numpy(name, array)
    if found.dtype.kind not in "iu":
        raise TypeError(f"[{name}] the array must hold whole numbers; found {found.dtype}; convert it to int64")
    return np.ascontiguousarray(found, dtype=np.int64)


def _from_framework(name: str, array: Any) -> Any:
    """A tensor of torch, jax or another library, whose memory the engine reads."""
    if getattr(array, "requires_grad", False):
        array = array.detach()
    if hasattr(array, "__dlpack_device__") and array.__dlpack_device__()[0] not in cpu_devices:
        raise TypeError(f"[{name}] the tensor must be in CPU memory; found one on {_device_of(array)}; "
                        "copy it to the CPU, with .cpu() in torch or jax.device_get in jax")
    return array


def _device_of(array: Any) -> str:
    device = getattr(array, "device", None)
    return str(device) if device is not None else f"DLPack device {array.__dlpack_device__()}"


def _as_numpy(name: str, array: Any) -> NDArray[Any]:
    try:
        found = np.asarray(array)
    except Exception as error:
        raise TypeError(f"[{name}] the argument must be an array; found {type(array).__name__}, which numpy cannot "
                        f"convert: {error}; pass a numpy array") from error
    if found.dtype == object:
        raise TypeError(f"[{name}] the argument must be an array of numbers; found {type(array).__name__}; "
                        "pass a numpy array or an object with __dlpack__ or __array_interface__")
    return found


def _from_numpy(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.name == "bfloat16":  # of ml_dtypes, which DLPack does not support: the engine reads the bits
        return array.view(np.uint16)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise TypeError(f"[{name}] the array must be float64, float32, float16 or bfloat16; found {array.dtype}; "
                        "convert it with .astype, or mark bits as bfloat16 with .view(ml_dtypes.bfloat16)")
    # DLPack strides count elements: copy an array whose byte strides are not multiples of the element size (fields of
    # records), and one in the byte order of another machine
    if not array.dtype.isnative or any(stride % array.itemsize for stride in array.strides):
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return array
