# %% [markdown]
# # 1 · One softmax, many pieces
#
# **Sixteen keys live on four machines, four on each. You hold one query. A softmax divides by a sum over *all* keys,
# and no machine has all keys. Can each machine answer for itself, and can you put the four answers together,
# exactly?**
#
# Exactly means: the same numbers, not "close enough for deep learning". The query has a *score* $s_j$ with each key,
# a scalar product; attention returns $\sum_j e^{s_j} v_j / \sum_j e^{s_j}$, the mean of the values $v_j$ with the
# weights of a softmax. Place your bet, then run the next cell.

# %%
import matplotlib.pyplot as plt
import numpy as np
import ringattn
from ringattn import course, plot

plot.use_style()
random = np.random.default_rng(11)

keys, dim, machines = 16, 8, 4
q = 1.5 * random.standard_normal((1, 1, 1, dim))  # (batch, sequence, heads, head_dim): one query, and its weights differ
k, v = random.standard_normal((2, 1, keys, 1, dim))  # sixteen keys and values
layout = ringattn.sharding(keys, devices=machines)  # which keys are on which machine
pieces = layout.rows
layout

# %% [markdown]
# The strip shows which machine has which key. (In later notebooks the machines are called *devices*.)
#
# A small trick makes weights visible: if the values are the unit vectors, then the output of attention *is* the list
# of weights. So we can look at the softmax of the whole, and at the four softmaxes that the machines compute on their
# own.

# %%
unit_vectors = np.eye(keys)[None, :, None, :]
whole = ringattn.attention(q, k, unit_vectors)[0, 0, 0]
local = np.concatenate([ringattn.attention(q, k[:, rows], unit_vectors[:, rows])[0, 0, 0, rows] for rows in pieces])


def bars(ax, weights, title):
    owner = np.repeat(range(machines), keys // machines)
    ax.bar(range(keys), weights, color=[plot.colour_of(machine) for machine in owner])
    ax.set(title=title, ylabel="weight", ylim=(0, 0.9), xticks=range(keys))


figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4.6), sharex=True, layout="constrained")
bars(above, whole, "one softmax over all keys")
bars(below, local, "four softmaxes, one on each machine")
below.set_xlabel("key (the colour is its machine)");
# %% [markdown]
# Above, the weights of the one softmax; below, those of the four. Inside each colour they have the same shape, and
# the wrong height. Every machine believes that its four keys are the whole world, so its weights add up to one, even
# where the world hardly listens to any of them.
#
# ## Break it first
#
# The obvious idea is to average the four answers. Let us do that, and hand the result to `ringattn.check`, the
# *oracle* of this library. It compares the result with attention by the book. If they differ, it looks for the
# mistake in a catalogue of known ones, by making each of them on purpose.

# %%
answers = [ringattn.attention(q, k[:, rows], v[:, rows], return_lse=True) for rows in pieces]
average = np.mean([out for out, lse in answers], axis=0)

report = ringattn.check(q, k, v, out=average, devices=machines)
print(report.verdict, report.names[0]["id"], report.names[0]["title"], sep=" · ")
assert not report.ok and report.names[0]["id"] == "L6"

# %% [markdown]
# L6 is the number of that mistake in the catalogue. An average would be right if all machines deserved the same say,
# and they do not. How much say does a machine deserve? Its part of the denominator:
#
# $$\text{out} \;=\; \frac{\sum_j e^{s_j} v_j}{\sum_j e^{s_j}} \;=\; \sum_{\text{pieces } p}
# \underbrace{\frac{\sum_{j \in p} e^{s_j}}{\sum_j e^{s_j}}}_{\text{share of } p} \;
# \underbrace{\frac{\sum_{j \in p} e^{s_j} v_j}{\sum_{j \in p} e^{s_j}}}_{\text{answer of } p}$$
#
# So next to its answer a machine must send one more number: the size of its denominator. Denominators can be
# astronomically large, so each machine sends the logarithm, **lse** = $\log \sum_{j \in p} e^{s_j}$, the *log-sum-exp*.
# `attention(..., return_lse=True)` has been computing it all along.

# %%
lse_of_piece = np.array([lse.item() for out, lse in answers])
lse_of_all = np.log(np.sum(np.exp(lse_of_piece)))
share = np.exp(lse_of_piece - lse_of_all)

for machine in range(machines):
    print(f"machine {machine}: lse {lse_of_piece[machine]:5.2f}   share {share[machine]:.3f}")
print(f"all shares together: {share.sum():.3f}")

figure, ax = plt.subplots(figsize=(8, 2.5), layout="constrained")
bars(ax, local * np.repeat(share, keys // machines), "the four softmaxes, each times its share")
ax.step(np.arange(keys + 1) - 0.5, np.append(whole, whole[-1]), where="post", color="black", linewidth=1)
ax.legend(["one softmax over all keys"]);
# %%
together = sum(part * out for part, (out, lse) in zip(share, answers))
exact = ringattn.attention(q, k, v)
assert np.allclose(together, exact, rtol=0, atol=1e-14)

# %% [markdown]
# The bars fill the black outline. Nothing was approximated, and no machine ever saw a key of another one.
#
# ## Two at a time is enough
#
# Four machines do not need to meet in one room. Two answers can be merged into one, which again has an `out` and an
# `lse`, as if a single machine had held all those keys:
#
# $$\text{lse} = \log\left(e^{\text{lse}_a} + e^{\text{lse}_b}\right) \qquad
# \text{out} = e^{\text{lse}_a - \text{lse}} \, \text{out}_a + e^{\text{lse}_b - \text{lse}} \, \text{out}_b$$
#
# That is `ringattn.merge`. In the engine, the C++ code under this library, it is
# [`merge`](../reference/blockwise/softmax_state.cpp), and [`SoftmaxState`](../reference/blockwise/softmax_state.h)
# has the proof, in four lines of comment.

# %%
out, lse = answers[0]
for next_out, next_lse in answers[1:]:
    out, lse = ringattn.merge(out, lse, next_out, next_lse)

assert np.allclose(out, exact, rtol=0, atol=1e-14)
assert np.isclose(lse.item(), lse_of_all, rtol=1e-14)

# %% [markdown]
# ## Does the order matter?
#
# If merging is to work on a network, pieces will arrive in any order and in any size, and any two of them may be
# merged next: the merges form a *tree*. So let us be rude: cut the keys into random pieces, a thousand times, and
# merge two random pieces until one is left. Next to it, three ideas that look right on a tired evening: averaging the
# answers, summing them, and *adding* the lse values instead of adding what they are the logarithm of.


# %%
def random_tree(join):
    """Cuts the keys at random, then joins two random pieces until one is left."""
    cuts = np.sort(random.choice(np.arange(1, keys), random.integers(1, 8), replace=False))
    parts = [ringattn.attention(q, k[:, rows], v[:, rows], return_lse=True)
             for rows in np.split(random.permutation(keys), cuts)]  # fmt: skip
    while len(parts) > 1:
        a, b = (parts.pop(random.integers(len(parts))) for _ in range(2))
        parts.append(join(*a, *b))
    return np.max(np.abs(parts[0][0] - exact))


def add_the_lse(out_a, lse_a, out_b, lse_b):
    lse = lse_a + lse_b  # the mistake: this is the logarithm of a product
    return np.exp(lse_a - lse) * out_a + np.exp(lse_b - lse) * out_b, lse


joins = {
    "merge": ringattn.merge,
    "average": lambda out_a, lse_a, out_b, lse_b: ((out_a + out_b) / 2, lse_a),
    "sum": lambda out_a, lse_a, out_b, lse_b: (out_a + out_b, lse_a),
    "add the lse": add_the_lse,
}
errors = {name: np.array([random_tree(join) for _ in range(1000)]) for name, join in joins.items()}

assert errors["merge"].max() < 1e-14
assert all(np.median(errors[name]) > 0.1 for name in ("average", "sum", "add the lse"))

# %% tags=["picture"]
figure, ax = plt.subplots(figsize=(8, 2.9), layout="constrained")
for line, (name, error) in enumerate(errors.items()):
    height = line + random.uniform(-0.32, 0.32, len(error))
    ax.scatter(np.maximum(error, 2e-17), height, s=5, alpha=0.5, color=plot.colour_of(line), linewidths=0)
ax.set(
    xscale="log",
    xlim=(1e-17, 1e4),
    ylim=(3.5, -0.5),
    xlabel="largest error of the output",
    title="a thousand random trees",
)
ax.set_yticks(range(4), list(errors))
ax.axvspan(1e-17, 2.2e-16, color="0.92", zorder=0)
ax.text(1.2e-17, 3.42, "below the spacing of float64 at 1", fontsize=8)
ax.grid(axis="x")
# %% [markdown]
# A picture to print and hang up. Each dot is a tree. On the left, the rounding error of the computer: the grey band
# is less than the distance between the number 1 and the next one, and you cannot do better with these numbers. On the
# right, three plausible formulas, nearly always wrong in the first digit. Nothing lives in between. **In exact
# attention you are either at the left edge or you have a bug**, and that is what makes this field so pleasant to
# test.
#
# Merging is associative and commutative, up to rounding: neither the brackets nor the order matter. So a ring may
# merge one block after the other, a tree may merge pairs in parallel, and both give the same attention.
#
# ## The piece that says nothing
#
# One case remains, and it has bitten production libraries. A *causal mask* lets a query see only the keys up to its own
# position, and can hide *all* keys of a piece. Its sum is
# empty, so its lse is $\log 0 = -\infty$, and its answer is worth nothing: the pair $(0, -\infty)$ must change
# nothing when merged.

# %%
nothing, never = np.zeros_like(exact), np.full((1, 1, 1), -np.inf)

assert np.array_equal(ringattn.merge(exact, lse, nothing, never)[0], exact)
assert np.array_equal(ringattn.merge(nothing, never, exact, lse)[0], exact)
assert ringattn.merge(nothing, never, nothing, never)[1].item() == -np.inf

with np.errstate(invalid="ignore"):
    print("by hand, two empty pieces:", np.exp(never - np.logaddexp(never, never)).item())
print(ringattn.mistakes("L12").title, "·", ringattn.mistakes("L12").fix)

# %% [markdown]
# Minus infinity minus minus infinity is not a number. A merge needs a line for the case in which both pieces are
# empty.
#
# ## Your turn
#
# First the shares. You get the lse of all pieces. `check` runs your function on pieces that were chosen to hurt:
# pieces of different sizes, empty pieces, huge scores. It never just says no: it names the mistake.


# %%
def shares(lse):
    """lse: (pieces, rows). Returns the share of each piece in the output of each row, in the same shape."""
    raise NotImplementedError


course.exercise("shares").check(shares)

# %% [markdown]
# Then write `merge` yourself, with numpy, for two pieces.


# %%
def merge(out_a, lse_a, out_b, lse_b):
    """out_a, out_b: (rows, dim); lse_a, lse_b: (rows,). Returns out and lse of both pieces together."""
    raise NotImplementedError


course.exercise("merge").check(merge)

# %% [markdown]
# And one to think about. A thousand machines hold a thousand pieces. One after the other, that is almost a thousand
# merges in a row. But merges of different pieces can run at the same time. Plan it: how few *rounds* are enough?


# %%
def tree(pieces):
    """A list of rounds; a round is a list of pairs (into, other). In the end piece 0 contains all pieces, once each."""
    raise NotImplementedError


course.exercise("tree").check(tree)

# %% [markdown]
# ## Keep this
#
# - A piece of a softmax is its answer **and** its lse. With both, pieces merge exactly; with the answer alone, never.
# - Any cut, any order, any tree: the same result up to rounding.
# - $(0, -\infty)$ is the neutral piece.
#
# To watch four pieces merge as a chain and as a tree: `ringviz --scene merge`; one row that absorbs eight keys:
# `ringviz --scene row`. Next: [2 · Online softmax](02_online_softmax.ipynb), where the pieces come one after the other
# and nobody may keep them.
