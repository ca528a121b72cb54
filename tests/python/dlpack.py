"""Access to the fields of a DLPack capsule."""

import ctypes

# DLTensor: data (8 bytes), device (8: type and number), ndim (4), then the type code
device_offset, type_code_offset = 8, 20


def field_of_capsule(capsule, kind, offset):
    """The field at this offset of the DLTensor, as a ctypes object that can be changed."""
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return kind.from_address(pointer(capsule, b"dltensor") + offset)
