"""Random search for the teacher's weights on validation readers, around the present ones.

    python -m training.studies.tune_mars --dataset goodbooks --rounds 60

Prints the best weights, to be copied by hand into `star/mars/judgement.py`, and the hit rates of item-kNN and user-kNN on
the same tasks, which MARS should exceed.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

import numpy as np
from tqdm import tqdm

from star.data import tasks as T
from star.data.loading import load_dataset
from star.errors import command
from star.evidence.fitting import kept_signals
from star.evidence.graph import Graph
from star.evidence.tools import Attributes, Tools
from star.mars.judgement import Weights, weights_for
from star.mars.run import MarsRanker


def hit_mean(ranks: np.ndarray) -> float:
    """Mean of HR@1, HR@3 and HR@5 from 0-based ranks (n,)."""
    return float(np.mean([(ranks < k).mean() for k in (1, 3, 5)]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="goodbooks", help="an imported data set")
    parser.add_argument("--rounds", type=int, default=60, help="random draws of weights")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    args = parser.parse_args()
    data = load_dataset(args.dataset)
    split = T.split(data.interactions)
    graph, attributes = Graph.build(data.interactions, split.train), Attributes.of(data.catalog)
    signals = kept_signals(data, split, graph, attributes)
    cells = [
        T.make_tasks(data.interactions, split.valid, s, n, graph.counts, limit=600)
        for s, n in T.cells(negatives=("uniform", "matched"))
    ]
    rng = np.random.default_rng(args.seed)

    def score(weights: Weights) -> float:
        ranker = MarsRanker(data, graph, weights=weights, signals=signals)
        return float(
            np.mean(
                [hit_mean(np.array([ranker.run(t).order.index(t.target) for t in cell])) for cell in cells]
            )
        )

    for name in ("item-kNN whole", "item-kNN recent", "user-kNN"):
        per_cell = []
        for cell in cells:
            ranks = []
            for task in cell:
                tools = Tools(graph, data.catalog, attributes, task.history, task.candidates)
                value = (
                    tools.similar_share(50)[1]
                    if name == "user-kNN"
                    else tools.pulls(len(task.history) if name.endswith("whole") else 10)[2]
                )
                value = value + 1e-12 * rng.random(len(value))
                ranks.append((value > value[task.candidates.index(task.target)]).sum())
            per_cell.append(hit_mean(np.array(ranks)))
        print(f"{name:16} {np.mean(per_cell):.4f}  " + " ".join(f"{v:.3f}" for v in per_cell))
    best = weights_for(data.name, fitted=True)
    top = score(best)
    print(f"{'MARS, as it is':16} {top:.4f}")
    for _ in tqdm(range(args.rounds)):
        trial = Weights(**{k: float(v * np.exp(rng.normal(0, 0.35))) for k, v in asdict(best).items()})
        value = score(trial)
        if value > top:
            best, top = trial, value
            print(f"{top:.4f} {best}", flush=True)


if __name__ == "__main__":
    command(main)
