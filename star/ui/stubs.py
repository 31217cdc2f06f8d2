"""Importing Gradio without its type stubs being written again.

Gradio makes the `.pyi` file of each component anew whenever it is imported, which is about a third of the import's
time. Such files are installed with it already.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def unwritten() -> Iterator[None]:
    """Inside, Gradio finds no file to a component, as for one that was typed into a console, and writes none."""
    found = inspect.getfile

    def getfile(object: Any) -> str:
        if sys._getframe(1).f_code.co_name == "create_or_modify_pyi":
            raise OSError("no stub is written")
        return found(object)

    inspect.getfile = getfile
    try:
        yield
    finally:
        inspect.getfile = found
