"""Evaluation: methods × scenarios × negatives, with intervals over readers, as one document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from star import metrics
from star.baselines import Ranked, Ranker
from star.candidates import Retriever
from star.dataset import Dataset
from star.errors import UserError
from star.graph import Graph
from star.rankers import BASELINES, NOT_FOR, Context, check, rankers
from star.tasks import NEGATIVE_KINDS, SCENARIOS, Task, cells, make_tasks, split
from star.tools import Attributes
from star.unseen import read_unseen

TASKS = 400
CHUNK = 200  # tasks handed to a ranker at once
METRICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hr@1": lambda ranks: metrics.hit_rate(ranks, 1),
    "hr@3": lambda ranks: metrics.hit_rate(ranks, 3),
    "hr@5": lambda ranks: metrics.hit_rate(ranks, 5),
    "mean": metrics.mean_hit_rate,
    "ndcg@10": metrics.ndcg,
}
COSTS = ("seconds_per_query", "generated_tokens", "model_calls")
POOLED = "pooled"
NEIGHBOURS = ("itemknn", "itemknn:recent", "userknn")

Progress = Callable[[str, int, int], None]
"""(what is running, tasks done, tasks in all)."""


@dataclass(frozen=True)
class Outcome:
    """One method on one cell: ranks of the targets (n,), readers (n,) and the answers."""

    ranks: np.ndarray
    readers: np.ndarray
    answers: list[Ranked]


Cell = tuple[str, str]


def evaluate(
    dataset: Dataset,
    methods: Sequence[str],
    scenarios: Sequence[str] = SCENARIOS,
    negatives: Sequence[str] = NEGATIVE_KINDS,
    tasks: int = TASKS,
    seed: int = 0,
    split_name: str = "test",
    test_users: Path | None = None,
    model: str | None = None,
    progress: Progress = lambda what, done, total: None,
    traces: int = 0,
) -> dict[str, Any]:
    """Run every method on the same tasks.

    Args:
        tasks: at most so many per cell, one per reader first, then further targets and draws of negatives.
        seed: of the draws of negatives, of ties and of the bootstrap.
        split_name: `test` or `valid` readers of the data set; a file of `test_users` takes their place.
        traces: so many of STAR's traces are looked at as well (`trace_quality`), taken from all cells in turn.

    Returns:
        the document of `star evaluate --json`: dataset, checkpoint, seed, split, tasks, test_users, rows (one
        per method and cell, and per method `pooled`: the mean of its cells), paired, retrieval.

    Raises:
        UserError: an unknown name, a bad file, a missing checkpoint, or no reader to evaluate on.
    """
    _check(methods, scenarios, negatives, tasks, split_name)
    parts = split(dataset.interactions)
    unseen = None if test_users is None else read_unseen(test_users, dataset, parts)
    readers = parts.part(split_name) if unseen is None else unseen.rows
    if not len(readers):
        raise UserError(
            f"data set {dataset.name!r} has no {split_name} readers (of ten books or more); import more"
        )
    graph = Graph.build(dataset.interactions, parts.train)
    retriever = Retriever(graph, Attributes.of(dataset.catalog))
    context = Context(dataset, parts, graph, model, seed)
    lineup = rankers(methods, context)
    source = dataset if unseen is None else unseen.dataset
    questions = {
        (s, n): make_tasks(source.interactions, readers, s, n, graph.counts, retriever, tasks, seed=seed)
        for s, n in cells(scenarios, negatives)
    }
    outcomes = _run(lineup, questions, progress)
    percentile = metrics.percentiles(graph.counts)
    rows = [_row(key, cell, out, percentile, seed) for (key, cell), out in outcomes.items()]
    if len(questions) > 1:
        rows += [
            _pooled(name, [r for r in rows if r["method"] == name], cells_of, seed)
            for name in dict.fromkeys(methods)
            if len(cells_of := [o for (m, _), o in outcomes.items() if m == name]) == len(questions)
        ]
    return {
        "dataset": dataset.name,
        "checkpoint": None
        if context.checkpoint is None or "star" not in methods
        else context.checkpoint.name,
        "seed": seed,
        "split": split_name if unseen is None else "file",
        "tasks": tasks,
        "test_users": None if unseen is None else unseen.report,
        "rows": rows,
        "paired": _paired(outcomes, list(questions), seed),
        "retrieval": [_retrieval(s, questions, retriever) for s in dict.fromkeys(scenarios)],
        "trace_quality": _trace_quality(lineup, list(questions.values()), traces, progress),
        "latency": None
        if not traces or "star" not in methods
        else _latency(dataset, model, parts.part(split_name)),
    }


def _latency(dataset: Dataset, model: str | None, readers: np.ndarray) -> dict[str, float]:
    """Median seconds of queries as the page asks them, one after the other."""
    from star.quality import latency  # brings torch
    from star.recommender import Star

    return latency(Star(dataset, model), readers.tolist())


def _trace_quality(
    lineup: Sequence[Ranker], cells_of: Sequence[list[Task]], traces: int, progress: Progress
) -> dict[str, Any] | None:
    """What `star.quality` says of the student's traces; None where it is not asked for or no student is there."""
    students = [ranker for ranker in lineup if ranker.name == "star"]
    if not traces or not students:
        return None
    from star.counterfactual import permutation_test  # both bring torch
    from star.quality import quality
    from star.student.ranker import StarRanker

    student = students[0]
    assert isinstance(student, StarRanker)
    in_turn = [task for nth in zip(*cells_of, strict=False) for task in nth][:traces]
    return {**quality(student, in_turn, progress), "permuted": permutation_test(student, in_turn[:200])}


def _check(
    methods: Sequence[str], scenarios: Sequence[str], negatives: Sequence[str], tasks: int, part: str
) -> None:
    check(methods)
    known = (("scenario", scenarios, SCENARIOS), ("kind of negatives", negatives, NEGATIVE_KINDS))
    for what, given, allowed in (*known, ("split", [part], ("test", "valid"))):
        wrong = [name for name in given if name not in allowed]
        if wrong or not given:
            named = ", ".join(wrong) or "given"
            raise UserError(f"there is no {what} {named}; expected {', '.join(allowed)}")
    if tasks < 1:
        raise UserError(f"{tasks} tasks per cell were asked for; give at least 1")


def _run(
    lineup: Sequence[Ranker], questions: dict[Cell, list[Task]], progress: Progress
) -> dict[tuple[str, Cell], Outcome]:
    plan = [(r, cell) for r in lineup for cell in questions if (r.name, cell[1]) not in NOT_FOR]
    total, done = sum(len(questions[cell]) for _, cell in plan), 0
    outcomes = {}
    for ranker, cell in plan:
        tasks, answers = questions[cell], []
        for begin in range(0, len(tasks), CHUNK):
            progress(f"{ranker.name}, {cell[0]}, {cell[1]}", done, total)
            chunk = tasks[begin : begin + CHUNK]
            answers += ranker.rank(chunk)
            done += len(chunk)
        ranks = [_rank(ranker.name, task, answer) for task, answer in zip(tasks, answers, strict=True)]
        outcomes[ranker.name, cell] = Outcome(np.array(ranks), np.array([t.reader for t in tasks]), answers)
    progress("done", total, total)
    return outcomes


def _rank(name: str, task: Task, answer: Ranked) -> int:
    if sorted(answer.order) != sorted(task.candidates):
        raise ValueError(f"{name} did not return the {len(task.candidates)} candidates, each once")
    return metrics.rank_of(answer.order, task.target)


def _row(method: str, cell: Cell, out: Outcome, percentile: np.ndarray, seed: int) -> dict[str, Any]:
    values = {name: metric(out.ranks) for name, metric in METRICS.items()}
    orders = [answer.order for answer in out.answers]
    return {
        "method": method,
        "scenario": cell[0],
        "negatives": cell[1],
        "n": len(out.ranks),
        **{name: _round(value.mean()) for name, value in values.items()},
        "coverage": _round(metrics.coverage(orders, len(percentile))),
        "popularity": _round(metrics.mean_popularity(orders, percentile)),
        "ci": {name: _round(*metrics.bootstrap_mean(v, out.readers, seed)) for name, v in values.items()},
        "seconds_per_query": float(f"{np.mean([a.seconds for a in out.answers]):.4g}"),
        "generated_tokens": _round(np.mean([a.generated_tokens for a in out.answers])),
        "model_calls": _round(np.mean([a.model_calls for a in out.answers])),
    }


def _pooled(method: str, rows: list[dict[str, Any]], outcomes: list[Outcome], seed: int) -> dict[str, Any]:
    """The mean over cells; in a bootstrap draw a reader counts equally often in every cell."""
    columns = [*METRICS, "coverage", "popularity", *COSTS]
    return {
        "method": method,
        "scenario": POOLED,
        "negatives": POOLED,
        "n": sum(row["n"] for row in rows),
        **{name: float(f"{np.mean([row[name] for row in rows]):.4g}") for name in columns},
        "ci": {name: _round(*metrics.interval(_draws(outcomes, name, seed))) for name in METRICS},
    }


def _draws(outcomes: Sequence[Outcome], metric: str, seed: int) -> np.ndarray:
    """Bootstrap draws of the mean over cells, (draws,)."""
    drawn = metrics.reader_weights(np.concatenate([o.readers for o in outcomes]), seed)
    each = [metrics.resampled_means(METRICS[metric](o.ranks), o.readers, *drawn) for o in outcomes]
    return np.mean(each, axis=0)


def _paired(outcomes: dict[tuple[str, Cell], Outcome], of: list[Cell], seed: int) -> list[dict[str, Any]]:
    """star with mars and the best baseline, mars with the best of its neighbours; per cell and pooled."""
    rows = []
    for part in [[cell] for cell in of] + ([of] if len(of) > 1 else []):
        there: dict[str, list[Outcome]] = defaultdict(list)
        for (method, cell), out in outcomes.items():
            if cell in part:
                there[method].append(out)
        pairs: dict[tuple[str, str], None] = {}
        for method, rivals in (("star", ("mars",)), ("star", BASELINES), ("mars", NEIGHBOURS)):
            complete = [r for r in rivals if len(there[r]) == len(part)]
            if len(there[method]) == len(part) and complete:
                pairs[method, max(complete, key=lambda name: _mean(there[name]))] = None
        name = part[0] if len(part) == 1 else (POOLED, POOLED)
        rows += [_pair(one, two, name, there[one], there[two], seed) for one, two in pairs]
    return rows


def _mean(outcomes: Sequence[Outcome]) -> float:
    return float(np.mean([metrics.mean_hit_rate(o.ranks).mean() for o in outcomes]))


def _pair(
    method: str, against: str, cell: Cell, a: Sequence[Outcome], b: Sequence[Outcome], seed: int
) -> dict[str, Any]:
    """Difference and ratio of the mean hit rate on the same tasks, readers resampled."""
    spans = metrics.pair_intervals(_draws(a, "mean", seed), _draws(b, "mean", seed))
    return {
        "method": method,
        "against": against,
        "scenario": cell[0],
        "negatives": cell[1],
        "difference": _round(_mean(a) - _mean(b)),
        "ratio": _round(_mean(a) / _mean(b)) if _mean(b) else None,
        "ci": {name: _round(*span) for name, span in spans.items()},
    }


def _retrieval(scenario: str, questions: dict[Cell, list[Task]], retriever: Retriever) -> dict[str, Any]:
    """Share of targets among the first 20, 50 and 100 retrieved candidates."""
    asked = {(t.history, t.target) for (s, _), tasks in questions.items() if s == scenario for t in tasks}
    places = []
    for history, target in sorted(asked):
        found = np.flatnonzero(retriever(np.array(history), 100) == target)
        places.append(int(found[0]) if len(found) else 100)
    recall = {f"recall@{k}": _round(np.mean(np.array(places) < k)) for k in (20, 50, 100)}
    return {"scenario": scenario, "n": len(places), **recall}


def _round(*values: Any) -> Any:
    """Four decimals; None for what could not be computed. One value or a list of several."""
    made = [round(float(v), 4) if np.isfinite(v) else None for v in values]
    return made[0] if len(made) == 1 else made
