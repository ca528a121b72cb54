"""Examinations of one implementation on several numbers of devices, and what they say together."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ringattn._examine import Examination, Finding


class Worlds(Mapping[int, "Examination"]):
    """What examine(worlds=...) found: an Examination for each number of devices, and their comparison."""

    def __init__(self, examinations: dict[int, Examination]) -> None:
        self._examinations = dict(sorted(examinations.items()))

    def __getitem__(self, devices: int) -> Examination:
        return self._examinations[devices]

    def __iter__(self) -> Iterator[int]:
        return iter(self._examinations)

    def __len__(self) -> int:
        return len(self._examinations)

    @property
    def ok(self) -> bool:
        """Whether nothing is found on any number of devices."""
        return all(examination.ok for examination in self.values())

    @property
    def comparison(self) -> list[str]:
        """For each kind of finding: on which numbers of devices it is found, and what this says about its cause."""
        kinds = dict.fromkeys(finding.kind for examination in self.values() for finding in examination.findings)
        return [self._compared(kind) for kind in kinds]

    def raise_if_any(self) -> None:
        """Raises AssertionError with the text if there are findings."""
        __tracebackhide__ = True
        if not self.ok:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        texts = [f"---- {_devices([count])}\n{examination}" for count, examination in self.items()]
        return "\n".join([*texts, *map(_paragraph, self.comparison)])

    def __repr__(self) -> str:
        return f"<examinations on {_devices(list(self))}: {'nothing found' if self.ok else 'findings'}>"

    def _compared(self, kind: str) -> str:
        findings = {count: next((f for f in examination.findings if f.kind == kind), None)
                    for count, examination in self.items()}
        found = {count: finding for count, finding in findings.items() if finding is not None}
        silent = [count for count, finding in findings.items() if finding is None]
        where = f"{kind.replace('_', ' ')} is found on {_devices(list(found))}"
        if silent:
            where += f", and not on {_devices(silent)}"
        return f"{where}: {_cause(found, silent)}"


def _paragraph(sentence: str) -> str:
    return textwrap.fill(f"COMPARED {sentence}", width=119, subsequent_indent=" " * 9)


def _cause(found: dict[int, Finding], silent: list[int]) -> str:
    borders = [_borders(finding) for finding in found.values()]
    if not silent:
        if len(found) > 1 and borders[0] and borders.count(borders[0]) == len(borders):
            return f"its borders stay at the keys {_first(borders[0])}, so it belongs to the tiles of one device"
        return "it does not need several devices, so it belongs to the code of one device"
    if silent == [1]:
        if all(_blocks(finding) == count for count, finding in found.items()):
            return "it has as many blocks as there are devices, so it belongs to the merge of the ring"
        return "it needs several devices, so it belongs to their messages, their masks or the merge"
    return "it depends on the number of devices; compare the shards and the steps of these"


def _borders(finding: Finding) -> list[int]:
    """The first keys of the blocks of a finding, the first block aside."""
    return list(finding.numbers.get("first_keys", []))[1:]


def _blocks(finding: Finding) -> int:
    """The number of blocks that a finding tells apart; 0 if it is not about blocks."""
    return int(finding.numbers.get("blocks", 0))


def _first(keys: list[int]) -> str:
    most = 4
    return ", ".join(str(key) for key in keys[:most]) + (", ..." if len(keys) > most else "")


def _devices(counts: list[int]) -> str:
    names = [str(count) for count in counts]
    joined = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{joined} device" if counts == [1] else f"{joined} devices"
