"""Grid search of ALS, LightGCN and SASRec on validation readers.

    python -m training.studies.tune_baselines --dataset goodbooks --methods als,lightgcn,sasrec

Prints the mean hit rate of every setting, the best last. Copy the best one by hand into `star/methods/factorisation.py` or
`star/methods/sasrec.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from tqdm import tqdm

from star.data import tasks as T
from star.data.loading import load_dataset
from star.errors import UserError, command
from star.evaluation import metrics
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="goodbooks", help="an imported data set")
    parser.add_argument("--methods", default="als,lightgcn,sasrec", help="methods, with commas")
    parser.add_argument("--tasks", type=int, default=600, help="validation tasks per cell")
    args = parser.parse_args()
    methods = args.methods.split(",")
    if unknown := [method for method in methods if method not in GRIDS]:
        raise UserError(f"there is no grid of {unknown[0]!r}; expected {', '.join(GRIDS)}")
    data = load_dataset(args.dataset)
    split = T.split(data.interactions)
    graph = Graph.build(data.interactions, split.train)
    cells = [
        T.make_tasks(data.interactions, split.valid, s, n, graph.counts, limit=args.tasks)
        for s, n in T.cells(negatives=("uniform", "matched"))
    ]
    for method in methods:
        grid, found = GRIDS[method], []
        for values in tqdm(list(product(*grid.values())), desc=method):
            settings = dict(zip(grid, values, strict=True))
            ranker = ByScore(method, FITS[method](graph, settings))
            means = [
                metrics.mean_hit_rate(
                    np.array(
                        [
                            metrics.rank_of(a.order, t.target)
                            for a, t in zip(ranker.rank(cell), cell, strict=True)
                        ]
                    )
                ).mean()
                for cell in cells
            ]
            found.append((float(np.mean(means)), settings))
            tqdm.write(f"{method} {found[-1][0]:.4f} {json.dumps(settings)}", file=sys.stderr)
        for value, settings in sorted(found, key=lambda pair: pair[0]):
            print(f"{method} {value:.4f} {json.dumps(settings)}", flush=True)


if __name__ == "__main__":
    command(main)
