# %% [markdown]
# # 0 · The ledger of claims
#
# **"It makes attention linear." "Communication is free." "Near-infinite context." "A sliding window with compressed
# memory." People say many things about Ring Attention. Which of them are true?**
#
# Do not take our word for it, and do not take theirs. This notebook puts each claim to a test, with a real ring (the
# *engine* of this library, in C++, runs it on your machine) or with a formula that the engine confirms, and writes
# the result into a ledger: **true**, **true if** (and then: if *what*?), or **false** (and then: what is true
# instead?). Vote before you read on.
#
# All you need to know for now: attention compares each *query* with each *key*, and returns for each query a weighted
# mean of the *values*. A token of a text has one of each. Ring Attention deals the tokens out to several *devices*.
# Each device keeps its queries, while the keys and values travel in blocks from device to device, around a ring,
# until every query has met every key. Other words will turn up on this page, and the notebook that explains them is
# named.

# %%
import matplotlib.pyplot as plt
import numpy as np
import ringattn
from ringattn import course, plot

plot.use_style()
random = np.random.default_rng(0)
ledger = []


def enter(claim, verdict, because):
    ledger.append((claim, verdict, because))


def draw(seq, dim=8, heads=1, dtype=np.float64):
    return [random.standard_normal((1, seq, heads, dim)).astype(dtype) for _ in range(3)]


def run(seq, devices, **options):
    return ringattn.ring_attention(*draw(seq), devices=devices, trace=True, threads=1, **options)


lengths = np.array([16, 32, 64, 128, 256, 512])
pairs = np.array([run(seq, devices=4).live_pairs().sum() for seq in lengths])

figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.plot(lengths, pairs, "o-", color=plot.colour_of(0), label="pairs that the engine computed")
ax.plot(lengths, 256.0 * lengths / 16, ":", color=plot.colour_of(2), label="linear")
ax.plot(lengths, 256.0 * 2.0 ** ((lengths - 16) / 16), "--", color=plot.colour_of(5), label="exponential")
ax.set(
    xscale="log",
    yscale="log",
    ylim=(100, 1e6),
    xlabel="tokens",
    ylabel="pairs of query and key",
    title="how attention grows",
)
ax.set_xticks(lengths, lengths)
ax.minorticks_off()
ax.legend(loc="lower right")
assert np.array_equal(pairs, lengths**2)

# %% [markdown]
# ## "The cost of attention grows exponentially with the length"
#
# You read that in newspapers. Here are the pairs of query and key that a ring of four devices really computed: the
# engine counts them. Both axes are logarithmic, and the blue line has slope two: the *square* of the length. The
# dashed curve is what exponential would be; at five hundred tokens it has long left the picture, and the universe.
# **False: quadratic.**
#
# ## "It makes attention linear"
#
# The dotted line would be linear. The blue dots are those of a ring. **False: the work is the same, it is spread over
# the devices.** The next cell asserts it: one device, two or eight, the same number of pairs. What becomes smaller is
# the memory of *each device* (notebook 3).

# %%
for devices in (1, 2, 8):
    assert run(128, devices).live_pairs().sum() == 128 * 128  # the same work on any number of devices
enter("The cost grows exponentially with the length", "false", "it grows with the square")
enter("It makes attention linear", "false", "the same pairs, spread over the devices")

# %% [markdown]
# ## "Twice the length, four times the work"
#
# For attention alone, exactly. But a model does more than attention. A token is a vector of $h$ numbers, the *hidden
# size*. One layer multiplies it with matrices of $12h^2$ weights in all, which takes $24h^2$ operations, one
# multiplication and one addition for each weight. Attention to $s$ tokens takes $4hs$ more: $2hs$ for the scores, and
# as many for the weighted sum of the values. So each token costs something proportional to $6h + s$
# (arXiv:2310.01889, figure 5), and twice the tokens cost:

# %%
hidden = 4096  # a model of seven billion parameters
for seq in (4096, 32768, 1048576):
    factor = 2 * (6 * hidden + 2 * seq) / (6 * hidden + seq)
    print(f"from {seq:>7} to {2 * seq:>7} tokens: {factor:.2f} times the work")
enter("Twice the length, four times the work", "true if", "attention dominates: long texts; below, nearer to twice")

# %% [markdown]
# **True if** the text is long. As long as $s$ is small beside $6h$, a model spends its time on weights.
#
# ## "Full accuracy, no approximation"
#
# Nine rings: three numbers of devices, and three *layouts*, that is, three ways to deal the tokens out (notebook 4).
# `check` compares each of them with attention as it is defined.

# %%
for layout in ("contiguous", "zigzag", "striped"):
    for devices in (2, 5, 8):
        q, k, v = draw(67)
        ring = ringattn.ring_attention(q, k, v, devices=devices, layout=layout, causal=True)
        assert ringattn.check(q, k, v, out=ring.out, lse=ring.lse, causal=True, blind_spots=False).verdict == "pass"
print("nine rings, nine times equal up to rounding")
enter("Full accuracy, no approximation", "true", "equal to attention up to rounding")

# %% [markdown]
# **True.** Rounding differs, because sums are taken in another order; notebook 9 shows how much.
#
# ## "Steady memory on each device", and "near-infinite context"
#
# Keep the tokens *per device* fixed and add devices. The time is that of a *virtual clock*, which charges one
# nanosecond for each pair of query and key, so that it is the same on your machine and on mine.

# %%
share = 64
print("devices  tokens  KiB on a device  time (virtual ns)")
peaks, times = [], []
for devices in (2, 4, 8, 16):
    ring = run(share * devices, devices)
    peaks.append(max(each.peak_bytes for each in ring.devices))
    times.append(max(each["t_end"] for each in ring.records("run")))
    print(f"{devices:7} {share * devices:7} {peaks[-1] / 1024:16.1f} {times[-1]:18.0f}")
assert len(set(peaks)) == 1
assert np.allclose(np.array(times) / times[0], [1, 2, 4, 8])
enter("Steady memory on each device", "true if", "each device keeps the same number of tokens")
enter(
    "Near-infinite context",
    "true if",
    "you have as many devices as the text is long, and the patience: P times the time",
)

# %% [markdown]
# The memory is steady indeed, and the time is not: twice the devices hold twice the text, in the same memory each,
# and take twice the time. Each token of the longer text has twice as many others to look at. A thousand devices can
# hold a thousand books. They need a thousand times as long as one device for one book. **True if** you pay for it.
#
# ## "Zero memory overhead"
#
# A device owns a share of the queries, keys and values, and computes a share of the output. Does it need nothing else?

# %%
ring = run(share * 8, 8)
own = 4 * share * 8 * 8  # the own shards of Q, K, V and O: dimension 8, float64
print(f"own shards: {own / 1024:.0f} KiB; held at the peak: {peaks[-1] / 1024:.1f} KiB")
assert peaks[-1] > 2 * own
enter("Zero memory overhead", "false", "a second slot for K and V, the state, a tile of scores")

# %% [markdown]
# **False.** A block must have room to arrive while the other one is in use. Each query has a half-finished result
# (its *state*, notebook 2). And the scores are computed in small rectangles, or *tiles*, one at a time; the tile is
# most of what you see here, because the blocks of this example are tiny. For a fixed share
# of each device the overhead is *constant*: it does not grow with the text, and that is the true and better claim.
#
# ## "Communication is effectively free"
#
# While a device computes with one block, the next one can travel. Let us make the links slower and slower. A *step*
# is the arithmetic with one block, a *hop* its transfer to the next device.

# %%
seq, devices = 64, 4
pairs_of_a_step = (seq // devices) ** 2
block_bits = 8 * run(seq, devices).records("send")[0]["bytes"]
for hop in (0.5, 1.0, 2.0):
    ring = run(seq, devices, link_gbps=block_bits / (hop * pairs_of_a_step))
    time = max(each["t_end"] for each in ring.records("run"))
    print(f"a hop takes {hop} steps: the run takes {time / (devices * pairs_of_a_step):.2f} times its arithmetic")
    assert (time <= 1.000001 * devices * pairs_of_a_step) == (hop <= 1)
operations, bandwidth = 312e12, 300e9  # of an A100 and its NVLink, for each second: arXiv:2310.01889, table 2
print(f"A100 with NVLink: at least {operations / bandwidth:.0f} tokens on each device")
enter("Communication is effectively free", "true if", "a block has at least F/B tokens: 1040 for A100 with NVLink")

# %% [markdown]
# **True if** a hop takes no longer than a step. The arithmetic of a block grows with the square of its length and the
# message with the length itself, so this is a question of long blocks: at least $F/B$ tokens, if a device does $F$
# operations and a link carries $B$ bytes in a second. Notebook 5 derives the formula.
#
# ## "One slow link slows everybody"
#
# Now all hops take half a step, except those over one link, which is eight times as slow.

# %%
speed = block_bits / (0.5 * pairs_of_a_step)
for name, links in (("all fast", speed), ("one slow", [speed, speed / 8, speed, speed]), ("all slow", speed / 8)):
    time = max(each["t_end"] for each in run(seq, devices, link_gbps=links).records("run"))
    print(f"{name}: {time / (devices * pairs_of_a_step):.2f} times the arithmetic")
enter("One slow link slows everybody", "true", "one slow link costs as much as if all were slow")

# %% [markdown]
# **True,** and worse than one would like: what arrives late is passed on late.
#
# ## "Sending all those blocks costs energy"
#
# Meta has published the time of a prompt of a million tokens, for a model with 405 billion parameters on 128 GPUs
# (arXiv:2411.01783). K and V of a block make fifteen hops in each of the layers. Suppose that a GPU draws 500 watts,
# and that a link of 400 gigabits per second, with its part of the switch, draws 17.5 watts:

# %%
link_gigabits, link_watts, gpu_watts = 400, 17.5, 500
tokens, ranks, layers, gpus, seconds = 1e6, 16, 126, 128, 77  # Llama 3 with 405 billion parameters
block_bytes = tokens / ranks * 2 * 128 * 2  # on each GPU K and V of one head of dimension 128, with two bytes a number
moved = (ranks - 1) * layers * gpus * block_bytes
of_links, of_gpus = 8 * moved * link_watts / (link_gigabits * 1e9), gpus * gpu_watts * seconds  # in joules
print(f"{moved / 1e12:.1f} terabytes travel and take {of_links / 1e3:.1f} kJ; the GPUs take {of_gpus / 1e6:.1f} MJ")
print(f"part of the messages: {of_links / of_gpus:.2%}")
enter("Sending all those blocks costs energy", "false", "less than a thousandth; what costs is a device that waits")

# %% [markdown]
# **False.** The messages take less than a thousandth of the energy. But look at the one slow link above: the devices
# need more than three times as long, and a device that waits is not switched off.
#
# ## "The transfer also hides when a model writes its answer, token by token"
#
# That is called *decoding*: there is a single query at a time. The paper's appendix C says that the transfer of K and V
# hides there, too, for TPUv5e, and divides the bandwidth in *giga*bytes by operations in
# *tera*operations per second.

# %%
ratio = 186e9 / (0.4 * 196e12)  # bandwidth; operations, at the 40 % that are reached
print(f"bytes per operation: {ratio:.4f}; the paper prints {2.4}")
print(f"one query against a block: the transfer takes {1 / ratio:.0f} times as long as the arithmetic")
assert 0.002 < ratio < 0.003
enter(
    "Passing K and V also hides in decoding", "false", "a unit slip of a thousand: one query has too little arithmetic"
)

# %% [markdown]
# **False.** One query does two operations with each element of K and V, where a whole block of queries does
# thousands. For decoding it is better to let each device answer the query for its own keys, and to merge the answers
# (notebook 1).
#
# ## "Devices pass their queries around", "the keys are passed around"
#
# `rotate` says what travels. We look into the messages of both kinds of rings:

# %%
for rotate in ("kv", "q"):
    q, k, v = draw(64)
    ring = ringattn.ring_attention(q, k, v, devices=4, rotate=rotate, trace=True)
    assert ringattn.check(q, k, v, out=ring.out, blind_spots=False).ok
    print(f"rotate={rotate!r}: messages contain", " and ".join(sorted({each["what"] for each in ring.records("send")})))
enter(
    "Devices pass their queries around", "false", "keys and values; passing queries is another, equally exact, variant"
)
enter("The keys are passed around", "true if", "you add: and the values, twice the bytes")

# %% [markdown]
# Keys *and values* travel. The other way round works as well (Meta uses it for long prompts with few new tokens,
# arXiv:2411.01783): the queries travel, and their half-finished results, which are called m, l and O, follow them.
#
# ## "Striped attention balances the work", "it is twice as fast"
#
# A language model uses a *causal* mask: a token sees only the tokens before it. Then late tokens have more work than
# early ones. The *contiguous* layout gives each device one slice of the text, and the last device has the most to do;
# *striped* deals the tokens out like cards. Notebook 4 is about this.


# %%
def steps(layout, devices, rows):
    return run(rows * devices, devices, layout=layout, causal=True).live_pairs()


for rows in (4, 16, 64):
    work = steps("striped", 8, rows)
    gain = steps("contiguous", 8, rows).max(axis=0).sum() / work.max(axis=0).sum()
    spread = (work.sum(axis=1).max() - work.sum(axis=1).min()) / work.sum(axis=1).mean()
    print(f"{rows:3} rows on each of 8 devices: work differs by {spread:.1%}, {gain:.2f} times as fast as contiguous")
print(f"the limit for 8 devices: {2 - 1 / 8}")
enter("Striped attention balances the work", "true if", "there are many rows on each device")
enter("Balanced layouts are twice as fast", "true if", "for 'twice' you read 2 - 1/P, attention alone, causal")

# %% [markdown]
# **True if** there are many rows on each device, and "twice" is the limit for many devices.
#
# ## "It is a sliding window with compressed memory"
#
# Several popular texts explain Ring Attention as a ring *buffer*: recent tokens are kept, older ones are summarised
# or dropped. Such methods exist and are useful. They are other functions. We hide a needle, one key that the last
# query is looking for, and ask who finds it.

# %%
q, k, v = draw(512, dim=16)
needle = 100
k[0, needle, 0] = 4 * q[0, -1, 0]  # the last query looks for exactly this key
ring = ringattn.ring_attention(q, k, v, devices=8, causal=True)
window = ringattn.attention(q, k, v, causal=True, window_size=(127, 0))
for name, out in (("ring", ring.out), ("window of 128", window)):
    distance = np.linalg.norm(out[0, -1, 0] - v[0, needle, 0]) / np.linalg.norm(v[0, needle, 0])
    print(f"{name:<14} the answer is {distance:.2f} away from the value of the needle")
    assert (distance < 0.1) == (name == "ring")
enter("It is a sliding window with compressed memory", "false", "the ring is a network of devices; no key is dropped")

# %% [markdown]
# **False.** The word *ring* is the shape of the network, not of a buffer.
#
# ## "A larger context makes the model smarter"
#
# The ring computes the same function as before, on a longer input. Whether a model makes good use of that input
# depends on the model, its training and its data, and no experiment with a ring can tell. So this is no claim about the
# ring at all.

# %%
enter("A larger context makes a model smarter", "no claim", "about the ring: it computes the same function")

# %% tags=["picture"]
colours = {"true": plot.colour_of(2), "true if": plot.colour_of(0), "false": plot.colour_of(5), "no claim": "#5B6475"}
figure, ax = plt.subplots(figsize=(10.2, 0.36 * len(ledger) + 0.5), layout="constrained")
for line, (claim, verdict, because) in enumerate(ledger):
    ax.text(0.365, line, claim, ha="right", va="center", fontsize=9.5)
    ax.text(0.42, line, verdict, ha="center", va="center", fontsize=9, color="white", weight="bold",
            bbox={"boxstyle": "round,pad=0.3", "facecolor": colours[verdict], "linewidth": 0})  # fmt: skip
    ax.text(0.475, line, because, va="center", fontsize=9.5)
ax.set(xlim=(0, 1), ylim=(len(ledger) - 0.4, -0.6), title="the ledger")
ax.axis("off");

# %% [markdown]
# A ledger to hang up beside the coffee machine. Look at the blue lines: most of what people say is true *under a
# condition*, and nearly all quarrels about Ring Attention are about a condition that nobody mentioned.
#
# ## Your turn
#
# You have seen the verdicts. Can you predict the numbers? Replace `raise NotImplementedError` by your answer, and run
# the cell. If you are wrong, you learn which claim you believed. (A guess is welcome. After notebook 3 it will be no
# guess any more.)
#
# First the cost of a ring without a mask, where `seq` is a multiple of `devices`. The engine runs the ring and counts.


# %%
def cost(seq, devices):
    """Pairs of query and key in all; pairs of one device; keys for which one device has room; messages in all."""
    raise NotImplementedError


course.exercise("cost").check(cost)

# %% [markdown]
# Second: how many devices does a text need? A device has room for K and V of `room` tokens.


# %%
def fit(tokens, room):
    """The fewest devices on which a ring over the text has enough memory."""
    raise NotImplementedError


course.exercise("fit").check(fit)

# %% [markdown]
# Third: twice the text costs between two and four times the work. At which length does it cost `factor` times the work?
# A token of a text of $n$ tokens costs $6h + n$, where $h$ is the hidden size.


# %%
def doubling(hidden, factor):
    """The number of tokens n, so that 2 n tokens cost factor times the work of n tokens."""
    raise NotImplementedError


course.exercise("doubling").check(doubling)

# %% [markdown]
# Stuck? `course.exercise("cost").hint(1)`, then `hint(2)` and `hint(3)`, and
# `print(course.exercise("cost").solution())`.
#
# Now find out how it works: [1 · One softmax, many pieces](01_one_softmax_many_pieces.ipynb). To watch instead of
# read: `ringviz --scene why`.
