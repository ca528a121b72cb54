"""Prints the figures of the page on this machine: python tests/web/figures.py [MINUTES of playing, 1]

The page should need at most 1.5 s to the first picture, draw at least 30 frames per second without a graphics processor,
and take less than 256 MB, also after ten minutes. No test asserts times, for they depend on what else the machine does; the
times of the processor depend on it less.
"""

import os
import re
import statistics
import sys
import time

from browser import Browser
from pictures import address, scenes

size = 1280, 720

# When the first picture is on the screen, in ms since the page was opened
observe_first_picture = """
new MutationObserver(() => {
  const loading = document.getElementById("loading");
  if (loading?.hidden && !window.firstPicture) requestAnimationFrame(() => window.firstPicture = performance.now());
}).observe(document, {subtree: true, attributes: true, childList: true});
"""

count_frames = "frames = 0; draw = (original => seconds => { ++frames; original(seconds); })(draw)"


def processes(page):
    """All processes of the browser: the type, the id, and the seconds of processor time of each."""
    session, page.session = page.session, None
    found = page.command("SystemInfo.getProcessInfo")["processInfo"]
    page.session = session
    return found


def processor_time(page):
    return sum(each["cpuTime"] for each in processes(page))


def first_picture(page):
    page.open(address + "#scene=ring")
    page.wait_for("window.firstPicture")
    return page.run("firstPicture") / 1000


def play(page, scene, seconds):
    """Plays a scene again and again; the frames per second, and the processor time of each in ms."""
    until = time.monotonic() + seconds
    before = processor_time(page)
    page.run(f"openLink('scene={scene}&t=0'), press('Enter'), draw(0), frames = 0, began = performance.now()")
    while time.monotonic() < until:
        page.run(f"state.playing || (openLink('scene={scene}&t=0'), press('Enter'))")
        time.sleep(0.1)
    frames, rate = page.run("[frames, frames / (performance.now() - began) * 1000]")
    return rate, (processor_time(page) - before) / frames * 1000


def megabytes(page):
    """The memory of WebAssembly, of the objects of JavaScript, and of the process that runs the page."""
    rollups = [open(f"/proc/{each['id']}/smaps_rollup").read() for each in processes(page) if each["type"] == "renderer"]
    process = max(int(re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)[1]) for rollup in rollups) / 1000
    return page.run("[engine.HEAPU8.length / 1e6, performance.memory.usedJSHeapSize / 1e6]") + [process]


def main(minutes):
    page = Browser()
    try:
        page.show_at(*size)
        page.command("Page.addScriptToEvaluateOnNewDocument", source=observe_first_picture)
        opened = [first_picture(page) for _ in range(6)]
        print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
        print(f"first picture after {opened[0]:.2f} s; again {statistics.median(opened[1:]):.2f} s")
        page.run(count_frames)
        rates = {scene: play(page, scene, 5) for scene in scenes}
        print("frames per second, and ms of processor time for each:")
        print(", ".join(f"{scene} {rate:.0f} ({cost:.0f} ms)" for scene, (rate, cost) in rates.items()))
        began = time.monotonic()
        while True:
            heap, objects, process = megabytes(page)
            print(f"{(time.monotonic() - began) / 60:4.1f} min: WebAssembly {heap:.0f} MB, JavaScript {objects:.1f} MB, "
                  f"process {process:.0f} MB", flush=True)
            if time.monotonic() - began >= 60 * minutes:
                break
            for scene in scenes:
                play(page, scene, 60 / len(scenes))
    finally:
        page.close()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1)
