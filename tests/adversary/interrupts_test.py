"""Ctrl-C ends a call of the package, whatever it computes."""

import pytest
from trials import run_scale

hang_seconds = 30  # none of the computations ends in this time
moments = [0.2 + n / 10 for n in range(max(1, int(run_scale())))]  # seconds after the start

tensor = "np.random.default_rng(1).standard_normal(({batch}, {seq}, {heads}, 8))"
long_sequence = "q = " + tensor.format(batch=1, seq=200_000, heads=2)
many_sequences = "q = " + tensor.format(batch=99, seq=2000, heads=8)
many_heads = "q = " + tensor.format(batch=4, seq=128, heads=4)
calls = {
    "attention": (long_sequence, "ringattn.attention(q, q, q)"),
    "attention with a mask": (many_sequences, "ringattn.attention(q, q, q, mask=np.tri(2000) > 0)"),
    "attention_vjp": (long_sequence, "ringattn.attention_vjp(q, q, q, q)"),
    "ring_attention": (long_sequence, "ringattn.ring_attention(q, q, q, devices=3, dout=q)"),
    "ring_attention in lockstep": (long_sequence, "ringattn.ring_attention(q, q, q, devices=3, threads=1)"),
    "check": (long_sequence, "ringattn.check(q, q, q, out=q, rows=200_000)"),
    "the name of a mistake": (many_heads, "ringattn.check(q, q, q, out=q + q[::-1])"),
    "laws": (long_sequence, "ringattn.laws(q, q, q, lse=np.ones((1, 2, 200_000)), rows=200_000)"),
}


@pytest.mark.parametrize("call", calls)
def test_ctrl_c_ends_every_long_call(call, python):
    prepare, compute = calls[call]
    for moment in moments:
        handler = "signal.signal(signal.SIGALRM, signal.default_int_handler)"
        alarm = f"signal.setitimer(signal.ITIMER_REAL, {moment:.1f})"
        outcome = python.run(f"import signal; {handler}; {prepare}; {alarm}; {compute}", hang_seconds)
        assert outcome.error == "KeyboardInterrupt", outcome


attention = f"q = {tensor.format(batch=1, seq=4000, heads=8)}; ringattn.attention(q, q, q)"
probe = "ringattn.probe('random', seq=2**16)"


@pytest.mark.parametrize("compute", [attention, probe])
def test_signal_handlers_run_during_a_call(compute, python):
    # A handler that runs twice at one instruction of Python ran while that instruction, the call, was executed
    handler = "at = []; signal.signal(signal.SIGALRM, lambda _, frame: at.append((id(frame), frame.f_lasti)))"
    ticks = "signal.setitimer(signal.ITIMER_REAL, {0}, {0})"
    count = "print(len(at) - len(set(at)))"
    line = f"import signal; {handler}; {ticks.format(0.01)}; {compute}; {ticks.format(0)}; {count}"
    assert int(python.run(line).printed) > 0
