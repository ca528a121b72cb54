"""An exercise, and the registry of all exercises."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import ringattn
from ringattn._report import Report
from ringattn.course._answers import Answer, BadAnswer, NotWritten, run_within, time_limit
from ringattn.course._feedback import Budget, Feedback


class WrongAnswer(Exception):
    """The answer is wrong, and it is known how."""

    def __init__(self, sentence: str, *, hint: str, first_wrong: str, mistakes: list[str] | None = None) -> None:
        super().__init__(sentence)
        self.hint, self.first_wrong, self.mistakes = hint, first_wrong, mistakes or []


@dataclass(frozen=True)
class Exercise:
    """One exercise. exercise(name) finds it; check(function) says whether an answer is right."""

    name: str
    notebook: str
    task: str  # what to write, with the signature of the function
    hints: tuple[str, ...]
    grade: Callable[[Answer], list[Budget]] = field(repr=False)  # raises WrongAnswer or BadAnswer; the budget if right

    def check(self, function: Any) -> Feedback:
        """Whether a function is right, with its budget; if not, the name of its mistake, a hint, and the first wrong row."""
        try:
            budget = run_within(time_limit, lambda: self.grade(Answer(function)))
        except NotWritten:
            return Feedback(self.name, "unwritten", "replace the line with raise NotImplementedError by your own lines")
        except BadAnswer as answer:
            return Feedback(self.name, "wrong", str(answer))
        except WrongAnswer as answer:
            return Feedback(self.name, "wrong", str(answer), answer.mistakes, answer.hint, answer.first_wrong)
        return Feedback(self.name, "right", "every case agrees with the definition", budget=budget)

    def hint(self, number: int = 1) -> str:
        """A hint; the later ones say more."""
        if not 1 <= number <= len(self.hints):
            raise ValueError(
                f"[hint] {self.name} has the hints 1 to {len(self.hints)}; found {number}; after the last hint, "
                "see solution()"
            )
        return self.hints[number - 1]

    def solution(self) -> str:
        """The source of a right answer."""
        module = self.grade.__module__.replace(".tasks.", ".solutions.")
        return inspect.getsource(importlib.import_module(module))


def exercises() -> Mapping[str, Exercise]:
    """All exercises by name, in the order of the notebooks."""
    package = importlib.import_module("ringattn.course.tasks")
    modules = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    found = [importlib.import_module(module.name).exercise for module in modules if not module.ispkg]
    found.sort(key=lambda each: (each.notebook, each.name))
    return {each.name: each for each in found}


def exercise(name: str) -> Exercise:
    """The exercise of that name."""
    known = exercises()
    if name not in known:
        raise ValueError(f"[exercise] there is no exercise {name!r}; choose one of {', '.join(known)}")
    return known[name]


def require_right(report: Report, out: Any) -> None:
    """Raises WrongAnswer with the mistake that explains a wrong result, its fix, and the first wrong row."""
    if report.ok:
        return
    ids = list(dict.fromkeys(name["id"] for name in report.names))
    first = (report.where or {}).get("first") or {}
    where = ", ".join(f"{key} {first[key]}" for key in ("device", "row") if key in first)
    if ids:
        found = [ringattn.mistakes(id) for id in ids[0].split("+")]  # two at once are "S1+M1"
        title, fix = " and ".join(each.title for each in found), " ".join(each.fix for each in found)
        raise WrongAnswer(title, hint=fix, first_wrong=where, mistakes=ids)
    if np.isnan(out).any():
        raise WrongAnswer(
            "the result contains NaN",
            first_wrong=where,
            hint="look for inf - inf, 0 * inf and 0 / 0; a piece without a visible key has lse = -inf",
        )
    raise WrongAnswer(
        "the result is wrong, in a way that is not in the catalogue of mistakes",
        hint="print the result of your function for one small case, and compute it by hand",
        first_wrong=where,
    )
