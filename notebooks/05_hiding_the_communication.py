# %% [markdown]
# # 5 · Hiding the communication
#
# **Sending a block takes time. A device that waits is an expensive heater. And yet people write that in Ring
# Attention the communication is "free". When is that true, and how would you know before you rent the machines?**

# %% tags=["picture"]
import matplotlib.pyplot as plt
import numpy as np
import ringattn
from ringattn import course, plot

plot.use_style()
random = np.random.default_rng(5)
devices, seq, dim = 4, 32, 8
q, k, v = (random.standard_normal((1, seq, 1, dim)) for _ in range(3))

block_pairs = (seq // devices) ** 2  # the work of one step: at 1 ns for each pair, that many ns
block_bits = 8 * ringattn.ring_attention(q, k, v, devices=devices, trace=True).records("send")[0]["bytes"]


def run(hop, **options):
    """A ring whose links need _hop_ times as long for a block as a device needs to compute with it."""
    return ringattn.ring_attention(
        q, k, v, devices=devices, trace=True, threads=1, link_gbps=block_bits / (hop * block_pairs), **options
    )


def time_of(ring):
    return max(record["t_end"] for record in ring.records("run"))


first, second = run(0.7, overlap=False), run(0.7)
figure, axes = plt.subplots(2, 1, figsize=(8.6, 5.6), layout="constrained")
plot.timeline(first, ax=axes[0], title="compute, then send", until=time_of(first))
plot.timeline(second, ax=axes[1], title="send, then compute", until=time_of(first));
# %% [markdown]
# Two runs of the same ring with the same slow links. A thick bar is arithmetic, a thin bar below it is the block on
# its way to the next device, hatched is waiting. The only difference is the order of two calls:
#
# - above, a device computes with a block and sends it on *afterwards*;
# - below, it sends the block on *first*, and computes with it while it travels. (Sending copies, so the block can be
#   in two places.)
#
# That is a difference of two lines in [`run_ring`](../reference/ring/loop.h). Look for the flag `overlap`.

# %%
print(f"compute, then send: {time_of(first):.0f} ns")
print(f"send, then compute: {time_of(second):.0f} ns")
print(f"arithmetic alone:   {devices * block_pairs} ns")
assert time_of(second) == devices * block_pairs
assert np.array_equal(first.out, second.out)  # the same bits: when a message travels does not change what it says

# %% [markdown]
# Below, the communication is really free: the run takes exactly as long as its arithmetic. The times are those of the
# *virtual clock*, which charges a fixed cost for each pair and each byte, so they are the same on your machine and on
# mine.
#
# ## Free until when?
#
# Let us make the links slower and slower. The horizontal axis is how long a *hop* takes, the transfer of a block to
# the next device, measured in *steps*, the arithmetic with one block.

# %%
hops = np.linspace(0.1, 3, 30)
with_overlap = np.array([time_of(run(hop)) for hop in hops]) / (devices * block_pairs)
without = np.array([time_of(run(hop, overlap=False)) for hop in hops]) / (devices * block_pairs)

figure, ax = plt.subplots(figsize=(7.2, 3.3), layout="constrained")
ax.plot(hops, without, "--", color=plot.colour_of(1), label="compute, then send")
ax.plot(hops, with_overlap, "-", color=plot.colour_of(0), label="send, then compute")
ax.axvline(1, color="0.6", linewidth=1)
ax.text(1.03, 2.9, "a hop takes as long as a step", color="0.4")
ax.set(
    xlabel="time of a hop / time of a step",
    ylabel="time / arithmetic alone",
    ylim=(0.9, 3.4),
    title="free, until it is not",
)
ax.legend(loc="upper left")
assert np.allclose(with_overlap[hops <= 1], 1) and np.all(with_overlap[hops > 1.05] > 1.03)

# %% [markdown]
# A flat line with a kink. Up to 1 the transfer hides behind the arithmetic, completely. Beyond it, every further
# microsecond is paid in full. There is no gentle middle: **a ring is compute-bound or it is link-bound.** With
# overlap the time of a step is the *maximum* of the two, without it is the *sum*. (At a ratio of three the run takes
# two and a half times its arithmetic, and not three times: the last step has no hop beside it.)
#
# ## One bad cable
#
# All links are fast, except the one from device 1 to device 2, which needs two steps for a hop. Who suffers?

# %%
speed = block_bits / (0.5 * block_pairs)
bad_cable = ringattn.ring_attention(
    q, k, v, devices=devices, trace=True, threads=1, link_gbps=[speed, speed / 4, speed, speed]
)
plot.timeline(bad_cable, title="the link below device 1 is four times as slow")
print(
    f"time / arithmetic alone: {time_of(bad_cable) / (devices * block_pairs):.2f}; "
    f"all links as slow: {time_of(run(2.0)) / (devices * block_pairs):.2f}"
)
assert np.isclose(time_of(bad_cable), time_of(run(2.0)))

# %% [markdown]
# Device 2 waits for its block, and device 1 waits until its link is free again. What comes late is passed on late, so
# device 3 waits, then device 0. One slow link makes the ring as slow as if *all* links were slow. Check your cables.
#
# ## Which side am I on?
#
# One block has $c$ tokens with dimension $d$. A step takes $4 d c^2$ operations: $QK^T$ and $PV$ are $2dc^2$ each,
# one multiplication and one addition for each of $d c^2$ terms. K and V are $2cd$ numbers. That is $4cd$ bytes in
# bfloat16, the usual type of two bytes. A device does $F$ operations and a link carries $B$ bytes in a second, so the
# transfer is hidden if
#
# $$\frac{4dc^2}{F} \;\ge\; \frac{4cd}{B} \quad\Longleftrightarrow\quad c \;\ge\; \frac{F}{B}$$
#
# Arithmetic grows with $c^2$, the message with $c$. **A block that is long enough hides any link.** The dimension has
# cancelled, and so has the number of devices. In the engine, this derivation stands above
# [`run_ring`](../reference/ring/loop.h). We let the virtual clock check it: fixed hardware, longer and longer blocks.

# %%
lengths = np.array([2, 4, 8, 16, 32, 64])
measured = []
for length in lengths:
    tensors = [random.standard_normal((1, devices * length, 1, dim)) for _ in range(3)]
    ring = ringattn.ring_attention(*tensors, devices=devices, trace=True, threads=1, link_gbps=72)
    step = max(each["t_end"] - each["t"] for each in ring.records("compute"))
    hop = max(each["t_end"] - each["t"] for each in ring.records("recv"))
    measured.append((step, hop, time_of(ring) / (devices * step)))
step, hop, relative = np.array(measured).T
threshold = lengths[hop <= step][0]
print("time of the run / arithmetic alone:", *(f"{each:.2f}" for each in relative))
print("smallest block that hides its transfer:", threshold)

figure, ax = plt.subplots(figsize=(7.2, 3.5), layout="constrained")
ax.plot(lengths, step, "o-", color=plot.colour_of(0), label="arithmetic of a step: grows with c²")
ax.plot(lengths, hop, "s-", color=plot.colour_of(1), label="transfer of a block: grows with c")
ax.axvspan(lengths[0], threshold, color="0.93", zorder=0)
ax.set(xscale="log", yscale="log", xlabel="tokens in a block, c", ylabel="ns", title="long blocks hide their transfer")
ax.set_xticks(lengths, lengths)
ax.minorticks_off()
ax.legend()
assert np.all((relative < 1.001) == (lengths >= threshold))

# %% [markdown]
# In the grey part the ring is link-bound: the straight line of the transfer is above that of the arithmetic. Now put
# in real hardware. These are the machines of table 2 in the paper (arXiv:2310.01889), with operations and bytes per
# second, and the smallest block, in tokens on *each* device. (NVLink connects the GPUs in one box, InfiniBand the
# boxes.)

# %%
machines = {
    "A100, NVLink": (312e12, 300e9),
    "A100, InfiniBand": (312e12, 12.5e9),
    "TPUv3": (123e12, 112e9),
    "TPUv4": (275e12, 268e9),
    "TPUv5e": (196e12, 186e9),
}
smallest = {name: flops / bandwidth for name, (flops, bandwidth) in machines.items()}
for name, tokens in smallest.items():
    print(f"{name:<18} c >= {tokens:6.0f} tokens")
printed = 24.5  # thousand, in the paper's table, for A100 with InfiniBand
assert round(smallest["A100, InfiniBand"]) == 24960

# %% [markdown]
# (The paper prints 24.5 thousand for InfiniBand; its own formula gives 24960. You now check papers by reflex.) So a
# hundred thousand tokens on eight GPUs in one box: comfortably hidden. The same text over InfiniBand: not at all.
# "Communication is free" is true **if the block is long enough for the link**, and you can compute beforehand what
# that means.
#
# Two corrections for real models. A causal mask halves the arithmetic of a step, so $c$ must be twice as long. And a
# model computes attention several times side by side, in *heads*, each with queries, keys and values of its own. In
# many models several query heads share one head of keys and values (*grouped heads*), which shrinks the message and
# not the arithmetic, so $c$ may be shorter. Here is the second effect on the clock, with links that are too slow for
# the full number of heads:

# %%
heads = 4
for kv_heads in (4, 2, 1):
    tensors = [random.standard_normal((1, seq, count, dim)) for count in (heads, kv_heads, kv_heads)]
    ring = ringattn.ring_attention(*tensors, devices=devices, trace=True, threads=1, link_gbps=60)
    relative = time_of(ring) / (devices * heads * block_pairs)
    print(f"{heads} query heads, {kv_heads} K/V heads: time / arithmetic alone = {relative:.2f}")

# %% [markdown]
# ## Is a ring the only way?
#
# No. Any schedule in which every query meets every key once is exact, and the engine runs several. **All-gather** sends
# each block to everybody at once. **Ulysses** exchanges rows for heads, so that each device computes some heads of the
# whole sequence. **USP** does both, in groups. A **bidirectional** ring sends half of the heads each way, and a
# **double ring** a ring inside each node and one between the nodes. What do they send, what do they hold, and how long
# do they take on the same machine?

# %%
tensors = [random.standard_normal((1, seq, count, dim)) for count in (8, 4, 4)]
exact = ringattn.attention(*tensors)
print("strategy        sent KiB   held KiB   time / arithmetic alone")
for strategy, group in [
    ("ring", 0), ("all-gather", 0), ("bidirectional", 0), ("double-ring", 2), ("ulysses", 0), ("usp", 2),
]:  # fmt: skip
    run = ringattn.ring_attention(
        *tensors, devices=devices, strategy=strategy, group=group, trace=True, threads=1, link_gbps=60
    )
    assert np.allclose(run.out, exact, atol=1e-13)
    sent = max(device.bytes_sent for device in run.devices) / 1024
    held = max(device.peak_bytes for device in run.devices) / 1024
    print(f"{strategy:14} {sent:9.0f} {held:10.0f}   {time_of(run) / (devices * 8 * block_pairs):10.2f}")

# %% [markdown]
# Same result, different bills. The all-gather sends what the ring sends, but every device must hold the blocks of all
# devices, and avoiding that is what a ring is for. Ulysses sends least, because a row moves once there and once back,
# and not around a ring; but nothing hides its exchange, and there must be a head for each device. A bidirectional or a
# double ring gains nothing here, because each device of this virtual machine has a single link out: they are for
# machines with a second link, or with faster links inside a node. The command `ringattn strategies` prints the same
# table for your sizes and links, and [strategies/](../reference/strategies/README.md) has a small file for each.
#
# ## Break it: do not wait
#
# Overlap means that a block arrives *while* the old one is in use. Two slots and one wait keep them apart. Forget the
# wait, and the arithmetic may read a slot into which a message is just being written: a **torn** block, the first
# half new, the second half old.

# %%
torn = ringattn.ring_attention(q, k, v, devices=devices, fault="torn")
report = ringattn.check(q, k, v, out=torn.out, devices=devices)
wrong_rows = np.flatnonzero(report.row_ratios["out"][0, 0] > 1)
print(report.verdict, "· wrong rows:", wrong_rows.min(), "to", wrong_rows.max())
print(np.array(report.blocks["weight"], dtype=float).round(1) + 0.0)
assert not report.ok

# %% [markdown]
# Compare with the stale block of notebook 3, a clean 2 and a clean 0. Here the numbers are crooked, because half a
# block was counted twice, and which half depends on the day. Races are like that: the weights of the blocks give them
# away, where a single error number would only say "wrong".
#
# ## Break it: everybody sends first
#
# One more classic. For large messages a send may block until the receiver takes them, as in MPI, the usual library
# for messages between processes. If *all* devices send before they receive, each waits for its neighbour to receive,
# who waits for its neighbour, all the way round.

# %%
try:
    ringattn.ring_attention(q, k, v, devices=devices, fault="all_send_first")
except RuntimeError as error:
    print(str(error).replace("; ", "\n"))

# %% [markdown]
# A ring of polite people at a door. The engine notices that nobody can go on, says who waits for whom, and ends; a
# real cluster would sit there until the job runs out of money. The cures: post the receive before the send, or let
# even devices send first and odd ones receive first.
#
# ## Your turn
#
# First read the clock without a clock: how long does a run take? The engine runs it, and shows what it needed.


# %%
def clock(devices, step, hop, overlap):
    """The time of a run, if the arithmetic with a block takes _step_, its transfer _hop_, with or without overlap."""
    raise NotImplementedError


course.exercise("clock").check(clock)

# %% [markdown]
# Then, before you rent: how long must a block be?


# %%
def hide(flops, bandwidth, element_bytes):
    """The fewest tokens in a block that hide its transfer; operations and bytes per second, bytes of a number."""
    raise NotImplementedError


course.exercise("hide").check(hide)

# %% [markdown]
# Third, the slots. A device has four operations: `("receive", slot)` lets the next block be written into a slot, in
# the background; `("wait", slot)` ends when it is there; `("send", slot)` copies a block to the next device, in the
# background as well; `("compute", slot)` is the arithmetic. In the beginning the own block is in slot 0. In which
# order, and in which slots, so that nothing is torn and no transfer is seen on the clock?


# %%
def buffer(step, devices):
    """The operations of a device in one step, for example [("compute", 0), ("send", 0)]; all devices do the same."""
    raise NotImplementedError


course.exercise("buffer").check(buffer)

# %% [markdown]
# Fourth, the people at the door. Each device has one block to send and one to receive, and a send ends when the
# receiver takes it. Which devices send first? `check` counts the rounds in which messages move at the same time.


# %%
def sends_first(device, devices):
    """True if the device sends before it receives, False if it receives first."""
    raise NotImplementedError


course.exercise("sends_first").check(sends_first)

# %% [markdown]
# ## Keep this
#
# - Send first, compute meanwhile: a step takes the maximum of both times, not the sum.
# - It is free if and only if $c \ge F/B$ (bfloat16, no mask, as many K/V heads as query heads). The number of devices
#   does not matter.
# - The last step sends nothing. Two slots, one wait; forget the wait and you get numbers that look fine.
#
# To watch: `ringviz --scene overlap`; `ringviz --scene hide` has sliders for the block and the link, and `L` in a live
# run slows a link down under your fingers. Next: [6 · Backward around the ring](06_backward_around_the_ring.ipynb)
