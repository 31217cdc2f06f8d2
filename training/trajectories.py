"""Trajectories: runs of the teacher on training readers, each from the graph of the other folds, as one Parquet file.

    python -m training.trajectories --config training/configs/goodbooks.yaml

Each row holds the prompt, the teacher's trace, the held-out book and where the teacher ranked it; `kept` marks those that
pass the outcome filter (held-out book first), which alone go into SFT. `guide` holds what boosted trees over the same
signals (`star/fusion.py`), fitted on readers of other folds, think of every candidate: pretraining's soft targets.
Deterministic by seed. A shard per fold is written as it is done, and shards that stand are not made again, so a run that
was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tqdm import tqdm

from star import tasks as T
from star.baselines import Score
from star.candidates import Retriever
from star.catalog import Catalog
from star.dataset import Dataset
from star.fusion import LISTS, Scorer, fit, training_lists
from star.grammar import prompt
from star.graph import Graph, crossfit
from star.interactions import Interactions
from star.mars.judgement import weights_for
from star.mars.run import run
from star.tasks import Task
from star.tools import Attributes, Tools
from training.config import Config, load_config

NEGATIVES = ("uniform", "matched", "retrieved")


def known_part(history: np.ndarray, target: int, rng: np.random.Generator) -> np.ndarray:
    """What is known before position `target`: mostly everything, sometimes only the last few (a shelf made on the page)."""
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
) -> list[dict[str, object]]:
    """The runs for the readers of one fold.

    Retrieved lists are used only where the target was among the retrieved: put in by hand it would be the odd one out,
    and a learner would learn that artefact of the protocol.

    Args:
        guide: log-odds of a task's candidates, stored rounded; None: the teacher's points instead.
    """
    attributes, bins = Attributes.of(catalog), T.popularity_bins(graph.counts)
    retriever = Retriever(graph, attributes)
    rows: list[dict[str, object]] = []
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
                else:  # what the reader read later is no wrong answer
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
            rows.append(
                {
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
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--folds", help="only these folds, for example 0,1 (for several processes)")
    config = load_config(parser.parse_args().config)
    data = Dataset.load(config.dataset)
    split = T.split(data.interactions)
    folder = Path(config.runs) / "trajectories"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = parser.parse_args().folds
    trees: dict[int, Any] = {}  # for even folds those fitted on odd ones, and the other way round
    for fold, (inside, graph) in enumerate(crossfit(data.interactions, split.train, split.folds)):
        shard = folder / f"fold{fold}.parquet"
        if shard.exists() or (wanted and str(fold) not in wanted.split(",")):
            continue
        half = fold % 2
        if half not in trees:
            others = np.unique(split.folds[split.folds % 2 != half]).tolist()
            trees[half] = fit(*training_lists(data, split, LISTS, config.seed, others), config.seed)
        guide = Scorer(graph, data, trees[half])
        rows = fold_rows(data.interactions, inside, graph, data.catalog, config, fold, guide)
        pl.DataFrame(rows).write_parquet(shard.with_suffix(".part"), compression="zstd")
        shard.with_suffix(".part").rename(shard)
    frame = pl.read_parquet(folder / "fold*.parquet")
    report = {
        "dataset": config.dataset,
        "rows": len(frame),
        "kept": int(frame["kept"].sum()),
        "kept_share": round(float(frame["kept"].mean()), 4),
        "by_negatives": {
            n: {"rows": k, "kept_share": round(s, 4)}
            for n, k, s in frame.group_by("negatives")
            .agg(pl.len(), pl.col("kept").mean().alias("s"))
            .sort("negatives")
            .iter_rows()
        },
    }
    (folder / "manifest.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(json.dumps(report))


if __name__ == "__main__":
    main()
