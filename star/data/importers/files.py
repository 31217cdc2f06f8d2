"""Finds the files of a source in a folder, plain, `.gz` or `.zip`."""

from __future__ import annotations

from pathlib import Path

from star.errors import UserError

ENDINGS = ("", ".gz", ".zip")


def find(folder: Path, name: str) -> Path | None:
    """The first of `folder/name`, `folder/name.gz` and `folder/name.zip` that exists."""
    for ending in ENDINGS:
        path = folder / f"{name}{ending}"
        if path.is_file():
            return path
    return None


def need(folder: Path, names: tuple[str, ...], what: str) -> list[Path]:
    """The named files of a folder, each plain, `.gz` or `.zip`.

    Raises:
        UserError: no such folder, a file instead, or one of the files is missing.
    """
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        files = " and ".join(names) or "the files"
        raise UserError(f"{folder} {state}; give the folder that holds {files} of {what}, or a .zip of it")
    found = [find(folder, name) for name in names]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        files = " and ".join(names)
        raise UserError(
            f"{folder} has no {' or '.join(missing)} (nor .gz of it); {what} needs {files}; give its folder"
        )
    return [path for path in found if path is not None]


def brief(error: BaseException) -> str:
    """First line of another library's message, shortened."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
