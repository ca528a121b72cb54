"""Writes the report of check() on every case, and a table to grade them by.

Words are searched in what the report says of the result: not in its summary of the case, nor in the hints of broken
laws, which are the same for many mistakes.

    PYTHONPATH=tests python -m held_out.grade FOLDER [pattern of case names]
"""

from __future__ import annotations

import fnmatch
import re
import sys
import time
from pathlib import Path

from held_out.case import Case, cases

header = ("case", "precision", "verdict", "ratio", "names", "words found", "seconds")


def grade(case: Case, precision: str, folder: Path) -> tuple[str, ...]:
    """One row of the table; the report of the wrong result goes to a file, below what it must state."""
    begin = time.perf_counter()
    report = case.check(precision, wrong=True, blind_spots=False)
    seconds = time.perf_counter() - begin
    text = str(report)
    statements = re.sub(r"(?s)^case.*?(?=^VERDICT)|^LAW.*", "", text, flags=re.MULTILINE)
    found = sum(bool(re.search(word, statements, re.IGNORECASE)) for word in case.words)
    head = f"{case.title}\n{case.source}, {case.kind}\nmust state: {case.fact}\n{'-' * 100}\n"
    (folder / f"{case.name}.{precision}.txt").write_text(head + text + "\n", encoding="utf-8")
    names = " ".join(dict.fromkeys(name["id"] for name in report.names)) or "-"
    return (case.name, precision, report.verdict, f"{report.ratio:.3g}", names, f"{found}/{len(case.words)}",
            f"{seconds:.1f}")


def main(folder: Path, pattern: str = "*") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [case for case in cases if fnmatch.fnmatchcase(case.name, pattern)]
    with (folder / "table.md").open("w", encoding="utf-8") as table:
        for row in (header, ("---",) * len(header)):
            print("|", " | ".join(row), "|", file=table)
        for case in chosen:
            for precision in case.precisions:
                row = "| " + " | ".join(grade(case, precision, folder)) + " |"
                print(row, file=table, flush=True)
                print(row)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
