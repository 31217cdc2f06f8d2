"""Writing: several files of a folder at once, beside it and renamed, so that nothing half-made is taken for an export."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from star.errors import UserError

HEADS = ("campaign.json", "manifest.json")
"""Without these a folder is no export; they go first and come back last."""


@contextmanager
def folder_of(folder: Path) -> Iterator[Path]:
    """A new folder to write into; its files take their places in `folder` when all went well, and are gone otherwise.

    Killed while they are moved, `folder` is left without its `HEADS`, and reading it says so.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    made: Path | None = None
    try:
        there = folder.is_dir()
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        yield made
        files = sorted(made.iterdir(), key=lambda file: (file.name in HEADS, file.name))
        for file in files:
            _on_disk(file)
        if not there:
            made.chmod(0o777 & ~_mask())  # mkdtemp's are for their owner alone
            made.replace(folder)
            return
        for head in HEADS:
            (folder / head).unlink(missing_ok=True)
        for file in files:
            file.replace(folder / file.name)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}); name another folder") from None
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _on_disk(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
