"""ringattn.show in the frame of a notebook, in a real browser."""

import numpy
import ringattn
from pictures import different, most_different, raster


def test_a_notebook_shows_the_run_in_a_frame_that_does_not_take_the_keys(page, tmp_path):
    q, k, v = numpy.random.default_rng(5).standard_normal((3, 1, 12, 2, 8))
    ring = ringattn.ring_attention(q, k, v, devices=3, causal=True, trace=True, trace_rows="all")
    trace = tmp_path / "run.trace"
    ring.save_trace(trace)
    notebook = tmp_path / "notebook.html"
    notebook.write_text(
        f"<body style='margin: 0'><input id=cell autofocus>{ringattn.show(trace, height=900)._repr_html_()}"
    )
    page.show_at(1600, 1000)
    page.command("Page.navigate", url=notebook.as_uri())
    with page.frame():
        page.wait_for("state.text && element('loading').hidden")
        assert page.run("state.title") == "run.trace"
        assert page.run("traceText()") == trace.read_text()
        assert page.run("getComputedStyle(element('bar')).display") == "none"
        page.run("openLink('theme=dark&motion=1')")
        assert different(page.picture(), raster("theme=dark", tmp_path, trace)) <= most_different
    assert page.run("document.activeElement.id") == "cell"
