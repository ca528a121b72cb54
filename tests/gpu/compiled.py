"""The code that nvcc compiled from the sources of gpu/ in a build folder of preset gpu, as cuobjdump lists it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def cuobjdump():
    """The cuobjdump of the CUDA Toolkit or of pip, which installs it outside PATH; None if it is not installed."""
    pip = sorted(Path(sys.prefix).glob("lib/python3*/site-packages/nvidia/*/bin"))
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/local/cuda/bin", *map(str, pip)])
    return shutil.which("nvdisasm") and shutil.which("cuobjdump")  # cuobjdump calls nvdisasm


def listing(build, source, what):
    """The listing of gpu/SOURCE: --dump-sass or --dump-ptx."""
    objects = list(build.glob(f"**/{source}.o"))
    if len(objects) != 1:
        sys.exit(f"{build}: exactly one gpu/{source}.o is required; found {len(objects)}; build preset gpu")
    return subprocess.run([cuobjdump(), what, objects[0]], check=True, capture_output=True, text=True).stdout


def build_folder(usage):
    """Returns and removes the only argument; exits if it is missing, or if cuobjdump is not installed."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(usage.strip())
    if not cuobjdump():
        print("skipped: no cuobjdump and nvdisasm")
        sys.exit(77)
    return Path(sys.argv.pop(1))
