"""Prints what examine() says about each mistake of the catalogue, which it does not know.

    python tests/python/examine_catalogue.py [ID ...]

A mistake is described if no finding only says where the result is wrong. Its first variant is examined, in bf16, on the
first problem on which it changes a result.
"""

import sys

import ml_dtypes
import numpy as np
import ringattn

square = {"batch": 1, "seq": 64, "heads": (4, 2), "dim": 32, "v_dim": 32}
documents = np.repeat([0, 1, 2], [11, 29, 24])
problems = [
    (square, {"causal": True}, {}),
    (square, {}, {}),
    (square, {"causal": True}, {"layout": "zigzag"}),
    (square, {"causal": True}, {"layout": "striped"}),
    (square, {"causal": True, "window_size": (9, -1)}, {}),
    ({**square, "batch": 2}, {"window_size": (-1, 20)}, {}),
    ({**square, "batch": 2, "v_dim": 24}, {"causal": True, "softcap": 8.0}, {}),
    ({**square, "batch": 2, "seq": 40, "kv_seq": 64}, {"causal": True, "causal_align": "bottom-right"}, {}),
    ({**square, "batch": 2, "seq": 40, "kv_seq": 64}, {"causal": True, "causal_align": "top-left"}, {}),
    ({**square, "seq": 64, "kv_seq": 40}, {"causal": True, "causal_align": "bottom-right"}, {}),
    ({**square, "batch": 2, "seq": 67, "heads": (6, 3)}, {"causal": True}, {"devices": 3}),
    ({**square, "heads": (3, 3), "seq": 48}, {"causal": True}, {"devices": 3}),
    (square, {"causal": True, "q_segment_ids": documents, "kv_segment_ids": documents}, {}),
    (square, {"causal": True, "cu_seqlens_q": [0, 11, 40, 64], "cu_seqlens_k": [0, 11, 40, 64]}, {}),
    (square, {"causal": True, "q_positions": np.arange(64)[::-1], "kv_positions": np.arange(64)[::-1]}, {}),
    ({**square, "batch": 2}, {"causal": True, "q_positions": np.arange(64) + [[0], [9]], "kv_positions": np.arange(64) + [[0], [0]]}, {}),
    ({**square, "seq": 192}, {"causal": True}, {"devices": 2}),
    (square, {"causal": True}, {"devices": 3}),
]
only_located = {
    "scores_unexplained",
    "gradient_unexplained",
    "ordinary_wrong",
    "gradient_ordinary_wrong",
    "lse_wrong",
    "visible_pairs",
    "heads_mixed",
    "row_sums",
    "channels_differ",
}


# Mistakes of other families that the backward alone shows
in_gradients_only = {"A2", "U5", "U9", "D3"}


def of_backward(mistake):
    return mistake.family == "backward" or mistake.id in in_gradients_only


def blank(shape):
    kv_seq = shape.get("kv_seq", shape["seq"])
    heads, kv_heads = shape["heads"]
    return (
        np.ones((shape["batch"], shape["seq"], heads, shape["dim"])),
        np.ones((shape["batch"], kv_seq, kv_heads, shape["dim"])),
        np.ones((shape["batch"], kv_seq, kv_heads, shape["v_dim"])),
    )


def rounded(array):
    return array.astype(ml_dtypes.bfloat16)


def examined(mistake, shape, problem, ring):
    """The examination of the first variant on a problem; None if there is no variant."""
    ring = {"devices": 4, "layout": "contiguous", **ring}
    if not ringattn.variants(mistake.id, *blank(shape), **ring, **problem):
        return None
    only_backward = of_backward(mistake)

    def wrong(q, k, v, dout=None, dlse=None):
        return ringattn.make_mistake(mistake.id, q, k, v, dout=dout, dlse=dlse, **ring, **problem)

    def forward(q, k, v):
        if only_backward:
            out, lse = ringattn.attention(q, k, v, return_lse=True, **problem)
        else:
            results = wrong(q, k, v)
            out, lse = results["out"], results["lse"]
        return rounded(out), lse.astype(np.float32)

    def backward(q, k, v, dout, dlse):
        results = wrong(q, k, v, dout, dlse)
        return tuple(rounded(results[name]) for name in ("dq", "dk", "dv"))

    return ringattn.examine(forward, backward=backward if only_backward else None, dlse=only_backward, **shape, **ring, **problem)


def located(finding):
    if finding.kind == "visible_pairs" and finding.numbers["least_distance"] == finding.numbers["greatest_distance"]:
        return False  # the rows and the distance give the pairs
    no_law = finding.kind == "block_factors" and "no simple law" in finding.sentence
    return finding.kind in only_located or no_law


def describe(mistake):
    """Prints the findings; returns what became of the mistake, and the number of calls."""
    for shape, problem, ring in problems:
        try:
            found = examined(mistake, shape, problem, ring)
        except ValueError:
            continue
        if found is None or found.ok:
            continue
        outcome = "located" if any(map(located, found.findings)) else "described"
        print(f"{mistake.id:4} {outcome:10} {mistake.title}  [{', '.join(problem) or 'full'}; {found.calls} calls]")
        for finding in found.findings:
            print(f"       - {finding.sentence}")
        return outcome, found.calls
    print(f"{mistake.id:4} {'not seen':10} {mistake.title}")
    return "not seen", 0


def main(ids):
    counts, calls = {}, []
    for mistake in ringattn.mistakes():
        if ids and mistake.id not in ids:
            continue
        outcome, count = describe(mistake)
        direction = "backward" if of_backward(mistake) else "forward"
        counts.setdefault(direction, []).append(outcome)
        calls.append(count)
    for direction, outcomes in counts.items():
        shares = ", ".join(f"{outcomes.count(each)} {each}" for each in ("described", "located", "not seen"))
        print(f"{direction}: {len(outcomes)} mistakes, {shares}")
    print(f"at most {max(calls)} calls")


if __name__ == "__main__":
    main(sys.argv[1:])
