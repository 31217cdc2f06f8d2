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
from functools import cached_property
from itertools import islice

import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.data.loading import load_dataset
from star.data.tasks import Split, Task, cells, make_tasks, split
from star.errors import command
from star.evaluation.parallel import workers
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


@dataclass(frozen=True)
class Source:
    """Where the lists come from: at most `each` of every cell and fold."""

    dataset: str
    each: int
    seed: int = 0

    @cached_property
    def data(self) -> Dataset:
        return load_dataset(self.dataset)

    @cached_property
    def parts(self) -> Split:
        return split(self.data.interactions)

    @cached_property
    def attributes(self) -> Attributes:
        return Attributes.of(self.data.catalog)

    @cached_property
    def graph(self) -> Graph:
        return Graph.build(self.data.interactions, self.parts.train)

    @cached_property
    def signals(self) -> Signals:
        return kept_signals(self.data, self.parts, self.graph, self.attributes)


Heard = list[tuple[np.ndarray, int]]
"""What the tools say of a list, (C, 2 F), and the place of its target."""


def of_fold(source: Source, fold: int) -> Heard:
    """Lists of every cell of the evaluation for readers of one fold, from one task a reader."""
    data, parts, whole = source.data, source.parts, source.signals
    inside, rest = next(islice(crossfit(data.interactions, parts.train, parts.folds), fold, None))
    signals = replace(whole.fitted_without(source.graph, rest, data.catalog), bounds=whole.bounds)
    rng = np.random.default_rng([source.seed, fold])
    retriever, readers = Retriever(rest, source.attributes), rng.permutation(inside)
    found: Heard = []

    def tasks_of(scenario: str, kind: str) -> list[Task]:
        given = data.interactions, readers, scenario, kind, rest.counts, retriever, source.each, 1, source.seed
        return make_tasks(*given)

    def add(tasks: Sequence[Task], graph: Graph, signals: Signals) -> None:
        for t in tasks:
            tools = Tools(
                graph, data.catalog, source.attributes, t.history, t.candidates, t.reader, signals
            )
            said = heard(tools, int(rng.choice(WINDOWS)), int(rng.choice(ASKED)))
            found.append((said, t.candidates.index(t.target)))

    for scenario, kind in cells():
        asked = tasks_of(scenario, kind)
        if kind == "retrieved":
            asked = [task for task in asked if came_by_itself(data, retriever, task)]
        add(asked, rest, signals)
    if fold % EVERY == 0:
        items = np.flatnonzero(rng.random(rest.n_items) < STRIPPED)
        bare = without_readers(rest, items)
        fitted = replace(Signals.fit(bare, data.catalog), bounds=whole.bounds)
        for scenario in ("classic", "user_cold_start"):
            for kind in ("uniform", "matched"):
                add(tasks_of(scenario, kind), bare, fitted)
    return found


def stacked(found: Heard) -> Lists:
    x = np.zeros((len(found), max(len(said) for said, _ in found), found[0][0].shape[1]), np.float32)
    there = np.zeros(x.shape[:2], np.bool_)
    for row, (said, _) in enumerate(found):
        x[row, : len(said)], there[row, : len(said)] = said, True
    return Lists(x, there, np.array([target for _, target in found]))


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
    parser.add_argument("--processes", type=int, default=1, help="number of processes that share the folds")
    parser.add_argument("--ray", help="Ray cluster that shares the folds instead: HOST:PORT, or auto")
    args = parser.parse_args()
    source = Source(args.dataset, args.lists)
    folds = [(f"fold {fold}", fold) for fold in range(len(np.unique(source.parts.folds)))]
    with workers(Source(args.dataset, args.lists), args.processes, args.ray) as each:
        lists = stacked([some for found in tqdm(each(of_fold, folds), "folds", len(folds)) for some in found])
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
    from training.studies import tune_mars  # under this name other processes find what they are sent

    command(tune_mars.main)
