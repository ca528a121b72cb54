"""Prints the characters of the page for pyftsubset: python3 characters.py

They are those that visualizer/draw/fonts.cpp names; of the arrows, operators and shapes, only those that a text of the
visualizer contains. So the page is smaller by a tenth.
"""

import pathlib
import re

visualizer = pathlib.Path(__file__).parents[2]
first_symbol = 0x2190


def named():
    source = (visualizer / "draw/fonts.cpp").read_text()
    for first, last in re.findall(r"0x([0-9A-F]+), 0x([0-9A-F]+)", source):
        yield from range(int(first, 16), int(last, 16) + 1)


def used():
    """The characters of all sources and scenes, also those written as bytes: "\\xe2\\x86\\x90"."""
    for file in [*visualizer.rglob("*.cpp"), *visualizer.rglob("*.h"), *visualizer.rglob("scenes/*.json")]:
        text = file.read_text()
        yield from text
        for escaped in re.findall(r"(?:\\x[0-9a-fA-F]{2})+", text):
            yield from bytes.fromhex(escaped.replace("\\x", "")).decode(errors="ignore")


def main():
    shown = {ord(character) for character in used()} | {0xFFFD}
    print(",".join(f"{code:X}" for code in sorted(set(named())) if code < first_symbol or code in shown))


if __name__ == "__main__":
    main()
