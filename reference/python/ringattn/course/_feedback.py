"""What an exercise says about an answer."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

from ringattn import _theme

labels = {"right": "RIGHT", "wrong": "NOT YET", "unwritten": "UNWRITTEN"}
colours = {"right": _theme.right, "wrong": _theme.wrong, "unwritten": _theme.faint_ink}


@dataclass(frozen=True)
class Budget:
    """What a right answer used, and the best that is known."""

    quantity: str
    used: float
    best: float

    def __str__(self) -> str:
        return f"{self.quantity}: {self.used:g}, best known {self.best:g}"


@dataclass(frozen=True)
class Feedback:
    """The answer of Exercise.check(). It prints itself, and shows itself as a box in notebooks."""

    exercise: str
    status: str  # "right", "wrong" or "unwritten"
    sentence: str
    mistakes: list[str] = field(default_factory=list)  # ids of the catalogue that explain a wrong answer
    hint: str = ""
    first_wrong: str = ""  # "device 1, row 9"
    budget: list[Budget] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the answer is right."""
        return self.status == "right"

    def __str__(self) -> str:
        return "\n".join(f"{label:<10}{text}" for label, text in self._lines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        colour = colours[self.status]
        (first, sentence), *others = self._lines()
        rows = "".join(f"<br><small><b>{html.escape(name)}</b> {html.escape(text)}</small>" for name, text in others)
        return (
            f'<div style="border-left:4px solid {colour};padding:4px 10px">'
            f'<b style="color:{colour}">{first}</b> {html.escape(sentence)}{rows}</div>'
        )

    def _lines(self) -> list[tuple[str, str]]:
        lines = [(labels[self.status], f"{self.exercise}: {self.sentence}")]
        lines += [("MISTAKE", ", ".join(self.mistakes))] if self.mistakes else []
        lines += [("FIRST", self.first_wrong)] if self.first_wrong else []
        lines += [("HINT", self.hint)] if self.hint else []
        return lines + [("BUDGET", str(each)) for each in self.budget]
