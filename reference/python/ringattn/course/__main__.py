"""Grades answers: python -m ringattn.course FILE.py... [--csv grades.csv]

A file contains functions with the names of exercises, as in ringattn/course/solutions. The table has one line for each
file, and one column for each exercise: right, wrong with the mistakes of the catalogue, unwritten, or missing.
"""

import argparse
import csv
import runpy
import sys
from pathlib import Path
from typing import Any

from ringattn.course import Exercise, exercises
from ringattn.course._answers import run_within

file_time_limit = 60.0  # seconds for the imports and other top-level lines of a file


def grade_of(exercise: Exercise, functions: dict[str, Any]) -> str:
    if exercise.name not in functions:
        return "missing"
    feedback = exercise.check(functions[exercise.name])
    return " ".join([feedback.status, *feedback.mistakes])


def functions_of(path: Path) -> dict[str, Any]:
    """The names that a file defines; none if it cannot be executed within the time limit."""
    try:
        return run_within(file_time_limit, lambda: runpy.run_path(str(path)))
    except BaseException as error:
        print(f"[course] {path} must run without an error; found {type(error).__name__}: {error}", file=sys.stderr)
        return {}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ringattn.course", description="Grades answers to the exercises.")
    parser.add_argument("files", nargs="+", type=Path, help="files with one function for each exercise")
    parser.add_argument("--csv", type=Path, help="write the table to this file instead of standard output")
    arguments = parser.parse_args()
    lines = [["file", *exercises()]]
    for path in arguments.files:
        functions = functions_of(path)
        lines.append([path.name, *(grade_of(each, functions) for each in exercises().values())])
    if arguments.csv is None:
        csv.writer(sys.stdout).writerows(lines)
    else:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(lines)


if __name__ == "__main__":
    main()
