"""Learned fusion: boosted trees over the very signals that the tools state: what weighing them can gain.

Trained on lists of training readers, each served by the graph of the other folds, so that counts look as
they do when serving. Retrieved lists are used only where the target was among the candidates by itself: a
target put in by hand is the odd one out, and trees learn that at once (.87 "accuracy" of nothing but the
protocol).

On goodbooks, 1,000 tasks of the 200 validation readers per cell: mean hit rate .746/.676 (classic,
uniform/matched) and .782/.660 (three books known); the best single signal, recent item-kNN, has .705/.620
and .776/.654.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from scipy.stats import rankdata

from star.baselines import Score
from star.candidates import Retriever
from star.dataset import Dataset, home
from star.graph import Graph, crossfit
from star.tasks import NEGATIVES, SCENARIOS, Split, Task, make_tasks
from star.tools import ASKED, WINDOWS, Attributes, Tools

LISTS = 12_000
SOURCES = ("tasks", "graph", "tools", "candidates", "fusion")  # modules the features depend on


def features(graph: Graph, dataset: Dataset, attributes: Attributes, task: Task) -> np.ndarray:
    """Signals of every candidate, float32 (C, F).

    Per window: co-reading and read-next; per number of readers asked: their share; popularity; then each of
    these as rank within the list (small is best, ties shared) and divided by the list's greatest; then
    series, next volume, books by the author, and the length of the shelf.
    """
    tools = Tools(graph, dataset.catalog, attributes, task.history, task.candidates, task.reader)
    columns: list[np.ndarray] = []
    for window in WINDOWS:
        columns += tools.pulls(window)[2:]
    columns += [tools.similar_share(asked)[1] for asked in ASKED]
    columns.append(np.log1p(graph.counts[list(task.candidates)]))
    raw = np.stack(columns, axis=1)
    ranks = rankdata(-raw, axis=0) / len(raw)
    relative = raw / np.maximum(raw.max(axis=0), 1e-9)
    related = _relations(attributes, np.array(task.history, dtype=np.int64), np.array(task.candidates))
    length = np.full((len(raw), 1), len(task.history))
    return np.hstack([raw, ranks, relative, related, length]).astype(np.float32)


def _relations(a: Attributes, history: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Same series (0/1), next volume (0/1), books by the same author on the shelf; (C, 3)."""
    series = (a.series[candidates][:, None] == a.series[history]) & (a.series[candidates] >= 0)[:, None]
    volumes = np.where(series, a.volume[history], np.nan)
    furthest = np.fmax.reduce(volumes, axis=1, initial=-1)
    following = series.any(1) & (a.volume[candidates] == furthest + 1)
    author = (a.author[candidates][:, None] == a.author[history]) & (a.author[candidates] >= 0)[:, None]
    return np.stack([series.any(1), following, author.sum(1)], axis=1)


def training_lists(
    dataset: Dataset, split: Split, lists: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Features and answers of so many lists with uniform and matched negatives, and the fair retrieved ones.

    Returns:
        float32 (rows, F) and bool (rows,), one row per candidate.
    """
    attributes = Attributes.of(dataset.catalog)
    folds = len(np.unique(split.folds))
    each = max(1, lists // (folds * len(SCENARIOS) * 2))
    xs: list[np.ndarray] = []
    ys: list[np.ndarray] = []
    for inside, graph in crossfit(dataset.interactions, split.train, split.folds):
        retriever = Retriever(graph, attributes)
        readers = np.random.default_rng([seed, int(inside[0])]).permutation(inside)
        for scenario in SCENARIOS:
            for kind in ("uniform", "matched", "retrieved"):
                tasks = make_tasks(
                    dataset.interactions, readers, scenario, kind, graph.counts, retriever, each, 1, seed
                )
                for task in tasks:
                    if kind == "retrieved" and not _came_by_itself(dataset, retriever, task):
                        continue
                    xs.append(features(graph, dataset, attributes, task))
                    ys.append(np.array(task.candidates) == task.target)
    return np.concatenate(xs), np.concatenate(ys)


def _came_by_itself(dataset: Dataset, retriever: Retriever, task: Task) -> bool:
    """Whether the target stands before the last of the negatives in what was retrieved."""
    seen = dataset.interactions.history(task.reader)
    found = retriever(np.array(task.history), NEGATIVES + 1 + len(seen), task.reader)
    found = found[(found == task.target) | ~np.isin(found, seen)]
    return task.target in found[: NEGATIVES + 1]


def fit(x: np.ndarray, y: np.ndarray, seed: int = 0) -> Any:
    """The trees, pointwise log loss; settings chosen on validation readers."""
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


def fusion(graph: Graph, dataset: Dataset, split: Split, seed: int = 0) -> Score:
    """Fit on the training readers (a minute the first time, the lists are kept), then log-odds per candidate.

    Args:
        graph: what the tools read when serving.
    """
    import sklearn.ensemble  # noqa: F401, loads the OpenMP that is limited below
    from threadpoolctl import ThreadpoolController

    path = home() / ".cache" / f"fusion-{_key(dataset, split, seed)}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            x, y = stored["x"], stored["y"]
    else:
        x, y = training_lists(dataset, split, LISTS, seed)
        _keep(path, x, y)
    # One thread: for twenty rows the trees wait longer for each other than they take.
    threads = ThreadpoolController()
    with threads.limit(limits=1, user_api="openmp"):
        model = fit(x, y, seed)
    attributes = Attributes.of(dataset.catalog)

    def score(task: Task) -> np.ndarray:
        rows = features(graph, dataset, attributes, task)
        with threads.limit(limits=1, user_api="openmp"):
            return np.asarray(model.decision_function(rows))

    return score


def _key(dataset: Dataset, split: Split, seed: int) -> str:
    """Changes with the data, the split, the seed and the code that makes the lists."""
    digest = hashlib.sha256(f"{seed} {LISTS}".encode())
    for array in (dataset.interactions.indptr, dataset.interactions.items, split.train, split.folds):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr([(i.series, i.number, i.creators[:1]) for i in dataset.catalog]).encode())
    for name in SOURCES:
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()[:16]


def _keep(path: Path, x: np.ndarray, y: np.ndarray) -> None:
    """Store the lists for the next run; a folder that cannot be written only costs that run its minute."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as handle:
            np.savez(handle, x=x, y=y)
        Path(handle.name).replace(path)
    except OSError as error:
        print(f"star: fusion's training lists are not kept ({error})", file=sys.stderr)
