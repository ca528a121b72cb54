"""A report has the same content as text, as JSON and as a page in notebooks."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
import ringattn
from problems import draw

q, k, v = draw(1, seq=32, dim=16)
right = ringattn.attention(q, k, v, causal=True)
wrong = ringattn.attention(q, k, v)


def keys_of(value):
    """The keys of a JSON object, and those of the objects in it."""
    if isinstance(value, dict):
        return {key: keys_of(inner) for key, inner in value.items()}
    return [keys_of(value[0])] if isinstance(value, list) and value else None


def headings(text):
    return [line.split()[0] for line in text.splitlines() if not line.startswith(" ")]


def safetensors(**tensors):
    """A file of float64 tensors."""
    header, end = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F64", "shape": tensor.shape, "data_offsets": [end, end := end + tensor.nbytes]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(tensor.tobytes() for tensor in tensors.values())


@pytest.mark.parametrize("out", [right, wrong], ids=["right", "wrong"])
def test_json_and_text_agree_with_those_of_the_command_line(out, program):
    report = ringattn.check(q, k, v, out=out, causal=True, devices=2)
    with program.workspace() as workspace:
        workspace.write("case.safetensors", safetensors(q=q, k=k, v=v))
        workspace.write("out.safetensors", safetensors(out=out))
        command = "check", "case.safetensors", "--out", "out.safetensors", "--causal", "--devices", "2"
        text, theirs = workspace.run(*command).out, json.loads(workspace.run(*command, "--json", "-").out)
    # Numbers are not compared: another build rounds in another order
    assert keys_of(json.loads(report.to_json())) == keys_of(theirs)
    assert report.verdict == theirs["verdict"]
    assert [name["id"] for name in report.names] == [name["id"] for name in theirs["names"]]
    assert headings(str(report)) == headings(text)


def test_json_has_the_documented_keys():
    report = ringattn.check(q, k, v, out=wrong, causal=True, devices=2)
    content = json.loads(report.to_json())
    assert {"verdict", "gauge_ratio", "names", "runner_up", "blind_to", "where", "blocks", "measured", "part"} <= content.keys()
    assert keys_of(content["names"]) == [{"id": None, "title": None, "residual": None, "parameters": {"forgotten": None}}]
    assert content["verdict"] == report.verdict and content["names"] == report.names


def test_a_head_that_holds_another_head_is_measured():
    right = ringattn.attention(q, k, v, causal=True)
    assert ringattn.check(q, k, v, out=right, causal=True).measured == []
    moved = right.copy()
    moved[:, :, 2] = right[:, :, 1]
    finding, *_ = ringattn.check(q, k, v, out=moved, causal=True).measured
    assert finding["kind"] == "place" and finding["tensor"] == "out" and finding["boxes"][0]["heads"] == [2]
    assert finding["sentence"].endswith("of head 2 hold the values of head 1")


def test_an_infinite_error_is_an_infinite_ratio():
    tensors = draw(2)
    assert ringattn.check(*tensors, out=np.full(tensors[0].shape, np.nan)).ratio == np.inf


def test_row_ratios_hold_the_largest_error_of_each_row():
    report = ringattn.check(q, k, v, out=wrong, causal=True)
    ratios = report.row_ratios["out"]
    assert ratios.shape == (1, 4, 32)
    assert ratios.max() == pytest.approx(report.ratio) and np.all(ratios[:, :, -1] <= 1)


class Tags(HTMLParser):
    """Collects the tags of a page; asserts that all of them are closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_shows_the_block_weights_and_a_map_of_the_errors():
    page = ringattn.check(q, k, v, out=wrong, causal=True, devices=2)._repr_html_()
    tags = Tags(page).seen
    assert tags.count("td") == 2 * 2 and tags.count("rect") == 4 * 32
    assert "M1" in page and "FAIL" in page


@pytest.mark.parametrize("seq", [1, 140])
def test_the_size_of_a_page_is_limited_for_long_sequences(seq):
    tensors = draw(2, seq=seq, dim=4)
    for out in (ringattn.attention(*tensors), 2 * tensors[0]):
        page = ringattn.check(*tensors, out=out)._repr_html_()
        assert Tags(page).seen.count("rect") <= 4 * 128 and len(page) < 200_000
