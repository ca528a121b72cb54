#!/usr/bin/env python3
"""ptx_test.py BUILD

Executes the kernels in BUILD, a build folder of preset gpu, instruction by instruction without a GPU, from the PTX that
nvcc wrote (tests/gpu/ptx), and checks them with the oracle. Needs cuobjdump, and the package ringattn.
"""

import functools
import re
import unittest

from compiled import build_folder, listing
from ptx.machine import Machine
from ptx.program import Program
from ptx.parser import RuleBroken, kernels_of
from ptx_launches import Problem, attend, differentiate, kernel_name

SOURCES = {
    "tensor_cores": "kernels/3_tensor_cores.cu",
    "hopper": "kernels/4_hopper.cu",
    "specialised": "kernels/5_specialised.cu",
    "overlapped": "kernels/6_overlapped.cu",
    "persistent": "kernels/7_persistent.cu",
    "two_kernels_dQ": "backward/2_two_kernels.cu",
    "two_kernels_dK_dV": "backward/2_two_kernels.cu",
    "fused": "backward/3_fused.cu",
}


@functools.cache
def ptx_of(source):
    return listing(build, source, "--dump-ptx")


def kernel_in(text, name, element, d):
    mangled = kernel_name(name, element, d)
    (kernel,) = [kernel for kernel in kernels_of(text).values() if mangled.search(kernel.name)]
    return kernel


@functools.cache
def program(name, element, d):
    return Program(kernel_in(ptx_of(SOURCES[name]), name, element, d))


class Forward(unittest.TestCase):
    def check(self, rung, *problems):
        machine, of = Machine(seed=1), program(rung, problems[0].element, problems[0].d)
        for problem, (out, lse) in zip(problems, attend(machine, of, rung, [problems])):
            problem.check(out=out, lse=lse)
        self.assertEqual(machine.bank_conflicts, 0)

    def test_tensor_cores(self):
        self.check("tensor_cores", Problem("bf16", d=64, q_rows=70, kv_rows=130, right=0))

    def test_hopper(self):
        self.check("hopper", Problem("f16", H=2, d=128, q_rows=70, kv_rows=130, left=50))

    def test_specialised(self):
        self.check("specialised", Problem("bf16", H=2, Hkv=2, d=64, q_rows=200, kv_rows=150, left=90, right=20))

    def test_overlapped(self):
        self.check("overlapped", Problem("f16", d=64, q_rows=129, kv_rows=300, right=0))

    def test_persistent_with_more_tiles_than_blocks_that_stay(self):
        shape = {"element": "bf16", "H": 4, "Hkv": 2, "d": 128, "right": 0}
        all_rows = [(129, 140), (0, 3)]
        self.check("persistent", *[Problem(**shape, q_rows=q, kv_rows=kv) for q, kv in all_rows])

    def test_devices_with_nothing_to_see(self):
        shape = {"element": "bf16", "d": 64}
        for rung in ("hopper", "specialised", "overlapped", "persistent"):
            self.check(rung, Problem(**shape, q_rows=5, kv_rows=0), Problem(**shape, q_rows=0, kv_rows=9))

    def test_steps_over_whole_tiles_give_the_bits_of_one_launch(self):
        whole = Problem("bf16", d=64, q_rows=40, kv_rows=384, right=0, seed=3)
        of = program("persistent", "bf16", 64)
        parts = [[whole.with_keys(0, 128)], [whole.with_keys(128, 384)]]
        found, expected = [attend(Machine(seed=2), of, "persistent", steps)[0] for steps in (parts, [[whole]])]
        self.assertEqual(*[[result.tobytes() for result in some] for some in (found, expected)])


class Backward(unittest.TestCase):
    def check(self, rung, *problems):
        names = ["fused"] if rung == "fused" else ["two_kernels_dQ", "two_kernels_dK_dV"]
        programs = [program(name, problems[0].element, problems[0].d) for name in names]
        machine = Machine(seed=3)
        for problem, (dq, dk, dv) in zip(problems, differentiate(machine, programs, rung, problems)):
            problem.check(dout=problem.dout, dq=dq, dk=dk, dv=dv)
        self.assertEqual(machine.bank_conflicts, 0)

    def test_two_kernels(self):
        self.check("two_kernels", Problem("bf16", H=2, d=64, q_rows=70, kv_rows=65, right=0))

    # The only query comes after all keys of the first tile
    def test_two_kernels_with_keys_that_no_query_sees(self):
        self.check("two_kernels", Problem("bf16", d=128, q_rows=1, kv_rows=140, left=3, right=3, seed=2))

    def test_fused_with_keys_that_no_query_sees(self):
        self.check("fused", Problem("bf16", d=64, q_rows=1, kv_rows=270, left=3, right=3))

    def test_fused(self):
        self.check("fused", Problem("f16", H=2, d=64, q_rows=130, kv_rows=140, right=0))

    def test_fused_with_wide_heads(self):
        self.check("fused", Problem("bf16", d=128, q_rows=70, kv_rows=129, left=60, right=10))


# Errors to inject into a kernel: a pattern in its text, and the replacement
OVERSIGHTS = {
    "tensor_cores": {
        "threads are not synchronized": (r"bar\.sync 0;", ""),
        "the wait for copies is missing": (r"cp\.async\.wait_group 0;", ""),
    },
    "overlapped": {
        "products begin without a fence": (r"wgmma\.fence\.sync\.aligned;", ""),
        "the softmax does not wait for its scores": (r"(wgmma\.wait_group\.sync\.aligned) 1;", r"\1 2;"),
        "V is read with the layout of K": ("more, 1, 1, 1;", "more, 1, 1, 0;"),
        "the registers of P are swapped": (r"\}, \{(%r\d+), (%r\d+), (%r\d+), ", r"}, {\1, \3, \2, "),
        "the results are written to the wrong places": (r"bf16 \{(%f\d+), (%f\d+)", r"bf16 {\2, \1"),
        "row and head of a box are swapped": (r"(\{%r\d+), (%r\d+), (%r\d+)\}\], \[", r"\1, \3, \2}], ["),
        "only half of the bytes are expected": (r"(mov\.u32 %r\d+, )16384;", r"\g<1>8192;"),
        "the wait for TMA is missing": ("bra AGAIN;", ""),
        "the turn is not passed on": (r"barrier\.cta\.arrive", "//"),
        "no stage is released": (r"mbarrier\.arrive\.shared::cta", "//"),
    },
    "fused": {
        "dS is not published": (r"fence\.proxy\.async\.shared::cta;", ""),
        "one warpgroup does not wait for the dS of the other": (r"barrier\.cta\.sync", "//"),
    },
}


class Oversights(unittest.TestCase):
    """The machine detects every injected error."""

    def check(self, name, results):
        text = ptx_of(SOURCES[name])
        expected = results(program(name, "bf16", 64))
        for oversight, change in OVERSIGHTS[name].items():
            with self.subTest(oversight):
                changed = re.sub(*change, text)
                self.assertNotEqual(changed, text)
                try:
                    found = results(Program(kernel_in(changed, name, "bf16", 64)))
                except RuleBroken:
                    continue
                self.assertNotEqual(*[[result.tobytes() for result in some[0]] for some in (found, expected)])

    def test_forward(self):
        problem = Problem("bf16", d=64, q_rows=20, kv_rows=300, right=0)
        for rung in ("tensor_cores", "overlapped"):
            self.check(rung, lambda of: attend(Machine(seed=4), of, rung, [[problem]]))

    def test_backward(self):
        problem = Problem("bf16", d=64, q_rows=60, kv_rows=70, right=0)
        self.check("fused", lambda of: differentiate(Machine(seed=5), [of], "fused", [problem]))


if __name__ == "__main__":
    build = build_folder(__doc__)
    unittest.main(verbosity=2)
