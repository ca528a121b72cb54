# %% [markdown]
# # 7 · Find the bug
#
# **Twelve programs compute attention on four devices. Each returns an array of the right shape, full of plausible
# numbers, with no NaN and no warning. All twelve are wrong. What did each of them do?**
#
# You have no source code. You have the inputs and the output. That is enough, and by the end of this page you will
# read some of them at a glance.

# %%
import matplotlib.pyplot as plt
import numpy as np
import ringattn
from ringattn import course, plot

plot.use_style()
random = np.random.default_rng(7)
devices, seq = 4, 64
q, k, v = (random.standard_normal((1, seq, 2, 16)) for _ in range(3))

# The catalogue has numbers for the mistakes; do not look them up yet
programs = dict(zip("ABCDEFGHIJKL", ("R4", "R9", "R1", "O1", "R15", "R24", "R3", "R18", "R14", "R19", "R2", "R13")))


def output_of(mistake):
    half = (
        len(ringattn.variants(mistake, q, k, v, devices=devices)) // 2
    )  # one of its variants, in the middle of the list
    return ringattn.make_mistake(mistake, q, k, v, devices=devices, variant=half)["out"]


reports = {name: ringattn.check(q, k, v, out=output_of(mistake), devices=devices) for name, mistake in programs.items()}
print(f"twelve outputs of shape {q.shape}:", *(report.verdict for report in reports.values()))

# %% [markdown]
# Twelve times "fail". A single error number would not tell you more. What helps is to ask a question that the numbers
# can answer: **how much of each block of keys is in the output of each device?** The right answer is one, everywhere.
# An output is the sum of the parts of the blocks, and the oracle can compute each part; the *weights* are the factors
# with which these parts come nearest to the output that you handed in.


# %% tags=["picture"]
def weights_picture(ax, weight, title):
    ax.imshow(weight, cmap="PuOr_r", vmin=0, vmax=2)
    for (device, block), value in np.ndenumerate(weight):
        ax.text(block, device, f"{value + 0.0:.1f}".replace("-0.0", "0.0"), ha="center", va="center", fontsize=8,
                color="white" if abs(value - 1) > 0.75 else "black")  # fmt: skip
    ax.set(title=title, xticks=range(devices), yticks=range(devices))
    ax.tick_params(length=0)


figure, axes = plt.subplots(3, 4, figsize=(9.2, 7.2), layout="constrained", sharex=True, sharey=True)
for ax, (name, report) in zip(axes.ravel(), reports.items()):
    weights_picture(ax, np.array(report.blocks["weight"], dtype=float), name)
figure.supxlabel("K/V block of device")
figure.supylabel("queries of device");
# %% [markdown]
# Take five minutes with this picture before you scroll. Some ways to read it:
#
# - **A zero** is a block that never arrived. Its line tends to be a little above one elsewhere: softmax weights add
#   up to one, so the others share what is missing.
# - **A two next to a zero** is a block that was taken for another one.
# - **A whole column** is about one *owner*; **one cell** about one *device at one step*; **a diagonal** about one
#   *step* on all devices.
# - **Numbers between** mean that whole blocks were not lost but badly merged.
#
# Which one has four twos in a square? Which one never talked to anybody? Got your list? Here are the answers.

# %%
for name, report in reports.items():
    found = report.names[0]
    parameters = ", ".join(f"{key} {value}" for key, value in found["parameters"].items())
    print(f"{name}  {found['id']:<4} {found['title']}" + (f" ({parameters})" if parameters else ""))
    assert programs[name] in [each["id"] for each in report.names]

# %% [markdown]
# The oracle works like you just did, only with more patience: it *simulates* every mistake of its catalogue on your
# inputs, with all variants, and says which one gives your numbers. Not similar numbers: your numbers, to the last
# digits.
#
# ## Ask better questions: probes
#
# Random inputs expose that something is wrong. Chosen inputs show *what*. The most beautiful probe: all queries zero,
# so that all visible keys weigh the same, and unit vectors as values. Then the output **is a picture of the mask that
# was really applied.**

# %%
case = ringattn.probe("uniform-onehot", seq=32, heads=1, dim=8, devices=devices, causal=True)
masks = {"right": None, "M1": None, "M2": None, "M3": None, "M4": None, "M5": None, "M6": None, "M8": None}

figure, axes = plt.subplots(2, 4, figsize=(9.2, 5), layout="constrained", sharex=True, sharey=True)
for ax, mistake in zip(axes.ravel(), masks):
    if mistake == "right":
        out, title = ringattn.attention(case.q, case.k, case.v, **case.options), "right"
    else:
        out, title = (
            ringattn.make_mistake(mistake, case.q, case.k, case.v, devices=devices, **case.options)["out"],
            mistake,
        )
    seen = out[0, :, 0] > 1e-9
    image = np.ones((32, 32, 3))
    image[seen] = (0.12, 0.34, 0.87)
    image[seen & (np.arange(32)[:, None] < np.arange(32))] = (0.78, 0.12, 0.12)  # the future
    ax.imshow(image, interpolation="nearest")
    ax.set(title=title, xticks=[8, 16, 24], yticks=[8, 16, 24])
    ax.grid(linewidth=0.4)
figure.supxlabel("key")
figure.supylabel("query")

for mistake in list(masks)[1:]:
    print(f"{mistake}  {ringattn.mistakes(mistake).title}")

# %% [markdown]
# Blue is seen, red is the future, the grid shows the devices. One look at the right probe replaces an afternoon with
# a debugger. There are more, each made for a family of bugs:

# %%
for kind in ringattn.probe_kinds():
    if kind.kind in ("uniform-onehot", "staircase-up", "ones", "spike", "position-id", "identity-grad"):
        print(f"{kind.kind:<15} {kind.shows}")

# %% [markdown]
# ## What could your test not see?
#
# A test that passes has proved something only about the mistakes that it *could* have shown. Without a causal mask no
# mask bug is visible; with one head, no bug about heads. (A model computes attention in several heads, side by side;
# *grouped* heads share keys and values.) A passing report lists its blind spots. Let us take a naive test and make it
# richer, one step at a time.


# %%
def blind_spots(title, gradients=False, **shape):
    case = ringattn.probe("random", **{"seq": 48, "heads": (1, 1), "dim": 16, "devices": 1, **shape})
    out, lse = ringattn.attention(case.q, case.k, case.v, return_lse=True, **case.options)
    results = {"out": out}
    if gradients:
        found = ringattn.attention_vjp(case.q, case.k, case.v, case.dout, dlse=case.get("dlse"), **case.options)
        results |= dict(zip(("dq", "dk", "dv"), found)) | {"lse": lse}
    else:
        case = {name: value for name, value in case.items() if name not in ("dout", "dlse")}
    report = ringattn.check(**case, **results)
    assert report.ok
    return title, len(report.blind_to)


causal = {"causal": True}
grouped = causal | {"heads": (4, 2)}
ring = grouped | {"devices": 4, "layout": "zigzag"}
odd = ring | {"batch": 2, "seq": 49, "kv_seq": 71, "v_dim": 12}
tests = [
    blind_spots("one head, one device, no mask"),
    blind_spots("... with a causal mask", **causal),
    blind_spots("... and grouped heads", **grouped),
    blind_spots("... on four devices, zigzag", **ring),
    blind_spots("... and two sequences, odd lengths", **odd),
    blind_spots("... and lse and gradients, too", gradients=True, **odd),
]
everything = len(ringattn.mistakes())
for title, blind in tests:
    print(f"{title:<36} blind to {blind:3} of {everything} mistakes")
assert all(later[1] <= earlier[1] for earlier, later in zip(tests, tests[1:]))

figure, ax = plt.subplots(figsize=(8, 2.7), layout="constrained")
ax.barh([title for title, blind in tests], [everything] * len(tests), color=plot.colour_of(0), height=0.6, alpha=0.25)
ax.barh([title for title, blind in tests], [blind for title, blind in tests], color=plot.colour_of(0), height=0.6)
ax.invert_yaxis()
ax.set(xlabel="mistakes that the test cannot see", xlim=(0, everything), title="the same effort, better tests");

# %% [markdown]
# The dark part of a bar counts the mistakes that the test cannot see, the whole bar those of the catalogue. Same kind
# of test, same few milliseconds, far fewer ways for a bug to hide. The rest needs other masks, windows, several
# documents in one sequence: one good test for each feature that you use.
#
# ## Your turn
#
# First, read the output of the probe. Which query saw which key of its future?


# %%
def leaks(out):
    """out: (queries, keys), the weight of each key in each query. Returns a list of (query, key) from the future."""
    raise NotImplementedError


course.exercise("leaks").check(leaks)

# %% [markdown]
# Second, write the reader of block weights. You get the matrix of weights, devices times blocks, and you say which
# blocks were **lost** and which were counted **twice**. Remember that the other cells of a line move a little.


# %%
def suspect(weights):
    """weights: (devices, blocks). Returns a list of (device, block, "lost" or "twice")."""
    raise NotImplementedError


course.exercise("suspect").check(suspect)

# %% [markdown]
# Third, write tests. For each of seven mistakes: a random test in which the report names this mistake, and no other
# one. What must the test have, so that the mistake can happen at all? How few rows of queries are enough?

# %%
for mistake in ("M1", "S11", "H1", "V6", "M15", "R1", "P4"):
    print(f"{mistake:<4} {ringattn.mistakes(mistake).title}")


def expose(mistake):
    """Options of ringattn.probe for a test that exposes a mistake, such as {"seq": 5, "heads": 2, "causal": True}."""
    raise NotImplementedError


course.exercise("expose").check(expose)

# %% [markdown]
# ## Keep this
#
# - Do not stare at the largest error. Ask how much of each block is in the output.
# - Probes turn bugs into pictures.
# - A passing test is as good as the list of what it cannot see is short.
#
# To watch: `ringviz --scene traps`. On the command line: `ringattn check`, `ringattn spectrum`, `ringattn mistakes`.
# The code: [`estimate_block_weights`](../reference/oracle/diagnosis/block_weights.h) and
# [`diagnose_forward`](../reference/oracle/diagnosis/diagnosis.h). Next: [8 · What Ring Attention is
# not](08_what_ring_attention_is_not.ipynb)
