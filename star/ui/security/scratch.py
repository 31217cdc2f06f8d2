"""Scratch: a folder of this process alone for what Gradio writes, gone when it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

_PREFIX = "star-page-"
_made: list[tempfile.TemporaryDirectory[str]] = []


@cache
def folder() -> str:
    """The folder, readable by nobody else and empty at first. Those of processes that were killed are removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = old.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdecimal() and not _runs(int(number)):
            shutil.rmtree(old, ignore_errors=True)  # somebody else's stays
    _made.append(tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-"))
    return _made[0].name


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
