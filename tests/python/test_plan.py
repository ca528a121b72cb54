"""A plan answers whether attention fits and hides, with the numbers of `ringattn plan`."""

import inspect
import json
import os
import subprocess

import pytest
import ringattn
from ringattn import _plan

long_training = {"seq": "1M", "causal": True, "training": True, "nodes": 4}


def test_a_plan_answers_first_and_holds_all_strategies():
    plan = ringattn.plan("llama3-8b", **long_training)
    assert plan.fits and str(plan).startswith("It fits: with " + plan.best)
    assert len(plan.strategies) == 9 and plan[plan.best]["hidden"]
    terms = plan["ring"]["memory"]["terms"]
    assert sum(term["bytes"] for term in terms) == pytest.approx(plan["ring"]["memory"]["total_bytes"])
    assert "not planned" in " ".join(plan.assumptions)


def test_tokens_may_be_a_number_or_a_text():
    assert ringattn.plan(seq=131072) == ringattn.plan(seq="128K")


@pytest.mark.skipif("RINGATTN_PROGRAM" not in os.environ, reason="needs the program")
def test_a_plan_is_the_json_of_the_program():
    command = [os.environ["RINGATTN_PROGRAM"], "plan", "--json", "-", "--seq", "1M", "--causal", "--training", "--nodes", "4"]
    text = subprocess.run(command, check=True, capture_output=True, timeout=300).stdout
    assert ringattn.Plan(**json.loads(text)) == ringattn.plan(**long_training)


def test_every_keyword_has_an_effect():
    """Each keyword, set to another value than its default, changes the plan of a run in which it matters."""
    others = {
        "batch": 2, "new_tokens": 64, "causal": True, "training": True, "dtype": "f32", "weight_bytes": 1,
        "layers": 3, "width": 512, "ffn": 100, "ffn_matrices": 2, "heads": 16, "kv_heads": 4, "dim": 64,
        "vocabulary": 1000, "positions": 10, "nodes": 3, "devices_per_node": 4, "tensor_parallel": 2, "fsdp": 4,
        "chip": "a100", "chip_tflops": 100, "chip_memory_gib": 20, "chip_watts": 100, "link": "eth10", "node_link": "pcie5",
        "link_latency_us": 9, "node_link_latency_us": 9, "strategy": "ring", "layout": "striped", "ulysses": 2,
        "overlap": False, "chip_efficiency": 0.5, "link_efficiency": 0.9, "waiting_share": 0.1, "pue": 1.5,
    }
    assert {*others, "chunked_loss"} == set(_plan.PlanOptions.__annotations__)
    usual = {"nodes": 2, "seq": 4096}
    before = ringattn.plan(**usual)
    for name, value in others.items():
        assert ringattn.plan(**{**usual, name: value}) != before, name
    training = {**usual, "training": True}
    assert ringattn.plan(**training, chunked_loss=True) != ringattn.plan(**training)


def test_presets_have_sources():
    presets = ringattn.plan_presets()
    assert {"llama3-8b", "65b"} <= {model["name"] for model in presets["models"]}
    assert all(entry["source"] for entries in presets.values() for entry in entries)


def test_an_unknown_strategy_of_a_plan_is_named():
    with pytest.raises(KeyError, match="choose one of ring"):
        ringattn.plan()["star"]


@pytest.mark.parametrize(
    ("keywords", "error", "sentence"),
    [
        ({"model": "8b"}, ValueError, "the model must be"),
        ({"seq": 0}, ValueError, "a number of tokens"),
        ({"seq": 1.5}, TypeError, "a whole number"),
        ({"link": "400"}, ValueError, "Gb/s"),
        ({"nodes": 2**40}, ValueError, "nodes must be from 1"),
        ({"nodes": -1}, ValueError, "nodes must be from 1"),
        ({"heads": 31}, ValueError, "multiple of the K/V heads"),
        ({"chip_efficiency": float("nan")}, ValueError, "an efficiency"),
        ({"chip_watts": "many"}, TypeError, "a number"),
        ({"causal": 1}, TypeError, "True or False"),
        ({"nodse": 2}, TypeError, "there is no keyword nodse"),
        ({"strategy": "double-ring"}, ValueError, "several nodes"),
    ],
)
def test_bad_keywords_of_a_plan_are_rejected_with_a_clear_message(keywords, error, sentence):
    with pytest.raises(error, match=sentence):
        ringattn.plan(**keywords)


def test_the_signature_of_plan_names_its_keywords():
    assert list(inspect.signature(ringattn.plan).parameters)[:2] == ["model", "seq"]
    for name in _plan.PlanOptions.__annotations__:
        assert name in ringattn.plan.__doc__, name
