"""The examination of several ranks, and of several numbers of devices."""

import queue

import numpy as np
import pytest
import ringattn

shape = {"batch": 2, "seq": 37, "heads": (6, 2), "dim": 24, "v_dim": 11}


def ring_of_ranks(devices, layout, skipped=None):
    """One function per rank of a ring over queues; rank _skipped_ leaves out the block of the next rank."""
    arrived = [queue.SimpleQueue() for _ in range(devices)]

    def of_rank(rank):
        def run(q, k, v):
            rows = ringattn.sharding(shape["seq"], devices=devices, layout=layout).rows
            out, lse = np.zeros((*q.shape[:3], v.shape[3])), np.full((q.shape[0], q.shape[2], q.shape[1]), -np.inf)
            for step in range(devices):
                owner = (rank - step) % devices
                if step > 0:
                    k, v = arrived[rank].get()
                if step < devices - 1:
                    arrived[(rank + 1) % devices].put((k, v))
                if rank == skipped and step == devices - 1:
                    continue
                block = ringattn.attention(q, k, v, causal=True, q_positions=rows[rank], kv_positions=rows[owner],
                                           return_lse=True)
                out, lse = ringattn.merge(out, lse, *(each.astype(np.float64) for each in block))
            return out.astype(np.float32), lse.astype(np.float32)

        return run

    return [of_rank(rank) for rank in range(devices)]


def averaged_blocks(devices):
    """Attention that averages the normalised results of the devices."""
    def run(q, k, v):
        rows = ringattn.sharding(k.shape[1], devices=devices).rows
        return np.mean([ringattn.attention(q, k[:, own], v[:, own]) for own in rows], axis=0, dtype=np.float32)

    return run


@pytest.mark.parametrize("layout", ["contiguous", "zigzag", "striped"])
def test_ranks_that_exchange_blocks_are_examined_as_one_function(layout):
    assert ringattn.examine(ring_of_ranks(3, layout), layout=layout, causal=True, **shape).ok
    found = ringattn.examine(ring_of_ranks(3, layout, skipped=2), layout=layout, causal=True, **shape).findings
    assert found and all("device 2" in finding.sentence for finding in found)


def test_gradients_of_ranks_are_joined_like_their_results():
    def of_rank(rank):
        def backward(q, k, v, dout):
            gathered.put((rank, q, k, v, dout))
            return answers[rank].get()

        return backward

    # Rank 0 collects the shards and computes all gradients
    devices, gathered = 2, queue.SimpleQueue()
    answers = [queue.SimpleQueue() for _ in range(devices)]

    def first(q, k, v, dout):
        shards = {0: (q, k, v, dout)}
        for _ in range(devices - 1):
            rank, *arrays = gathered.get()
            shards[rank] = arrays
        whole = [ringattn.gather([shards[rank][n] for rank in range(devices)], layout="zigzag") for n in range(4)]
        gradients = ringattn.attention_vjp(*whole)
        parts = [ringattn.sharding(37, devices=devices, layout="zigzag").shard(each) for each in gradients]
        for rank in range(1, devices):
            answers[rank].put(tuple(part[rank] for part in parts))
        return tuple(part[0] for part in parts)

    found = ringattn.examine(ringattn.attention, backward=[first, of_rank(1)], devices=2, layout="zigzag", **shape)
    assert found.ok


def test_a_rank_that_raises_is_named_though_the_others_wait_for_it():
    def fails(q, k, v):
        raise RuntimeError("no memory")

    ranks = ring_of_ranks(3, "contiguous")
    found = ringattn.examine([ranks[0], fails, ranks[2]], causal=True, **shape)
    (finding,) = found.findings
    assert "on rank 1 raised RuntimeError: no memory" in finding.sentence
    with pytest.raises(AssertionError) as raised:
        found.raise_if_any()
    assert str(raised.value.__cause__) == "no memory"


def test_a_finding_with_a_block_for_each_device_belongs_to_the_merge_of_the_ring():
    found = ringattn.examine(worlds={1: averaged_blocks(1), 3: averaged_blocks(3), 2: averaged_blocks(2)}, **shape)
    assert list(found) == [1, 2, 3] and found[1].ok and not found.ok
    assert found.comparison == [
        "block factors is found on 2 and 3 devices, and not on 1 device: it has as many blocks as there are devices, "
        "so it belongs to the merge of the ring"]
    assert "---- 1 device\n" in str(found) and "COMPARED block factors" in str(found)
    with pytest.raises(AssertionError, match="merge of the ring"):
        found.raise_if_any()


def test_a_finding_whose_borders_stay_belongs_to_the_tiles_of_one_device():
    def kernel(q, k, v):
        return ringattn.make_mistake("O1", q, k, v, causal=True, devices=1)["out"].astype(np.float32)

    found = ringattn.examine(worlds={1: kernel, 2: kernel}, causal=True, **{**shape, "seq": 53})
    assert [each.split(": ")[1] for each in found.comparison] == [
        "its borders stay at the keys 16, 32, 48, so it belongs to the tiles of one device"]


def test_a_finding_on_every_number_of_devices_belongs_to_the_code_of_one_device():
    def unscaled(q, k, v):
        return ringattn.attention(q, k, v, softmax_scale=1.0)

    found = ringattn.examine(worlds={1: unscaled, 4: unscaled}, **shape)
    assert found.comparison == ["scale is found on 1 and 4 devices: it does not need several devices, so it belongs to the "
                                "code of one device"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"function": ringattn.attention, "worlds": {1: ringattn.attention}}, "found a function, too"),
        ({"worlds": {1: ringattn.attention}, "devices": 2}, "found devices, too"),
        ({"worlds": {}}, "worlds must be a dict"),
        ({"worlds": {1: ringattn.attention, 2: ringattn.attention}, "backward": {1: ringattn.attention_vjp}}, "backward must hold"),
        ({"worlds": {2: [ringattn.attention] * 3}}, "3 functions for 2 devices"),
        ({"function": [ringattn.attention, 5]}, "one function per rank"),
        ({"function": []}, "one function per rank"),
        ({}, "must be a function"),
        ({"worlds": {0: ringattn.attention}}, "devices"),
    ],
)
def test_what_is_no_implementation_is_refused_with_a_sentence(arguments, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        ringattn.examine(**arguments, **shape)
