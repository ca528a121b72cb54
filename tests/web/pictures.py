"""The page, and the pictures that ringviz makes for comparison."""

import json
import os
import pathlib
import subprocess

import numpy
from PIL import Image

root = pathlib.Path(__file__).parents[2]
page_file = root / "build/web/ringattn.html"
address = page_file.as_uri()
scenes = [json.loads(file.read_text())["id"] for file in sorted((root / "visualizer/scenes").glob("*.json"))]
# Compiled for a plain processor and without vector instructions, as the page is: see `make web-test`
ringviz = root / "build/plain/ringviz"
# The C library would otherwise choose an exponential with fused multiplications
os.environ["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2"

# Of the pixels. A pixel differs if a channel differs by more than 24 of 255: WebGL rounds the edges of shapes in another
# way than the rasteriser of the processor
most_different = 0.0001


def raster(link, folder, *trace):
    """The picture of ringviz at a moment of a scene, or of a trace."""
    file = folder / "shot.png"
    subprocess.run([ringviz, "shot", *trace, "--state", link, "--size", "1600x900", "--out", file],
                   check=True, stdin=subprocess.DEVNULL)
    return numpy.asarray(Image.open(file).convert("RGB"))


def different(a, b):
    """The part of the pixels that differ."""
    assert a.shape == b.shape
    return (numpy.abs(a.astype(int) - b.astype(int)).max(axis=2) > 24).mean()
