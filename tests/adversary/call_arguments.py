"""Arguments of the public functions as Python source: right ones by function, and hostile ones."""

from hypothesis import strategies as st

q_shape, k_shape, v_shape, out_shape, lse_shape = (1, 5, 4, 3), (1, 5, 2, 3), (1, 5, 2, 2), (1, 5, 4, 2), (1, 4, 5)

# ---- Hostile arguments ------------------------------------------------------


def object_with(**methods):
    """An object whose methods return or raise what they should not."""
    body = ", ".join(f"'{name}': lambda self, *a, **k: {value}" for name, value in methods.items())
    return f"type('X', (), {{{body}}})()"


def filled(number, shape=q_shape):
    return f"np.full({shape}, {number})"


capsules = [
    "1/0", "None", "5", "self", "np.ones(3).__dlpack__()",
    "np.ones((1, 5, 4, 3), bool).__dlpack__()", "np.ones((1, 5, 4, 3), complex).__dlpack__()",
]  # fmt: skip
devices_of_capsules = ["(1, 0)", "(2, 0)", "(99, 0)", "None", "()", "'cpu'", "1/0"]
hostile_objects = [
    *(object_with(__dlpack__=capsule) for capsule in capsules),
    *(object_with(__dlpack__="1/0", __dlpack_device__=device) for device in devices_of_capsules),
    *(object_with(__dlpack__="np.ones(3).__dlpack__()", __dlpack_device__=device) for device in devices_of_capsules),
    *(object_with(__array__=value) for value in ("1/0", "None", "self", "np.ones(3)", "'x'")),
    object_with(__getattr__="1/0"),
    object_with(__repr__="1/0", __float__="1/0", __index__="1/0", __bool__="1/0"),
    object_with(__index__="10**400", __float__="1e400", __repr__="5"),
    object_with(__iter__="iter(int, 1)"),
    object_with(__str__="1/0", __repr__="'x' * 10**6", __len__="2**70"),
    object_with(__eq__="1/0", __hash__="1/0"),
    "type('X', (), {'__array_interface__': {'version': 3}})()",
    "type('X', (), {'__array_interface__': 5})()",
    "type('a' * 10**5, (), {})()", "type('line\\nbreak', (), {})()", "type('X', (str,), {})('x')",
    "object()", "lambda: 0", "Exception",
]  # fmt: skip

# Of other shapes, types, numbers and memory layouts; then positions, segment ids and lengths
shapes = [(3,), (2,) * 9, (1, 0, 4, 3), (0, 5, 4, 3), (1, 5, 0, 3), (1, 5, 4, 0), (1, 5, 4, 4), (1, 5, 3, 3), (2, 5, 4, 3)]
types = ["np.float16", "np.float32", "np.longdouble", "complex", "int", "np.uint16", "bool", "object", "'U3'", "'M8[D]'"]
hostile_arrays = [
    *(filled(1.0, shape) for shape in shapes), *(f"np.ones({q_shape}).astype({type})" for type in types),
    *(filled(number, shape) for shape in (q_shape, lse_shape, (5, 5)) for number in ("np.nan", "np.inf", "-np.inf", "1e308")),
    "None", "[]", "[[1, [2]]]", "np.array(1.0)", "np.matrix('1 2')", "np.empty(3, 'V8')", "memoryview(b'x')", "b'x'",
    f"np.ma.masked_array(np.ones({q_shape}))", f"np.broadcast_to(1.0, {q_shape})",
    f"np.frombuffer(bytes(481), 'f8', offset=1).reshape{q_shape}",
    f"np.zeros({q_shape}, [('a', 'f8'), ('b', 'i1')])['a']", f"np.zeros({q_shape}, [('a', 'f8')])",
    "range(5)", "[0, 5]", "[0, 2, 5]", "[0, 9, 5]", "[5, 0]", "[0.5] * 5", "[True] * 5", "np.zeros((2, 5), int)",
    "[2**63] * 5", "[-2**63] * 5", "[2**62] * 5", "[2**70] * 5", "np.full(5, 2**64 - 1, np.uint64)",
]  # fmt: skip

hostile_values = [
    "None", "True", "np.bool_(True)", "()", "(1, 2)", "(1, 2, 3)", "('a', 1)", "(None, 2**63)", "[4, 2]", "{}",
    "0", "1", "-1", "2.5", "1j", "2**31", "2**62", "-2**63", "2**64", "10**400", "10**5000", "np.int8(-1)",
    "float('nan')", "float('inf')", "-1e300", "np.float32('nan')", "np.array(2)", "np.ones(2)",
    "''", "'no'", "'q'", "'1'", "'a' * 10**5", "'\\n'", "'\\0'", "'\\ud800'", "'\\u00e9'", "b'x'", "'bfloat16'", "np.float16",
]  # fmt: skip
hostile = st.sampled_from([*hostile_objects, *hostile_arrays, *hostile_values])
unknown_keywords = st.sampled_from(["causl=True", "**{'a' * 10**5: 1}", "**{'line\\nbreak': 1}", "**{'\\ud800': 1}"])

# ---- Right arguments --------------------------------------------------------


def one_of(*texts):
    return st.sampled_from(texts)


def words(*values):
    return st.sampled_from([repr(value) for value in values])


def tensor(shape):
    """The same numbers in several types and memory layouts."""
    made = f"np.random.default_rng(1).standard_normal({shape})"
    return one_of(
        made, f"{made}.astype('>f8')", f"np.asfortranarray({made})", f"{made}[:, ::-1]", f"memoryview({made})", f"{made}.tolist()"
    )


flags = one_of("True", "False")
axes = {"axes": words("bshd", "bhsd", "sbhd")}
align = {"causal_align": words("bottom-right", "top-left")}
positions = one_of("None", "range(5)", "np.arange(5)[::-1]", "[[0, 1, 2, 3, 4]]")
inputs = {"q": tensor(q_shape), "k": tensor(k_shape), "v": tensor(v_shape)}
plain_problem = {
    **inputs, **axes, **align, "causal": flags, "softmax_scale": one_of("None", "0.5", "-2", "0"),
    "softcap": one_of("None", "0", "3.5"), "window_size": one_of("None", "(2, 1)", "(-1, 0)", "(None, 3)"),
    "q_positions": positions, "kv_positions": positions, "q_segment_ids": positions, "kv_segment_ids": positions,
    "cu_seqlens_q": one_of("None", "[0, 5]"), "cu_seqlens_k": one_of("None"),
}  # fmt: skip
problem = {
    **plain_problem, "sinks": one_of("None", "[0.5, -1, 2, 0]", "np.full(4, -np.inf)"),
    "alibi_slopes": one_of("None", "[0.5, 0, 1, 2]"),
}  # fmt: skip
pair_terms = {
    "bias": one_of("None", "np.zeros((5, 5))", "np.float32(0) * np.ones((4, 5, 5))"),
    "mask": one_of("None", "np.tri(5) > 0"),
}
aliases = {
    "scale": one_of("0.5"), "world_size": one_of("2"), "local_window_size": one_of("2"), "dropout_p": one_of("0.0"),
    "attn_mask": one_of("None", "np.tri(5) > 0"), "attn_bias": one_of("np.zeros((5, 5))"),
}  # fmt: skip
any_problem = {**problem, **pair_terms, **aliases}
results = {
    "out": st.one_of(tensor(out_shape), one_of(f"[np.ones({out_shape})] * 3")), "lse": tensor(lse_shape),
    "dq": tensor(q_shape), "dk": tensor(k_shape), "dv": tensor(v_shape),
}  # fmt: skip
cotangents = {"dout": tensor(out_shape), "dlse": tensor(lse_shape)}
ring = {"devices": one_of("1", "3", "7"), "layout": words("contiguous", "zigzag", "striped")}
sample = {"rows": one_of("None", "1", "3"), "seed": one_of("0", "7")}
precision = {"implementation": words("f32", "bf16", "float16", "tf32")}
halves = {name: tensor(lse_shape if name.startswith("lse") else out_shape) for name in ("out_a", "lse_a", "out_b", "lse_b")}
sizes = dict.fromkeys(("seq", "kv_seq", "dim", "v_dim", "batch"), one_of("1", "2", "16"))

# By function: the arguments that a call must have, and all that it may have
functions = {
    "attention": ("q k v", {**any_problem, "return_lse": flags}),
    "attention_vjp": ("q k v dout", {**any_problem, **cotangents}),
    "ring_attention": ("q k v", {
        **any_problem, **ring, **cotangents, "rotate": words("kv", "q"), "threads": one_of("0", "1", "2"),
        "overlap": flags, "trace": flags, "trace_rows": one_of("None", "[0]", "'all'"),
        "ns_per_pair": one_of("1", "0.5"), "link_gbps": one_of("0", "1000.0"), "link_latency_us": one_of("0", "1"),
        "fault": words("", "stale", "no_rescale")}),
    "merge": ("out_a lse_a out_b lse_b", {**halves, **axes}),
    "check": ("q k v out", {
        **any_problem, **ring, **results, **cotangents, **precision, **sample, "blind_spots": flags,
        "dsinks": one_of("None", "np.ones(4)")}),
    "assert_attention": ("out q k v", {**problem, **results}),
    "laws": ("q k v lse", {**problem, **results, **cotangents, **precision, **sample}),
    "probe": ("kind", {
        **sizes, **ring, **align, "kind": words("random", "staircase-up", "needle"), "heads": one_of("2", "(4, 2)"),
        "causal": flags, "seed": one_of("5")}),
    "mistakes": ("", {"id": words("M1", "S0")}),
    "make_mistake": ("id q k v", {
        **problem, **ring, **cotangents, "id": words("M1", "O1", "G1"), "variant": one_of("0", "1")}),
    "variants": ("id q k v", {**problem, **ring, "id": words("M1", "R9")}),
    "circular_attention": ("q k v window", {
        **plain_problem, "window": one_of("1", "4"), "sinks": one_of("0", "2"), "heavy_hitters": one_of("0", "2"),
        "pooled_slots": one_of("0", "2"), "pool_width": one_of("1", "4"), "linear": flags, "gate": one_of("0.5")}),
    "gather": ("parts", {
        "parts": one_of(f"[np.ones({out_shape})] * 2", f"[np.ones({lse_shape})]", "['missing.npy']"),
        "layout": ring["layout"], **axes}),
    "schedule": ("devices", {"devices": one_of("1", "5")}),
    "sharding": ("seq", {**ring, "seq": one_of("0", "16")}),
    "probe_kinds": ("", {}),
}  # fmt: skip
