# %% [markdown]
# # 8 · What Ring Attention is not
#
# **Search the web for "ring attention" and you will find two explanations. In one, keys and values travel around a
# ring of devices. In the other, a model keeps recent tokens in a ring *buffer*, compresses the older ones, and
# "forgets the boring stuff". Both are real methods. Are they the same thing?**
#
# They are not even the same *kind* of thing. One computes the same function as always on more machines; the other one
# computes another function on one machine. Let us give the second kind its real names and a fair trial.

# %%
import matplotlib.pyplot as plt
import numpy as np
import ringattn
from ringattn import course, plot

plot.use_style()
random = np.random.default_rng(8)
seq, dim, budget = 1024, 64, 128  # tokens, and how many of them a memory may keep

memories = {
    "window": {"window": budget},
    "sinks + window": {"window": budget - 4, "sinks": 4},
    "heavy hitters": {"window": budget // 2, "heavy_hitters": budget // 2},
    "pooled": {"window": budget // 2 - 8, "pooled_slots": budget // 2, "pool_width": 8},
    "linear": {"window": budget, "linear": True},
}


def tensors(q, k, v):
    return [each[None, :, None, :] for each in (q, k, v)]


def gaussian():
    return [random.standard_normal((seq, dim)) for _ in range(3)]


q, k, v = tensors(*gaussian())
parts = ("sinks", "heavy_hitters", "window", "waiting", "pooled", "linear", "dropped")
figure, ax = plt.subplots(figsize=(8.6, 3), layout="constrained")
for line, (name, options) in enumerate(memories.items()):
    tokens, left = ringattn.circular_attention(q, k, v, **options).tokens, 0
    for number, part in enumerate(parts):
        colour = "0.88" if part == "dropped" else plot.colour_of(number)
        ax.barh(line, tokens[part], left=left, color=colour, label=part.replace("_", " ") if line == 0 else None)
        left += tokens[part]
ax.barh(len(memories), seq, color=plot.colour_of(2))
ax.set_yticks(range(len(memories) + 1), [*memories, "ring attention"])
ax.invert_yaxis()
ax.set(xlabel="tokens", xlim=(0, seq), title="after 1024 tokens: where are they?")
figure.legend(loc="outside right upper", fontsize=8);

# %% [markdown]
# Five memories with room for about 128 tokens each, after a stream of 1024. Grey is gone. What remains is:
#
# - **window**: the most recent tokens, in a circular buffer. That is the "ring" of the second explanation;
# - **sinks + window**: the first few tokens are kept for good (StreamingLLM, arXiv:2309.17453);
# - **heavy hitters**: of the older tokens, those that got the most attention so far (H2O, arXiv:2306.14048);
# - **pooled**: older tokens are averaged, eight to a slot, and wait until there are eight (Compressive Transformer,
#   arXiv:1911.05507);
# - **linear**: what leaves goes into one matrix, all on top of each other (Infini-attention, arXiv:2404.07143).
#
# Ring Attention, in the last line, keeps everything: an eighth on each of eight devices.
#
# ## A fair trial
#
# Which memory is good depends on the text. So we make four kinds of inputs, as queries, keys and values: pure noise;
# a *local* text, in which every query looks for what was said a moment ago; a *needle*, one early key that the last
# queries look for; and a *sink*, where all queries stare at the first token, as those of trained models like to do.


# %%
def local():
    walk = np.cumsum(random.standard_normal((seq, dim)) / 4, axis=0)
    walk -= walk.mean(axis=0)
    walk *= 16 / np.linalg.norm(walk, axis=1, keepdims=True)
    return walk, walk, random.standard_normal((seq, dim))


def needle(depth=1 / 8):
    q, k, v = gaussian()
    target = random.standard_normal(dim)
    k[int(depth * seq)] = target
    q[3 * seq // 4 :] = 3 * target + 0.3 * q[3 * seq // 4 :]
    return q, k, v


def sink():
    q, k, v = gaussian()
    direction = random.standard_normal(dim)
    k[0] = 1.2 * direction
    return 0.5 * q + direction, k, v


last = slice(3 * seq // 4, None)  # judge the last quarter of the queries


def error_of(out, exact):
    return np.linalg.norm(out[:, last] - exact[:, last]) / np.linalg.norm(exact[:, last])


def trial(q, k, v):
    exact = ringattn.attention(q, k, v, causal=True)
    narrow = [each.astype(np.float32) for each in (q, k, v)]
    errors = {name: error_of(ringattn.circular_attention(q, k, v, **options).out, exact) for name, options in memories.items()}
    return errors | {"ring attention": error_of(ringattn.ring_attention(*narrow, devices=8, causal=True).out, exact)}


families = {"noise": gaussian, "local": local, "needle": needle, "sink": sink}
results = {name: trial(*tensors(*family())) for name, family in families.items()}

# %% tags=["picture"]
methods = [*memories, "ring attention"]
table = np.array([[results[family][method] for family in families] for method in methods])
figure, ax = plt.subplots(figsize=(7.4, 3.6), layout="constrained")
ax.imshow(np.log10(np.maximum(table, 1e-7)), cmap="PuOr_r", vmin=-4, vmax=4, aspect="auto")
for (line, column), value in np.ndenumerate(table):
    text = f"{value:.2f}" if value > 0.005 else ("0.00" if value > 1e-5 else "exact")
    ax.text(column, line, text, ha="center", va="center", color="white" if value < 2e-3 else "black")
ax.set_xticks(range(len(families)), list(families))
ax.set_yticks(range(len(methods)), methods)
ax.xaxis.tick_top()
ax.tick_params(length=0)
ax.set_title("relative error of the output", pad=22)
assert table[-1].max() < 1e-4 and table[:-1, 2].min() > 0.5

# %% [markdown]
# A number is the length of the error of the output, relative to the exact output, over the last quarter of the
# queries; purple is good. Read it line by line, and be fair. On **local** text a window is splendid, and far cheaper
# than attention to everything. With a **sink**, four kept tokens remove most of the error, which is exactly the
# discovery of StreamingLLM. Most memories are good at what they were made for.
#
# And no memory finds the **needle**. It was dropped, or averaged away with its neighbours, long before anybody knew
# that it would be asked for. Only the last line does not care which column it is in.
#
# ## Why: what is gone is gone
#
# Take the exact softmax, and ask how much of its weight lies on tokens that the memory still has. If the missing
# weight is $\mu$, then the output is off by at most $2 \mu \max\lVert v \rVert$: once for the values that are
# missing, and once for the others, which get their weight. Small when the text is local, hopeless when it is not. The
# reports of the library say that number each time, and begin with the right word:

# %%
for name, family in families.items():
    found = ringattn.circular_attention(*tensors(*family()), window=budget)
    print(f"{name:<7} attention kept {found.mass_kept:.2f}   {found.sentence.split()[0].rstrip(':,')}")
    assert found.sentence.startswith("approximate")
everything = ringattn.circular_attention(q, k, v, window=seq)
assert np.allclose(everything.out, ringattn.attention(q, k, v, causal=True), rtol=0, atol=1e-12)
print("window of 1024:", everything.sentence.split()[0].rstrip(":,"))

# %% [markdown]
# ## At every depth?
#
# One needle is an anecdote. We hide it at nine depths, from the first token (0) to the last ones, and let the last
# queries look for it. A number is again the relative error of the output, of the queries that look for the needle.

# %%
depths = (0, 0.1, 0.25, 0.5, 0.75, 0.85, 0.9, 0.95, 0.98)
looking = slice(seq - 16, None)


def hidden(depth):
    q, k, v = gaussian()
    target = random.standard_normal(dim)
    k[int(depth * seq)] = target
    q[looking] = 3 * target + 0.3 * q[looking]
    return tensors(q, k, v)


errors = np.empty((len(memories) + 1, len(depths)))
for column, depth in enumerate(depths):
    inputs = hidden(depth)
    exact = ringattn.attention(*inputs, causal=True)[:, looking]
    found = [ringattn.circular_attention(*inputs, **options).out for options in memories.values()]
    found.append(ringattn.ring_attention(*inputs, devices=8, causal=True).out)
    errors[:, column] = [np.linalg.norm(out[:, looking] - exact) / np.linalg.norm(exact) for out in found]

figure, ax = plt.subplots(figsize=(8.2, 3.2), layout="constrained")
ax.imshow(np.log10(np.maximum(errors, 1e-7)), cmap="PuOr_r", vmin=-4, vmax=4, aspect="auto")
for (line, column), value in np.ndenumerate(errors):
    ink = "white" if value < 2e-3 else "black"
    ax.text(column, line, f"{value:.2f}", ha="center", va="center", fontsize=9, color=ink)
ax.set_xticks(range(len(depths)), [f"{depth:.0%}" for depth in depths])
ax.set_yticks(range(len(errors)), [*memories, "ring attention"])
ax.set(xlabel="depth of the needle", title="is the needle found?")
ax.tick_params(length=0)
assert errors[-1].max() < 1e-12 and errors[1, 0] < 0.01 and errors[:2, 1:6].min() > 0.9

# %% [markdown]
# Each memory finds the needle where it still has the token: a window at the end of the text, sinks at its very
# beginning as well, and heavy hitters at the beginning, too, as all queries have looked at the first token. (The
# linear memory adds its own part to every output, so it is off even where its window has the needle.) In between,
# nothing. The ring does not care. For it we can afford a longer text:

# %%
long = 65536
k, v = random.standard_normal((2, 1, long, 1, dim)).astype(np.float32)
target = random.standard_normal(dim).astype(np.float32)
q = np.tile(5 * target, (1, 8, 1, 1))  # the last eight queries, one on each device
for depth in depths:
    needle_row, hay = int(depth * long), k.copy()
    hay[0, needle_row, 0] = target
    out = ringattn.ring_attention(q, hay, v, devices=8, causal=True, causal_align="bottom-right").out
    assert np.allclose(out[0, -1, 0], v[0, needle_row, 0], atol=1e-4)
print(f"found at all of {len(depths)} depths in {long} tokens")

# %% [markdown]
# ## How much memory would it take?
#
# Perhaps the budget was too small? Let us hide the needle at a tenth of the way and make the window longer and
# longer.

# %%
budgets = (32, 64, 128, 256, 512, 768, 1024)
inputs = tensors(*needle(depth=0.1))
exact = ringattn.attention(*inputs, causal=True)
errors = [error_of(ringattn.circular_attention(*inputs, window=each).out, exact) for each in budgets]
ring_error = error_of(
    ringattn.ring_attention(*(each.astype(np.float32) for each in inputs), devices=8, causal=True).out, exact
)
figure, ax = plt.subplots(figsize=(7.2, 3), layout="constrained")
ax.plot(budgets, np.maximum(errors, 1e-8), "o-", color=plot.colour_of(1), label="window")
ax.axhline(ring_error, color=plot.colour_of(0), label="ring attention, float32, an eighth of the tokens on each device")
ax.set(xscale="log", yscale="log", ylim=(1e-9, 10), xlabel="tokens kept", ylabel="error", title="the needle is in the first tenth")
ax.set_xticks(budgets, budgets)
ax.minorticks_off()
ax.legend(loc="center left")
assert errors[4] > 0.5 and errors[-1] < 1e-6

# %% [markdown]
# It takes the whole text. Half of it is as useless as a twentieth.
#
# ## Not rivals
#
# The two ideas answer different questions. A memory asks: *what may I forget?* It needs little room and little work,
# and it changes the model. A ring asks: *where do I put all of this?* It changes nothing, and it needs as many
# devices as the text is long. They even combine: a window is a mask, and a ring computes masked attention exactly.

# %%
q, k, v = tensors(*gaussian())
windowed = ringattn.ring_attention(q, k, v, devices=8, causal=True, window_size=(budget - 1, 0), trace=True)
memory = ringattn.circular_attention(q, k, v, window=budget)
assert np.allclose(windowed.out, memory.out, rtol=0, atol=1e-12)
working = np.count_nonzero(windowed.live_pairs().sum(axis=0))
print(f"a ring with a window equals the circular buffer; {working} of 8 steps have any work")

# %% [markdown]
# The ring *with the mask* computes what the buffer computes, to the last digits, and blocks beyond the window need
# not travel at all. So whenever you read "ring attention", ask the one question that settles it: **is a key ever
# dropped?**
#
# ## And in a real model?
#
# Our needle was a made-up vector. The script [`real_model.py`](real_model.py) hides a sentence with a secret number in
# a text, and asks a small language model for the number. With exact attention it answers right. With a ring of eight
# devices in every layer it writes the same tokens. With four sinks and a window it is as fluent as before, and tells
# another number; with a window alone it does not tell any. The script says what to install.
#
# ## Your turn
#
# Three exercises, because good critics can build what they criticise. First, which tokens does a window with sinks
# still have? The sinks come on top of the window, and the newest token is a part of it.


# %%
def keep(token, window, sinks):
    """The tokens that are in memory when the query of that token arrives: a list."""
    raise NotImplementedError


course.exercise("keep").check(keep)

# %% [markdown]
# Then the buffer itself. It has `window + sinks` slots, and every token overwrites one of them. Which one? Nothing is
# ever moved or searched: one line tells the slot.


# %%
def slot(token, window, sinks):
    """The slot, from 0 to window + sinks - 1, into which a token is written."""
    raise NotImplementedError


course.exercise("slot").check(slot)

# %% [markdown]
# Third, be the honest salesman of a memory, and state how wrong it can be. You know the scores of one query, which
# keys were kept, and that no value is longer than `longest`. `check` looks for values with which the output is
# farther off than you say.


# %%
def bound(scores, kept, longest):
    """scores, kept: (keys). Returns the largest possible distance between exact attention and that to the kept keys."""
    raise NotImplementedError


course.exercise("bound").check(bound)

# %% [markdown]
# ## Keep this
#
# - Ring *buffer*: constant memory, approximate, good on the inputs that it was made for. Say its name: window, sinks,
#   heavy hitters, compressive, Infini.
# - Ring *Attention*: a ring of devices, nothing dropped, exact.
# - The missing attention mass bounds the error of every memory.
#
# On the command line: `ringattn memory`. The code:
# [`circular_attention`](../reference/circular_memory/circular_attention.h), beside and apart from
# [`run_ring`](../reference/ring/loop.h). Next: [9 · How right is right?](09_how_right_is_right.ipynb)
