"""Unpacks `.gz` and `.zip` into temporary files, up to a limit of size.

Paths inside an archive are never used: a member is identified by its file name, and that name is checked.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from star.data.importers.columns import Say
from star.errors import UserError

T = TypeVar("T")
# Tables shrink five- to twentyfold; a file that grows a hundredfold is meant to fill a disk.
MOST_TIMES = 100
ALWAYS_ALLOWED = 256 << 20
MOST_BYTES = 64 << 30
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_STEP = 1 << 20
# Other files of a zip, such as a README, are no tables.
TABLES = re.compile(
    r"(?!readme|licen[cs]e).+\.(csv|tsv|txt|dat|data|item|genre|parquet|jsonl|ndjson|json|inter)",
    re.IGNORECASE,
)
_NAME = re.compile(r"\w[\w .()+\[\]-]{0,150}", re.ASCII)
_BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile)


def is_zip(path: Path) -> bool:
    """Whether the file begins like a zip archive."""
    return begins(path, b"PK\x03\x04", b"PK\x05\x06")


def begins(path: Path, *marks: bytes) -> bool:
    """Whether the file begins with one of these bytes."""
    with path.open("rb") as handle:
        start = handle.read(max(map(len, marks)))
    return start.startswith(marks)


@contextmanager
def plain(path: Path) -> Iterator[Path]:
    """Path of the file itself, or of a temporary copy unpacked from a `.gz` or from a `.zip` of one file.

    Raises:
        UserError: the archive is damaged, holds several files or more than may be unpacked, or there is no room.
    """
    if path.suffix.lower() not in (".gz", ".zip"):
        yield path
        return
    inside = path.with_suffix("").name if path.suffix.lower() == ".gz" else one_of(path, tables_of(path))
    suffix = Path(inside).suffix
    with _made(lambda: tempfile.NamedTemporaryFile(prefix="star-", suffix=suffix), path) as out:
        with unpacked(path) as packed:
            _copy(packed, out, path)
        yield Path(out.name)


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """The file of `plain` as a stream."""
    if path.suffix.lower() == ".gz":
        with gzip.open(path) as packed:
            yield io.BufferedReader(_Bounded(packed, path, path.stat().st_size), _STEP)
    elif path.suffix.lower() == ".zip":
        with _zip(path) as archive:
            members = _members(archive, path, TABLES)
            with _member(archive, members[one_of(path, members)], path) as packed:
                yield packed
    else:
        with path.open("rb") as handle:
            yield handle


@contextmanager
def folder_of(path: Path, wanted: re.Pattern[str], say: Say) -> Iterator[tuple[Path, Say]]:
    """A temporary folder with the `wanted` files of a zip, by file name; messages name the zip.

    Of several files of one name, the one nearest the top of the zip counts.

    Raises:
        UserError: as `plain`, or two files of one name are equally near the top.
    """
    with _zip(path) as archive, _made(lambda: tempfile.TemporaryDirectory(prefix="star-"), path) as place:
        # Importers take the title of a data set from the name of its folder.
        folder = Path(place) / (path.stem if _NAME.fullmatch(path.stem) else "archive")
        folder.mkdir()
        for name, info in _members(archive, path, wanted).items():
            with (folder / name).open("xb") as out, _member(archive, info, path) as packed:
                _copy(packed, out, path)
        try:
            yield folder, lambda line: say(line.replace(str(folder), str(path)))
        except UserError as error:
            raise UserError(str(error).replace(str(folder), str(path))) from None


def tables_of(path: Path) -> list[str]:
    """File names of the tables in a zip.

    Raises:
        UserError: not a zip, or two tables of one name are equally near the top.
    """
    with _zip(path) as archive:
        return sorted(_members(archive, path, TABLES))


@contextmanager
def _zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (*_BROKEN, NotImplementedError, ValueError):
        raise UserError(f"{path} is not a complete zip file; fetch it again") from None
    with archive:
        yield archive


def _members(archive: zipfile.ZipFile, path: Path, wanted: re.Pattern[str]) -> dict[str, zipfile.ZipInfo]:
    """Wanted files by name, each nearest the top; hidden files and those in macOS's folder are skipped."""
    found: dict[str, list[tuple[int, zipfile.ZipInfo]]] = {}
    for info in archive.infolist():
        *folders, name = info.filename.replace("\\", "/").split("/")
        if _NAME.fullmatch(name) and wanted.fullmatch(name) and "__MACOSX" not in folders:
            found.setdefault(name, []).append((len(folders), info))
    kept = {}
    for name, places in found.items():
        nearest = min(depth for depth, _ in places)
        first, *others = [info for depth, info in places if depth == nearest]
        if others:
            raise UserError(
                f"{path} holds {len(others) + 1} files {name}; unpack it and give the right folder"
            )
        kept[name] = first
    return kept


def one_of(path: Path, names: Collection[str]) -> str:
    """The name of the only table in a zip.

    Raises:
        UserError: it has none, or several.
    """
    if len(names) != 1:
        have = ", ".join(sorted(names))[:200] or "none"
        raise UserError(
            f"{path} should hold one table, but has {have}; unpack it and give one file, "
            "or name the format whose files these are"
        )
    return next(iter(names))


@contextmanager
def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Iterator[IO[bytes]]:
    try:
        packed = archive.open(info)
    except RuntimeError:
        raise UserError(f"{path} is locked with a password; unpack it and give what it holds") from None
    except (*_BROKEN, NotImplementedError) as error:
        raise UserError(f"{path} cannot be unpacked ({error}); unpack it and give what it holds") from None
    with packed:
        yield io.BufferedReader(_Bounded(packed, path, info.compress_size), _STEP)


class _Bounded(io.RawIOBase):
    """A packed stream that raises UserError if it is damaged or exceeds the limit."""

    def __init__(self, packed: IO[bytes] | gzip.GzipFile, path: Path, size: int) -> None:
        self._packed, self._path, self._done = packed, path, 0
        self._most = min(MOST_BYTES, max(ALWAYS_ALLOWED, MOST_TIMES * size))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._packed.read(len(buffer))
        except _BROKEN as error:
            kind = "zip" if self._path.suffix.lower() == ".zip" else "gzip"
            raise UserError(
                f"{self._path} is not a complete {kind} file ({error}); fetch or compress it again"
            ) from None
        self._done += len(piece)
        if self._done > self._most:
            raise UserError(
                f"{self._path} holds more than {self._most >> 20:,} MiB, as much as is unpacked of a file of its "
                "size; if that is meant, unpack it yourself and give that"
            )
        buffer[: len(piece)] = piece
        return len(piece)


def _made(make: Callable[[], T], path: Path) -> T:
    """A temporary file or folder for `path`; raises UserError if it cannot be made."""
    try:
        return make()
    except OSError as error:
        raise _no_room(path, error) from None


def _no_room(path: Path, error: OSError) -> UserError:
    where = os.environ.get("TMPDIR", tempfile.gettempdir() if tempfile.tempdir else "the temporary folder")
    return UserError(
        f"{path} cannot be unpacked into {where} ({error.strerror or error}); "
        "make room there or set TMPDIR to another folder"
    )


def _copy(packed: IO[bytes], out: IO[bytes], path: Path) -> None:
    """Copy to the end, and flush.

    Raises:
        UserError: as `packed`, or the disk is full.
    """
    while piece := packed.read(_STEP):
        try:
            out.write(piece)
            out.flush()
        except OSError as error:
            raise _no_room(path, error) from None
