"""Candidate lists of many catalogues with their evidence and soft targets.

    python -m training.trajectories --config training/configs/demo.yaml

The catalogues are the config's data sets and drawn universes. Training readers of a data set have evidence of the other
folds. The soft targets are the distillation teacher's: boosted trees over the evidence of the same list alone. They are
fitted on one half of the readers, or of the universes, and speak of the other half. A folder keeps what it has, so a
stopped run goes on.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata
from tqdm import tqdm

from star.data import tasks as T
from star.data.dataset import names
from star.data.loading import load_dataset
from star.errors import UserError, command
from star.evaluation.parallel import workers
from star.evidence.fitting import fit_signals, kept_signals
from star.evidence.graph import Graph
from star.evidence.tools import Attributes
from star.methods.fusion import fit
from training.lib.catalogues import arrays, joined, stored_lists
from training.lib.config import Config, load_config
from training.lib.lists import lists_of, of_fold, stacked
from training.lib.universes import universe

HELD = 200  # readers of a universe whose lists are made; the others are its graph
EACH = 100  # tasks a cell, of a universe
VALIDATED = 300  # tasks a cell, of validation readers
FITTED = 20_000  # lists that a half of the trees is fitted on

Stored = dict[str, np.ndarray]


def of_universe(seed: int) -> Stored:
    """Lists of held-out readers of one universe."""
    data = universe(seed)
    order = np.random.default_rng(seed).permutation(len(data.interactions))
    graph = Graph.build(data.interactions, np.sort(order[HELD:]))
    signals = fit_signals(graph, data.catalog, Attributes.of(data.catalog))
    return stacked(list(lists_of(graph, data, signals, order[:HELD], EACH, seed)))


def of_validation(name: str, each: int) -> Stored:
    """Lists of a data set's validation readers, from the evidence of its training readers."""
    data = load_dataset(name)
    split = T.split(data.interactions)
    graph = Graph.build(data.interactions, split.train)
    signals = kept_signals(data, split, graph, Attributes.of(data.catalog))
    return stacked(list(lists_of(graph, data, signals, split.valid, each, 0, draws=3)))


def features(stored: Stored, raw: bool) -> np.ndarray:
    """Places, shares of the list's largest value, relations and the shelf's length of every candidate, (L, 20, F); values
    too where all lists are of one data set (`raw`)."""
    values = stored["raw"]
    filled = np.where(np.isnan(values), -np.inf, values)
    places = np.where(np.isnan(values), 0, rankdata(-filled, method="min", axis=1)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        largest = np.nanmax(values, 1, keepdims=True)
    length = np.log1p(stored["length"]).astype(np.float32)[:, None, None].repeat(values.shape[1], 1)
    parts = [places, values / np.maximum(largest, 1e-9), stored["related"].astype(np.float32), length]
    return np.concatenate([values, *parts] if raw else parts, 2)


def softened(stored: Stored, half: np.ndarray, raw: bool) -> np.ndarray:
    """Probability of every candidate, float32 (L, 20), by trees fitted on the other half of the lists.

    Args:
        half: 0 or 1 for each list.
    """
    x, there = features(stored, raw), ~np.isnan(stored["raw"][:, :, 0])
    y = np.arange(x.shape[1])[None] == stored["target"][:, None]
    scores = np.full(there.shape, -np.inf)
    for side in (0, 1):
        some = np.random.default_rng(side).permutation(np.flatnonzero(half != side))[:FITTED]
        trees: Any = fit(x[some][there[some]], y[some][there[some]], side)
        of = np.flatnonzero(half == side)
        rows = scores[of]
        rows[there[of]] = trees.decision_function(x[of][there[of]])
        scores[of] = rows
    share = np.exp(scores - scores.max(1, keepdims=True))
    return (share / share.sum(1, keepdims=True)).astype(np.float32)


def note_settings(folder: Path, config: Config) -> None:
    """Record what the lists of the folder are made with; a folder of older lists has no record.

    Raises:
        UserError: it holds lists of other settings.
    """
    file = folder / "settings.json"
    have: dict[str, list[int]] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    wanted = {name: list(sizes) for name, sizes in config.sizes.items()}
    for name in have.keys() & wanted.keys():
        if have[name] != wanted[name]:
            raise UserError(
                f"{folder} holds lists of {name} made with {have[name]} tasks and folds, the config has {wanted[name]}; "
                f"delete data-{name}-*.npz, soft-{name}.npz and settings.json there, or name another folder in `lists`"
            )
    file.write_text(json.dumps(have | wanted) + "\n", "utf-8")


@dataclass(frozen=True)
class Job:
    """Lists of one file. `number`: seed of a universe, or fold of a data set; None: its validation readers."""

    file: str
    dataset: str | None = None
    number: int | None = None
    each: int = EACH
    folds: int = 1


def jobs(config: Config) -> list[Job]:
    """All files of a config's lists; the longest work comes first."""
    found = [
        Job(f"data-{name}-{fold}", name, fold, each, folds)
        for name, (each, folds) in config.sizes.items()
        for fold in range(folds)
    ]
    found += [Job(f"valid-{name}", name, each=VALIDATED) for name in config.validation]
    return found + [Job(f"universe-{seed}", number=seed) for seed in range(config.universes)]


def lists_of_job(_: None, job: Job) -> Stored:
    if job.dataset is None:
        return of_universe(job.number or 0)
    if job.number is None:
        return of_validation(job.dataset, job.each)
    return of_fold(load_dataset(job.dataset), job.number, job.folds, job.each)


def make(config: Config, processes: int = 1, ray: str | None = None) -> None:
    """Write all lists of a config to its folder.

    Args:
        processes, ray: who shares the work (`star/evaluation/parallel.py`); the lists do not depend on it.

    Raises:
        UserError: a data set is missing, or the folder holds lists of other settings.
    """
    for name in (*config.sizes, *config.validation):
        if name not in names():
            load_dataset(name)  # says which there are, before the lists of the others take an hour
    out = config.list_folder
    out.mkdir(parents=True, exist_ok=True)
    note_settings(out, config)
    left = [job for job in jobs(config) if not (out / f"{job.file}.npz").is_file()]
    with workers(None, processes, ray) as each:
        made = each(lists_of_job, [(job.file, job) for job in left])
        for job, stored in zip(left, tqdm(made, "lists", len(left), disable=None), strict=True):
            write(out / f"{job.file}.npz", stored)
    for name in config.sizes:
        soften(out / f"soft-{name}.npz", stored_lists(config, name), raw=True)
    drawn = [arrays(out / f"universe-{seed}.npz") for seed in range(config.universes)]
    half = np.concatenate([np.full(len(stored["target"]), seed % 2) for seed, stored in enumerate(drawn)])
    soften(out / f"soft-universes-{config.universes}.npz", joined(drawn), raw=False, half=half)


def soften(file: Path, stored: Stored, raw: bool, half: np.ndarray | None = None) -> None:
    """Write the soft targets of these lists, if the file does not have them; halves are of readers by default."""
    if not file.is_file():
        write(file, {"soft": softened(stored, stored["reader"] % 2 if half is None else half, raw)})


def write(file: Path, stored: Stored) -> None:
    unfinished = file.with_suffix(".part.npz")
    np.savez(unfinished, **stored)  # type: ignore[arg-type]
    unfinished.replace(file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting instead of the file's"
    )
    parser.add_argument("--processes", type=int, default=1, help="number of processes that share the lists")
    parser.add_argument("--ray", help="Ray cluster that shares the lists instead: HOST:PORT, or auto")
    args = parser.parse_args()
    config: Config = load_config(args.config, instead=args.set)
    make(config, args.processes, args.ray)


if __name__ == "__main__":
    from training import trajectories  # under this name other processes find what they are sent

    command(trajectories.main)
