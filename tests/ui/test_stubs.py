"""Gradio writes no type stubs when the page imports it."""

from __future__ import annotations

import importlib
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from star.ui.stubs import unwritten

OWN = "import gradio as gr\n\n\nclass Own(gr.HTML):\n    EVENTS = ['press']\n"


@pytest.mark.parametrize("without", [True, False])
def test_no_stub_is_written_and_gradio_would_write_one(tmp_path: Path, without: bool) -> None:
    """Once Gradio writes none by itself, `star/ui/stubs.py` can go."""
    (tmp_path / "own.py").write_text(OWN, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        patch.delitem(sys.modules, "own", raising=False)
        with unwritten() if without else nullcontext():
            importlib.import_module("own")
    assert (tmp_path / "own.pyi").exists() == (not without)
