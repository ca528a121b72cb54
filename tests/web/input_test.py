"""The mouse, and fingers on a touch screen."""

from browser import fields
from pictures import address, different


def places(page, condition):
    """The points of the page, every 4 in each direction, at which this condition on x and y holds."""
    return page.run(f"""(() => {{
      const ask = (name, x, y, ...more) => call(name, "number", Array(2 + more.length).fill("number"),
        [x * devicePixelRatio, y * devicePixelRatio, ...more]);
      const drags = (x, y) => ask("page_can_drag", x, y), zooms = (x, y) => ask("page_scroll", x, y, 0, 0), found = [];
      for (let y = 0; y < innerHeight; y += 4) for (let x = 0; x < innerWidth; x += 4) if ({condition}) found.push([x, y]);
      return found;
    }})()""")


def middle(points):
    return [(min(each) + max(each)) / 2 for each in zip(*points)]


def drag(page, begin, end):
    """One finger, in steps of a tenth of the way."""
    page.touch("Start", begin)
    for step in range(1, 11):
        page.touch("Move", [a + (b - a) * step / 10 for a, b in zip(begin, end)])
    page.touch("End")
    page.run("draw(0)")


def spread(page, middle, apart):
    """Two fingers, one beside the other, move from 40 pixels to _apart_."""
    x, y = middle
    at = [[(x - half, y), (x + half, y)] for half in (20 + (apart / 2 - 20) * step / 10 for step in range(11))]
    page.touch("Start", *at[0])
    for fingers in at[1:]:
        page.touch("Move", *fingers)
    page.touch("End")
    page.run("draw(0)")


def link(page):
    return fields(page.run("state.link"))


def open_phone(page, panel):
    page.show_at(390, 844, pixel_ratio=2, touch=True)
    page.open(address + "#scene=ring&beat=4")
    page.run(f"call('page_show_panel', null, ['string'], ['{panel}']), draw(0)")


def test_a_mouse_clicks_buttons_and_drags_the_time(page):
    page.open(address + "?embed=1#scene=ring")
    page.run("openLink('scene=ring&beat=4&t=0'), draw(0)")
    (first, y), *_, (last, _) = places(page, "drags(x, y)")
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


def test_a_tap_pins_and_a_drag_on_the_timeline_moves_the_time_to_the_finger(page):
    page.show_at(1280, 800, touch=True)
    page.open(address + "?embed=1#scene=ring&beat=4")
    page.touch("Start", (200, 150))
    page.touch("End")
    page.run("draw(0)")
    assert "pin" in link(page)
    axis = places(page, "drags(x, y)")
    left, right, y = min(axis)[0], max(axis)[0], axis[0][1]
    drag(page, (left + 10, y), (left + 10, y))
    begin = float(link(page)["t"])
    drag(page, (left + 10, y), (right - 10, y))
    assert float(link(page)["t"]) > 5 * begin and "pin" in link(page)


def test_a_drag_elsewhere_moves_the_time_by_the_way_of_the_finger_and_pins_nothing(page):
    open_phone(page, "ring")
    times = [float(link(page)["t"])]
    for way in (60, 60, -90):
        drag(page, (200, 300), (200 + way, 310))
        times.append(float(link(page)["t"]))
    first, second, third = (after - before for before, after in zip(times, times[1:]))
    assert first > 0 and abs(second - first) < 1e-6 * first and abs(third + 1.5 * first) < 1e-6 * first
    assert "pin" not in link(page)


def test_two_fingers_zoom_into_the_matrix_under_them_and_one_finger_moves_it(page):
    open_phone(page, "matrix")
    grid = places(page, "zooms(x, y)")
    (x, y), width = middle(grid), max(grid)[0] - min(grid)[0]
    spread(page, (x, y), 120)
    zoomed = link(page)
    begin, end = float(zoomed["k_from"]), float(zoomed["k_to"])
    assert zoomed["scale"] == "1" and abs((end - begin) - 40 / 120) < 1e-6
    # The middle stays in the middle, to the 4 pixels of places()
    assert abs((begin + end) / 2 - 0.5) < 4 / width
    drag(page, (x, y), (x - 60, y))
    assert abs(float(link(page)["k_from"]) - begin - 60 / width * (end - begin)) < 4 / width
    assert "pin" not in link(page)


def test_two_fingers_zoom_into_the_timeline_under_them(page):
    open_phone(page, "timeline")
    spread(page, middle(places(page, "zooms(x, y)")), 160)
    zoomed = link(page)
    assert zoomed["scale"] == "1" and abs(float(zoomed["to"]) - float(zoomed["from"]) - 40 / 160) < 1e-6


def test_two_fingers_elsewhere_zoom_everything(page):
    open_phone(page, "ring")
    spread(page, (200, 300), 60)
    assert abs(float(link(page)["scale"]) - 60 / 40) < 1e-6


def test_a_finger_drags_a_slider(page):
    page.show_at(1280, 800, touch=True)
    page.open(address + "?embed=1#scene=memory")
    page.run("openLink('scene=memory&beat=' + state.beats), draw(0)")
    sliders = places(page, "drags(x, y)")
    left, right, y = min(sliders)[0], max(sliders)[0], sliders[0][1]
    before = link(page)
    drag(page, (left + 20, y), (right - 20, y))
    after = link(page)
    assert before["t"] == after["t"] and before != after


def test_a_wheel_that_zooms_does_not_scroll_what_is_around_the_page(page):
    page.open(address + "?embed=1#scene=ring&beat=4")
    turned = """(([x, y]) => !canvas.dispatchEvent(new WheelEvent("wheel", {clientX: x, clientY: y, deltaY: -100, cancelable: true})))"""
    zooming = places(page, "zooms(x, y)")
    resting = next([x, y] for x in range(100, 1000, 4) for y in range(100, 400, 4) if [x, y] not in zooming)
    assert page.run(f"{turned}({max(zooming)})") is True
    assert page.run(f"{turned}({resting})") is False
