"""Wrong predictions of times, deadlocks, and wrong uses of slots."""

import pytest
from answers import budget_of, require_explained, require_named


def operations(*names, last=("compute",)):
    """The operations of a ring with two slots, in another order: the next block arrives in the slot that is not in use."""

    def buffer(step, devices):
        slot = {"receive": 1 - step % 2, "wait": 1 - step % 2, "send": step % 2, "compute": step % 2}
        return [(name, slot[name]) for name in (names if step < devices - 1 else last)]

    return buffer


def one_slot(*names):
    return lambda step, devices: [(name, 0) for name in names if step < devices - 1 or name == "compute"]


@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("R10", operations("receive", "send", "compute")),
        ("R10", one_slot("receive", "send", "compute", "wait")),
        ("R10", one_slot("send", "receive", "compute", "wait")),
        ("R19", operations("receive", "send", "compute", "wait", last=("receive", "send", "compute", "wait"))),
        ("M22", one_slot("compute")),
        ("R4", one_slot("compute", "send")),
    ],
)
def test_a_mistake_of_the_catalogue_is_named(mistake, answer):
    require_named("buffer", mistake, answer)


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("hide", lambda flops, bandwidth, size: size * flops / bandwidth, "one product of matrices"),
        ("hide", lambda flops, bandwidth, size: size / 4 * flops / bandwidth, "V travels, too"),
        ("clock", lambda devices, step, hop, overlap: devices * (step + hop), "it counts a hop after the last step"),
        ("clock", lambda devices, step, hop, overlap: devices * step, "communication is free, and that needs overlap"),
        ("clock", lambda devices, step, hop, overlap: devices * step + (devices - 1) * hop, "at the same time"),
        ("clock", lambda devices, step, hop, overlap: step + (devices - 1) * max(step, hop), "one follows the other"),
        ("clock", lambda devices, step, hop, overlap: 1, "not what the clock of the engine shows"),
        ("sends_first", lambda device, devices: True, "all 4 devices send first, so each device waits"),
        ("sends_first", lambda device, devices: False, "all 4 devices receive first, so each device waits"),
        ("sends_first", lambda device, devices: device, "it must return True or False; it returns int"),
        (
            "buffer",
            operations("receive", "wait", "send", "compute"),
            "all devices wait for a block that no device has sent",
        ),
        ("buffer", operations("send", "compute", "wait"), "no block is on its way into slot 1"),
        ("buffer", lambda step, devices: [("compute", 1)], "there is no block in slot 1 yet"),
        ("buffer", lambda step, devices: [("steal", 0)], r'operations are receive, .*; it returns \("steal", 0\)'),
        ("buffer", lambda step, devices: ["compute"], "a list of operations such as"),
    ],
)
def test_a_wrong_answer_that_is_not_in_the_catalogue_is_explained(name, answer, sentence):
    require_explained(name, answer, sentence)


def test_one_exception_ends_a_deadlock_and_the_messages_move_one_after_the_other():
    ((used, best),) = budget_of("sends_first", lambda device, devices: device > 0)
    assert used == 4 + 2 + 3 + 5 + 8 and best == 12


def test_a_block_that_is_sent_after_the_arithmetic_is_right_and_takes_longer():
    (time, best), slots = budget_of("buffer", operations("receive", "compute", "send", "wait"))
    assert time == pytest.approx((7 + 6 * 0.9) / 7, abs=1e-3) and best == 1 and slots == (2, 2)


def test_one_slot_is_enough_for_a_ring_that_does_not_overlap():
    (time, best), slots = budget_of("buffer", one_slot("send", "compute", "receive", "wait"))
    assert time > 1.7 * best and slots == (1, 2)


def test_a_new_slot_for_each_block_is_right_and_wastes_memory():
    def buffer(step, devices):
        if step == devices - 1:
            return [("compute", step)]
        return [("receive", step + 1), ("send", step), ("compute", step), ("wait", step + 1)]

    assert budget_of("buffer", buffer) == [(1, 1), (7, 2)]
