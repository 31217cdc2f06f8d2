"""Grid search of ALS, LightGCN and SASRec on validation readers.

    python -m training.studies.tune_baselines --dataset goodbooks --methods als,lightgcn,sasrec

Prints the mean hit rate of every setting, the best last. Copy the best one by hand into `star/methods/factorisation.py` or
`star/methods/sasrec.py`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from tqdm import tqdm

from star.data import tasks as T
from star.data.loading import load_dataset
from star.errors import UserError, command
from star.evaluation import metrics
from star.evaluation.parallel import workers
from star.evidence.graph import Graph
from star.methods.baselines import ByScore
from star.methods.factorisation import Als, LightGcn, als, fit_als, fit_lightgcn, lightgcn
from star.methods.sasrec import SasRec, fit_sasrec, sasrec
from star.ranking import Score

GRIDS: dict[str, dict[str, list[Any]]] = {
    "als": {"factors": [64, 256], "regularization": [30.0, 100.0, 200.0], "alpha": [5.0, 30.0, 60.0]},
    "lightgcn": {"layers": [1, 2], "steps": [100, 300]},
    "sasrec": {"dropout": [0.1, 0.3, 0.5], "epochs": [10, 30, 60, 120]},
}
FITS: dict[str, Callable[[Graph, dict[str, Any]], Score]] = {
    "als": lambda g, s: als(fit_als(g, Als(**s)), Als(**s)),
    "lightgcn": lambda g, s: lightgcn(fit_lightgcn(g, LightGcn(**s))),
    "sasrec": lambda g, s: sasrec(fit_sasrec(g, SasRec(**s)), SasRec(**s)),
}


@dataclass(frozen=True)
class Trials:
    """What every setting is tried on; each process loads its own."""

    dataset: str
    tasks: int

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.dataset, self.tasks)

    @cached_property
    def graph(self) -> Graph:
        """Of the training readers."""
        data = load_dataset(self.dataset)
        return Graph.build(data.interactions, T.split(data.interactions).train)

    @cached_property
    def cells(self) -> list[list[T.Task]]:
        """Validation tasks."""
        data = load_dataset(self.dataset)
        valid = T.split(data.interactions).valid
        return [
            T.make_tasks(data.interactions, valid, s, n, self.graph.counts, limit=self.tasks)
            for s, n in T.cells(negatives=("uniform", "matched"))
        ]


def hit_rate(trials: Trials, job: tuple[str, dict[str, Any]]) -> float:
    """Mean hit rate of a method with these settings, over the cells."""
    method, settings = job
    ranker, means = ByScore(method, FITS[method](trials.graph, settings)), []
    for cell in trials.cells:
        found = zip(ranker.rank(cell), cell, strict=True)
        ranks = np.array([metrics.rank_of(answer.order, task.target) for answer, task in found])
        means.append(metrics.mean_hit_rate(ranks).mean())
    return float(np.mean(means))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="goodbooks", help="an imported data set")
    parser.add_argument("--methods", default="als,lightgcn,sasrec", help="methods, with commas")
    parser.add_argument("--tasks", type=int, default=600, help="validation tasks per cell")
    parser.add_argument(
        "--processes", type=int, default=1, help="number of processes that share the settings"
    )
    parser.add_argument("--ray", help="Ray cluster that shares the settings instead: HOST:PORT, or auto")
    args = parser.parse_args()
    methods = args.methods.split(",")
    if unknown := [method for method in methods if method not in GRIDS]:
        raise UserError(f"there is no grid of {unknown[0]!r}; expected {', '.join(GRIDS)}")
    load_dataset(args.dataset)  # says which there are
    grid = [
        (method, dict(zip(GRIDS[method], values, strict=True)))
        for method in methods
        for values in product(*GRIDS[method].values())
    ]
    with workers(Trials(args.dataset, args.tasks), args.processes, args.ray) as each:
        named = [(f"{method} {json.dumps(settings)}", (method, settings)) for method, settings in grid]
        found = list(zip(tqdm(each(hit_rate, named), "settings", len(grid)), grid, strict=True))
    for method in methods:
        values = [(value, settings) for value, (name, settings) in found if name == method]
        for value, settings in sorted(values, key=lambda pair: pair[0]):
            print(f"{method} {value:.4f} {json.dumps(settings)}", flush=True)


if __name__ == "__main__":
    from training.studies import tune_baselines  # under this name other machines find what they are sent

    command(tune_baselines.main)
