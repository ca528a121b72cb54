"""Any call of a public function returns a result, or raises ValueError or TypeError with a sentence of this package."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import trials

# ---- Arguments, as source text ----------------------------------------------

q_shape, k_shape, v_shape, out_shape, lse_shape = (1, 5, 4, 3), (1, 5, 2, 3), (1, 5, 2, 2), (1, 5, 4, 2), (1, 4, 5)


def right_tensor(shape):
    """The same numbers in several types and memory layouts."""
    made = f"np.random.default_rng(1).standard_normal({shape})"
    return st.sampled_from([made, f"{made}.astype('>f8')", f"np.asfortranarray({made})", f"{made}[:, ::-1]", f"memoryview({made})", f"{made}.tolist()"])


def hostile_class(**methods):
    """An object whose methods return or raise what they should not."""
    body = ", ".join(f"'{name}': lambda self, *a, **k: {value}" for name, value in methods.items())
    return f"type('X', (), {{{body}}})()"


capsules = ["1/0", "None", "5", "self", "np.ones(3).__dlpack__()", "np.ones((1, 5, 4, 3), bool).__dlpack__()", "np.ones((1, 5, 4, 3), complex).__dlpack__()"]
devices_of_capsules = ["(1, 0)", "(2, 0)", "(99, 0)", "None", "()", "'cpu'", "1/0"]
hostile_objects = [
    *(hostile_class(__dlpack__=capsule) for capsule in capsules),
    *(hostile_class(__dlpack__=capsules[0], __dlpack_device__=device) for device in devices_of_capsules),
    *(hostile_class(__dlpack__=capsules[4], __dlpack_device__=device) for device in devices_of_capsules),
    *(hostile_class(__array__=value) for value in ("1/0", "None", "self", "np.ones(3)", "'x'")),
    hostile_class(__getattr__="1/0"), hostile_class(__repr__="1/0", __float__="1/0", __index__="1/0", __bool__="1/0"),
    hostile_class(__index__="10**400", __float__="1e400", __repr__="5"), hostile_class(__iter__="iter(int, 1)"),
    hostile_class(__str__="1/0", __repr__="'x' * 10**6", __len__="2**70"), hostile_class(__eq__="1/0", __hash__="1/0"),
    "type('X', (), {'__array_interface__': {'version': 3}})()", "type('X', (), {'__array_interface__': 5})()",
    "type('a' * 10**5, (), {})()", "type('line\\nbreak', (), {})()", "type('X', (str,), {})('x')", "object()", "lambda: 0", "Exception",
]  # fmt: skip

hostile_arrays = [
    "None", "[]", "[[1, [2]]]", "np.ones(3)", "np.array(1.0)", "np.ones((2,) * 9)", "np.ones((1, 0, 4, 3))", "np.ones((0, 5, 4, 3))",
    "np.ones((1, 5, 0, 3))", "np.ones((1, 5, 4, 0))", "np.ones((1, 5, 4, 4))", "np.ones((1, 5, 3, 3))", "np.ones((2, 5, 4, 3))",
    "np.ones((1, 5, 4, 3), np.float16)", "np.ones((1, 5, 4, 3), np.float32)", "np.ones((1, 5, 4, 3), np.longdouble)",
    "np.ones((1, 5, 4, 3), complex)", "np.ones((1, 5, 4, 3), int)", "np.ones((1, 5, 4, 3), np.uint16)", "np.ones((1, 5, 4, 3), bool)",
    "np.ones((1, 5, 4, 3), object)", "np.full((1, 5, 4, 3), np.nan)", "np.full((1, 5, 4, 3), -np.inf)", "np.full((1, 5, 4, 3), 1e308)",
    "np.full((1, 4, 5), np.nan)", "np.full((1, 4, 5), np.inf)", "np.full((1, 4, 5), -np.inf)", "np.full((5, 5), np.nan)", "np.ones((5, 5), bool)",
    "np.ma.masked_array(np.ones((1, 5, 4, 3)))", "np.matrix('1 2')", "np.array(['x'])", "np.array('2020-01-01', 'M8[D]')", "np.empty(3, 'V8')",
    "np.broadcast_to(1.0, (1, 5, 4, 3))", "np.frombuffer(bytes(481), 'f8', offset=1).reshape(1, 5, 4, 3)",
    "np.zeros((1, 5, 4, 3), [('a', 'f8'), ('b', 'i1')])['a']", "np.zeros((1, 5, 4, 3), [('a', 'f8')])", "memoryview(b'x')", "range(5)", "b'x'",
    "[2**63] * 5", "[-2**63] * 5", "[2**62] * 5", "[2**70] * 5", "np.full(5, 2**64 - 1, np.uint64)", "[0, 5]", "[0, 2, 5]", "[0, 9, 5]", "[5, 0]",
    "[0.5] * 5", "[True] * 5", "np.zeros((2, 5), int)", "np.zeros((1, 5), int)", "np.zeros((1, 1, 5), int)",
]  # fmt: skip

hostile_values = [
    "None", "''", "'no'", "'q'", "'1'", "'a' * 10**5", "'\\n'", "'\\0'", "'\\ud800'", "'\\u00e9'", "b'x'", "True", "np.bool_(True)", "0", "1", "-1",
    "2.5", "float('nan')", "float('inf')", "-1e300", "10**400", "10**5000", "2**31", "2**62", "-2**63", "2**64", "np.int8(-1)", "np.float32('nan')",
    "np.array(2)", "np.ones(2)", "()", "(1, 2)", "(1, 2, 3)", "('a', 1)", "(None, 2**63)", "[4, 2]", "{}", "1j", "np.float16", "'bfloat16'", "Exception",
]  # fmt: skip
hostile = st.sampled_from([*hostile_objects, *hostile_arrays, *hostile_values])


def words(*texts):
    return st.sampled_from([repr(text) for text in texts])


flags = st.sampled_from(["True", "False"])
positions = st.sampled_from(["None", "range(5)", "np.arange(5)[::-1]", "[[0, 1, 2, 3, 4]]"])
problem = {
    "q": right_tensor(q_shape), "k": right_tensor(k_shape), "v": right_tensor(v_shape), "softmax_scale": st.sampled_from(["None", "0.5", "-2", "0"]),
    "causal": flags, "causal_align": words(None, "bottom-right", "top-left"), "window_size": st.sampled_from(["None", "(2, 1)", "(-1, 0)", "(None, 3)"]),
    "softcap": st.sampled_from(["None", "0", "3.5"]), "axes": words("bshd", "bhsd", "sbhd"), "q_positions": positions, "kv_positions": positions,
    "q_segment_ids": positions, "kv_segment_ids": positions, "cu_seqlens_q": st.sampled_from(["None", "[0, 5]"]), "cu_seqlens_k": st.just("None"),
}  # fmt: skip
pair_terms = {"bias": st.sampled_from(["None", "np.zeros((5, 5))", "np.float32(0) * np.ones((4, 5, 5))"]), "mask": st.sampled_from(["None", "np.tri(5) > 0"])}
aliases = {"scale": st.just("0.5"), "world_size": st.just("2"), "local_window_size": st.just("2"), "dropout_p": st.just("0.0"), "attn_mask": st.just("None")}
results = {"out": right_tensor(out_shape), "lse": right_tensor(lse_shape), "dq": right_tensor(q_shape), "dk": right_tensor(k_shape), "dv": right_tensor(v_shape)}
cotangents = {"dout": right_tensor(out_shape), "dlse": right_tensor(lse_shape)}
ring = {"devices": st.sampled_from(["1", "3", "7"]), "layout": words("contiguous", "zigzag", "striped")}
sizes = st.sampled_from(["1", "4", "16"])

# By function: the arguments that a call must have, and those that it may have
functions = {
    "attention": ("q k v", {**problem, **pair_terms, **aliases, "return_lse": flags}),
    "attention_vjp": ("q k v dout", {**problem, **pair_terms, **aliases, **cotangents}),
    "ring_attention": (
        "q k v", {**problem, **pair_terms, **aliases, **ring, **cotangents, "rotate": words("kv", "q"),
                  "threads": st.sampled_from(["0", "1", "2"]), "overlap": flags, "trace": flags},
    ),
    "merge": ("out_a lse_a out_b lse_b", {
        "out_a": right_tensor(out_shape), "out_b": right_tensor(out_shape), "lse_a": right_tensor(lse_shape), "lse_b": right_tensor(lse_shape),
        "axes": words("bshd", "bhsd", "sbhd")}),
    "check": ("q k v out", {
        **problem, **pair_terms, **aliases, **ring, **results, **cotangents, "implementation": words("f32", "bf16", "float16", "tf32"),
        "rows": st.sampled_from(["None", "1", "3"]), "seed": st.sampled_from(["0", "7"]), "blind_spots": flags}),
    "assert_attention": ("out q k v", {**problem, "out": right_tensor(out_shape)}),
    "laws": ("q k v lse", {**problem, **results, **cotangents, "rows": st.sampled_from(["None", "3"]), "seed": st.just("3")}),
    "probe": ("kind", {
        "kind": words("random", "staircase-up", "needle"), "seq": sizes, "kv_seq": sizes, "heads": st.sampled_from(["2", "(4, 2)"]), "dim": sizes,
        "v_dim": sizes, "batch": st.just("2"), "seed": st.just("5"), "causal": flags, "causal_align": words("bottom-right", "top-left"), **ring}),
    "mistakes": ("", {"id": words("M1", "S0")}),
    "probe_kinds": ("", {}),
}  # fmt: skip


@st.composite
def calls(draw, function):
    """A call with up to two hostile arguments among the right ones, and perhaps a keyword that is not one of a problem."""
    needed, known = functions[function]
    others = sorted(known.keys() - set(needed.split()))
    chosen = [*needed.split(), *(draw(st.lists(st.sampled_from(others), max_size=3, unique=True)) if others else [])]
    attacked = draw(st.lists(st.sampled_from(chosen), max_size=2, unique=True)) if chosen else []
    arguments = [f"{name}={draw(hostile if name in attacked else known[name])}" for name in chosen]
    if "axes" in known and "q" in known and draw(st.integers(0, 19)) == 0:
        arguments.append(draw(st.sampled_from(["causl=True", "**{'a' * 10**5: 1}", "**{'line\\nbreak': 1}", "**{'\\ud800': 1}"])))
    return f"ringattn.{function}({', '.join(arguments)})"


@pytest.mark.parametrize("function", functions)
def test_any_call_returns_or_is_refused_with_a_sentence(function, python):
    @trials(200 if functions[function][1] else 1)
    @given(calls(function))
    def holds(call):
        outcome = python.run(f"import warnings; warnings.simplefilter('ignore'); {call}")
        wrong_result = function == "assert_attention" and outcome.error == "AssertionError" and outcome.message.startswith("case")
        assert not outcome.error or outcome.is_refusal or wrong_result, outcome

    holds()
