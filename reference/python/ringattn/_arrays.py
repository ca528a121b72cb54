"""What users have, as the engine takes it: without a copy wherever the types allow it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

cpu_devices = (1, 3, 11)  # of DLPack: the CPU, and its memory pinned for CUDA or ROCm


def tensor(name: str, array: Any) -> Any:
    """A floating-point array that the engine reads where it lies."""
    if not isinstance(array, np.ndarray) and hasattr(array, "__dlpack__"):
        return _of_a_framework(name, array)
    return _of_numpy(name, array if isinstance(array, np.ndarray) else _as_numpy(name, array))


def pairs(name: str, array: Any) -> Any:
    """A bias or a mask: numbers or booleans."""
    if isinstance(array, np.ndarray) and array.dtype == bool:
        return array
    if hasattr(array, "__dlpack__"):
        return tensor(name, array)
    found = _as_numpy(name, array)
    return found if found.dtype == bool else _of_numpy(name, found)


def integers(name: str, array: Any) -> NDArray[np.int64]:
    """Positions, segment ids or lengths: whole numbers, without gaps."""
    found = _as_numpy(name, array)
    if found.dtype.kind not in "iu":
        raise TypeError(f"[{name}] whole numbers are wanted; found {found.dtype}; convert them to int64")
    return np.ascontiguousarray(found, dtype=np.int64)


def _of_a_framework(name: str, array: Any) -> Any:
    """A tensor of torch, jax or another library, of which the engine reads the memory."""
    if getattr(array, "requires_grad", False):
        array = array.detach()
    if hasattr(array, "__dlpack_device__") and array.__dlpack_device__()[0] not in cpu_devices:
        raise TypeError(f"[{name}] the tensor must lie in the memory of the CPU; found one on {_device_of(array)}; "
                        "copy it there, in torch with .cpu(), in jax with jax.device_get")
    return array


def _device_of(array: Any) -> str:
    device = getattr(array, "device", None)
    return str(device) if device is not None else f"DLPack device {array.__dlpack_device__()}"


def _as_numpy(name: str, array: Any) -> NDArray[Any]:
    try:
        found = np.asarray(array)
    except Exception as error:
        raise TypeError(f"[{name}] an array is wanted; found {type(array).__name__}, of which numpy says: "
                        f"{error}") from error
    if found.dtype == object:
        raise TypeError(f"[{name}] an array of numbers is wanted; found {type(array).__name__}; give a numpy array, "
                        "or anything with __dlpack__ or __array_interface__")
    return found


def _of_numpy(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.name == "bfloat16":  # of ml_dtypes, which DLPack does not take: the engine knows the bits
        return array.view(np.uint16)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise TypeError(f"[{name}] float64, float32, float16 or bfloat16 is wanted; found {array.dtype}; convert it "
                        "with .astype, or name bits as such with .view(ml_dtypes.bfloat16)")
    # Strides in bytes that are no whole number of elements, as fields of records have, can only be copied
    if not array.dtype.isnative or any(stride % array.itemsize for stride in array.strides):
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return array
