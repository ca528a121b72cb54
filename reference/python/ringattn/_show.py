"""The page of the visualizer with a run inside, for notebooks."""

from __future__ import annotations

import base64
import gzip
import html
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringattn._ring import RingResult
from ringattn._values import integer, quote

if TYPE_CHECKING:
    from os import PathLike

# `make web` builds it, and the installation of the package copies it here
built_page = Path(__file__).with_name("ringattn.html")

# The element of visualizer/app/web/page.html that holds the trace
element = '<script type="text/plain" id="trace" data-name="{name}">{trace}</script>'


class Page:
    """The visualizer with one run. A notebook shows it; save() writes it for a browser. It loads nothing else."""

    def __init__(self, text: str, name: str, height: int) -> None:
        self._text, self._name, self._height = text, name, height

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the page as a file that any browser opens."""
        target = Path(path)
        unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            unfinished.write_text(self._text, encoding="utf-8")
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)

    def _repr_html_(self) -> str:
        # Without the permission of the same origin, the page cannot reach the notebook
        return (
            f'<iframe title="{html.escape(self._name)}" width="100%" height="{self._height}" style="border:0" '
            'sandbox="allow-scripts allow-downloads allow-modals" allow="fullscreen; clipboard-write" '
            f'srcdoc="{html.escape(self._text)}"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<page of {self._name}, {len(self._text)} bytes: a notebook shows it, and .save('run.html') writes it>"


def show(run: RingResult | str | PathLike[str], *, height: int = 560, page: str | PathLike[str] | None = None) -> Page:
    """The visualizer with a run: the last value of a cell in Jupyter, VS Code or Colab. Works without a network.

        ring = ringattn.ring_attention(q, k, v, causal=True, trace=True, trace_rows="all")
        ringattn.show(ring)

    run         a result of ring_attention with trace=True, or the path of a trace, as save_trace and ringattn write it
    height      of the frame, in pixels
    page        the page that `make web` builds; None: the one that was installed with the package
    """
    trace, name = _trace_of(run)
    height = integer("height", height)
    if not 100 <= height <= 10000:
        raise ValueError(f"[height] the frame must have 100 to 10000 pixels; found {height}; leave it out for 560")
    packed = base64.b64encode(gzip.compress(trace, mtime=0)).decode()
    place, filled = element.format(name="", trace=""), element.format(name=html.escape(name), trace=packed)
    return Page(_page(built_page if page is None else Path(page), place).replace(place, filled), name, height)


def _trace_of(run: Any) -> tuple[bytes, str]:
    """The trace of a run, and what the page calls it."""
    if isinstance(run, RingResult):
        return run.trace_text().encode(), f"ring attention on {len(run.devices)} devices"
    if not isinstance(run, str | os.PathLike):
        raise TypeError(
            f"[show] the run must be a result of ring_attention or the path of a trace; found {quote(run)}; pass one"
        )
    path = Path(run)
    trace = path.read_bytes()
    if not trace.startswith(b"{"):
        raise ValueError(
            f"[show] the file must be a trace, which begins with an object of JSON; found {quote(trace[:40])} in "
            f"{quote(str(path))}; pass a file of save_trace or of ringattn run --trace"
        )
    return trace, path.name


def _page(path: Path, place: str) -> str:
    if not path.is_file():
        raise FileNotFoundError(
            f"[show] the page of the visualizer must be built; found none at {quote(str(path))}; run `make web` and "
            "`pip install .` in the sources of RingAttn, or give the page with page="
        )
    text = path.read_text(encoding="utf-8", errors="replace")
    if text.count(place) != 1:
        raise ValueError(
            f"[show] the page must have one place for a trace; found {text.count(place)} in {quote(str(path))}; build "
            "it again with `make web`"
        )
    return text
