"""A browser without a window, driven over the DevTools protocol through two pipes."""

import base64
import contextlib
import io
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

import numpy
from PIL import Image

# Long for a page on a busy machine; only a hanging page takes as long
LIMIT = 120


def program():
    return shutil.which("chromium") or shutil.which("google-chrome")


def fields(link):
    """The fields of a deep link, "scene=ring&beat=3"."""
    return dict(field.split("=", 1) for field in link.split("&"))


class Browser:
    """One page. Its errors, and the warnings and errors of its console, are collected."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        commands, self.write_end = os.pipe()
        self.read_end, answers = os.pipe()

        def connect():
            # The browser reads commands from file 3 and writes answers to file 4
            os.dup2(os.dup(commands), 3)
            os.dup2(os.dup(answers), 4)

        # Without a graphics processor, and as root without a sandbox, as in a container
        options = ["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--use-angle=swiftshader",
                   "--enable-unsafe-swiftshader", "--hide-scrollbars", "--force-color-profile=srgb", "--disable-dev-shm-usage",
                   "--no-first-run", f"--user-data-dir={self.profile.name}", "about:blank"]
        self.process = subprocess.Popen([program(), *options], preexec_fn=connect, close_fds=False,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(commands)
        os.close(answers)
        self.buffer, self.number, self.session, self.problems = b"", 0, None, []
        target = next(each for each in self.command("Target.getTargets")["targetInfos"] if each["type"] == "page")
        self.session = self.command("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.command(domain + ".enable")

    def close(self):
        try:
            self.session = None
            self.command("Browser.close")
            self.process.wait(LIMIT)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.write_end)
            os.close(self.read_end)
            self.profile.cleanup()

    # ---- The protocol

    def command(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self._write(message)
        while True:
            answer = self._next_message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _write(self, message):
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.write_end, data):]

    def _next_message(self):
        until = time.monotonic() + LIMIT
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read_end], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("the browser did not answer")
            data = os.read(self.read_end, 1 << 20)
            if not data:
                raise EOFError("the browser has ended")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(line)
        self._collect(message.get("method"), message.get("params"))
        return message

    def _collect(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(" ".join(str(each.get("value")) for each in params["args"]))
        if method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(params["entry"]["text"])

    # ---- The page

    def show_at(self, width, height, pixel_ratio=1, touch=False):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=pixel_ratio, mobile=touch)
        self.command("Emulation.setTouchEmulationEnabled", enabled=touch)

    def open(self, address):
        # Only another document is loaded; a new fragment of the same one would not be
        self.command("Page.navigate", url="about:blank")
        self.command("Page.navigate", url=address)
        self.wait_for("state.text && element('loading').hidden")

    @contextlib.contextmanager
    def frame(self):
        """The commands within go to the frame of the page. It has another origin, and so a process of its own."""
        outer, until = self.session, time.monotonic() + LIMIT
        while not (frames := [each for each in self.command("Target.getTargets")["targetInfos"] if each["type"] == "iframe"]):
            if time.monotonic() > until:
                raise TimeoutError("the page has no frame of another origin")
        self.session = self.command("Target.attachToTarget", targetId=frames[0]["targetId"], flatten=True)["sessionId"]
        try:
            for domain in ("Runtime", "Log"):
                self.command(domain + ".enable")
            yield
        finally:
            self.session = outer

    def run(self, script):
        answer = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", "error in " + script))
        return answer["result"].get("value")

    def wait_for(self, condition):
        until = time.monotonic() + LIMIT
        while not self.run(f"typeof state !== 'undefined' && Boolean({condition})"):
            if time.monotonic() > until:
                raise TimeoutError("the page has not come to: " + condition)
            time.sleep(0.02)

    def picture(self):
        """The canvas, (height, width, 3)."""
        address = self.run("draw(0), canvas.toDataURL()")
        return numpy.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGB"))

    def screen(self):
        """The whole page as PNG."""
        return base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"])

    def key(self, key, **more):
        text = {"text": key} if len(key) == 1 else {}
        self.command("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **more)
        self.command("Input.dispatchKeyEvent", type="keyUp", key=key, **more)

    def download(self, script, folder):
        """The file that the page saves when it runs this script."""
        session, self.session = self.session, None
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        self.session = session
        self.run(script)
        until = time.monotonic() + LIMIT
        while not (files := [each for each in folder.iterdir() if each.suffix != ".crdownload" and each.stat().st_size]):
            if time.monotonic() > until:
                raise TimeoutError("the page has saved no file")
            time.sleep(0.02)
        return files[0]

    def touch(self, kind, *points):
        """Kind: Start, Move, End."""
        places = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.command("Input.dispatchTouchEvent", type="touch" + kind, touchPoints=places)
