"""Wrong predictions of the costs of a ring, and the claims behind them."""

import pytest
from answers import budget_of, require_explained, require_named, solution_of


def cost_with(**changed):
    """Predictions of the right costs, with some of them changed."""

    def cost(seq, devices):
        names = ("pairs", "of_a_device", "keys", "messages")
        right = dict(zip(names, solution_of("cost")(seq, devices)))
        return [changed[name](seq, devices) if name in changed else right[name] for name in names]

    return cost


def test_a_ring_that_sends_its_blocks_home_is_named():
    require_named("cost", "R19", cost_with(messages=lambda seq, devices: devices**2))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (cost_with(pairs=lambda seq, devices: seq), "it makes attention linear"),
        (cost_with(pairs=lambda seq, devices: seq**2 // devices), "the same pairs are spread over the devices"),
        (cost_with(pairs=lambda seq, devices: seq * (seq + 1) // 2), "it counts a causal mask"),
        (cost_with(pairs=lambda seq, devices: 2**seq), "it grows exponentially"),
        (cost_with(of_a_device=lambda seq, devices: seq**2), "the work of all devices to each"),
        (cost_with(of_a_device=lambda seq, devices: (seq // devices) ** 2), "it counts one step, and a device"),
        (cost_with(keys=lambda seq, devices: seq), "after an all-gather; a ring holds two blocks"),
        (cost_with(keys=lambda seq, devices: seq // devices), "it has no memory overhead"),
        (cost_with(messages=lambda seq, devices: devices), "as many steps as devices"),
        (cost_with(messages=lambda seq, devices: devices - 1), "the messages of one device"),
        (cost_with(keys=lambda seq, devices: 7), "has 24 keys; it returns 7"),
    ],
)
def test_a_wrong_prediction_of_the_costs_is_traced_to_a_claim(answer, sentence):
    require_explained("cost", answer, sentence)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda hidden, factor: 6 * hidden, "as much as all the rest, whatever the factor"),
        (lambda hidden, factor: 2 * solution_of("doubling")(hidden, factor), "the text after doubling"),
        (lambda hidden, factor: solution_of("doubling")(hidden, factor) / 6, "one product with a weight matrix"),
        (lambda hidden, factor: hidden * factor, "twice of 10240 tokens cost 2.588 times the work, and not 2.5"),
        (lambda hidden, factor: -hidden, "must be a positive number"),
    ],
)
def test_a_wrong_length_of_the_text_is_explained(answer, sentence):
    require_explained("doubling", answer, sentence)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda tokens, room: -(-tokens // room), "it has no memory overhead: with 24 tokens on 3 devices"),
        (
            lambda tokens, room: -(-2 * tokens // room),
            "on 3 devices, a device holds K and V of 8 tokens, and has room for 7",
        ),
        (lambda tokens, room: 0, "1 to 24 devices; it returns 0"),
        (lambda tokens, room: 10**12, "1 to 24 devices"),
    ],
)
def test_a_wrong_number_of_devices_is_explained(answer, sentence):
    require_explained("fit", answer, sentence)


def test_more_devices_than_a_text_needs_are_right_and_show_in_the_budget():
    ((used, best),) = budget_of("fit", lambda tokens, room: tokens)
    assert used == 24 + 10 + 12 + 12 + 7 and best == used - 44
