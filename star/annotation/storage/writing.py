"""Writes all files of an export folder or none: into a temporary folder, then renamed into place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from star.errors import UserError

HEADS = ("campaign.json", "manifest.json")
"""Without these a folder is no export. They are removed first and written last."""
TABLES = (".jsonl", ".csv", ".parquet")


@contextmanager
def folder_of(folder: Path) -> Iterator[Path]:
    """A temporary folder to write into; its files move to `folder` on success and are deleted on an error.

    A process killed during the move leaves `folder` without its `HEADS`, so that reading it fails with a message.

    Raises:
        UserError: the folder cannot be written, the disk is full, or the folder has files of another export that these would
            not replace: two exports in one folder would be read as one.
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
            made.chmod(0o777 & ~_mask())  # mkdtemp makes a folder for its owner only
            made.replace(folder)
            return
        new = {file.name for file in files}
        old = sorted(
            file.name for file in folder.iterdir() if file.name in HEADS or file.suffix in TABLES if file.name not in new
        )
        if old:
            raise UserError(f"{folder} holds {old[0]} of another export; name another folder, or delete that one")
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
