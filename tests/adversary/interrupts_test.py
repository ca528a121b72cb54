"""Ctrl-C ends a call of the package, whatever it computes."""

import pytest

hang_seconds = 30  # none of the computations ends in this time

tensor = "np.random.default_rng(1).standard_normal(({batch}, {seq}, {heads}, 8))"
long_sequence = "q = " + tensor.format(batch=1, seq=200_000, heads=2)
many_heads = "q = " + tensor.format(batch=4, seq=128, heads=4)
calls = {
    "attention": (long_sequence, "ringattn.attention(q, q, q)"),
    "attention with a mask": ("q = " + tensor.format(batch=99, seq=2000, heads=8), "ringattn.attention(q, q, q, mask=np.tri(2000) > 0)"),
    "attention_vjp": (long_sequence, "ringattn.attention_vjp(q, q, q, q)"),
    "ring_attention": (long_sequence, "ringattn.ring_attention(q, q, q, devices=3, dout=q)"),
    "ring_attention in lockstep": (long_sequence, "ringattn.ring_attention(q, q, q, devices=3, threads=1)"),
    "check": (long_sequence, "ringattn.check(q, q, q, out=q, rows=200_000)"),
    "the name of a mistake": (many_heads, "ringattn.check(q, q, q, out=q + q[::-1])"),
    "laws": (long_sequence, "ringattn.laws(q, q, q, lse=np.ones((1, 2, 200_000)), rows=200_000)"),
}


@pytest.mark.parametrize("moment", [0.01, 0.5])
@pytest.mark.parametrize("call", calls)
def test_ctrl_c_ends_every_long_call(call, moment, python):
    prepare, compute = calls[call]
    interrupt = f"import signal; signal.signal(signal.SIGALRM, signal.default_int_handler); signal.setitimer(signal.ITIMER_REAL, {moment})"
    assert python.run(f"{prepare}; {interrupt}; {compute}", hang_seconds).error == "KeyboardInterrupt"


def test_signal_handlers_run_during_a_call(python):
    handled = "handled = []; signal.signal(signal.SIGALRM, lambda *_: handled.append(0)); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)"
    compute = f"q = {tensor.format(batch=1, seq=4000, heads=8)}; before = len(handled); ringattn.attention(q, q, q)"
    stop = "signal.setitimer(signal.ITIMER_REAL, 0); print(len(handled) - before)"
    assert int(python.run(f"import signal; {handled}; {compute}; {stop}").printed) > 1
