"""Runs of MARS on training readers, each over the graph of the other folds, as Parquet.

    python -m training.trajectories --config training/configs/goodbooks.yaml --processes 2

A row holds the prompt, MARS's trace, the item really read next and its rank by MARS. `kept` marks rows in which this item is
first; SFT uses these alone. `guide` holds the distillation teacher's log-odds of every candidate, the soft labels of
pretraining. This teacher is boosted trees over the tools' signals (`star/methods/fusion.py`) and over two latent models
(`training/lib/latent.py`), all fitted on other folds. Equal seeds give equal rows.

Each fold has one shard, renamed when complete and never rewritten, so a stopped run continues with its unfinished folds.
`manifest.json` records settings and counts (`training/lib/manifest.py`).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from tqdm import tqdm

from star.data import tasks as T
from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.data.loading import load_dataset
from star.data.tasks import Task
from star.errors import UserError, command
from star.evaluation.parallel import Each, Work, workers
from star.evidence.graph import Graph
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes, Tools
from star.mars.judgement import weights_for
from star.mars.run import run
from star.methods.fusion import Scorer, fit, training_lists
from star.ranking import Score
from star.trace.grammar import prompt
from training.lib import manifest
from training.lib.config import Config, load_config
from training.lib.device import device_for
from training.lib.latent import file_of, fit_latent, latent

NEGATIVES = ("uniform", "matched", "retrieved")
SCHEMA: dict[str, Any] = {
    "reader": pl.Int64,
    "at": pl.Int64,
    "negatives": pl.String,
    "shelf": pl.Int64,
    "target": pl.Int64,
    "rank": pl.Int64,
    "kept": pl.Boolean,
    "points": pl.List(pl.Float64),
    "guide": pl.List(pl.Float64),
    "prompt": pl.String,
    "trace": pl.String,
}
GROUP = 1_000  # rows held in memory, and per row group of the file


def known_part(history: np.ndarray, target: int, rng: np.random.Generator) -> np.ndarray:
    """The history before position `target`; in three of ten cases only its last one to eight books, like a shelf made on
    the page."""
    if rng.random() < 0.3:
        return history[max(0, target - int(rng.integers(1, 9))) : target]
    return history[:target]


def fold_rows(
    interactions: Interactions,
    inside: np.ndarray,
    graph: Graph,
    catalog: Catalog,
    config: Config,
    seed: int,
    guide: Score | None = None,
) -> Iterator[dict[str, object]]:
    """MARS's runs for the readers of one fold.

    A retrieved list is used only if retrieval found the target: an inserted target would be the only candidate not
    retrieved, and a learner would learn this artefact of the protocol.

    Args:
        guide: log-odds of a task's candidates, stored rounded; None: MARS's points instead.
    """
    attributes, bins = Attributes.of(catalog), T.popularity_bins(graph.counts)
    retriever = Retriever(graph, attributes)
    for reader in tqdm(inside, desc=f"fold {seed}", mininterval=5):
        history = interactions.history(int(reader))
        rng = np.random.default_rng([config.seed, seed, int(reader)])
        places = rng.permutation(np.arange(1, len(history)))[: config.per_reader]
        early = rng.permutation(np.arange(1, min(9, len(history))))[: max(1, config.per_reader // 4)]
        for nth, at in enumerate(np.concatenate([places, early])):
            known, target = known_part(history, int(at), rng), int(history[at])
            kind = NEGATIVES[rng.choice(3, p=config.negatives)]
            if kind == "retrieved":
                others = retriever(known, T.NEGATIVES + 1 + len(history) - len(known), int(reader))
                if target not in others[: T.NEGATIVES + 1]:
                    kind = "matched"
                else:  # books that the reader read later are no negatives
                    others = others[~np.isin(others, history[at:])][: T.NEGATIVES]
            if kind != "retrieved":
                others = T.draw_negatives(kind, target, history, known, bins, len(catalog), None, rng)
            candidates = rng.permutation(np.append(others, target))
            done = run(
                Tools(graph, catalog, attributes, known, candidates, int(reader)),
                [config.seed, int(reader), nth],
                weights_for(config.dataset),
            )
            rank = done.order.index(target)
            points = [done.points[c] for c in candidates.tolist()]
            task = Task(
                int(reader), tuple(known.tolist()), target, tuple(candidates.tolist()), "training", kind
            )
            yield {
                "reader": int(reader),
                "at": int(at),
                "negatives": kind,
                "shelf": len(known),
                "target": target,
                "rank": rank,
                "kept": rank == 0,
                "points": [round(p, 3) for p in points],
                "guide": [round(float(g), 3) for g in (points if guide is None else guide(task))],
                "prompt": " ".join(prompt(known, candidates)),
                "trace": " ".join(done.words()),
            }


def write_shard(rows: Iterable[dict[str, object]], shard: Path) -> None:
    """Write rows group by group to a part file and rename it at the end; parts of earlier runs are deleted."""
    part, rows = shard.with_suffix(f".{os.getpid()}.part"), iter(rows)
    empty = pl.DataFrame(schema=SCHEMA).to_arrow(compat_level=pl.CompatLevel.oldest())
    with pq.ParquetWriter(part, empty.schema, compression="zstd") as writer:
        while group := list(islice(rows, GROUP)):
            frame = pl.DataFrame(group, schema=SCHEMA)
            writer.write_table(frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
    part.rename(shard)
    for left in shard.parent.glob(f"{shard.stem}.*.part"):
        left.unlink()


def shard_of(folder: Path, fold: int) -> Path:
    return folder / f"fold{fold}.parquet"


@dataclass(frozen=True)
class Folds:
    """What every fold is made from; each process loads its own."""

    config: Config

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.config,)

    @cached_property
    def data(self) -> Dataset:
        return load_dataset(self.config.dataset)

    @cached_property
    def split(self) -> T.Split:
        return T.split(self.data.interactions)

    def latent(self, fold: int) -> Score:
        return latent(file_of(self.config.trajectory_folder, fold))

    def graph(self, fold: int) -> Graph:
        """Of the readers of the other folds."""
        return Graph.build(self.data.interactions, self.split.train[self.split.folds != fold])


def make_latent(made: Folds, fold: int) -> None:
    """Fit the latent models of a fold, on the readers of the other folds."""
    config = made.config
    device_for(config.threads)
    fit_latent(made.graph(fold), config.latent_epochs, file_of(config.trajectory_folder, fold), config.seed)


def make_trees(made: Folds, half: int) -> Any:
    """The distillation teacher's trees for the even folds or for the odd ones, fitted on the others."""
    config, folds = made.config, made.split.folds
    others = np.unique(folds[folds % 2 != half]).tolist()
    lists = training_lists(made.data, made.split, config.guide_lists, config.seed, others, made.latent)
    return fit(*lists, config.seed)


def make_fold(made: Folds, job: tuple[int, Any]) -> None:
    """Write the shard of a fold, with the trees of its half."""
    (fold, trees), config, data = job, made.config, made.data
    graph, inside = made.graph(fold), made.split.train[made.split.folds == fold]
    guide = Scorer(graph, data, trees, made.latent(fold))
    rows = fold_rows(data.interactions, inside, graph, data.catalog, config, fold, guide)
    write_shard(rows, shard_of(config.trajectory_folder, fold))


def make_all(made: Folds, left: list[int], unfitted: list[int], each: Each) -> None:
    """Make what is missing: the latent models of folds, the teacher's trees, then the shards.

    Raises:
        UserError: a file was written where this machine does not see it.
    """
    folder = made.config.trajectory_folder

    def files(what: str, work: Work, jobs: dict[int, Any], file: Callable[[Path, int], Path]) -> None:
        named = [(f"{what} of fold {fold}", job) for fold, job in jobs.items()]
        for fold, _ in zip(jobs, tqdm(each(work, named), what, len(named)), strict=True):
            if not file(folder, fold).exists():
                raise UserError(
                    f"{file(folder, fold)} was written on another machine; share {folder} among the machines"
                )

    files("latent models", make_latent, {fold: fold for fold in unfitted}, file_of)
    halves = sorted({fold % 2 for fold in left})
    trees = dict(zip(halves, each(make_trees, [(f"trees of half {n}", n) for n in halves]), strict=True))
    files("trajectories", make_fold, {fold: (fold, trees[fold % 2]) for fold in left}, shard_of)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument("--folds", help="only these folds, for example 0,1")
    parser.add_argument("--processes", type=int, default=1, help="number of processes that share the folds")
    parser.add_argument("--ray", help="Ray cluster that shares the folds instead: HOST:PORT, or auto")
    args = parser.parse_args()
    config = load_config(args.config)
    made = Folds(config)
    data, split = made.data, made.split
    there = np.unique(split.folds).tolist()
    folds = [int(fold) for fold in args.folds.split(",")] if args.folds else there
    if args.processes < 1 or not set(folds) <= set(there):
        raise UserError(
            f"--processes {args.processes} --folds {args.folds}: expected at least one process, and folds among "
            f"{there[0]} to {there[-1]}"
        )
    folder = config.trajectory_folder
    folder.mkdir(parents=True, exist_ok=True)
    manifest.begin(folder, config, data)
    left = [fold for fold in folds if not shard_of(folder, fold).exists()]
    # The trees of a fold are fitted on lists of other folds, so one missing shard needs the latent models of all folds.
    unfitted = [fold for fold in there if left and not file_of(config.trajectory_folder, fold).exists()]
    if left:
        with workers(made, args.processes, args.ray) as each:
            make_all(made, left, unfitted, each)
    print(json.dumps(manifest.finish(folder, data, split)))


if __name__ == "__main__":
    from training import trajectories  # under this name other machines find what they are sent

    command(trajectories.main)
