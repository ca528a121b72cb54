"""Single values among the arguments: the conversion of each, and how an error message quotes it."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

longest_quote = 80
longest_word = 200


def number(name: str, value: Any) -> float:
    try:
        if not isinstance(value, str | bytes | bytearray):
            return float(value)
    except OverflowError as error:
        raise ValueError(f"[{name}] the value must fit float64; found {quote(value)}; choose a smaller one") from error
    except Exception as error:
        raise TypeError(f"[{name}] the value must be a number; found {quote(value)}; pass a float") from error
    raise TypeError(f"[{name}] the value must be a number; found {quote(value)}; pass a float")


def integer(name: str, value: Any) -> int:
    try:
        found = operator.index(value)
    except Exception as error:
        raise TypeError(f"[{name}] the value must be a whole number; found {quote(value)}; pass an int") from error
    if not -(2**62) < found < 2**62:
        raise ValueError(f"[{name}] the value must be within +-2^62; found {quote(found)}; choose a smaller one")
    return found


def natural(name: str, value: Any) -> int:
    """A whole number that is not negative."""
    found = integer(name, value)
    if found < 0:
        raise ValueError(f"[{name}] the {name} must not be negative; found {found}; choose 0 or more")
    return found


def boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"[{name}] the value must be True or False; found {quote(value)}; pass a bool")
    return bool(value)


def string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"[{name}] the value must be a string; found {quote(value)}; pass a str")
    if len(value) > longest_word or not value.isprintable():
        raise ValueError(f"[{name}] the value must be one of a few words; found {quote(value)}; see the documentation")
    return value


def precision(name: str, value: Any) -> str:
    """The name of a precision, or that of a type of numpy, torch or jax: np.float16 is "float16"."""
    if isinstance(value, str):
        return string(name, value)
    try:
        return np.dtype(value).name
    except Exception:  # not a type of numpy
        return quote(value).removeprefix("torch.")


def quote(value: Any) -> str:
    """A value for an error message: on one line, in ASCII, and not too long."""
    try:
        text = ascii(value)
    except Exception:  # its own __repr__ raised
        text = f"an object of type {type(value).__name__}"
    return shorten(text)


def reason(error: Exception) -> str:
    """The text of an exception for an error message."""
    try:
        text = str(error)
    except Exception:  # its own __str__ raised
        text = ""
    return shorten(text or type(error).__name__)


def shorten(text: str) -> str:
    """A text for an error message, in the same way."""
    text = " ".join(text.encode("ascii", "backslashreplace").decode().split())
    return text if len(text) <= longest_quote else text[: longest_quote - 4] + " ..."
