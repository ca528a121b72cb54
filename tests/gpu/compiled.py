"""What nvcc made of the sources of gpu/ in a folder of preset gpu, as cuobjdump lists it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def cuobjdump():
    """Of the CUDA Toolkit or of pip, which puts it where PATH does not look; None where there is none."""
    pip = sorted(Path(sys.prefix).glob("lib/python3*/site-packages/nvidia/*/bin"))
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/local/cuda/bin", *map(str, pip)])
    return shutil.which("nvdisasm") and shutil.which("cuobjdump")  # which calls nvdisasm


def listing(build, source, what):
    """Of gpu/SOURCE: --dump-sass or --dump-ptx."""
    objects = list(build.glob(f"**/{source}.o"))
    if len(objects) != 1:
        sys.exit(f"{build}: one gpu/{source}.o is wanted; found {len(objects)}; build preset gpu")
    return subprocess.run([cuobjdump(), what, objects[0]], check=True, capture_output=True, text=True).stdout


def build_folder(usage):
    """The only argument, which it takes away; ends the program where there is none, or nothing to list objects with."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(usage.strip())
    if not cuobjdump():
        print("skipped: no cuobjdump and nvdisasm")
        sys.exit(77)
    return Path(sys.argv.pop(1))
