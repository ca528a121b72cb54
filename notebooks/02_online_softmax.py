# %% [markdown]
# # 2 · Online softmax
#
# **A device sees the keys in *tiles*, a few keys at a time, and must throw each tile away before the next one comes.
# It may not go back. At the end it must know the exact softmax over everything it saw. What does it have to
# remember?**
#
# The answer fits on a stamp: a maximum, a sum, and one vector. This notebook watches them grow in a real run.

# %%
import matplotlib.pyplot as plt
import numpy as np
import ringattn
from ringattn import course, plot

plot.use_style()

# One query, eight tiles with one key each; the scores are those of the scene `row` of ringviz
scores = np.array([1.7, 0.4, 3.0, -0.5, 1.1, 2.5, 0.2, 1.0])
values = np.array(
    [[0.5, 1.0], [-1.0, 0.3], [0.8, -0.6], [0.2, 0.9], [-0.4, 0.1], [1.0, 0.7], [-0.8, -0.2], [0.6, -1.0]]
)
q, k, v = np.ones((1, 1, 1, 1)), scores.reshape(1, 8, 1, 1), values.reshape(1, 8, 1, 2)

run = ringattn.ring_attention(q, k, v, devices=8, trace=True, trace_rows="all", threads=1)
row = run.row_history(0)

figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4.4), sharex=True, layout="constrained")
seen = [float(each[0]) for each in row.scores]
above.bar(range(1, 9), seen, width=0.6, color=[plot.colour_of(owner) for owner in row.kv_owner])
above.step(np.arange(0, 9) + 0.5, [*row.m[1:], row.m[-1]], where="post", color="black", linewidth=1.5)
above.set(title="the scores as they arrive, and m, the largest so far (black)", ylabel="score")
below.plot(range(9), row.l, "o-", color=plot.colour_of(0), label="l")
below.plot(range(9), np.linalg.norm(row.O, axis=1), "s-", color=plot.colour_of(1), label="length of O")
below.set(title="the sum l and the vector O", xlabel="tiles absorbed", xticks=range(9))
below.legend();
# %% [markdown]
# Each bar is a tile, here with a single key, in the colour and the order in which the tiles reach the device of the
# query. (A ring brings them in its own order: the device has the last key, and then gets that of its left neighbour,
# and so on.)
#
# Look at the third tile: a tall bar arrives, `m` jumps to 2.5, and the sum `l` *falls*, although a sum of
# exponentials can only grow. Nothing was lost. The unit changed.
#
# ## Three things to remember
#
# For the keys seen so far, with scores $s_j$ and values $v_j$:
#
# $$m = \max_j s_j \qquad l = \sum_j e^{s_j - m} \qquad O = \sum_j e^{s_j - m} \, v_j$$
#
# The output over those keys is $O / l$, at any time, and their lse, as in notebook 1, is $m + \log l$.
# `run.row_history(row)` has them after each step, as the engine recorded them. Let us hold the engine to its word:
# after every tile, $O/l$ must be attention over the tiles so far.

# %%
for tiles in range(1, 9):
    order = row.kv_owner[:tiles]
    so_far = ringattn.attention(q, k[:, order], v[:, order])[0, 0, 0]
    assert np.allclose(row.O[tiles] / row.l[tiles], so_far, rtol=0, atol=1e-14)
print("after each of the", len(row.kv_owner), "tiles: the attention over the keys so far")

# %% [markdown]
# ## Why subtract the maximum? Break it
#
# Mathematically, any number could be subtracted, or none: numerator and denominator have the same factor, and it
# cancels. Computers disagree: $e^{89}$ is already more than a float32, a number of four bytes, can hold. Here are
# scores of up to two hundred, once as they should be handled and once with a *fault*: the engine can make some
# mistakes on purpose, and `no_maximum` leaves out the subtraction.

# %%
loud = (k * 70).astype(np.float32)
narrow = q.astype(np.float32), loud, v.astype(np.float32)

right = ringattn.ring_attention(*narrow, devices=8).out[0, 0, 0]
wrong = ringattn.ring_attention(*narrow, devices=8, fault="no_maximum").out[0, 0, 0]
print("with the maximum:   ", right)
print("without the maximum:", wrong)
assert np.isfinite(right).all() and not np.isfinite(wrong).any()

# %% [markdown]
# That bug at least has the decency to be visible. The next one does not.
#
# ## Why rescale? Break it, too
#
# When a new maximum arrives, everything in `l` and `O` was computed with the old one. The factor $\alpha =
# e^{m_{\text{old}} - m_{\text{new}}}$ brings it to the new unit:
#
# $$e^{s_j - m_{\text{old}}} \cdot e^{m_{\text{old}} - m_{\text{new}}} = e^{s_j - m_{\text{new}}}$$
#
# That line is the whole proof that the online softmax is exact. In the engine it is the `alpha` of
# [`absorb`](../reference/blockwise/softmax_state.cpp). The fault `no_rescale` forgets it. We run right and wrong side
# by side, on scores that go up a staircase and on scores that go down.

# %% tags=["picture"]
upstairs = np.array([0.0, 1.0, 0.5, 1.5, 1.0, 2.5, 2.0, 3.5])  # two steps up, one step down
downstairs = np.sort(upstairs)[::-1]
arrival = ringattn.schedule(8)[7]  # the order in which the device of this query sees the tiles


def staircase(heights, **fault):
    keys = np.empty((1, 8, 1, 1))
    keys[0, arrival, 0, 0] = heights  # so that heights[t] is seen at step t
    result = ringattn.ring_attention(q, keys, v, devices=8, trace=True, trace_rows="all", **fault)
    return result, ringattn.check(q, keys, v, out=result.out, devices=8, blind_spots=False)


figure, axes = plt.subplots(2, 2, figsize=(8.6, 4.6), sharex=True, sharey="row", layout="constrained")
for column, (name, heights) in enumerate((("upstairs", upstairs), ("downstairs", downstairs))):
    for fault, style, label in (({}, "o-", "right"), ({"fault": "no_rescale"}, "x--", "no rescale")):
        result, report = staircase(heights, **fault)
        history = result.row_history(0)
        colour = plot.colour_of(0 if not fault else 5)
        axes[0, column].plot(range(9), history.l, style, color=colour, label=label)
        axes[1, column].plot(range(9), history.out[:, 0], style, color=colour, label=label)
        print(f"{name:<11}{label:<11}{report.verdict:<5}", *sorted({each["id"] for each in report.names}))
    axes[0, column].set_title(f"scores go {name}")
    axes[1, column].set_xlabel("tiles absorbed")
axes[0, 0].set_ylabel("l")
axes[1, 0].set_ylabel("out, first element")
axes[0, 0].legend();
# %% [markdown]
# Print this one. **Upstairs** the faulty curve runs away: every early key keeps the weight it had when it was the
# tallest. **Downstairs the two curves lie on each other.** The maximum comes first, $\alpha$ is one forever, and the
# bug is invisible. A test with such an input passes. (Sorted test data will do, or sequences that fit in one tile.)
#
# The oracle knows about this kind of luck. A report that passes lists what the input *could not* have shown:

# %%
keys = np.empty((1, 8, 1, 1))
keys[0, arrival, 0, 0] = downstairs
report = ringattn.check(q, keys, v, out=ringattn.attention(q, keys, v), devices=8)
assert report.ok and "O1" in report.blind_to and "O3" in report.blind_to
print(report.verdict, "· but blind to", ", ".join(each for each in report.blind_to if each.startswith("O")))
print("O1:", ringattn.mistakes("O1").title)
print("O3:", ringattn.mistakes("O3").title)

# %% [markdown]
# ## How often does the maximum grow?
#
# Rescaling costs a pass over `O`, so authors of *kernels*, the programs that run on a GPU, care. If the largest
# scores of the tiles come in random order, tile $t$ holds the record with probability $1/t$. The expected number of
# records in $T$ tiles is the harmonic number $1 + \frac12 + \frac13 + \dots + \frac1T$, which grows as slowly as a
# logarithm. Does the engine agree?

# %%
random = np.random.default_rng(2)
tiles, queries = 16, 480
tensors = [random.standard_normal((1, rows, 1, 8)) for rows in (queries, tiles * 4, tiles * 4)]
long_run = ringattn.ring_attention(*tensors, devices=tiles, trace=True, trace_rows="all")
records = np.array([np.count_nonzero(long_run.row_history(each).alpha < 1) for each in range(queries)])
harmonic = sum(1 / t for t in range(1, tiles + 1))

print(f"records in {tiles} tiles, mean over {queries} rows: {records.mean():.2f}; harmonic number: {harmonic:.2f}")
assert abs(records.mean() - harmonic) < 0.25

# %% [markdown]
# Sixteen tiles, and the maximum grows three or four times. The rest of the time $\alpha = 1$ and the pass over `O`
# could be skipped: recent GPU kernels do just that.
#
# ## Where you have seen this before
#
# With the tiles in the fast memory of one GPU, this is **FlashAttention**. With the tiles on other devices, arriving
# over a network, it is **Ring Attention**. Same three variables, same two lines. The difference is where the next
# tile comes from, and that is notebook 3.
#
# ## Your turn
#
# The update itself. `check` feeds it tiles whose maximum grows, tiles in which all keys are hidden by a mask (their
# scores are minus infinity), and large scores.


# %%
def online(m, l, O, scores, values):
    """m and l are numbers, O is (dim); scores is (keys), values is (keys, dim). Returns m, l, O after the tile."""
    raise NotImplementedError


course.exercise("online").check(online)

# %% [markdown]
# Stuck? `course.exercise("online").hint(1)`, then `hint(2)` and `hint(3)`; after that, `solution()`.
#
# Next, the end of the story: what does a row return when no tile is left? A row may also have seen no key at all.


# %%
def finish(m, l, O):
    """Returns out and lse of the row: out is (dim), like O, and lse is a number."""
    raise NotImplementedError


course.exercise("finish").check(finish)

# %% [markdown]
# And one for authors of kernels. The number that is subtracted, the *reference*, need not be the maximum. It must
# only be near enough to it, so that no exponential leaves the range of float32. `check` rescales `O` whenever your
# reference changes, and counts.


# %%
def anchor(reference, largest):
    """The reference so far, and the largest score of the new tile. Returns the reference from now on."""
    raise NotImplementedError


course.exercise("anchor").check(anchor)

# %% [markdown]
# ## Keep this
#
# - $(m, l, O)$ is all that a row has to remember, however many keys it has seen.
# - Subtract the maximum, or overflow. Rescale when it grows, or be wrong without noticing.
# - A test whose scores never rise cannot see a missing rescale. Ask what your test is blind to.
#
# In the engine: [`SoftmaxState`](../reference/blockwise/softmax_state.h). To watch: `ringviz --scene row`,
# `ringviz --scene tile` for all numbers of one tile, and `ringviz --scene traps` for the same bug in motion. Next:
# [3 · The ring](03_the_ring.ipynb).
