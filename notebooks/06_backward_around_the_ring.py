# %% [markdown]
# # 6 · Backward around the ring
#
# **In the forward pass the keys and values travelled, were looked at, and were forgotten. Now the loss sends its
# gradients back. The gradient of one key is a sum over the queries on *all* devices. Where is that sum added up, and
# how does it get home?**
#
# It travels with its block, like a collection box. Let us look first and understand afterwards. In the formulas, $dX$
# is the *gradient* of $X$: the derivative of the loss with respect to each element of $X$. The rest of the model
# hands us $dO$, that of the output, called `dout` in code, and we owe it $dQ$, $dK$ and $dV$.

# %%
import matplotlib.pyplot as plt
import numpy as np
import ringattn
from ringattn import course, plot

plot.use_style()
random = np.random.default_rng(6)
devices, seq, dim = 4, 32, 8
q, k, v, dout = (random.standard_normal((1, seq, 1, dim)) for _ in range(4))

ring = ringattn.ring_attention(q, k, v, dout=dout, devices=devices, trace=True, threads=1)
messages = [each for each in ring.records("recv") if each["pass"] == "backward"]

# %% tags=["picture"]
blocks = np.full((devices, devices), -1)  # the block of K, V on each device at each step
gradients = np.full((devices, devices + 1), -1)  # the sums dK, dV on each device, and at home in the end
blocks[:, 0] = gradients[:, 0] = range(devices)  # everybody begins with their own
for each in messages:
    table = blocks if each["what"] == "K V" else gradients
    hop = (each["device"] - each["owner"]) % devices or devices  # how many hops the message has behind it
    table[each["device"], hop] = each["owner"]

figure, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.1), layout="constrained", width_ratios=(4, 5))
plot.schedule(blocks, ax=left, title="K and V")
plot.schedule(gradients, ax=right, title="dK and dV")
right.set_xticks(range(devices + 1), [*range(devices), "home"])
assert np.array_equal(blocks, ringattn.schedule(devices)) and np.array_equal(gradients[:, -1], range(devices))

# %% [markdown]
# On the left, keys and values go round exactly as in the forward pass. On the right, the sums dK and dV ride along:
# each device adds the part of its own queries and passes the box on. The difference is the last column. K and V may
# stay wherever they end up, because everyone has seen them. **The box must go home**, and home is one hop further.

# %%
for what in ("K V", "dK dV"):
    print(f"{what:<6}: {sum(each['what'] == what for each in messages)} messages")
assert sum(each["what"] == "K V" for each in messages) == devices * (devices - 1)
assert sum(each["what"] == "dK dV" for each in messages) == devices * devices

# %% [markdown]
# ## What each device computes
#
# The forward pass kept no weights; that was the point. But it kept `lse`, and with it the weights of any block can be
# rebuilt in a moment, exactly, wherever the block happens to be:
#
# $$P = e^{\,S - \text{lse}} \qquad dV = P^T dO \qquad dP = dO\,V^T$$
#
# $S$ are the scores and $P$ the weights. The first formula is the softmax itself; the other two come from $O = PV$.
# Then back through the softmax. The derivative of the weight $P_j$ with respect to the score $S_k$ is $P_j (1 - P_k)$
# for $k = j$ and $-P_j P_k$ for the others: the weights add up to one, so if one grows the others must shrink. Summed
# up, $dS_k = P_k \, (dP_k - \sum_j P_j \, dP_j)$. The sum is one number for each query, and it is called $\delta$:
#
# $$dS = P \circ (dP - \delta) \qquad \delta = \text{rowsum}(dO \circ O) \qquad dQ = \text{scale} \cdot dS\,K \qquad
# dK = \text{scale} \cdot dS^T Q$$
#
# The elegant part is $\delta$. By its definition it is $\sum_j P_j\, dP_j$, a sum over *all* keys, on all devices.
# But $dP_j$ is $dO \cdot v_j$, so the sum equals $dO \cdot \sum_j P_j v_j = dO \cdot O$, and $O$ is right here. No
# extra trip around the ring. In the engine: [`delta`](../reference/blockwise/block_backward.cpp) and
# [`BackwardKv`](../reference/ring/programs/backward_kv.cpp).
#
# Do we believe it? Let us nudge: change one element of the inputs a little, in both directions, run the *forward*
# pass, and see how much the loss moves.


# %%
def loss(q, k, v):
    return np.sum(dout * ringattn.attention(q, k, v))


def nudge(tensors, which, place, step=1e-5):
    up, down = ([tensor.copy() for tensor in tensors] for _ in range(2))
    up[which][place] += step
    down[which][place] -= step
    return (loss(*up) - loss(*down)) / (2 * step)


worst = 0.0
for which, gradient in enumerate((ring.dq, ring.dk, ring.dv)):
    for row, element in random.integers((seq, dim), size=(20, 2)):
        place = (0, row, 0, element)
        worst = max(worst, abs(nudge([q, k, v], which, place) - gradient[place]))
assert worst < 1e-8
print("60 nudges agree with dq, dk and dv")

# %% [markdown]
# ## Laws that every right gradient obeys
#
# Nudging is slow and a bit blurry. There is a more beautiful test. Because softmax weights sum to one, right
# gradients obey laws that you can check in a second, without any reference result, at any length:

# %%
out, lse = ringattn.attention(q, k, v, return_lse=True)
right = {"out": out, "lse": lse, "dq": ring.dq, "dk": ring.dk, "dv": ring.dv, "dout": dout}
for law in ringattn.laws(q, k, v, **right):
    print(f"{law.id}   {law.statement}")
    assert law.holds

# %% [markdown]
# Read $\langle a, b \rangle$ as the sum of all products of elements. B says that the gradients of all keys add up to
# zero: its right side contains `dlse`, the gradient of lse, and this loss does not depend on lse. That must be so.
# Adding the same vector to all keys shifts all scores of a query by the same amount, and a softmax does not care.
#
# ## Break it, eight times
#
# Here are eight mistakes of the catalogue, a line for each, and five laws. A dark cell is a broken law.

# %%
mistakes = ("G1", "G4", "G5", "G13", "G15", "G16", "G23", "G3")
broken, names = [], []
for mistake in mistakes:
    made = ringattn.make_mistake(mistake, q, k, v, dout=dout, devices=devices)
    wrong = {**right, **{name: made[name] for name in ("dq", "dk", "dv")}}
    broken.append([not law.holds for law in ringattn.laws(q, k, v, **wrong)])
    names.append(ringattn.mistakes(mistake).title)
    report = ringattn.check(q, k, v, **wrong, devices=devices)
    assert not report.ok and mistake in [each["id"] for each in report.names]

figure, ax = plt.subplots(figsize=(8.2, 3.4), layout="constrained")
ax.imshow(broken, cmap="Greys", vmax=1.3, aspect="auto")
for (line, column), bad in np.ndenumerate(np.array(broken)):
    ax.text(
        column,
        line,
        "broken" if bad else "holds",
        ha="center",
        va="center",
        fontsize=8,
        color="white" if bad else "0.5",
    )
ax.set_xticks(range(5), [f"law {law.id}" for law in ringattn.laws(q, k, v, **right)])
ax.set_yticks(range(len(mistakes)), [f"{name}  {mistake}" for name, mistake in zip(names, mistakes)], fontsize=8)
ax.xaxis.tick_top()
ax.tick_params(length=0)
assert sum(map(any, broken)) == len(mistakes) - 1

# %% [markdown]
# Read the lines as fingerprints. A missing $\delta$ breaks B alone: the keys' gradients no longer cancel. Boxes that
# stop one device away from home (G13) break only the laws that ask *which* key a gradient belongs to; their sum is
# perfectly right.
#
# And now the last line. **G3 breaks no law at all**, and it is wrong. It computes $\delta$ from the output of one
# block instead of the finished one... and every law holds. Laws are necessary, never sufficient: they are smoke
# detectors, not judges. `check` compares with the definition and names all eight (there is an `assert` in the cell
# above that says so).
#
# ## The trip home, missed
#
# G13 deserves a picture, because the mistake is so natural: you reuse the loop of the forward pass, which makes one
# hop less than there are devices.

# %%
made = ringattn.make_mistake("G13", q, k, v, dout=dout, devices=devices)
rows = ringattn.sharding(seq, devices=devices).rows
distance = np.array([[np.linalg.norm(made["dk"][:, a] - ring.dk[:, b]) for b in rows] for a in rows])
for device, line in enumerate(distance):
    print(f"device {device} ends up with dK of device {line.argmin()}")
assert np.all(distance.min(axis=1) < 1e-12)

# %% [markdown]
# Every number is right and every number is in the wrong place. Even the norm of dK is the right one.
#
# ## Your turn
#
# First the number that saves a trip.


# %%
def delta(out, dout):
    """out, dout: (rows, dim). Returns delta of each row: (rows)."""
    raise NotImplementedError


course.exercise("delta").check(delta)

# %% [markdown]
# Then the arithmetic of one pair of blocks. `check` carries your boxes around the ring and home.


# %%
def backward(q, k, v, out, lse, dout, scale):
    """q, out, dout: (queries, dim); lse: (queries); k, v: (keys, dim); out and lse are those of all keys.
    Returns the parts of dq, dk and dv of this pair of blocks."""
    raise NotImplementedError


course.exercise("backward").check(backward)

# %% [markdown]
# And the trip. After each step you say which device sends the sum that it holds to which other one. In the end each
# sum must be with the owner of its block.


# %%
def home(step, devices):
    """The messages after a step: a list of (sender, receiver)."""
    raise NotImplementedError


course.exercise("home").check(home)

# %% [markdown]
# ## Keep this
#
# - Keep `lse`, rebuild the weights. Keep `out`, and $\delta$ costs nothing.
# - K and V make one hop less than there are devices, dK and dV as many: the box must go home.
# - Laws find most mistakes without a reference. Not all.
#
# To watch: `ringviz --scene backward`, and `ringviz --scene gradients` for all numbers of one tile. Next:
# [7 · Find the bug](07_find_the_bug.ipynb)
