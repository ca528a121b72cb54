"""Writes the report of check() or examine() on every case, and a table to grade them by.

Words are searched in what the report says of the result: not in its summary of the case, nor in the hints of broken
laws, which are the same for many mistakes.

    PYTHONPATH=tests python -m held_out.grade (check|examine) FOLDER [pattern of module.case]
"""

from __future__ import annotations

import fnmatch
import re
import sys
import time
from pathlib import Path

from held_out.callables import examine
from held_out.case import Case, cases

header = ("case", "precision", "verdict", "size", "names", "words found", "seconds")


def check_report(case: Case, precision: str) -> tuple[str, str, tuple[str, str, str]]:
    """The report, what it says of the result, and the columns verdict, size (of the error) and names."""
    report = case.check(precision, wrong=True, blind_spots=False)
    text = str(report)
    statements = re.sub(r"(?s)^case.*?(?=^VERDICT)|^LAW.*", "", text, flags=re.MULTILINE)
    names = " ".join(dict.fromkeys(name["id"] for name in report.names)) or "-"
    return text, statements, (report.verdict, f"{report.ratio:.3g}", names)


def examine_report(case: Case, precision: str) -> tuple[str, str, tuple[str, str, str]]:
    """The same of an examination; its size is the number of calls, its names are the kinds of the findings."""
    found = examine(case, precision)
    text = str(found)
    statements = " ".join(finding.sentence for finding in found.findings)
    kinds = " ".join(dict.fromkeys(finding.kind for finding in found.findings)) or "-"
    return text, statements, ("pass" if found.ok else "found", f"{found.calls} calls", kinds)


reports = {"check": check_report, "examine": examine_report}


def grade(tool: str, case: Case, precision: str, folder: Path) -> tuple[str, ...]:
    """One row of the table; the report of the wrong result goes to a file, below what it must state."""
    begin = time.perf_counter()
    text, statements, columns = reports[tool](case, precision)
    seconds = time.perf_counter() - begin
    found = sum(bool(re.search(word, statements, re.IGNORECASE)) for word in case.words)
    head = f"{case.title}\n{case.source}, {case.kind}\nmust state: {case.fact}\n{'-' * 100}\n"
    (folder / f"{case.name}.{precision}.txt").write_text(head + text + "\n", encoding="utf-8")
    return (case.name, precision, *columns, f"{found}/{len(case.words)}", f"{seconds:.1f}")


def main(tool: str, folder: Path, pattern: str = "*") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [case for case in cases if fnmatch.fnmatchcase(f"{case.compute.__module__}.{case.name}", pattern)]
    with (folder / "table.md").open("w", encoding="utf-8") as table:
        for row in (header, ("---",) * len(header)):
            print("|", " | ".join(row), "|", file=table)
        for case in chosen:
            for precision in case.precisions:
                row = "| " + " | ".join(grade(tool, case, precision, folder)) + " |"
                print(row, file=table, flush=True)
                print(row)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
