"""Weights of retrieval with fitted signals: softmax regression on lists of training readers, recall on validation readers.

    python -m training.studies.tune_retrieval --dataset goodbooks

Each list is what the signals list for a reader of one fold, with the graph and the signals of the other folds. Prints the
weights, to be copied by hand into `star/evidence/retrieval.py`, and the recall before and after as JSON.
"""

from __future__ import annotations

import argparse
import json
from itertools import islice

import numpy as np
import torch
from tqdm import tqdm

from star.data.dataset import Dataset
from star.data.loading import load_dataset
from star.data.tasks import Task, make_tasks, split
from star.errors import command
from star.evaluation.parallel import workers
from star.evidence import retrieval
from star.evidence.fitting import kept_signals
from star.evidence.graph import Graph, crossfit
from star.evidence.retrieval import LOGARITHMS, RELATED, Retriever
from star.evidence.tools import Attributes

SCENARIO = "classic"  # shelves of all lengths from SHORT on
DECAY = 1e-3


def tasks_of(
    data: Dataset, readers: np.ndarray, scenario: str, graph: Graph, plain: Retriever, limit: int
) -> list[Task]:
    return make_tasks(data.interactions, readers, scenario, "uniform", graph.counts, plain, limit, seed=0)


def fit(lists: list[tuple[np.ndarray, int]]) -> dict[str, float]:
    """Weights from lists of (features (m, F), place of the target), by L-BFGS on the cross entropy of the target."""
    longest = max(len(found) for found, _ in lists)
    x = torch.zeros(len(lists), longest, lists[0][0].shape[1])
    mask = torch.full((len(lists), longest), -1e9)
    for row, (found, _) in enumerate(lists):
        x[row, : len(found)], mask[row, : len(found)] = torch.tensor(found), 0
    targets = torch.tensor([place for _, place in lists])
    weights = torch.zeros(x.shape[2], requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=200)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = (
            torch.nn.functional.cross_entropy(x @ weights + mask, targets) + DECAY * weights.square().sum()
        )
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[arg-type]
    return {n: round(float(w), 2) for n, w in zip((*LOGARITHMS, *RELATED), weights.detach(), strict=True)}


def recall(retriever: Retriever, tasks: list[Task]) -> dict[str, float]:
    places = []
    for task in tasks:
        found = np.flatnonzero(retriever(np.array(task.history), 100) == task.target)
        places.append(int(found[0]) if len(found) else 100)
    return {f"recall@{k}": round(float(np.mean(np.array(places) < k)), 3) for k in (20, 50, 100)}


def of_fold(shared: tuple[str, int], fold: int) -> list[tuple[np.ndarray, int]]:
    """What the signals list for readers of one fold, as features (m, F), and the place of the target, where it is listed.

    Args:
        shared: data set, and lists of a fold at most.
    """
    name, limit = shared
    data = load_dataset(name)
    parts, attributes = split(data.interactions), Attributes.of(data.catalog)
    graph = Graph.build(data.interactions, parts.train)
    signals = kept_signals(data, parts, graph, attributes)
    inside, rest = next(islice(crossfit(data.interactions, parts.train, parts.folds), fold, None))
    fitted = Retriever(rest, attributes, signals.fitted_without(graph, rest, data.catalog))
    lists: list[tuple[np.ndarray, int]] = []
    for task in tasks_of(data, inside, SCENARIO, rest, Retriever(rest, attributes), limit):
        free = np.ones(rest.n_items, dtype=bool)
        free[list(task.history)] = False
        items, found = fitted.features(fitted.signals(np.array(task.history)), rest.counts, free)
        if len(place := np.flatnonzero(items == task.target)):
            lists.append((found, int(place[0])))
    return lists


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="goodbooks", help="an imported data set")
    parser.add_argument("--folds", type=int, default=4, help="folds whose readers give lists")
    parser.add_argument("--lists", type=int, default=500, help="lists of each fold and scenario")
    parser.add_argument("--tasks", type=int, default=1000, help="validation tasks of each scenario")
    parser.add_argument("--processes", type=int, default=1, help="number of processes that share the folds")
    parser.add_argument("--ray", help="Ray cluster that shares the folds instead: HOST:PORT, or auto")
    args = parser.parse_args()
    data = load_dataset(args.dataset)
    parts, attributes = split(data.interactions), Attributes.of(data.catalog)
    graph = Graph.build(data.interactions, parts.train)
    signals = kept_signals(data, parts, graph, attributes)
    folds = [(f"fold {fold}", fold) for fold in range(args.folds)]
    with workers((args.dataset, args.lists), args.processes, args.ray) as each:
        lists = [one for some in tqdm(each(of_fold, folds), "folds", len(folds)) for one in some]
    weights = fit(lists)
    print(json.dumps(weights, indent=1))
    retrieval.WEIGHTS.update(weights)
    plain = Retriever(graph, attributes)
    for scenario in (SCENARIO, "user_cold_start"):
        tasks = tasks_of(data, parts.valid, scenario, graph, plain, args.tasks)
        row = {"before": recall(plain, tasks), "after": recall(Retriever(graph, attributes, signals), tasks)}
        print(json.dumps({"scenario": scenario, "n": len(tasks), **row}))


if __name__ == "__main__":
    from training.studies import tune_retrieval  # under this name other processes find what they are sent

    command(tune_retrieval.main)
