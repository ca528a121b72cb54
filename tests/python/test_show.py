"""The page of the visualizer with a run inside."""

import base64
import gzip
from html.parser import HTMLParser
from pathlib import Path

import pytest
import ringattn
from problems import draw

page_sources = Path(__file__).parents[2] / "visualizer/app/web/page.html"


class Elements(HTMLParser):
    """The start tags of a page with their attributes, and the text behind each."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes), ""))

    def handle_data(self, data):
        if self.found:
            tag, attributes, text = self.found.pop()
            self.found.append((tag, attributes, text + data))

    def named(self, tag):
        return [(attributes, text) for each, attributes, text in self.found if each == tag]


@pytest.fixture
def built(tmp_path):
    """A page without the program of the visualizer: what tests/web opens in a browser is too slow to build here."""
    page = tmp_path / "ringattn.html"
    page.write_text(page_sources.read_text())
    return page


@pytest.fixture
def ring():
    return ringattn.ring_attention(*draw(3, seq=9), devices=3, trace=True, trace_rows=[4])


def trace_in(page):
    """The name and the text of the trace in a page."""
    attributes, packed = next(each for each in Elements(page).named("script") if each[0].get("id") == "trace")
    return attributes["data-name"], gzip.decompress(base64.b64decode(packed)).decode()


def test_a_frame_of_a_notebook_holds_the_page_and_the_trace_of_the_run(built, ring, tmp_path):
    ring.save_trace(tmp_path / "run.trace")
    shown = ringattn.show(ring, page=built, height=345)
    ((frame, _),) = Elements(shown._repr_html_()).named("iframe")
    assert frame["height"] == "345" and frame["sandbox"].split()[0] == "allow-scripts"
    name, trace = trace_in(frame["srcdoc"])
    assert name == "ring attention on 3 devices" and trace == (tmp_path / "run.trace").read_text()
    # Nothing else of the page changes
    place = '<script type="text/plain" id="trace" data-name="">'
    before, after = built.read_text().split(place)
    assert frame["srcdoc"].startswith(before) and frame["srcdoc"].endswith(after)


def test_a_saved_page_is_the_page_of_the_frame(built, ring, tmp_path):
    shown = ringattn.show(ring, page=built)
    shown.save(tmp_path / "shown.html")
    ((frame, _),) = Elements(shown._repr_html_()).named("iframe")
    assert (tmp_path / "shown.html").read_text() == frame["srcdoc"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ringattn.html", "shown.html"]


def test_the_name_of_a_trace_cannot_end_its_element(built, ring, tmp_path):
    file = tmp_path / '"><img src=x onerror=1>&.trace'
    ring.save_trace(file)
    ((frame, _),) = Elements(ringattn.show(file, page=built)._repr_html_()).named("iframe")
    assert trace_in(frame["srcdoc"])[0] == file.name
    assert Elements(frame["srcdoc"]).named("img") == []


@pytest.mark.parametrize(
    ("error", "sentence", "call"),
    [
        (
            TypeError,
            "must be a result of ring_attention or the path",
            lambda here: ringattn.show(3, page=here / "page"),
        ),
        (ValueError, "must have a trace; found none", lambda here: ringattn.show(ringattn.ring_attention(*draw(3)))),
        (ValueError, "must be a trace", lambda here: ringattn.show(here / "picture.png", page=here / "page")),
        (
            FileNotFoundError,
            "must be built; found none",
            lambda here: ringattn.show(here / "a.trace", page=here / "none"),
        ),
        (
            ValueError,
            "one place for a trace; found 0",
            lambda here: ringattn.show(here / "a.trace", page=here / "picture.png"),
        ),
        (ValueError, "found 2", lambda here: ringattn.show(here / "a.trace", height=2, page=here / "page")),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(error, sentence, call, tmp_path):
    (tmp_path / "a.trace").write_text("{}\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(error, match=sentence):
        call(tmp_path)
