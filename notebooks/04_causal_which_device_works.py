# %% [markdown]
# # 4 · Causal: which device works?
#
# **A language model may not look into the future: query $i$ sees only the keys $0 \dots i$. Half of the attention
# matrix is gone, so half of the work is gone. You switch the mask on, eight devices, and stop the clock. Is the ring
# twice as fast?**
#
# It is hardly faster at all. Here is why.

# %%
import matplotlib.pyplot as plt
import numpy as np
import ringattn
from ringattn import course, plot

plot.use_style()
random = np.random.default_rng(4)
layouts = ("contiguous", "zigzag", "striped")


def causal_run(devices, layout, seq=None):
    q, k, v = (random.standard_normal((1, seq or 16 * devices, 1, 4)) for _ in range(3))
    return ringattn.ring_attention(q, k, v, devices=devices, layout=layout, causal=True, trace=True, threads=1)


contiguous = causal_run(8, "contiguous")
plot.work(contiguous.live_pairs());
# %% [markdown]
# Each cell is a device at a step; the number counts the visible pairs of query and key, and the coloured part of the
# cell is the time it works, relative to the device that works longest at that step. Device 0 has the first rows of
# the text. (A *row* is a token with its query, key and value.) After step 0 every block that reaches it comes from
# the future, and it twiddles its thumbs. Device 7 has the last rows and must look at everything. And because a ring
# moves in step, **all devices wait for device 7**.
#
# The clock of the engine says the same, here for four devices. Time runs to the right. A thick bar is arithmetic,
# with the number of the block; a thin bar below it is a block on its way to the next device; hatched is waiting:

# %%
q, k, v = (random.standard_normal((1, 64, 1, 4)) for _ in range(3))
short = {"devices": 4, "causal": True, "trace": True, "threads": 1, "link_gbps": 150}
plot.timeline(ringattn.ring_attention(q, k, v, **short), title="contiguous: the last device decides");

# %% [markdown]
# ## How bad is it?
#
# With $c$ rows on each of $P$ devices, a full block has $c^2$ pairs. At the first step all devices have their own
# block, of which the mask leaves half. At every later step at least one device has a full block. The clock therefore
# runs for about $c^2/2 + (P-1)\,c^2$ pairs, while the work, half of $P\,c^2$, is that of a device on average. Busy
# part:
#
# $$\frac{P/2}{P - \frac12} \;=\; \frac{P}{2P - 1} \;\to\; \frac12$$


# %%
def busy(pairs):
    """The part of the time in which devices compute, if every step takes as long as its slowest device."""
    return pairs.sum() / (len(pairs) * pairs.max(axis=0).sum())


for devices in (2, 4, 8, 16):
    measured = busy(causal_run(devices, "contiguous", seq=64 * devices).live_pairs())
    print(f"{devices:2} devices: busy {measured:.1%}, formula {devices / (2 * devices - 1):.1%}")
    assert abs(measured - devices / (2 * devices - 1)) < 0.01

# Published for zhuzilin/ring-flash-attention on 8 H800, forward and backward: speed in percent of that of one GPU alone
published = {"contiguous": 53.9, "zigzag": 90.2}
print("published, 8 GPUs:", published)

# %% [markdown]
# Look at the line for eight devices and at the published 53.9 %, measured on real GPUs by the authors of
# ring-flash-attention. One line of school algebra explains an expensive cluster.
#
# ## The idea
#
# Masks are rules on **positions**: query at position 5 sees key at position 3, wherever the two happen to live. So we
# are free to deal out the rows like cards. Instead of giving each device one contiguous slice:
#
# - **zigzag**: cut the text into $2P$ chunks; device $r$ gets an early one, $r$, and a late one, $2P-1-r$. Early rows
#   have little work, late rows have much, and the sum is the same for all.
# - **striped**: deal row by row, $r, r+P, r+2P, \dots$ Each device has rows from everywhere.

# %%
plot.strips(*(ringattn.sharding(16, devices=4, layout=layout) for layout in layouts));
# %% [markdown]
# That is all that changes: [`rows_of_device`](../reference/definition/layout.cpp) is the function of the engine that
# knows what zigzag is. Here is the causal mask in the order in which the devices hold the rows. A line of boxes is
# one device with its queries, a column of boxes one block of keys:

# %% tags=["picture"]
figure, axes = plt.subplots(1, 3, figsize=(10.2, 3.7), layout="constrained")
for ax, layout in zip(axes, layouts):
    plot.mask(ringattn.sharding(32, devices=4, layout=layout), ax=ax)

# %% [markdown]
# Print this one. It is the same mask three times, with the same number of coloured cells. On the left whole boxes are
# white, and whole boxes are full: feast and famine. In the middle and on the right every box is about half full, and
# since each step of the ring is a diagonal of boxes, every device has the same work at every step.

# %%
figure, axes = plt.subplots(1, 3, figsize=(12.6, 3.2), layout="constrained")
for ax, layout in zip(axes, layouts):
    pairs = causal_run(4, layout, seq=64).live_pairs()
    plot.work(pairs, ax=ax, title=f"{layout}: busy {busy(pairs):.0%}")
    assert pairs.sum() == 64 * 65 // 2

# %%
plot.timeline(ringattn.ring_attention(q, k, v, layout="zigzag", **short), title="zigzag: nobody waits for anybody");
# %% [markdown]
# No cell is empty, and no bar is hatched: all devices compute all the time. Compare the ends of the two timelines.
#
# ## How much faster?
#
# The text does not get shorter, the devices do not get faster, and yet the time nearly halves: from
# $(P - \frac12)\,c^2$ pairs to the work of a device, $\frac12 P\,c^2$. In the limit of many rows the speed-up is the
# quotient, $2 - 1/P$:

# %%
print("devices   zigzag   striped   2 - 1/P")
for devices in (2, 4, 8, 16):
    steps = {layout: causal_run(devices, layout, seq=64 * devices).live_pairs().max(axis=0).sum() for layout in layouts}
    speedup = {layout: steps["contiguous"] / steps[layout] for layout in layouts}
    print(f"{devices:7}   {speedup['zigzag']:6.2f}   {speedup['striped']:7.2f}   {2 - 1 / devices:7.2f}")
    assert abs(speedup["zigzag"] - (2 - 1 / devices)) < 0.03

# %% [markdown]
# On the eight GPUs zigzag reached 90.2 %, and not quite the whole: this counts attention alone, and it is a limit:
# the programs of a GPU compute the scores in tiles, and a tile with one visible pair costs as much as a full one.
# That hurts striped more than zigzag, because *all* its boxes are triangles.
#
# ## Break it: the rows moved, the mask did not
#
# The most common mistake with these layouts: the rows are dealt out by zigzag, but the mask is still computed as if
# rows were numbered consecutively. Nothing crashes. Every row still sees a plausible number of keys, only not the
# right ones. Some of them see the future, and the loss of your model looks wonderful.

# %%
seq, devices = 64, 4
q, k, v = (random.standard_normal((1, seq, 1, 8)) for _ in range(3))
zigzag = ringattn.sharding(seq, devices=devices, layout="zigzag")

# Every device thinks that its rows are consecutive: positions 0, 1, 2, ... in shard order
wrong = ringattn.attention(q[:, zigzag.order], k[:, zigzag.order], v[:, zigzag.order], causal=True)
report = ringattn.check(q, k, v, out=wrong[:, zigzag.inverse], causal=True, devices=devices, layout="zigzag")
print(report.verdict, "·", report.names[0]["id"], "·", report.names[0]["title"])
assert not report.ok

# The cure: positions travel with their rows
positions = {"q_positions": zigzag.order, "kv_positions": zigzag.order}
right = ringattn.attention(q[:, zigzag.order], k[:, zigzag.order], v[:, zigzag.order], causal=True, **positions)
assert ringattn.check(q, k, v, out=right[:, zigzag.inverse], causal=True, blind_spots=False).ok

# %% [markdown]
# What did the wrong version look at? With unit vectors as values, the output shows the weights. Grey is the past that
# it saw, red the future; the white steps below the diagonal are the past that it missed:

# %%
unit_vectors = np.eye(seq)[None, :, None, :]
zero = np.zeros((1, seq, 1, 4))  # all scores equal: every visible key has the same weight
looked_at = ringattn.attention(zero, zero, unit_vectors[:, zigzag.order], causal=True)[0, zigzag.inverse, 0] > 0
future = np.triu(np.ones((seq, seq), dtype=bool), 1)

image = np.ones((seq, seq, 3))
image[looked_at & ~future] = (0.75, 0.79, 0.85)
image[looked_at & future] = (0.78, 0.12, 0.12)
figure, ax = plt.subplots(figsize=(3.9, 3.7), layout="constrained")
ax.imshow(image, interpolation="nearest")
ax.set(title="seen by the wrong version", xlabel="key", ylabel="query")
print(
    "pairs from the future:",
    np.count_nonzero(looked_at & future),
    "· past pairs it misses:",
    np.count_nonzero(~looked_at & ~future),
)

# %% [markdown]
# ## Your turn, four times
#
# First the mask itself, for one pair of blocks. You get the positions of their rows; the exercise deals the rows out
# in all three layouts.


# %%
def mask(q_positions, kv_positions):
    """Booleans (queries, keys): True where the query attends to the key."""
    raise NotImplementedError


course.exercise("mask").check(mask)

# %% [markdown]
# Second: many pairs of blocks need no mask at all. A block of keys may be visible as a whole, or hidden as a whole;
# in the second case there is nothing to compute. `check` counts the blocks that you compute, and those that you mask.


# %%
def mask_class(q_positions, kv_positions):
    """What a causal mask leaves of this pair of blocks: "full", "partial" or "skipped"."""
    raise NotImplementedError


course.exercise("mask_class").check(mask_class)

# %% [markdown]
# Third: a layout of your own. `balance` returns the rows of one device; `check` lets a causal ring run with it and
# reports the time, relative to perfectly equal work. A tenth more than that is allowed.


# %%
def balance(device, devices, seq):
    """The rows of one device, a list of whole numbers."""
    raise NotImplementedError


course.exercise("balance").check(balance)

# %% [markdown]
# Fourth: the way back. After a zigzag ring each device has the rows of its *shard*, its part of the sequence. Put the
# shards back into the order of the text.


# %%
def gather(shards):
    """shards: (devices, rows of a device, dim), zigzag. Returns all rows in the order of the sequence."""
    raise NotImplementedError


course.exercise("gather").check(gather)

# %% [markdown]
# ## Keep this
#
# - A ring is as fast as its slowest device at each step. Contiguous shards under a causal mask waste almost half of
#   the machine.
# - Masks talk about positions, layouts deal out rows. Positions travel with their rows, or the mask is wrong.
# - Zigzag and striped win up to $2 - 1/P$ on attention, for the price of a permutation.
#
# To watch: `ringviz --scene causal`. Next: [5 · Hiding the communication](05_hiding_the_communication.ipynb)
