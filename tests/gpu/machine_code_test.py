#!/usr/bin/env python3
"""machine_code_test.py BUILD

Checks the machine code of the kernels in BUILD, a build folder of preset gpu: the assembler may move arithmetic across
waits, which leaves a kernel correct but slower. Needs cuobjdump and nvdisasm, of the CUDA Toolkit or of pip.
"""

import re
import unittest

from compiled import build_folder, listing


def kernels_of(*sources):
    """Name and instructions of each kernel of gpu/SOURCE."""
    for source in sources:
        kernels = re.split(r"\n\s*Function : ", listing(build, source, "--dump-sass"))[1:]
        assert kernels, source
        for kernel in kernels:
            yield kernel.split()[0], re.findall(r"/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", kernel)


def count(instruction, code):
    return sum(bool(re.match(rf"(@!?U?P\w+ )?{instruction}", line)) for line in code)


def exponentials_between_waits(code):
    """The exponentials from the wait for all products but the newest to the wait for the newest one."""
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
    build = build_folder(__doc__)
    unittest.main(verbosity=2)
