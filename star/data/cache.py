"""Cache on disk of arrays that take seconds or minutes to compute, beside the data sets."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp
from typing import TYPE_CHECKING

import numpy as np

from star import ROOT
from star.data.dataset import home
from star.display import echo

if TYPE_CHECKING:
    from star.data.dataset import Dataset
    from star.data.tasks import Split

Arrays = dict[str, np.ndarray]

MAPPED = 10_000_000
"""Interactions from which on a data set and its graph are kept as arrays; below, to read and count them takes a second."""


def remembered(
    name: str, dataset: Dataset, split: Split, of: object, modules: Sequence[str], make: Callable[[], Arrays]
) -> Arrays:
    """The cached result of `make` for the same data, split, settings and code; computed if missing.

    Args:
        name: first part of the file's name.
        of: settings, by their `repr`.
        modules: files under `star/` that the result depends on, as `evidence/graph`.
    """
    return kept(name, content_key(dataset, split, of, modules), make, dataset.fitted)


def kept(name: str, key: str, make: Callable[[], Arrays], place: Path | None = None) -> Arrays:
    """The cached result of `make` under this name and key; computed if missing or damaged. A folder that cannot be
    written is no error: the next run computes the result again.

    Args:
        key: changes with everything that the result depends on; part of the file's name.
        place: folder; None: beside the data sets.
    """
    path = (place or home() / ".cache") / f"{name}-{key}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        echo(f"star: {path} cannot be read and is made again ({error})", err=True)
    made = make()
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as handle:
            temporary = Path(handle.name)
            np.savez(handle, allow_pickle=False, **made)
        temporary.replace(path)
    except OSError as error:  # a folder that cannot be written only costs the next run its minutes
        echo(f"star: {name} is not kept for the next run ({error})", err=True)
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return made


def kept_folder(
    name: str, key: str, names: Collection[str], make: Callable[[], Arrays], place: Path | None = None
) -> Arrays:
    """As `kept`, for large arrays: one file each in a folder, memory-mapped when they are read back. What was kept under the
    same name and another key is deleted.

    Args:
        names: those of the arrays; a folder that has others is made again.
        place: folder around it; None: beside the data sets.
    """
    folder = (place or home() / ".cache") / f"{name}-{key}"
    try:
        # As plain arrays, which index faster than `np.memmap`.
        found = {
            file.stem: np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
            for file in folder.glob("*.npy")
        }
        if found.keys() == set(names):
            return found
        if folder.is_dir():
            raise ValueError(f"it holds {len(found)} arrays, expected {len(names)}")
    except (OSError, ValueError, EOFError) as error:
        echo(f"star: {folder} cannot be read and is made again ({error})", err=True)
        shutil.rmtree(folder, ignore_errors=True)
    made = make()
    temporary: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(mkdtemp(prefix=f".{name}.", dir=folder.parent))
        for stem, array in made.items():
            np.save(temporary / f"{stem}.npy", array, allow_pickle=False)
        temporary.chmod(0o755)  # mkdtemp makes it private
        temporary.replace(folder)  # whole or not at all; one that another process made meanwhile stays
        for old in folder.parent.glob(f"{name}-*"):
            if old != folder and re.fullmatch("[0-9a-f]{16}", old.name.removeprefix(f"{name}-")):
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if not folder.is_dir():
            echo(f"star: {name} is not kept for the next run ({error})", err=True)
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return made


def content_key(dataset: Dataset, split: Split, of: object, modules: Sequence[str]) -> str:
    digest = hashlib.sha256(repr(of).encode())
    for array in (dataset.interactions.indptr, dataset.interactions.items, split.train, split.folds):
        digest.update(np.ascontiguousarray(array).data)
    digest.update(repr([(i.series, i.number, i.creators[:1]) for i in dataset.catalog]).encode())
    for module in modules:
        digest.update((ROOT / "star" / f"{module}.py").read_bytes())
    return digest.hexdigest()[:16]
