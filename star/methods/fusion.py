"""Learned fusion: boosted trees over the signals that the tools state.

The trees are fitted on candidate lists of training readers. As in serving, the reader is not in the graph: it holds the
other folds. A list of retrieved candidates is used only if retrieval itself found the target. An inserted target would be
the only candidate that retrieval did not find, and the trees would learn this artefact (.87 "accuracy").

Mean hit rate on goodbooks, 1,000 tasks of 200 validation readers per cell:

                              classic                user_cold_start
                              uniform   matched      uniform   matched
    fusion                    .746      .676         .782      .660
    itemknn:recent            .705      .620         .776      .654         (the best single signal)
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from scipy.stats import rankdata

from star.data.cache import Arrays, remembered
from star.data.dataset import Dataset
from star.data.tasks import NEGATIVES, Split, Task, make_tasks, split
from star.evidence.fitting import kept_signals
from star.evidence.graph import Graph, crossfit
from star.evidence.retrieval import Retriever
from star.evidence.signals import LATEST, RECENT, Signals, words_of
from star.evidence.tools import ASKED, WINDOWS, Attributes, Tools
from star.ranking import Score

LISTS = 12_000
FIXED = 4  # columns of `features` that are not there three times
SCENARIOS = ("classic", "user_cold_start")  # of the fitted lists
SOURCES = (
    "data/tasks",
    "evidence/graph",
    "evidence/signals",
    "evidence/read_after",
    "evidence/attention",
    "evidence/tools",
    "evidence/retrieval",
    "methods/fusion",
)
"""Modules that the features depend on; a change in one of them makes the cached lists stale."""


def features(
    graph: Graph,
    dataset: Dataset,
    attributes: Attributes,
    task: Task,
    signals: Signals | None = None,
) -> np.ndarray:
    """Signals of every candidate, float32 (C, F).

    Co-reading and read-next per window; share of similar readers per neighbourhood size; popularity; fitted signals. Each of
    these again as rank in the list (small is best, ties share a rank) and as share of the list's maximum. Then same series,
    next volume, books by the same author, and the length of the shelf.
    """
    found = signal_columns(graph, dataset, attributes, task, signals)
    columns = [np.log1p(values) if name == "readers" else values for name, values in found.items()]
    raw = np.stack(columns, axis=1)
    ranks = rankdata(-raw, axis=0) / len(raw)
    relative = raw / np.maximum(raw.max(axis=0), 1e-9)
    related = relations(attributes, np.array(task.history, dtype=np.int64), np.array(task.candidates))
    length = np.full((len(raw), 1), len(task.history))
    return np.hstack([raw, ranks, relative, related, length]).astype(np.float32)


def signal_columns(
    graph: Graph, dataset: Dataset, attributes: Attributes, task: Task, signals: Signals | None = None
) -> dict[str, np.ndarray]:
    """Name of a signal → its value for every candidate, (C,); numbers in names are windows, readers asked, last books."""
    tools = Tools(graph, dataset.catalog, attributes, task.history, task.candidates, task.reader)
    found: dict[str, np.ndarray] = {}
    for window in WINDOWS:
        _, _, found[f"pull{window}"], found[f"next{window}"] = tools.pulls(window)
    for asked in ASKED:
        found[f"similar{asked}"] = tools.similar_share(asked)[1]
    found["readers"] = graph.counts[tools.candidates]
    if signals is not None:
        shelf, items = tools.history, tools.candidates
        found["whole"] = signals.whole.parts(shelf, items).sum(0)
        found["after"] = signals.after.parts(shelf, items).sum(0)
        for n in LATEST.values():
            found[f"whole{n}"] = signals.whole.parts(shelf[-n:], items).sum(0)
        found["about"] = signals.about.parts(shelf[-RECENT:], items).sum(0)
    return found


def relations(a: Attributes, history: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Same series (0/1), next volume (0/1), number of books by the same author on the shelf; (C, 3)."""
    series = (a.series[candidates][:, None] == a.series[history]) & (a.series[candidates] >= 0)[:, None]
    volumes = np.where(series, a.volume[history], np.nan)
    furthest = np.fmax.reduce(volumes, axis=1, initial=-1)
    following = series.any(1) & (a.volume[candidates] == furthest + 1)
    author = (a.author[candidates][:, None] == a.author[history]) & (a.author[candidates] >= 0)[:, None]
    return np.stack([series.any(1), following, author.sum(1)], axis=1)


def training_lists(
    dataset: Dataset,
    split: Split,
    lists: int,
    seed: int = 0,
    only: Collection[int] | None = None,
    whole: tuple[Graph, Signals] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels of candidate lists: uniform, matched, and retrieved where retrieval found the target.

    Args:
        lists: number of lists with uniform and matched negatives together.
        only: folds whose readers get lists; None: all.

    Returns:
        float32 (rows, F) and bool (rows,), one row per candidate.
    """
    attributes = Attributes.of(dataset.catalog)
    folds = np.unique(split.folds)
    each = max(1, lists // (len(only or folds) * len(SCENARIOS) * 2))
    xs: list[np.ndarray] = []
    ys: list[np.ndarray] = []
    for fold, (inside, graph) in zip(
        folds, crossfit(dataset.interactions, split.train, split.folds), strict=True
    ):
        if only is not None and fold not in only:
            continue
        retriever = Retriever(graph, attributes)
        signals = whole and whole[1].fitted_without(whole[0], graph, dataset.catalog)
        readers = np.random.default_rng([seed, int(inside[0])]).permutation(inside)
        for scenario in SCENARIOS:
            for kind in ("uniform", "matched", "retrieved"):
                tasks = make_tasks(
                    dataset.interactions, readers, scenario, kind, graph.counts, retriever, each, 1, seed
                )
                for task in tasks:
                    if kind == "retrieved" and not came_by_itself(dataset, retriever, task):
                        continue
                    xs.append(features(graph, dataset, attributes, task, signals))
                    ys.append(np.array(task.candidates) == task.target)
    return np.concatenate(xs), np.concatenate(ys)


def came_by_itself(dataset: Dataset, retriever: Retriever, task: Task) -> bool:
    """Whether retrieval ranks the target among the first `NEGATIVES` + 1 unread books."""
    seen = dataset.interactions.history(task.reader)
    found = retriever(np.array(task.history), NEGATIVES + 1 + len(seen), task.reader)
    found = found[(found == task.target) | ~np.isin(found, seen)]
    return task.target in found[: NEGATIVES + 1]


def fit(x: np.ndarray, y: np.ndarray, seed: int = 0) -> Any:
    """Boosted trees with pointwise log loss; settings chosen on validation readers."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=250,
        learning_rate=0.06,
        max_leaf_nodes=15,
        min_samples_leaf=60,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=seed,
    ).fit(x, y)


def fusion(graph: Graph, dataset: Dataset, split: Split, signals: Signals, seed: int = 0) -> Score:
    """Fit on the training readers and score by log-odds. The first fit takes minutes; its lists are cached.

    Args:
        graph: the graph that the tools read in serving.
        signals: fitted over it; each fold's lists are given signals fitted without the fold.
    """

    def make() -> Arrays:
        x, y = training_lists(dataset, split, LISTS, seed, whole=(graph, signals))
        return {"x": x, "y": y}

    lists = remembered("fusion", dataset, split, _settings(dataset, seed), SOURCES, make)
    return Scorer(graph, dataset, _one_thread(fit, lists["x"], lists["y"], seed), signals)


def carried_over(graph: Graph, dataset: Dataset, source: Dataset, seed: int = 0) -> Score:
    """The trees of another data set, used on this one as they are: they see `comparable` columns only.

    Args:
        graph: of this data set.
    """
    there = split(source.interactions)
    around = Graph.build(source.interactions, there.train)

    def signals_of(data: Dataset, parts: Split, graph: Graph) -> Signals:
        return kept_signals(data, parts, graph, Attributes.of(data.catalog))

    signals = signals_of(source, there, around)

    def make() -> Arrays:
        x, y = training_lists(source, there, LISTS, seed, whole=(around, signals))
        return {"x": x, "y": y}

    lists = remembered("fusion", source, there, _settings(source, seed), SOURCES, make)
    x = lists["x"]
    trees = _one_thread(fit, x[:, comparable(x.shape[1])], lists["y"], seed)
    return Scorer(
        graph,
        dataset,
        trees,
        signals_of(dataset, split(dataset.interactions), graph),
        columns=comparable,
    )


def _settings(dataset: Dataset, seed: int) -> object:
    """What the lists depend on beside data and code; a description is read from all that is known of an item."""
    return seed, LISTS, [words_of(item) for item in dataset.catalog]


def comparable(width: int) -> slice:
    """Of so many columns of `features`, those that mean the same in every data set: ranks and ratios within the list, and
    relations."""
    return slice((width - FIXED) // 3, width - 1)


@dataclass(frozen=True)
class Scorer:
    """Log-odds of a task's candidates, float (C,), from fitted trees over one graph's signals.

    `columns`: number of columns → those that the trees see.
    """

    graph: Graph
    dataset: Dataset
    trees: Any
    signals: Signals
    columns: Callable[[int], slice] = slice

    @cached_property
    def _attributes(self) -> Attributes:
        return Attributes.of(self.dataset.catalog)

    def __call__(self, task: Task) -> np.ndarray:
        rows = features(self.graph, self.dataset, self._attributes, task, self.signals)
        return np.asarray(_one_thread(self.trees.decision_function, rows[:, self.columns(rows.shape[1])]))


def _one_thread(work: Callable[..., Any], *args: Any) -> Any:
    """Run on one OpenMP thread: for twenty rows, waiting for other threads takes longer than the trees."""
    with _threads().limit(limits=1, user_api="openmp"):
        return work(*args)


@cache
def _threads() -> Any:
    import sklearn.ensemble  # noqa: F401, loads the OpenMP to be limited
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
