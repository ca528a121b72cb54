"""Packs the page into one file: python3 pack.py PROGRAM.js PAGE.html

PROGRAM.js is the output of emscripten, with PROGRAM.wasm beside it. The browser unpacks the program itself.
"""

import base64
import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).parent


def packed(file):
    # A twentieth smaller than what gzip makes, in the same format
    bytes = subprocess.run(["zopfli", "--i5", "-c", file], check=True, stdout=subprocess.PIPE).stdout
    return base64.b64encode(bytes).decode()


def main(program, page):
    parts = {
        "page.css": (here / "page.css").read_text(),
        "page.js": (here / "page.js").read_text(),
        "glue": packed(program),
        "program": packed(program.with_suffix(".wasm")),
    }
    text = (here / "page.html").read_text()
    for name, part in parts.items():
        place = "{{" + name + "}}"
        if text.count(place) != 1:
            sys.exit(f"[pack] page.html must have one place for each part; found {text.count(place)} for {name}; add {place}")
        if "</script" in part:
            sys.exit(f"[pack] a script must not end its element; found </script in {name}; write it in two parts")
        text = text.replace(place, part)
    page.write_text(text)


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
