#!/usr/bin/env python3
"""Writes the reports of `ringattn bench --backend gpu --json` and torch_sdpa.py into a text file, between two markers

    <!-- ladder: ... -->
    <!-- end of ladder -->

There is one table for each measured pass, forward and backward.

Exit status: 0 written, 2 bad input; the file is then unchanged.
"""

import argparse
import json
import re
import sys
from pathlib import Path

BEGIN, END = "<!-- ladder", "<!-- end of ladder -->"


def refuse(sentence):
    print(f"write_table.py: {sentence}", file=sys.stderr)
    sys.exit(2)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: write_table.py gpu/README.md bench.json --torch torch.json --driver 580.65 --cuda 13.0",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("text", type=Path, help="the text file with the markers")
    parser.add_argument("bench", type=Path, help="the report of ringattn bench")
    parser.add_argument("--torch", type=Path, metavar="FILE", help="the report of torch_sdpa.py")
    parser.add_argument("--driver", default="unknown", metavar="WORD", help="version of the driver")
    parser.add_argument("--cuda", default="unknown", metavar="WORD", help="version of the CUDA Toolkit")
    return parser.parse_args()


def figures_of(report, what, name_of):
    """TFLOP/s of one pass: problem (d, mask, N) -> name -> figure"""
    figures = {}
    for row in report["rows"]:
        if row["what"] == what:
            figures.setdefault((row["d"], row["mask"], row["N"]), {})[name_of(row)] = float(row["tflops"])
    return figures


def table_of(ours, theirs, gemm):
    """One line per problem; the highest rung is also given as a fraction of the GEMM throughput"""
    rungs = sorted({rung for figures in ours.values() for rung in figures})
    others = sorted({name for figures in theirs.values() for name in figures})
    titles = ["d", "mask", "N", *(f"rung {rung}" for rung in rungs), "of GEMM", *others]
    lines = [titles, ["---:", "---"] + ["---:"] * (len(titles) - 2)]
    for problem, figures in ours.items():
        highest = figures[max(figures)]
        found = [figures.get(rung) for rung in rungs], [theirs.get(problem, {}).get(name) for name in others]
        mine, yours = ([f"{x:.1f}" if x is not None else "" for x in some] for some in found)
        lines.append([*map(str, problem), *mine, f"{100 * highest / gemm:.0f} %", *yours])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def section_of(bench, torch, driver, cuda):
    gemm, copy = (float(bench["ceilings"][name]) for name in ("gemm_tflops", "copy_gbps"))
    problem = bench["problem"]
    heading = (
        f"TFLOP/s on {bench['machine']['gpu']}, driver {driver}, CUDA {cuda}: bf16, "
        f"{problem['tokens']} tokens\nor one sequence, {problem['columns']} columns in all heads, median of "
        f"{problem['runs']} runs. The products alone (GEMM, cuBLAS): {gemm:.1f} TFLOP/s; a\n"
        f"copy alone: {copy:.1f} GB/s. \"of GEMM\" is the share of the highest rung that was measured."
    )
    if torch:
        machine = torch["machine"]
        heading += f" Beside it PyTorch {machine['torch']}\nwith CUDA {machine['cuda']} and cuDNN {machine['cudnn']}."
    section = heading + "\n"
    for what in ("forward", "backward"):
        ours = figures_of(bench, what, lambda row: row["rung"])
        theirs = figures_of(torch, what, lambda row: row["backend"]) if torch else {}
        if ours:
            section += f"\nThe {what} pass:\n\n{table_of(ours, theirs, gemm)}\n"
    if section == heading + "\n":
        refuse("the report of ringattn must have rows; found none; measure again")
    return section


def main():
    arguments = parse_arguments()
    try:
        text = arguments.text.read_text()
        bench = json.loads(arguments.bench.read_text())
        torch = json.loads(arguments.torch.read_text()) if arguments.torch else None
        section = section_of(bench, torch, arguments.driver, arguments.cuda)
    except OSError as error:
        refuse(f"the files must be readable; found {error}")
    except (ValueError, LookupError, TypeError, ZeroDivisionError) as error:
        refuse(f"the reports must have the format of the two programs; found {error!r}; measure again")
    between = re.compile(rf"({BEGIN}[^\n]*-->\n).*?({END})", re.DOTALL)
    if len(between.findall(text)) != 1:
        refuse(f"{arguments.text} must have the lines {BEGIN}: ... --> and {END} once")
    arguments.text.write_text(between.sub(lambda marks: f"{marks[1]}{section}{marks[2]}", text))


if __name__ == "__main__":
    main()
