"""The stored candidate lists of all catalogues of a run, in the student's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from star.errors import UserError
from training.lib.config import Config
from training.lib.sequences import Lists, lists_from


@dataclass(frozen=True)
class Catalogue:
    """Lists of one catalogue. `weight`: how often training draws from it; all data sets weigh as much as all universes."""

    name: str
    weight: float
    lists: Lists


def read_lists(config: Config) -> tuple[list[Catalogue], dict[str, Lists]]:
    """The catalogues that train, and the lists of validation readers by data set.

    Raises:
        UserError: lists are missing.
    """
    folder = config.list_folder
    train = list[Catalogue]()
    for name in config.sizes:
        lists = lists_from(stored_lists(config, name), arrays(folder / f"soft-{name}.npz")["soft"])
        train.append(Catalogue(name, 1 / len(config.sizes), lists))
    soft, start = arrays(folder / f"soft-universes-{config.universes}.npz")["soft"], 0
    for seed in range(config.universes):
        stored = arrays(folder / f"universe-{seed}.npz")
        end = start + len(stored["target"])
        train.append(Catalogue(f"universe-{seed}", 1 / config.universes, lists_from(stored, soft[start:end])))
        start = end
    valid = {name: lists_from(arrays(folder / f"valid-{name}.npz")) for name in config.validation}
    return train, valid


def stored_lists(config: Config, name: str) -> dict[str, np.ndarray]:
    """The lists of a data set's training readers, of all folds.

    Raises:
        UserError: some are missing.
    """
    _, folds = config.sizes[name]
    return joined([arrays(config.list_folder / f"data-{name}-{fold}.npz") for fold in range(folds)])


def joined(some: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([stored[name] for stored in some]) for name in some[0]}


def arrays(file: Path) -> dict[str, np.ndarray]:
    """
    Raises:
        UserError: no such file.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist; make the lists with python -m training.trajectories and the same config")
    with np.load(file, allow_pickle=False) as stored:
        return dict(stored)
