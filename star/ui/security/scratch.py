"""A private temporary folder for the files that Gradio writes, removed when the process ends."""

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
    """The folder, empty at first and private to this user. Folders of processes that were killed are removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = old.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdecimal() and not _runs(int(number)):
            shutil.rmtree(old, ignore_errors=True)  # another user's folder stays
    _made.append(tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-"))
    return _made[-1].name


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
