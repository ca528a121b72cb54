"""The mouse, and fingers on a touch screen."""

from browser import fields
from pictures import address, different


def timeline(page):
    """Two places on a timeline, one beside the other."""
    return page.run("""(() => {
      const ratio = devicePixelRatio, on = (x, y) => call("page_on_timeline", "number", ["number", "number"], [x * ratio, y * ratio]);
      for (let y = 0; y < innerHeight; y += 10)
        for (let x = 0; x < innerWidth; x += 10)
          if (on(x, y) && on(x + 200, y)) return [[x + 50, y], [x + 200, y]];
    })()""")


def test_a_mouse_clicks_buttons_and_drags_the_time(page):
    page.open(address + "?embed=1#scene=ring")
    page.run("openLink('scene=ring&beat=4&t=0'), draw(0)")
    (first, y), (last, _) = timeline(page)
    for kind, x in (("mousePressed", first), ("mouseMoved", last), ("mouseReleased", last)):
        page.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    page.run("draw(0)")
    assert float(fields(page.run("state.link"))["t"]) > 0
    page.key("b")
    assert page.picture().max() == 0


def test_a_small_screen_shows_one_panel_and_buttons_for_a_finger(page):
    page.show_at(390, 844, pixel_ratio=2, touch=True)
    page.open(address + "#scene=ring&beat=4")
    assert page.run("state.small && state.panel") == "ring"
    first = page.picture()
    page.run("[...document.querySelectorAll('#panels button')].find(each => each.textContent === 'matrix').click(), draw(0)")
    assert page.run("state.panel") == "matrix"
    assert different(page.picture(), first) > 0.1
    beat = page.run("state.stop")
    page.run("document.querySelector('[data-key=PageDown]').click(), draw(0)")
    assert page.run("state.stop") != beat
    page.show_at(1600, 900)
    page.run("draw(0)")
    assert page.run("state.small") is False
    assert page.run("state.panel") == ""


def test_a_tap_pins_and_a_drag_on_the_timeline_moves_the_time(page):
    page.show_at(1280, 800, touch=True)
    page.open(address + "?embed=1#scene=ring&beat=4")
    page.touch("Start", (200, 150))
    page.touch("End")
    page.run("draw(0)")
    assert "pin=" in page.run("state.link")
    before = fields(page.run("state.link"))["t"]
    (first, y), (last, _) = timeline(page)
    page.touch("Start", (first, y))
    for x in range(first, last, 20):
        page.touch("Move", (x, y))
    page.touch("End")
    page.run("draw(0)")
    assert fields(page.run("state.link"))["t"] != before


def test_two_fingers_zoom(page):
    page.show_at(1280, 800, touch=True)
    page.open(address + "?embed=1#scene=ring&beat=4")
    page.touch("Start", (900, 100), (940, 100))
    for apart in range(20, 60, 10):
        page.touch("Move", (900 - apart, 100), (940 + apart, 100))
    page.touch("End")
    page.run("draw(0)")
    assert float(fields(page.run("state.link"))["scale"]) > 1.2
