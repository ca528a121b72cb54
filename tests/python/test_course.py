"""Every solution passes, and every mistake that fits an exercise is named."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from ringattn import course
from solutions import solution_of


@pytest.mark.parametrize("name", list(course.exercises()))
def test_the_solution_of_an_exercise_is_right_and_within_the_best_known_budget(name):
    exercise = course.exercise(name)
    feedback = exercise.check(solution_of(name))
    assert feedback.ok and feedback.mistakes == [], feedback
    assert feedback.budget and all(each.used <= each.best for each in feedback.budget)
    assert f"def {name}(" in exercise.solution() and exercise.task.startswith(name + "(")
    assert [exercise.hint(number) for number in (1, 2, 3)] == list(exercise.hints)


# ---- Mistakes of the catalogue, submitted as answers --------------------------


def weighted(weight_a, weight_b, out_a, out_b):
    return weight_a[:, None] * out_a + weight_b[:, None] * out_b


def merge_with(weights=None, lse=np.logaddexp):
    """A merge whose weights or lse are wrong; both are right where nothing is given."""

    def merge(out_a, lse_a, out_b, lse_b):
        both = np.logaddexp(lse_a, lse_b)
        safe = np.where(both == -np.inf, 0, both)
        chosen = weights(lse_a, lse_b, safe) if weights else (np.exp(lse_a - safe), np.exp(lse_b - safe))
        return weighted(*chosen, out_a, out_b), lse(lse_a, lse_b)

    return merge


def add_the_lse(out_a, lse_a, out_b, lse_b):
    lse = lse_a + lse_b
    return weighted(np.exp(lse_a - lse), np.exp(lse_b - lse), out_a, out_b), lse


def base_two(out_a, lse_a, out_b, lse_b):
    lse = np.logaddexp2(lse_a, lse_b)
    return weighted(2 ** (lse_a - lse), 2 ** (lse_b - lse), out_a, out_b), lse


def overflow(out_a, lse_a, out_b, lse_b):
    lse = lse_a + np.log(1 + np.exp(lse_b - lse_a))
    return weighted(np.exp(lse_a - lse), np.exp(lse_b - lse), out_a, out_b), lse


def without_the_empty_case(out_a, lse_a, out_b, lse_b):
    lse = np.logaddexp(lse_a, lse_b)
    return weighted(np.exp(lse_a - lse), np.exp(lse_b - lse), out_a, out_b), lse


def online_with(alpha_l=True, alpha_O=True, factor=lambda old, new: np.exp(old - new)):
    """An online update that rescales l, O or both, by a right or wrong factor."""

    def online(m, l, O, scores, values):  # noqa: E741
        m_new = max(m, scores.max(initial=-np.inf))
        if m_new == -np.inf:
            return m, l, O
        alpha, p = factor(m, m_new) if l > 0 else 0.0, np.exp(scores - m_new)
        return m_new, (alpha if alpha_l else 1) * l + p.sum(), (alpha if alpha_O else 1) * O + p @ values

    return online


def online_without_the_empty_case(m, l, O, scores, values):  # noqa: E741
    m_new = max(m, scores.max())
    alpha, p = np.exp(m - m_new), np.exp(scores - m_new)
    return m_new, alpha * l + p.sum(), alpha * O + p @ values


def ring(step, devices, owner=lambda device, step, devices: (device - step) % devices, last=1):
    if step >= devices - last:
        return []
    return [(device, (device + 1) % devices, owner(device, step, devices)) for device in range(devices)]


def halves(shards):
    half = shards.shape[1] // 2
    return shards[:, :half], shards[:, half:]


def backward_with(p_of=None, ds_of=None, factor=(1, 1, 1), order=(0, 1, 2)):
    """A backward of one pair of blocks with another P or dS, wrong factors, or its results in another order."""

    def backward(q, k, v, out, lse, dout, scale):
        s = scale * q @ k.T
        p = p_of(s, lse) if p_of else np.exp(s - lse[:, None])
        dp, delta = dout @ v.T, np.sum(dout * out, axis=1)[:, None]
        ds = ds_of(p, dp, delta) if ds_of else p * (dp - delta)
        powers = {-1: 1 / scale, 1: 1, 2: scale}
        dq, dk, dv = (part * powers[each] for part, each in zip((scale * ds @ k, scale * ds.T @ q, p.T @ dout), factor))
        return [(dq, dk, dv)[each] for each in order]

    return backward


def cost_with(**changed):
    """Predictions of the right costs, with some of them changed."""

    def cost(seq, devices):
        names = ("pairs", "of_a_device", "keys", "messages")
        right = dict(zip(names, solution_of("cost")(seq, devices)))
        return [changed[name](seq, devices) if name in changed else right[name] for name in names]

    return cost


def newest(count, token, sinks=0):
    """The newest tokens and the sinks, each once."""
    return sorted({*range(min(sinks, token + 1)), *range(max(0, token + 1 - count), token + 1)})


wrong_answers = [
    ("cost", "R19", cost_with(messages=lambda seq, devices: devices**2)),
    ("keep", "M16", lambda token, window, sinks: newest(window + 1, token, sinks)),
    ("keep", "M2", lambda token, window, sinks: newest(window - 1, token - 1, sinks)),
    ("keep", "M1", lambda token, window, sinks: list(range(max(0, token - window + 1), 24))),
    ("merge", "L3", add_the_lse),
    ("merge", "L2", base_two),
    ("merge", "L5", merge_with(lambda a, b, both: (np.exp(b - both), np.exp(a - both)))),
    ("merge", "L7", merge_with(lambda a, b, both: (np.full_like(a, 0.5), np.full_like(b, 0.5)))),
    ("merge", "L8", merge_with(lambda a, b, both: (np.ones_like(a), np.ones_like(b)))),
    ("merge", "L11", overflow),
    ("merge", "L12", without_the_empty_case),
    ("online", "O1", online_with(alpha_O=False)),
    ("online", "O2", online_with(alpha_l=False)),
    ("online", "O3", online_with(alpha_l=False, alpha_O=False)),
    ("online", "O4", online_with(factor=lambda old, new: np.exp(new - old))),
    ("online", "O7", online_with(factor=lambda old, new: np.exp(2 * (old - new)))),
    ("online", "O9", online_without_the_empty_case),
    ("trip", "R1", lambda step, devices: ring(step, devices, last=2)),
    ("trip", "R19", lambda step, devices: ring(step, devices, last=0)),
    ("trip", "M22", lambda step, devices: []),
    ("backward", "G1", backward_with(ds_of=lambda p, dp, delta: p * dp)),
    ("backward", "G4", backward_with(ds_of=lambda p, dp, delta: p * (dp + delta))),
    ("backward", "G2", backward_with(ds_of=lambda p, dp, delta: p * (dp - np.sum(p * dp, axis=1, keepdims=True)))),
    ("backward", "G32", backward_with(ds_of=lambda p, dp, delta: p * dp - delta)),
    ("backward", "G5", backward_with(p_of=lambda s, lse: np.exp(s - np.log(np.exp(s).sum(axis=1, keepdims=True))))),
    ("backward", "G9", backward_with(factor=(-1, 1, 1))),
    ("backward", "G10", backward_with(factor=(1, 2, 1))),
    ("backward", "G22", backward_with(order=(0, 2, 1))),
    ("mask", "M1", lambda q, k: np.ones((len(q), len(k)), dtype=bool)),
    ("mask", "M2", lambda q, k: k[None, :] < q[:, None]),
    ("mask", "M3", lambda q, k: k[None, :] <= q[:, None] + 1),
    ("mask", "M4", lambda q, k: k[None, :] >= q[:, None]),
    ("mask", "M5", lambda q, k: np.tri(len(q), len(k), dtype=bool)),
    ("home", "G13", lambda step, devices: solution_of("home")(step, devices) if step < devices - 1 else []),
    ("home", "G41", lambda step, devices: []),
    ("gather", "P1", np.concatenate),
    ("gather", "P9", lambda shards: solution_of("gather")(shards)[::-1]),
    ("gather", "P8", lambda shards: np.concatenate([*halves(shards)[1], *halves(shards)[0][::-1]])),
    ("gather", "P10", lambda shards: solution_of("gather")(np.roll(shards, 1, axis=0))),
]


@pytest.mark.parametrize(("name", "mistake", "answer"), wrong_answers, ids=[f"{n}-{m}" for n, m, _ in wrong_answers])
def test_a_mistake_of_the_catalogue_is_named(name, mistake, answer):
    feedback = course.exercise(name).check(answer)
    assert not feedback.ok and mistake in feedback.mistakes, feedback
    assert feedback.hint and feedback.first_wrong


# ---- Other answers -----------------------------------------------------------


def stub(*arguments):
    raise NotImplementedError


@pytest.mark.parametrize("name", list(course.exercises()))
def test_the_untouched_stub_of_an_exercise_is_not_written_yet_and_raises_nothing(name):
    feedback = course.exercise(name).check(stub)
    assert feedback.status == "unwritten" and not feedback.ok and "UNWRITTEN" in str(feedback)


def test_a_chain_of_merges_is_right_and_takes_more_rounds_than_a_tree():
    feedback = course.exercise("tree").check(lambda pieces: [[(0, other)] for other in range(1, pieces)])
    rounds, merges = feedback.budget
    assert feedback.ok and rounds.used == 12 and rounds.best == 4 and merges.used == merges.best == 12


def test_a_plan_that_wastes_memory_or_messages_is_right_and_shows_it_in_its_budget():
    def direct(step, devices):
        if step == devices - 1:
            return []
        return [(device, (device + step + 1) % devices, device) for device in range(devices)]

    feedback = course.exercise("trip").check(direct)
    messages, blocks, way = feedback.budget
    assert feedback.ok and messages.used == messages.best == 56 and blocks.used == 3 and way.used == 4


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        (
            "balance",
            lambda device, devices, seq: np.array_split(np.arange(seq), devices)[device],
            "contiguous layout, which takes 1",
        ),
        ("balance", lambda device, devices, seq: [0], "row 0 is on 2 devices"),
        ("balance", lambda device, devices, seq: [0.5], "whole numbers"),
        ("balance", lambda device, devices, seq: [seq], "rows are numbered from 0 to 31; it returns 32"),
        ("gather", lambda shards: np.concatenate([*halves(shards)[0], *halves(shards)[1]]), "the opposite order"),
        ("hide", lambda flops, bandwidth, size: size * flops / bandwidth, "one product of matrices"),
        ("hide", lambda flops, bandwidth, size: size / 4 * flops / bandwidth, "V travels, too"),
        (
            "trip",
            lambda step, devices: [(0, 1, 3)],
            "device 0 of 5 sends the block of device 3, which it does not hold",
        ),
        ("trip", lambda step, devices: [(0, 1, 0), (1, 1, 1)], "two blocks arrive at device 1"),
        ("trip", lambda step, devices: [(0, 9, 0)], r"devices from 0 to 4; it returns \(0, 9, 0\)"),
        ("trip", lambda step, devices: step, "a list of"),
        ("tree", lambda pieces: [[(0, 1), (0, 2)]], "piece takes part in two merges"),
        ("tree", lambda pieces: [[(0, 1)]], "piece 2 of 5 is missing from the result"),
        ("tree", lambda pieces: [[(0, other)] for other in (1, 2, 3, 4, 4)], "piece 4 of 5 counts 2 times in the result"),
        ("tree", lambda pieces: [(0, 1)], "a list of rounds"),
        ("mask", lambda q, k: np.tri(3), "booleans of the shape"),
        ("cost", cost_with(pairs=lambda seq, devices: seq), "it makes attention linear"),
        ("cost", cost_with(pairs=lambda seq, devices: seq**2 // devices), "the same pairs are spread over the devices"),
        ("cost", cost_with(pairs=lambda seq, devices: seq * (seq + 1) // 2), "it counts a causal mask"),
        ("cost", cost_with(pairs=lambda seq, devices: 2**seq), "it grows exponentially"),
        ("cost", cost_with(of_a_device=lambda seq, devices: seq**2), "the work of all devices to each"),
        ("cost", cost_with(of_a_device=lambda seq, devices: (seq // devices) ** 2), "it counts one step, and a device"),
        ("cost", cost_with(keys=lambda seq, devices: seq), "after an all-gather; a ring holds two blocks"),
        ("cost", cost_with(keys=lambda seq, devices: seq // devices), "it has no memory overhead"),
        ("cost", cost_with(messages=lambda seq, devices: devices), "as many steps as devices"),
        ("cost", cost_with(messages=lambda seq, devices: devices - 1), "the messages of one device"),
        ("cost", cost_with(keys=lambda seq, devices: 7), "has 24 keys; it returns 7"),
        ("keep", lambda token, window, sinks: newest(window, token), "it drops token 0, a sink"),
        (
            "keep",
            lambda token, window, sinks: [*range(min(sinks, token + 1)), *newest(window, token)],
            "it keeps token 0 twice",
        ),
        (
            "keep",
            lambda token, window, sinks: list(range(min(token + 1, window + sinks))),
            "the oldest token of the window must leave",
        ),
        ("keep", lambda token, window, sinks: newest(window - sinks, token, sinks), "token 2, which is still in the window"),
        ("keep", lambda token, window, sinks: newest(window + sinks, token, sinks), "token 2, which has left the window"),
        (
            "keep",
            lambda token, window, sinks: sorted({*range(sinks), *newest(window, token)}),
            "it keeps token 1, which has not arrived yet",
        ),
        ("keep", lambda token, window, sinks: [99], "tokens are numbered from 0 to 23; it returns 99 for token 0"),
        ("slot", lambda token, window, sinks: token % (window + sinks), "token 7 overwrites token 0, a sink"),
        ("slot", lambda token, window, sinks: token % window, "token 5 overwrites token 0, a sink"),
        ("slot", lambda token, window, sinks: min(token, window + sinks - 1), "token 2, which is still in the window"),
        ("slot", lambda token, window, sinks: token, "token 3 goes to slot 3, and the memory has the slots 0 to 2"),
        ("slot", lambda token, window, sinks: 0.5, "one whole number"),
        ("home", lambda step, devices: [(0, 1), (2, 1)], "two sums arrive at one device"),
        ("home", lambda step, devices: [(0, 9)], "devices are numbered from 0 to 3"),
    ],
)
def test_a_wrong_answer_that_is_not_in_the_catalogue_is_explained(name, answer, sentence):
    feedback = course.exercise(name).check(answer)
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(feedback.sentence)


def test_the_circle_of_a_buffer_may_begin_at_any_of_its_slots():
    feedback = course.exercise("slot").check(
        lambda token, window, sinks: token if token < sinks else sinks + token % window
    )
    assert feedback.ok and feedback.budget[0].used == feedback.budget[0].best


def test_feedback_shows_itself_as_a_box_with_escaped_text():
    page = course.exercise("merge").check("<b>")._repr_html_()
    assert "border-left" in page and "NOT YET" in page
    assert "BUDGET" in course.exercise("trip").check(solution_of("trip"))._repr_html_()


def test_bad_names_of_exercises_and_hints_are_rejected():
    with pytest.raises(ValueError, match="there is no exercise 'merg'; choose one of cost, merge, tree, online"):
        course.exercise("merg")
    with pytest.raises(ValueError, match="merge has the hints 1 to 3; found 4"):
        course.exercise("merge").hint(4)


def test_the_answers_of_a_class_are_graded_into_one_table(tmp_path):
    (tmp_path / "ann.py").write_text(course.exercise("merge").solution() + course.exercise("hide").solution())
    (tmp_path / "bob.py").write_text(
        "def merge(a, x, b, y):\n    return a + b, x\ndef hide(*a):\n    raise NotImplementedError\n"
    )
    (tmp_path / "eve.py").write_text("this is no Python")
    files = [str(tmp_path / name) for name in ("ann.py", "bob.py", "eve.py")]
    subprocess.run([sys.executable, "-m", "ringattn.course", *files, "--csv", str(tmp_path / "grades.csv")], check=True)
    with (tmp_path / "grades.csv").open(newline="") as file:
        ann, bob, eve = csv.DictReader(file)
    assert ann["file"] == "ann.py" and ann["merge"] == ann["hide"] == "right" and ann["online"] == "missing"
    assert bob["merge"].startswith("wrong") and bob["hide"] == "unwritten"
    assert set(eve.values()) == {"eve.py", "missing"}
