"""Calls of a learner's function, which may do anything: raise, loop forever, return nonsense, or change its inputs."""

from __future__ import annotations

import ctypes
import inspect
import textwrap
import threading
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Result = TypeVar("Result")

time_limit = 5.0  # seconds for one check; right answers need a fraction of one


class BadAnswer(Exception):
    """The answer cannot be judged; the message is one friendly sentence, with "it" for the learner's function."""


class NotWritten(Exception):
    """The function is still the stub."""


class Answer:
    """A learner's function. Each call gets copies of its arguments, and its result is looked at before it is used."""

    def __init__(self, function: Any) -> None:
        if not callable(function):
            raise BadAnswer(
                f"check takes your function itself; it got {type(function).__name__}; pass it without calling it"
            )
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        copies = [np.array(each) if isinstance(each, np.ndarray) else each for each in arguments]
        try:
            result = self._function(*copies)
        except NotImplementedError as error:
            raise NotWritten from error
        except BaseException as error:  # exit() raises SystemExit
            raise BadAnswer(_description(error, self._function)) from error
        for given, copy, name in zip(arguments, copies, _parameters(self._function, len(arguments))):
            if isinstance(given, np.ndarray) and not np.array_equal(given, copy, equal_nan=True):
                raise BadAnswer(
                    f"it changes its argument {name} in place; compute new arrays instead, as the caller still "
                    "needs the old ones"
                )
        if inspect.isgenerator(result):
            raise BadAnswer("it returns a generator, because it contains yield; use return")
        if result is None:
            raise BadAnswer("it returns None; does every path end with return?")
        return result


def read(value: Any, reader: Callable[[Any], Result], rule: str) -> Result:
    """reader(value); BadAnswer with the rule if the value is not of the kind that the reader expects."""
    try:
        return reader(value)
    except Exception:  # the value may be any object, and its methods may raise anything
        raise BadAnswer(rule) from None


def array_of(value: Any, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """The value as numbers of that shape."""
    rule = f"{name} must be numbers; it returns {type(value).__name__}"
    found = read(value, lambda given: np.asarray(given, dtype=np.float64), rule)
    if found.shape != shape:
        wanted = f"have the shape {shape}" if shape else "be one number"
        raise BadAnswer(f"{name} must {wanted}; it returns the shape {found.shape}")
    return found


def tuple_of(value: Any, names: str) -> tuple[Any, ...]:
    """The value as a tuple with one item for each name."""
    count = len(names.split())
    if not isinstance(value, (tuple, list)) or len(value) != count:
        found = f"{len(value)} values" if isinstance(value, (tuple, list)) else type(value).__name__
        raise BadAnswer(f"it must return {count} values, {names.replace(' ', ', ')}; it returns {found}")
    return tuple(value)


def run_within(seconds: float, work: Callable[[], Result]) -> Result:
    """The result of work(), which runs in a thread of its own. BadAnswer if it takes longer than that."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def target() -> None:
        with np.errstate(all="ignore"):
            try:
                results.append(work())
            except BaseException as error:
                errors.append(error)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        # Raise SystemExit in the thread: Python has no other way to end a loop without end
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        thread.join(1)
        raise BadAnswer(f"it did not finish within {seconds:g} seconds; is there a loop that never ends?")
    if errors:
        raise errors[0]
    return results[0]


def _description(error: BaseException, function: Any) -> str:
    """The error, and the line of the learner's function that raised it."""
    code = getattr(function, "__code__", None)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if code and frame.name == code.co_name]
    where = f" at `{lines[-1].line}`" if lines and lines[-1].line else ""
    return f"it raises {type(error).__name__}: {textwrap.shorten(str(error), 200) or 'no message'}{where}"


def _parameters(function: Any, count: int) -> list[str]:
    """The names of the parameters, as far as they are known."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return (names + [str(number) for number in range(count)])[:count] if len(names) < count else names[:count]
