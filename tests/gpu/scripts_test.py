#!/usr/bin/env python3
"""Tests of gpu/bench/write_table.py and torch_sdpa.py, on fabricated reports."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

scripts = Path(__file__).parents[2] / "gpu" / "bench"
readme = Path(__file__).parents[2] / "gpu" / "README.md"


def call(script, *arguments):
    return subprocess.run([sys.executable, scripts / script, *arguments], capture_output=True, text=True)


def row(name, figure, d=64, mask="full", N=1024, what="forward", **more):
    return {"what": what, "d": d, "mask": mask, "N": N, **name, "tflops": figure, **more}


BENCH = {
    "machine": {"gpu": "a made-up GPU"},
    "ceilings": {"gemm_tflops": 800, "copy_gbps": 3000},
    "problem": {"dtype": "bf16", "tokens": 16384, "columns": 2048, "runs": 11},
    "rows": [
        row({"rung": 1}, 0.5),
        row({"rung": 7}, 400),
        row({"rung": 7}, 600, d=128, mask="causal", N=2048),
        row({"rung": 2}, 300, what="backward"),
    ],
}
TORCH = {
    "machine": {"gpu": "a made-up GPU", "torch": "2.9", "cuda": "12.9", "cudnn": 91002},
    "rows": [row({"backend": "cuDNN"}, 500), row({"backend": "cuDNN"}, 350, what="backward")],
}


class WriteTable(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.text, self.bench, self.torch = (Path(folder.name) / name for name in ("text", "bench", "torch"))
        self.text.write_text("before\n<!-- ladder: by hand never -->\nunmeasured\n<!-- end of ladder -->\nafter\n")
        self.bench.write_text(json.dumps(BENCH))
        self.torch.write_text(json.dumps(TORCH))

    def write(self, *more):
        return call("write_table.py", self.text, self.bench, *more)

    def refuses(self, part, *more):
        before = self.text.read_text()
        said = self.write(*more)
        self.assertEqual(said.returncode, 2)
        self.assertEqual(said.stderr.count("\n"), 1)
        self.assertIn(part, said.stderr)
        self.assertEqual(self.text.read_text(), before)

    def test_figures_stand_between_the_markers_and_nothing_else_changes(self):
        self.assertEqual(self.write("--driver", "580.65", "--cuda", "13.0").returncode, 0)
        text = self.text.read_text()
        self.assertTrue(text.startswith("before\n<!-- ladder: by hand never -->\nTFLOP/s"))
        self.assertTrue(text.endswith(" |\n<!-- end of ladder -->\nafter\n"))
        self.assertNotIn("unmeasured", text)
        for what in ("forward", "backward"):
            self.assertEqual(text.count(f"\nThe {what} pass:\n\n| d |"), 1)
        for fact in ("a made-up GPU", "driver 580.65", "CUDA 13.0", "800.0 TFLOP/s", "3000.0 GB/s"):
            self.assertIn(fact, text)
        self.assertIn("| d | mask | N | rung 1 | rung 7 | of GEMM |\n", text)
        self.assertIn("| 64 | full | 1024 | 0.5 | 400.0 | 50 % |\n", text)
        self.assertIn("| 128 | causal | 2048 |  | 600.0 | 75 % |\n", text)
        self.assertIn("| d | mask | N | rung 2 | of GEMM |\n", text)
        self.assertIn("| 64 | full | 1024 | 300.0 | 38 % |\n", text)

    def test_a_pass_that_nobody_measured_has_no_table(self):
        self.bench.write_text(json.dumps({**BENCH, "rows": BENCH["rows"][:3]}))
        self.assertEqual(self.write("--torch", self.torch).returncode, 0)
        self.assertNotIn("The backward pass", self.text.read_text())

    def test_to_write_twice_is_to_write_once(self):
        self.write()
        once = self.text.read_text()
        self.write()
        self.assertEqual(self.text.read_text(), once)

    def test_pytorch_stands_beside_the_rungs_pass_by_pass(self):
        self.assertEqual(self.write("--torch", self.torch).returncode, 0)
        text = self.text.read_text()
        self.assertIn("PyTorch 2.9\nwith CUDA 12.9 and cuDNN 91002", text)
        self.assertIn("| 64 | full | 1024 | 0.5 | 400.0 | 50 % | 500.0 |\n", text)
        self.assertIn("| 128 | causal | 2048 |  | 600.0 | 75 % |  |\n", text)
        self.assertIn("| 64 | full | 1024 | 300.0 | 38 % | 350.0 |\n", text)

    def test_reports_that_are_none_are_refused_and_the_text_is_as_it_was(self):
        self.refuses("files must be readable", "--torch", "absent")
        without_ceiling = {**BENCH, "ceilings": {"gemm_tflops": 0, "copy_gbps": 0}}
        without_figures = {**BENCH, "rows": [{"what": "forward"}]}
        for wrong in ("", "[]", "{}", json.dumps(without_ceiling), json.dumps(without_figures)):
            self.bench.write_text(wrong)
            self.refuses("reports must have the format")
        self.bench.write_text(json.dumps({**BENCH, "rows": []}))
        self.refuses("must have rows")

    def test_a_text_without_both_markers_is_refused(self):
        for text in ("nothing", "<!-- ladder: -->\n", "<!-- end of ladder -->", 2 * self.text.read_text()):
            self.text.write_text(text)
            self.refuses("must have the lines")

    def test_the_readme_of_the_gpu_has_the_markers(self):
        self.text.write_text(readme.read_text())
        self.assertEqual(self.write().returncode, 0)


class TorchSdpa(unittest.TestCase):
    def test_help_has_an_example(self):
        said = call("torch_sdpa.py", "--help")
        self.assertEqual(said.returncode, 0)
        self.assertIn("Example: torch_sdpa.py", said.stdout)

    @unittest.skipIf(importlib.util.find_spec("torch"), "PyTorch is installed")
    def test_without_pytorch_there_is_one_sentence(self):
        said = call("torch_sdpa.py")
        self.assertEqual((said.returncode, said.stdout, said.stderr.count("\n")), (2, "", 1))
        self.assertIn("PyTorch is required", said.stderr)


if __name__ == "__main__":
    unittest.main()
