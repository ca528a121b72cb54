# %% [markdown]
# # 3 · The ring
#
# **Eight devices share one long text. Each has an eighth of the queries and an eighth of the keys and values. Every
# query must meet every key. No device has room for more than two blocks of keys. How do you arrange the evening?**
#
# Like a round dance. The queries stay where they are. The blocks of keys and values move to the next device, all at
# the same time, until every query has met every key. The table shows which block each device has at each step: the
# number and the colour are those of the *owner*, the device that has it in the beginning.

# %% tags=["picture"]
import matplotlib.pyplot as plt
import numpy as np
import ringattn
from ringattn import course, plot

plot.use_style()

devices = 8
owners = ringattn.schedule(devices)
plot.schedule(owners);
# %% [markdown]
# Read a line: that is the life of one device, which starts with its own block and then sees its left neighbours, one
# after the other. Read a colour: that is the journey of one block. With $P$ devices, at step $t$ device $r$ holds the
# block of device $(r - t) \bmod P$: one line of code, [`resident_owner`](../reference/ring/resident_owner.h). The dance
# itself is [`run_ring`](../reference/ring/loop.h), twenty lines, and worth reading now.
#
# ## Let it run
#
# `ring_attention` starts eight real threads that send real messages. With `trace=True` it also tells what happened.

# %%
random = np.random.default_rng(3)
seq, dim = 64, 16
q, k, v = (random.standard_normal((1, seq, 1, dim)) for _ in range(3))

ring = ringattn.ring_attention(q, k, v, devices=devices, trace=True, trace_rows="all")
exact = ringattn.attention(q, k, v)
assert np.allclose(ring.out, exact, rtol=0, atol=1e-14)
assert np.all(ring.visits() == 1)

met = np.zeros((devices, devices), dtype=int)  # the step at which queries and block met
for record in ring.records("compute"):
    met[record["q_owner"], record["kv_owner"]] = record["step"]

plot.visits(ring.visits(), numbers=met, title="they met once each, at this step");
# %% [markdown]
# This is the matrix of all pairs of query and key, seen from far away: a line of it is a device with its queries, a
# column is a block of keys. Every pair met exactly once (a count other than one would be painted red), and the number
# says at which step. In each step the ring works on one diagonal: all devices at once, each in a different line and a
# different column. No block is ever needed in two places at once.
#
# What does a device know in the middle of the dance? Attention over the keys it has met so far, no more and no less.
# Here is the distance to the result, relative to the length of the result:

# %%
so_far = ring.states().out  # (steps, batch, sequence, heads, dim)
error = [np.linalg.norm(each - exact) / np.linalg.norm(exact) for each in so_far]
for step, each in enumerate(error[:-1]):
    print(f"after step {step}: {each:.2f} away from the result")
assert error[-1] < 1e-14
print("after the last step: equal, up to rounding")

# %% [markdown]
# The error does not fade away gently, as it would for an approximation. It is large until the last block has arrived,
# and then it is gone.
#
# ## Break it: the paper's own loop
#
# Algorithm 1 of the Ring Attention paper (arXiv:2310.01889) says, in print, `for count = 1 to N_h - 1`, where `N_h`
# is the number of devices. Take it literally: the blocks make $P - 1$ hops, which is right, and the loop attends
# $P - 1$ times, which is not. We write that loop with the library's own `attention` and `merge`, in eight lines, and
# ask the oracle.


# %%
def ring_in_eight_lines(steps):
    rows, out = ringattn.sharding(seq, devices=devices).rows, np.empty_like(q)
    for device in range(devices):
        state = np.zeros_like(q[:, rows[device]]), np.full((1, 1, seq // devices), -np.inf)
        for step in range(steps):
            block = rows[owners[device, step]]
            new = ringattn.attention(q[:, rows[device]], k[:, block], v[:, block], return_lse=True)
            state = ringattn.merge(*state, *new)
        out[:, rows[device]] = state[0]
    return out


assert ringattn.check(q, k, v, out=ring_in_eight_lines(steps=devices), devices=devices, blind_spots=False).ok

report = ringattn.check(q, k, v, out=ring_in_eight_lines(steps=devices - 1), devices=devices)
print(report.names[0]["id"], "·", report.names[0]["title"])
assert report.names[0]["id"] == "R1"

figure, ax = plt.subplots(figsize=(4.6, 4.1), layout="constrained")
weight = np.array(report.blocks["weight"], dtype=float)
for (device, block), value in np.ndenumerate(weight.round(2)):
    ax.text(block, device, f"{value + 0:.1f}", ha="center", va="center", color="black" if value < 0.5 else "white")
ax.imshow(weight, cmap="Blues", vmin=0, vmax=1.4)
ax.set(title="weight of each block in the wrong output", xlabel="K/V block of device", ylabel="queries of device");
# %% [markdown]
# Every device misses exactly one block: that of its right neighbour, the last to arrive. The others count a little
# more than they should, because the weights of a softmax add up to one whatever is missing. The oracle found all this
# from the numbers of the output alone. (The authors' own code does it right, by the way. Sometimes reading code beats
# reading papers.)
#
# ## What does a device have to hold?
#
# The point of the ring is not speed, it is *room*. `peak_bytes` is the most that a device held at any time: its
# queries, their states $(m, l, O)$, two slots for blocks of keys and values, one for that in use and one for that which
# arrives, and one tile of scores.

# %%
long = 2048
tensors = [random.standard_normal((1, long, 1, 64)).astype(np.float32) for _ in range(3)]
counts = (1, 2, 4, 8, 16)
runs = {count: ringattn.ring_attention(*tensors, devices=count, trace=True) for count in counts}
peak = {count: max(each.peak_bytes for each in run.devices) for count, run in runs.items()}
matrix = long * long * 4

print(f"score matrix of one head: {matrix / 2**20:.0f} MiB")
for count, run in runs.items():
    sent = run.devices[0].bytes_sent
    print(
        f"{count:3} devices: {peak[count] / 2**10:6.0f} KiB each, {run.live_pairs().sum()} pairs in all, "
        f"sends {sent / 2**10:5.0f} KiB"
    )
    assert run.live_pairs().sum() == long * long

figure, ax = plt.subplots(figsize=(7, 2.9), layout="constrained")
ax.bar([str(count) for count in counts], [peak[count] / 2**10 for count in counts], color=plot.colour_of(0), width=0.6)
ax.axhline(matrix / 2**10, color=plot.colour_of(5), linewidth=1.5)
ax.text(4.4, matrix / 2**10 * 1.12, "the score matrix, which no device has", ha="right", color=plot.colour_of(5))
ax.set(
    yscale="log",
    ylim=(50, 60000),
    xlabel="devices",
    ylabel="KiB on a device",
    title="more devices, less memory on each",
);
# %% [markdown]
# Three things to notice.
#
# - The memory of a device falls as you add devices. Turn it around: with a fixed share per device, twice the devices
#   hold twice the text. That is what "near-infinite context" means.
# - The **work does not shrink**: the number of pairs stays the same, it is merely spread. Attention is still
#   quadratic. A text of twice the length takes four times the arithmetic, ring or no ring.
# - No device ever has the score matrix, the line in the picture, not even a piece of it larger than a tile.
#
# And the traffic: each device sends $P - 1$ blocks, each a $P$-th of K and V. Together that is almost one full copy
# of K and V through each link, whatever $P$ is.

# %%
messages = ring.records("send")
assert len(messages) == devices * (devices - 1)
assert max(record["step"] for record in messages) == devices - 2  # the last step sends nothing
for count, run in runs.items():
    if count > 1:
        kv_numbers = 2 * 64 * (long // count)  # K and V of a block; its positions travel, too
        position_bytes = 16 * (long // count)
        assert run.devices[0].bytes_sent == (count - 1) * (4 * kv_numbers + position_bytes)
print("messages:", len(messages), "=", devices, "x", devices - 1)

# %% [markdown]
# ## Break it: a message that is too late
#
# Suppose a device starts to compute before its block has arrived. It finds the *previous* block in the slot. No
# crash, no NaN, every number plausible. The engine can do that on purpose:

# %%
late = ringattn.ring_attention(q, k, v, devices=4, fault="stale")
report = ringattn.check(q, k, v, out=late.out, devices=4)
print(report.verdict, "·", report.names[0]["id"], "·", report.names[0]["title"])
print(np.array(report.blocks["weight"], dtype=float).round(1) + 0.0)
assert not report.ok

# %% [markdown]
# A two and a zero in the same line: one block was counted twice, and another one never came. That pair is the
# fingerprint of a *race*, in which the result depends on whether the message or the arithmetic comes first. You will
# meet it again in [notebook 5](05_hiding_the_communication.ipynb). It happened on one link, from device 1 to device
# 2, and device 3 is wrong as well, because a ring passes everything on. The name is worth a thought: seen from
# outside, a device whose message holds the previous block is a device that sends its own block again. Two causes, the
# same numbers; the oracle cannot see through your wall, only into your results.
#
# ## Your turn
#
# First the schedule. All devices have a causal mask here (a query sees only the keys up to its own position), so a
# device must know whose keys it has in front of it. No message tells it; it computes the owner.


# %%
def owner(device, step, devices):
    """The owner of the block that a device holds at a step."""
    raise NotImplementedError


course.exercise("owner").check(owner)

# %% [markdown]
# Second, you plan the messages. At step 0 each device attends to its own block; at step $t + 1$ to the block that
# arrived at step $t$. Any plan in which all queries meet all keys is right. But `check` also counts: messages, blocks
# in memory, length of the way. Is there a plan that beats the ring? (Try to let every owner send its block directly
# to all others.)


# %%
def trip(step, devices):
    """The messages of one step: a list of (sender, receiver, owner of the block)."""
    raise NotImplementedError


course.exercise("trip").check(trip)

# %% [markdown]
# Third, write the whole thing: the program of one device. All devices run it at the same time. You may use
# `ringattn.attention(q, k, v, return_lse=True)` and `ringattn.merge(out, lse, other_out, other_lse)`, and you have
# two verbs: `send(k, v)` gives a block to the next device, and `receive()` waits for the block `k, v` of the previous
# one. (`check` runs the devices in turns, each from its beginning, until none has to wait. So do not wonder if a
# `print` speaks more than once.)


# %%
def ring(q, k, v, devices, send, receive):
    """q, k, v: the rows of this device, (1, rows, 1, dim). Returns the attention of q to the keys of all devices."""
    raise NotImplementedError


course.exercise("ring").check(ring)

# %% [markdown]
# ## Keep this
#
# - Queries stay, keys and values travel. Device $r$ at step $t$: block $(r - t) \bmod P$.
# - $P$ times attend, $P - 1$ times send.
# - Memory per device falls with $P$; the work is only shared.
#
# To watch: `ringviz --scene ring`, `ringviz --scene memory` for what each device holds, and `ringviz --scene recall` for
# a prompt that travels and finds how it goes on. Next:
# [4 · Causal: which device works?](04_causal_which_device_works.ipynb)
