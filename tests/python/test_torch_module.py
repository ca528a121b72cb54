"""Modules, autograd functions and functions of torch are called on a case and judged, if torch is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ringattn

torch = pytest.importorskip("torch", reason="torch is not installed")

case = ringattn.probe("random", seq=24, heads=(4, 4), dim=16, devices=1, causal=True)


def attention(q, k, v, is_causal=True):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=is_causal)


class Module(torch.nn.Module):
    def forward(self, q, k, v, is_causal):
        return attention(q, k, v, is_causal), None


class Function(torch.autograd.Function):
    @staticmethod
    def forward(context, q, k, v):
        context.save_for_backward(q, k, v)
        return attention(q, k, v)

    @staticmethod
    def backward(context, dout):
        inputs = [tensor.detach().requires_grad_() for tensor in context.saved_tensors]
        with torch.enable_grad():
            dq, dk, dv = torch.autograd.grad(attention(*inputs), inputs, dout)
        return dq, dk, dv


class HalvedGradient(Function):
    @staticmethod
    def backward(context, dout):
        dq, dk, dv = Function.backward(context, dout)
        return dq / 2, dk, dv


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_right_modules_pass_forward_and_backward(dtype):
    for module, arguments in ((Module(), {"is_causal": True}), (Function, {}), (attention, {})):
        report = ringattn.torch.check_module(module, case, axes="bhsd", dtype=dtype, **arguments)
        assert report.ok and "dv       pass" in str(report), str(report)


def test_a_module_in_the_wrong_order_of_axes_fails():
    assert not ringattn.torch.check_module(attention, case, backward=False).ok


def test_a_wrong_gradient_is_found_behind_a_right_forward():
    report = ringattn.torch.check_module(HalvedGradient, case, axes="bhsd")
    assert not report.ok and "out      pass" in str(report) and "dq       FAIL" in str(report)


@pytest.mark.parametrize(
    ("module", "error", "sentence"),
    [
        (lambda q, k, v: None, TypeError, "must return a tensor"),
        (lambda q, k, v: attention(q, k, v).detach(), ValueError, "through autograd"),
    ],
)
def test_results_that_cannot_be_judged_are_refused(module, error, sentence):
    with pytest.raises(error, match=sentence):
        ringattn.torch.check_module(module, case, axes="bhsd")


def run_rank(rank, folder):
    """One of two processes: its shard of out is checked with that of the other one."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/ranks", rank=rank, world_size=2)
    tensors = [torch.from_numpy(case[name]) for name in "qkv"]
    out = torch.from_numpy(ringattn.attention(*tensors, **case.options))
    rows = ringattn.sharding(24, devices=2, layout="zigzag").rows[rank]
    parts = ringattn.torch.of_all_ranks(out[:, rows].bfloat16())
    torch.distributed.destroy_process_group()
    given = {"devices": 2, "layout": "zigzag", **case.options}
    assert len(parts) == 2 and ringattn.check(*tensors, out=parts, **given).ok
    assert not ringattn.check(*tensors, out=parts[::-1], **given).ok


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch is built without processes")
def test_results_of_processes_are_collected_and_judged(tmp_path):
    command = [sys.executable, "-B", "-c", "import sys, test_torch_module as t; t.run_rank(int(sys.argv[1]), sys.argv[2])"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    ranks = [subprocess.Popen([*command, str(rank), str(tmp_path)], env=environment) for rank in range(2)]
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]


def test_a_file_of_torch_is_a_case(program):
    q, k, v = (torch.from_numpy(case[name]).bfloat16().transpose(1, 2) for name in "qkv")
    out = attention(q, k, v)
    with program.workspace() as workspace:
        torch.save({"query": q, "key": k, "value": v, "causal": True}, workspace.path / "case.pt")
        torch.save({"attn_output": out}, workspace.path / "out.pt")
        torch.save(out, workspace.path / "alone.pt")
        for name in ("out.pt", "alone.pt"):
            answer = workspace.run("check", "case.pt", "--out", name, "--axes", "bhsd")
            assert answer.status == 0 and "VERDICT  PASS" in answer.out, answer
