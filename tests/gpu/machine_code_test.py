#!/usr/bin/env python3
"""machine_code_test.py BUILD

What the assembler made of the kernels in BUILD, a folder of preset gpu: it may move arithmetic across waits, and a
kernel is then as right as before, and slower. Needs cuobjdump and nvdisasm, of the CUDA Toolkit or of pip.
"""

import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path


def disassembler():
    """cuobjdump, which calls nvdisasm; pip puts both where PATH does not look."""
    pip = sorted(Path(sys.prefix).glob("lib/python3*/site-packages/nvidia/*/bin"))
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], "/usr/local/cuda/bin", *map(str, pip)])
    return shutil.which("cuobjdump")


def kernels_of(*sources):
    """Name and instructions of each kernel of gpu/SOURCE."""
    for source in sources:
        found = list(build.glob(f"**/{source}.o"))
        if len(found) != 1:
            sys.exit(f"{build}: one gpu/{source}.o is wanted; found {len(found)}; build preset gpu")
        listing = subprocess.run([disassembler(), "--dump-sass", found[0]], check=True, capture_output=True, text=True)
        kernels = re.split(r"\n\s*Function : ", listing.stdout)[1:]
        assert kernels, source
        for kernel in kernels:
            yield kernel.split()[0], re.findall(r"/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", kernel)


def count(instruction, code):
    return sum(bool(re.match(rf"(@!?U?P\w+ )?{instruction}", line)) for line in code)


def exponentials_between_waits(code):
    """From the wait for all products but the newest to the wait for that one too."""
    begin = code.index("WARPGROUP.DEPBAR.LE gsb0, 0x1")
    return count("MUFU.EX2", code[begin : code.index("WARPGROUP.DEPBAR.LE gsb0, 0x0", begin)])


class MachineCode(unittest.TestCase):
    def test_the_softmax_of_a_tile_goes_on_beside_the_product_of_the_tile_before(self):
        for name, code in kernels_of("kernels/6_overlapped.cu", "kernels/7_persistent.cu"):
            self.assertGreaterEqual(exponentials_between_waits(code), 64 * 128 // 128, name)

    def test_backward_the_exponentials_go_on_beside_the_second_product(self):
        for name, code in kernels_of("backward/3_fused.cu"):
            queries = 128 if "Li64E" in name else 64
            self.assertGreaterEqual(exponentials_between_waits(code), 64 * queries // 128, name)

    def test_what_needs_hopper_multiplies_in_warpgroups(self):
        rungs = ["4_hopper", "5_specialised", "6_overlapped", "7_persistent"]
        for name, code in kernels_of(*(f"kernels/{rung}.cu" for rung in rungs), "backward/3_fused.cu"):
            self.assertGreater(count("HGMMA", code), 0, name)
            self.assertEqual(count("HMMA", code), 0, name)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__.strip())
    build = Path(sys.argv.pop())
    if not disassembler() or not shutil.which("nvdisasm"):
        print("skipped: no cuobjdump and nvdisasm")
        sys.exit(77)
    unittest.main(verbosity=2)
