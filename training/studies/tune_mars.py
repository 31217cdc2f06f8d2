"""The teacher's weights for fitted signals: a conditional logit over what the tools say, on lists of training readers.

    python -m training.studies.tune_mars --dataset goodbooks

Each list is one that the tools spoke of with the graph and the signals of the other folds. Some lists more come from graphs
where a quarter of the items have lost their readers: from them it is learned what a description is worth. Writes the weights
to `star/mars/judgement.json`, and prints the mean log-likelihood of the target. They are judged on validation readers:

    star evaluate --fitted --split valid --dataset goodbooks --methods mars,mars:counts
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

from star.data.interactions import Interactions
from star.data.loading import load_dataset
from star.data.tasks import Task, cells, make_tasks, split
from star.errors import command
from star.evidence.fitting import kept_signals
from star.evidence.graph import Graph, crossfit
from star.evidence.retrieval import Retriever
from star.evidence.signals import Signals
from star.evidence.tools import ASKED, FITTED, WINDOWS, Attributes, Tools
from star.mars.judgement import FEATURES, LEARNED, SHORT, features
from star.methods.fusion import came_by_itself

RIDGE = 1e-3  # on the mean log-likelihood; chosen among 1e-5, 1e-4 and 1e-3 on validation readers


@dataclass(frozen=True)
class Lists:
    """L lists of at most C candidates. x: float32 (L, C, F); there: bool (L, C); target: place of the target, (L,)."""

    x: np.ndarray
    there: np.ndarray
    target: np.ndarray


def heard(tools: Tools, window: int, asked: int) -> np.ndarray:
    """What the tools say of each candidate, by `FEATURES`, and the same again on short shelves, float32 (C, 2 F)."""
    column = {name: n for n, name in enumerate(FEATURES)}
    row = {item: n for n, item in enumerate(tools.candidates.tolist())}
    out = np.zeros((len(row), 2, len(column)), np.float32)
    for name, arguments in (("user_cf", (asked,)), ("item_cf", (window,)), *FITTED):
        for line in tools.call(name, arguments).lines:
            for feature, value in features([e.claim for e in line]).items():
                out[row[line[0].claim.subject or 0], :, column[feature]] += value
    if len(tools.history) >= SHORT:
        out[:, 1] = 0
    return out.reshape(len(row), -1)


STRIPPED, EVERY = 0.25, 3  # share of the items without readers, in every third fold


def without_readers(graph: Graph, items: np.ndarray) -> Graph:
    """The same readers, who never read these items."""
    readers = range(graph.n_readers)
    histories = [h[~np.isin(h, items)] for h in map(graph.interactions.history, readers)]
    return Graph(Interactions.from_histories(histories, graph.n_items), graph.rows)


def lists_of(dataset: str, each: int, seed: int = 0) -> Lists:
    """Lists of every cell of the evaluation and every fold, at most `each`, from one task a reader."""
    data = load_dataset(dataset)
    parts, attributes = split(data.interactions), Attributes.of(data.catalog)
    graph = Graph.build(data.interactions, parts.train)
    whole = kept_signals(data, parts, graph, attributes)
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    targets: list[int] = []
    folds = crossfit(data.interactions, parts.train, parts.folds)

    def add(tasks: Sequence[Task], graph: Graph, signals: Signals) -> None:
        for task in tasks:
            tools = Tools(
                graph, data.catalog, attributes, task.history, task.candidates, task.reader, signals
            )
            found.append(heard(tools, int(rng.choice(WINDOWS)), int(rng.choice(ASKED))))
            targets.append(task.candidates.index(task.target))

    for fold, (inside, rest) in enumerate(tqdm(folds, "folds", len(np.unique(parts.folds)))):
        signals = replace(whole.fitted_without(graph, rest, data.catalog), bounds=whole.bounds)
        retriever, readers = Retriever(rest, attributes), rng.permutation(inside)

        def tasks_of(scenario: str, kind: str) -> list[Task]:
            given = data.interactions, readers, scenario, kind, rest.counts, retriever, each, 1, seed  # noqa: B023
            return make_tasks(*given)

        for scenario, kind in cells():
            asked = tasks_of(scenario, kind)
            if kind == "retrieved":
                asked = [task for task in asked if came_by_itself(data, retriever, task)]
            add(asked, rest, signals)
        if fold % EVERY == 0:
            items = np.flatnonzero(rng.random(graph.n_items) < STRIPPED)
            bare = without_readers(rest, items)
            fitted = replace(Signals.fit(bare, data.catalog), bounds=whole.bounds)
            for scenario in ("classic", "user_cold_start"):
                for kind in ("uniform", "matched"):
                    add(tasks_of(scenario, kind), bare, fitted)
    x = np.zeros((len(found), max(map(len, found)), found[0].shape[1]), np.float32)
    there = np.zeros(x.shape[:2], np.bool_)
    for row, said in enumerate(found):
        x[row, : len(said)], there[row, : len(said)] = said, True
    return Lists(x, there, np.array(targets))


def fit(lists: Lists, ridge: float = RIDGE) -> tuple[np.ndarray, float]:
    """Weights (2 F,) that make the targets likeliest, with an L2 penalty, and the mean log-likelihood."""
    size, most, width = lists.x.shape
    flat, rows = lists.x.reshape(-1, width), np.arange(size)
    hit = lists.x[rows, lists.target].mean(0, dtype=np.float64)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        score = (flat @ w.astype(np.float32)).reshape(size, most).astype(np.float64)
        score = np.where(lists.there, score, -np.inf)
        score -= score.max(1, keepdims=True)
        p = np.exp(score)
        total = p.sum(1, keepdims=True)
        likelihood = float((score[rows, lists.target] - np.log(total[:, 0])).mean())
        expected = (p / total / size).astype(np.float32).ravel() @ flat
        return ridge * float(w @ w) - likelihood, 2 * ridge * w + expected - hit

    best = minimize(loss, np.zeros(width), jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return best.x, ridge * float(best.x @ best.x) - float(best.fun)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="goodbooks", help="an imported data set")
    parser.add_argument("--lists", type=int, default=120, help="of each fold and cell, at most")
    args = parser.parse_args()
    lists = lists_of(args.dataset, args.lists)
    weights, likelihood = fit(lists)
    both = [
        {name: round(float(w), 3) for name, w in zip(FEATURES, part, strict=True)}
        for part in weights.reshape(2, -1)
    ]
    document = {
        "command": f"python -m training.studies.tune_mars --dataset {args.dataset} --lists {args.lists}",
        "lists": len(lists.target),
        "weights": {"all": both[0], "short": both[1]},
    }
    LEARNED.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(json.dumps({"lists": len(lists.target), "log_likelihood": round(likelihood, 4)}))


if __name__ == "__main__":
    command(main)
