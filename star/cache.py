"""Arrays that take minutes to make, kept beside the data sets for the next run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np

from star.dataset import Dataset, home
from star.display import echo
from star.tasks import Split

Arrays = dict[str, np.ndarray]


def remembered(
    name: str, dataset: Dataset, split: Split, of: object, modules: Sequence[str], make: Callable[[], Arrays]
) -> Arrays:
    """What `make` returned before for the same data, split, settings and code, or what it returns now.

    Args:
        name: first part of the file's name.
        of: settings, by their `repr`.
        modules: files under `star/` that the result depends on.
    """
    path = home() / ".cache" / f"{name}-{_key(dataset, split, of, modules)}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    made = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as handle:
            np.savez(handle, allow_pickle=False, **made)
        Path(handle.name).replace(path)
    except OSError as error:  # a folder that cannot be written only costs the next run its minutes
        echo(f"star: {name} is not kept for the next run ({error})", err=True)
    return made


def _key(dataset: Dataset, split: Split, of: object, modules: Sequence[str]) -> str:
    digest = hashlib.sha256(repr(of).encode())
    for array in (dataset.interactions.indptr, dataset.interactions.items, split.train, split.folds):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr([(i.series, i.number, i.creators[:1]) for i in dataset.catalog]).encode())
    for module in modules:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    return digest.hexdigest()[:16]
