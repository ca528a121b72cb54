"""Wrong schedules, plans and programs of a ring."""

import numpy as np
import pytest
import ringattn
from answers import budget_of, require_explained, require_named


def plan(step, devices, last=1):
    """The messages of a ring that stops _last_ steps before the end."""
    if step >= devices - last:
        return []
    return [(device, (device + 1) % devices, (device - step) % devices) for device in range(devices)]


def attend(q, k, v):
    return ringattn.attention(q, k, v, return_lse=True)


def program(hops=lambda devices: devices - 1, own=True, sent=lambda held, own: held, kept=lambda new, old: new):
    """A device that makes another number of hops, skips its own block, or sends or keeps the wrong block."""

    def ring(q, k, v, devices, send, receive):
        result = attend(q, k, v) if own else (np.zeros_like(q), np.full((1, 1, q.shape[1]), -np.inf))
        held = first = k, v
        for _ in range(hops(devices)):
            send(*sent(held, first))
            held = kept(receive(), held)
            result = ringattn.merge(*result, *attend(q, *held))
        return result[0]

    return ring


def joined_by(join):
    """A device that joins the outputs of the blocks in another way."""

    def ring(q, k, v, devices, send, receive):
        result = attend(q, k, v)
        for _ in range(devices - 1):
            send(k, v)
            k, v = receive()
            result = join(*result, *attend(q, k, v))
        return result[0]

    return ring


def attend_before_the_block_arrives(q, k, v, devices, send, receive):
    result = attend(q, k, v)
    for _ in range(devices - 1):
        result = ringattn.merge(*result, *attend(q, k, v))
        send(k, v)
        k, v = receive()
    return result[0]


def values_one_hop_late(q, k, v, devices, send, receive):
    result, late = attend(q, k, v), v
    for _ in range(devices - 1):
        send(k, v)
        k, v = receive()
        result, late = ringattn.merge(*result, *attend(q, k, late)), v
    return result[0]


def one_more_message(q, k, v, devices, send, receive):
    out = program()(q, k, v, devices, send, receive)
    send(k, v)
    receive()
    return out


def receive_first(q, k, v, devices, send, receive):
    result = attend(q, k, v)
    for _ in range(devices - 1):
        k, v = receive()
        send(k, v)
        result = ringattn.merge(*result, *attend(q, k, v))
    return result[0]


def send_for_ever(q, k, v, devices, send, receive):
    while True:
        send(k, v)


@pytest.mark.parametrize(
    ("name", "mistake", "answer"),
    [
        ("owner", "R5", lambda device, step, devices: (device + step) % devices),
        ("owner", "R12", lambda device, step, devices: (device - step - 1) % devices),
        ("owner", "R12", lambda device, step, devices: (device - step + 1) % devices),
        ("owner", "M5", lambda device, step, devices: device),
        ("trip", "R1", lambda step, devices: plan(step, devices, last=2)),
        ("trip", "R19", lambda step, devices: plan(step, devices, last=0)),
        ("trip", "M22", lambda step, devices: []),
        ("ring", "R1", program(hops=lambda devices: devices - 2)),
        ("ring", "R19", program(hops=lambda devices: devices)),
        ("ring", "R19", one_more_message),
        ("ring", "R2", program(own=False)),
        ("ring", "R4", program(kept=lambda new, old: old)),
        ("ring", "R6", program(kept=lambda new, old: (new[0], old[1]))),
        ("ring", "R7", program(kept=lambda new, old: (old[0], new[1]))),
        ("ring", "R13", program(sent=lambda held, own: own)),
        ("ring", "R3", attend_before_the_block_arrives),
        ("ring", "R8", values_one_hop_late),
        ("ring", "L7", joined_by(lambda out_a, lse_a, out_b, lse_b: ((out_a + out_b) / 2, lse_a))),
        ("ring", "L8", joined_by(lambda out_a, lse_a, out_b, lse_b: (out_a + out_b, lse_a))),
    ],
)
def test_a_mistake_of_the_catalogue_is_named(name, mistake, answer):
    require_named(name, mistake, answer)


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("owner", lambda device, step, devices: device - step, "from 0 to 4; it returns -1 for device 0 at step 1"),
        (
            "owner",
            lambda device, step, devices: step,
            "at step 1 device 0 of 5 holds the block of device 4; it returns 1",
        ),
        (
            "trip",
            lambda step, devices: [(0, 1, 3)],
            "device 0 of 5 sends the block of device 3, which it does not hold",
        ),
        ("trip", lambda step, devices: [(0, 1, 0), (1, 1, 1)], "two blocks arrive at device 1"),
        ("trip", lambda step, devices: [(0, 9, 0)], r"devices from 0 to 4; it returns \(0, 9, 0\)"),
        ("trip", lambda step, devices: step, "a list of"),
        ("ring", receive_first, "device 0 of 4 waits for a message that device 3 does not send"),
        ("ring", send_for_ever, "a device sends no more than 16 messages here"),
        ("ring", lambda q, k, v, devices, send, receive: send(k), "it raises TypeError"),
        ("ring", lambda q, k, v, devices, send, receive: send(q[0], v), "send takes k and v of one block"),
    ],
)
def test_a_wrong_answer_that_is_not_in_the_catalogue_is_explained(name, answer, sentence):
    require_explained(name, answer, sentence)


def test_a_plan_that_wastes_memory_or_messages_is_right_and_shows_it_in_its_budget():
    def direct(step, devices):
        if step == devices - 1:
            return []
        return [(device, (device + step + 1) % devices, device) for device in range(devices)]

    (messages, best), (blocks, _), (way, _) = budget_of("trip", direct)
    assert messages == best == 56 and blocks == 3 and way == 4


def test_a_device_may_receive_all_blocks_before_it_attends_to_them():
    def ring(q, k, v, devices, send, receive):
        blocks = [(k, v)]
        for _ in range(devices - 1):
            send(*blocks[-1])
            blocks.append(receive())
        return ringattn.attention(q, *(np.concatenate(each, axis=1) for each in zip(*blocks)))

    assert budget_of("ring", ring) == [(12, 12)]
