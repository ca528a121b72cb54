"""The page build/web/ringattn.html in a real browser, opened as a file, beside the programs of the command line."""

import gzip
import json
import subprocess

import numpy
import pytest
from PIL import Image

from browser import fields
from pictures import address, different, most_different, page_file, raster, ringviz, root, scenes


def link_of(page):
    return page.run("location.hash.slice(1)")


# ---- Size ----------------------------------------------------------------------------------


def test_the_page_has_at_most_a_megabyte_and_650_kilobytes_when_a_host_compresses_it():
    page = page_file.read_bytes()
    assert len(page) <= 1_000_000
    assert len(gzip.compress(page, 9)) <= 650_000


# ---- Scenes -----------------------------------------------------------------------------


@pytest.mark.parametrize("scene", scenes)
def test_each_scene_looks_like_the_picture_that_ringviz_makes(page, scene, tmp_path):
    page.open(address + "?embed=1#scene=" + scene)
    beats = page.run("state.beats")
    for beat in sorted({1, (beats + 1) // 2, beats}):
        page.run(f"openLink('scene={scene}&beat={beat}')")
        picture = page.picture()
        assert different(picture, raster(page.run("state.link"), tmp_path)) <= most_different, beat


def test_a_picture_of_another_moment_does_not_agree(page, tmp_path):
    page.open(address + "?embed=1#scene=ring&beat=4")
    assert different(page.picture(), raster("scene=ring&beat=5", tmp_path)) > most_different


# ---- Deep links, and the history of the browser -----------------------------------------------


def test_the_address_of_a_moment_opens_that_moment(page):
    page.open(address + "?embed=1#scene=overlap&beat=3")
    for key in ("ArrowRight", "ArrowRight", "Tab", "t"):
        page.key(key)
    page.picture()
    moment, link = page.picture(), link_of(page)
    assert fields(link)["device"] != "0"
    page.open(address + "?embed=1")
    page.run(f"location.hash = {json.dumps(link)}")
    page.wait_for("state.scene === 'overlap'")
    assert different(page.picture(), moment) == 0
    page.open(address + "?embed=1#" + link)
    assert different(page.picture(), moment) == 0


def test_the_copied_link_opens_the_moment(page):
    page.open(address + "?embed=1#scene=causal&beat=3")
    page.run("copied = '', Object.defineProperty(navigator, 'clipboard', {value: {writeText: async text => copied = text}})")
    moment = page.picture()
    page.key("y")
    page.wait_for("copied")
    copied = page.run("copied")
    assert copied.startswith(address + "#scene=causal")
    page.open(copied.replace("#", "?embed=1#"))
    assert different(page.picture(), moment) == 0


def test_back_and_forward_go_between_texts(page):
    page.open(address + "#scene=causal")
    stops = [page.run("state.stop")]
    for _ in range(3):
        page.key("PageDown")
        page.run("draw(0)")
        stops.append(page.run("state.stop"))
    assert len(set(stops)) == 4
    for stop in reversed(stops[:-1]):
        page.run("history.back()")
        page.wait_for(f"state.stop === {json.dumps(stop)}")
    page.run("history.forward()")
    page.wait_for(f"state.stop === {json.dumps(stops[1])}")


@pytest.mark.parametrize("link", ["scene=nothing", "device", "scene=ring&beat=99", "t=%FF", "live=1&devices=0", "live=1&x=1"])
def test_a_damaged_link_gives_one_sentence(page, link):
    page.open(address + "#" + link)
    notice = page.run("element('notice').textContent")
    assert notice.startswith("[") and "; found" in notice
    assert page.run("state.title")


# ---- Traces -------------------------------------------------------------------------------

drop = """(text, name) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([text], name));
  dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


def test_a_dropped_trace_is_shown(page, tmp_path):
    trace = tmp_path / "a run.trace"
    subprocess.run([ringviz, "export", "--scene", "overlap", "--run", "1", "--out", trace], check=True)
    page.open(address + "?embed=1")
    page.run(f"({drop})({json.dumps(trace.read_text())}, 'a run.trace')")
    page.wait_for("state.title === 'a run.trace'")
    moment = "t=100&row=3&theme=contrast"
    page.run(f"openLink('{moment}')")
    assert different(page.picture(), raster(moment, tmp_path, trace)) <= most_different
    # The page saves what it was given
    assert page.run("traceText()") == trace.read_text()


def test_a_trace_is_saved_and_opened_again(page, tmp_path):
    page.open(address + "#scene=overlap&beat=2")
    saved = page.download("element('save-trace').click()", tmp_path)
    assert saved.name == "overlap.trace" and saved.read_text() == page.run("traceText()")
    node = page.command("Runtime.evaluate", expression="element('file')")["result"]["objectId"]
    page.command("DOM.setFileInputFiles", files=[str(saved)], objectId=node)
    page.wait_for("state.title === 'overlap.trace'")
    assert page.run("traceText()") == saved.read_text()


def test_a_picture_is_saved_as_it_is_on_the_screen(page, tmp_path):
    page.open(address + "#scene=causal&beat=2")
    saved = page.download("element('save-picture').click()", tmp_path)
    assert saved.name == "causal.png"
    assert different(numpy.asarray(Image.open(saved).convert("RGB")), page.picture()) == 0


@pytest.mark.parametrize("text", ["", "no trace", '{"schema": 1}\n', "\x00\xff" * 100])
def test_a_dropped_file_that_is_no_trace_gives_one_sentence_and_changes_nothing(page, text):
    page.open(address + "#scene=ring")
    before = page.run("state.link")
    page.run(f"({drop})({json.dumps(text)}, 'damaged.trace')")
    page.wait_for("state.notice.includes('damaged.trace')")
    assert page.run("element('notice').textContent").startswith("[trace] ")
    assert page.run("state.link") == before


def test_a_trace_cut_in_a_line_gives_one_sentence(page, tmp_path):
    trace = tmp_path / "run.trace"
    subprocess.run([ringviz, "export", "--scene", "ring", "--out", trace], check=True)
    text = trace.read_text()
    page.open(address)
    page.run(f"({drop})({json.dumps(text[: len(text) * 2 // 3])}, 'cut.trace')")
    page.wait_for("state.notice.includes('cut.trace')")
    assert "line " in page.run("state.notice")


# ---- The page around the canvas ---------------------------------------------------------------


def test_a_resized_page_draws_the_pixels_of_its_size(page):
    page.open(address + "?embed=1#scene=ring&beat=2")
    for width, height, ratio in ((1280, 720, 1), (800, 450, 2), (1024, 1366, 1.5)):
        page.show_at(width, height, pixel_ratio=ratio)
        page.wait_for(f"innerWidth === {width}")
        assert page.picture().shape[:2] == (height * ratio, width * ratio)


def test_the_style_of_the_system_is_followed_until_a_link_names_another(page):
    for scheme, motion in (("light", "reduce"), ("dark", "no-preference")):
        page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme},
                                                             {"name": "prefers-reduced-motion", "value": motion}])
        page.open(address)
        assert fields(page.run("state.link"))["theme"] == scheme
        assert fields(page.run("state.link")).get("motion") == ("0" if motion == "reduce" else None)
    page.open(address + "#theme=contrast")
    assert fields(page.run("state.link"))["theme"] == "contrast"
    page.command("Emulation.setEmulatedMedia", features=[])


def test_the_text_of_each_beat_is_in_the_page(page):
    page.open(address + "#scene=maximum")
    scene = json.loads(next((root / "visualizer/scenes").glob("*_maximum.json")).read_text())
    for beat in range(len(scene["beats"])):
        page.run(f"openLink('scene=maximum&beat={beat + 1}'), draw(0)")
        assert scene["beats"][beat]["text"] in page.run("element('text').textContent")


def test_an_embedded_page_has_only_the_buttons_that_a_small_screen_needs(page):
    shown = "[...document.querySelectorAll('nav button')].filter(each => each.offsetWidth).map(each => each.textContent)"
    page.open(address + "?embed=1#scene=ring")
    assert page.run(shown) == []
    page.open(address + "#scene=ring")
    assert {"live run", "save trace"} <= set(page.run(shown))
    page.show_at(390, 500, touch=True)
    page.open(address + "?embed=1#scene=ring")
    assert page.run(shown) == ["ring", "timeline", "matrix", "microscope", "\u2039", "\u25b6", "\u203a", "scenes"]


def test_a_bar_shows_how_far_the_page_is_loaded(page):
    script = page.command("Page.addScriptToEvaluateOnNewDocument", source="""
        shown = [];
        new MutationObserver(changes => changes.forEach(({target}) => target.id === "progress" && shown.push(target.value)))
          .observe(document, {subtree: true, attributes: true, attributeFilter: ["value"]});""")
    page.open(address)
    page.command("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])
    values = page.run("shown")
    assert len(set(values)) >= 2 and values == sorted(values) and 0 < values[0] and values[-1] <= 1


def test_a_browser_without_webgl_gets_a_sentence(page):
    script = page.command("Page.addScriptToEvaluateOnNewDocument", source="HTMLCanvasElement.prototype.getContext = () => null")
    page.command("Page.navigate", url="about:blank")
    page.command("Page.navigate", url=address)
    page.wait_for("document.readyState === 'complete' && element('loading').textContent.includes('WebGL 2')")
    page.command("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])


# ---- Runs --------------------------------------------------------------------------------


def test_a_live_run_advances_operation_by_operation_to_its_end(page):
    page.open(address + "#live=1&devices=3&seq=12&backward=true")
    assert page.run("state.live")
    lengths = []
    for _ in range(40):
        page.run("press('Right'), draw(0.016)")
        lengths.append(page.run("traceText(0, false).length"))
    assert lengths == sorted(lengths) and lengths[0] < lengths[5] < lengths[-1]
    assert lengths[-1] == lengths[-2]


@pytest.mark.parametrize("scene", scenes)
def test_each_run_has_the_trace_of_the_native_engine_byte_for_byte(page, scene, tmp_path):
    page.open(address + "?embed=1#scene=" + scene)
    for run in range(page.run("state.runs")):
        file = tmp_path / "native.trace"
        subprocess.run([ringviz, "export", "--scene", scene, "--run", str(run + 1), "--without-wall-times", "--out", file], check=True)
        native, here = file.read_text().split("\n"), page.run(f"traceText({run}, false)").split("\n")
        assert here[1:] == native[1:]
        # The native engine runs into a deadlock with a thread for each device
        assert here[0] == native[0].replace('"transport": "threads"', '"transport": "lockstep"')
