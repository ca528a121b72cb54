"""Ctrl-C ends a call of the package, whatever it computes."""

import pytest
from trials import run_scale

hang_seconds = 30  # none of the computations ends in this time
moments = [0.2 + n / 10 for n in range(max(1, int(run_scale())))]  # seconds after the start

tensor = "np.random.default_rng(1).standard_normal(({batch}, {seq}, {heads}, 8))"
long_sequence = "q = " + tensor.format(batch=1, seq=200_000, heads=2)
calls = {
    "attention": (long_sequence, "ringattn.attention(q, q, q)"),
    "attention with a mask": ("q = " + tensor.format(batch=99, seq=2000, heads=8), "ringattn.attention(q, q, q, mask=np.tri(2000) > 0)"),
    "attention_vjp": (long_sequence, "ringattn.attention_vjp(q, q, q, q)"),
    "ring_attention": (long_sequence, "ringattn.ring_attention(q, q, q, devices=3, dout=q)"),
    "ring_attention in lockstep": (long_sequence, "ringattn.ring_attention(q, q, q, devices=3, threads=1)"),
    "check": (long_sequence, "ringattn.check(q, q, q, out=q, rows=200_000)"),
    "the name of a mistake": ("q = " + tensor.format(batch=4, seq=128, heads=4), "ringattn.check(q, q, q, out=q + q[::-1])"),
    "laws": (long_sequence, "ringattn.laws(q, q, q, lse=np.ones((1, 2, 200_000)), rows=200_000)"),
}


@pytest.mark.parametrize("call", calls)
def test_ctrl_c_ends_every_long_call(call, python):
    prepare, compute = calls[call]
    for moment in moments:
        interrupt = f"signal.signal(signal.SIGALRM, signal.default_int_handler); signal.setitimer(signal.ITIMER_REAL, {moment:.1f})"
        outcome = python.run(f"import signal; {prepare}; {interrupt}; {compute}", hang_seconds)
        assert outcome.error == "KeyboardInterrupt", outcome


@pytest.mark.parametrize("compute", [f"q = {tensor.format(batch=1, seq=4000, heads=8)}; ringattn.attention(q, q, q)", "ringattn.probe('random', seq=2**16)"])
def test_signal_handlers_run_during_a_call(compute, python):
    # A handler that runs twice at one instruction of Python ran while that instruction, the call, was executed
    handler = "at = []; signal.signal(signal.SIGALRM, lambda _, frame: at.append((id(frame), frame.f_lasti)))"
    ticks = "signal.setitimer(signal.ITIMER_REAL, {0}, {0})"
    count = "print(len(at) - len(set(at)))"
    line = f"import signal; {handler}; {ticks.format(0.01)}; {compute}; {ticks.format(0)}; {count}"
    assert int(python.run(line).printed) > 0
