"""The files that a browser may fetch from us, and the HTML tags that load them. No tag names another host."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import pyvis

from star import ROOT

PREFIX = "star-assets"
VIS_NETWORK = Path(pyvis.__file__).parent / "lib" / "vis-9.1.2" / "vis-network.min.js"

FILES: dict[str, Path] = {
    "vis-network.js": VIS_NETWORK,
    **{path.name: path for path in sorted((ROOT / "assets" / "js").glob("*.js"))},
    **{path.name: path for path in sorted((ROOT / "assets" / "css").glob("*.css"))},
}


@cache
def url(name: str) -> str:
    """Address of an asset, relative to the page. It changes with the file, so browsers may cache it."""
    digest = hashlib.sha256(FILES[name].read_bytes()).hexdigest()[:10]
    return f"{PREFIX}/{name}?v={digest}"


def script(name: str) -> str:
    """The tag that loads a script."""
    return f'<script src="{url(name)}"></script>'


SHARED = (
    "stream.js", "vis-network.js", "star.js", "graph.js", "mine.js", "explore.js", "learn.js", "desk.js", "side.js",
    "form.js", "picker.js",
)  # fmt: skip
"""Scripts that stand in the page's HTML, before Gradio's own: one that Gradio's client needs, and those that several of the
page's components need. Gradio loads a component's scripts while others start already, and does not wait for one that
another component has asked for."""


def shared() -> bytes:
    """Tags for the head of the page's HTML."""
    return "".join(map(script, SHARED)).encode()


def stylesheet(name: str) -> str:
    """The tag that loads a style sheet."""
    return f'<link rel="stylesheet" href="{url(name)}">'
