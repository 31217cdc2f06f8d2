"""The document of `star evaluate`: methods × scenarios × negatives, with intervals over readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from star.data.dataset import Dataset
from star.data.tasks import NEGATIVE_KINDS, SCENARIOS, Split, Task, cells, make_tasks, split
from star.errors import UserError
from star.evaluation import metrics
from star.evaluation.agentrecbench import Benchmark, read_tasks
from star.evaluation.full_catalogue import check_depth, full_catalogue
from star.evaluation.lineup import Answers, Lineup, Progress
from star.evaluation.parallel import workers
from star.evaluation.pooling import METRICS, Cell, Outcome, paired, pools, rounded
from star.evaluation.unseen import Unseen, read_unseen
from star.evidence.graph import Graph
from star.evidence.hygiene import Hygiene
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes
from star.methods.baselines import ByScore
from star.methods.registry import Context, check_methods
from star.ranking import Ranker
from star.student.checkpoint import SHIPPED

TASKS = 400


def evaluate(
    dataset: Dataset,
    methods: Sequence[str],
    scenarios: Sequence[str] = SCENARIOS,
    negatives: Sequence[str] = NEGATIVE_KINDS,
    tasks: int = TASKS,
    *,
    seed: int = 0,
    split_name: str = "test",
    test_users: Path | None = None,
    model: str | None = None,
    progress: Progress = lambda what, done, total: None,
    traces: int = 0,
    tasks_from: Path | None = None,
    full: int = 0,
    processes: int = 1,
    ray: str | None = None,
) -> dict[str, Any]:
    """Run every method on the same tasks.

    Args:
        tasks: at most this many per cell, one per reader first, then further targets and draws of negatives.
        seed: for the draws of negatives, for ties and for the bootstrap.
        split_name: `test` or `valid` readers of the data set; a file of `test_users` takes their place.
        tasks_from: folder of tasks in AgentRecBench's files, instead of our own.
        traces: number of the student's answers whose words are measured, taken from all cells in turn; 0: none.
        full: number of retrieved books to reorder in a ranking of the whole catalogue (`full_catalogue`); 0: none.
        processes, ray: who shares the work (`star/evaluation/parallel.py`); only the seconds depend on it.

    Returns:
        the document of `star evaluate --json`: dataset, checkpoint, seed, split, tasks, test_users, rows (one per
        method and cell; then, with negatives `pooled`, the means over each scenario's cells and, with scenario
        `pooled`, over all cells), paired, retrieval.

    Raises:
        UserError: an unknown name, a bad file, a missing checkpoint, or no reader to evaluate on.
    """
    check_methods(methods)
    _check_full(full, tasks_from)
    _check_asked(tasks, split_name)
    parts = split(dataset.interactions)
    graph = Graph.build(dataset.interactions, parts.train)
    retriever = Retriever(graph, Attributes.of(dataset.catalog))
    found = None if tasks_from is None else read_tasks(tasks_from, dataset, parts)
    unseen = None if test_users is None or found else read_unseen(test_users, dataset, parts)
    source, readers = (dataset, None) if unseen is None else (unseen.dataset, unseen.rows)
    if found is not None:
        found = replace(found, tasks=found.tasks[:tasks])
        asked = {("file", "file"): found.tasks}
    else:
        asked = questions(
            source, parts, graph, retriever, scenarios, negatives, tasks, seed, split_name, readers
        )
    context = Context(dataset, parts, graph, model, seed)
    named = Lineup(context)
    lineup = [named[name] for name in check_methods(methods)]  # fits what no run has fitted before
    with workers(named, processes, ray) as each:
        answers = Answers(methods, asked, each)
        these = (parts.part(split_name) if readers is None else readers)[:tasks]
        catalogue = _catalogue(context, lineup, source, these, full, progress) if full else None
        looked_at = _trace_quality(lineup, list(asked.values()), traces, progress)
        outcomes = answers.outcomes(progress)
    timed = traces and "star" in methods
    return {
        **_setup(context, methods, split_name, tasks, unseen, found),
        "rows": _rows(outcomes, list(asked), graph, seed),
        "paired": paired(outcomes, list(asked), seed),
        "retrieval": [_retrieval(s, asked, retriever) for s in dict.fromkeys(s for s, _ in asked)],
        "full_catalogue": catalogue,
        "trace_quality": looked_at,
        "latency": _latency(dataset, model, parts.part(split_name)) if timed else None,
    }


def _catalogue(
    context: Context,
    lineup: Sequence[Ranker],
    source: Dataset,
    readers: np.ndarray,
    full: int,
    progress: Progress,
) -> dict[str, Any]:
    """The ranking of the whole catalogue; retrieval is as a person is served."""
    catalog = context.dataset.catalog
    retriever = Retriever(context.graph, Attributes.of(catalog), context.signals, Hygiene.of(catalog))
    return full_catalogue(lineup, source.interactions, readers, retriever, full, context.seed, progress)


def _setup(
    context: Context,
    methods: Sequence[str],
    split_name: str,
    tasks: int,
    unseen: Unseen | None,
    found: Benchmark | None,
) -> dict[str, Any]:
    """The document's first fields: the data, checkpoint, readers and tasks of the evaluation."""
    return {
        "dataset": context.dataset.name,
        "checkpoint": context.checkpoint.name if "star" in methods else None,
        "seed": context.seed,
        "split": split_name if unseen is None and found is None else "file",
        "tasks": tasks,
        "test_users": None if unseen is None else unseen.report,
        "tasks_from": None if found is None else found.report,
    }


def _check_full(full: int, tasks_from: Path | None) -> None:
    if full:
        check_depth(full)
        if tasks_from is not None:
            raise UserError("tasks from a folder name their candidates; leave out --full or --tasks-from")


def _latency(dataset: Dataset, model: str | None, readers: np.ndarray) -> list[dict[str, float]]:
    """Median seconds per query, asked one after the other as on the page."""
    from star.evaluation.latency import latency
    from star.recommend.recommender import Star

    return latency(Star(dataset, model or SHIPPED), readers.tolist())


def _trace_quality(
    lineup: Sequence[Ranker], cells_of: Sequence[list[Task]], traces: int, progress: Progress
) -> dict[str, Any] | None:
    """Whether the student follows its own words, and its words the evidence; None without `traces` or without a student."""
    if not traces:
        return None
    from star.evaluation.changed_evidence import changed_evidence
    from star.evaluation.own_words import answered, own_words
    from star.methods.fusion import Scorer
    from star.methods.student import StarRanker

    students = [r for r in lineup if isinstance(r, StarRanker)]
    if not students:
        return None
    student, asked = students[0], in_turn(cells_of, traces)
    scores = [ranker.score for ranker in lineup if isinstance(ranker, ByScore) and ranker.name == "fusion"]
    trees = next((score for score in scores if isinstance(score, Scorer)), None)
    given = answered(student, asked, progress=progress)
    return {
        "own_words": own_words(student, asked, given, progress),
        "changed_evidence": changed_evidence(student, asked, given, trees, progress=progress),
    }


def in_turn(cells_of: Sequence[list[Task]], limit: int) -> list[Task]:
    """At most `limit` tasks: the first of every cell, then the second of each, and so on."""
    return [task for nth in zip_longest(*cells_of) for task in nth if task is not None][:limit]


def _check_asked(tasks: int, split_name: str) -> None:
    """
    Raises:
        UserError: no tasks are asked for, or those of another split.
    """
    if split_name not in ("test", "valid"):
        raise UserError(f"there is no split {split_name}; expected test, valid")
    if tasks < 1:
        raise UserError(f"{tasks} tasks per cell were asked for; give at least 1")


def questions(
    dataset: Dataset,
    parts: Split,
    graph: Graph,
    retriever: Retriever,
    scenarios: Sequence[str],
    negatives: Sequence[str],
    tasks: int,
    seed: int,
    split_name: str,
    readers: np.ndarray | None = None,
) -> dict[Cell, list[Task]]:
    """The tasks of every cell; cells without tasks are left out.

    Args:
        parts, graph, retriever: split of the data set, graph of its training readers, retrieval over that graph.
        readers: rows of the readers, instead of those of `split_name`.

    Raises:
        UserError: an unknown name, no reader to ask about, or no task.
    """
    known = (("scenario", scenarios, SCENARIOS), ("kind of negatives", negatives, NEGATIVE_KINDS))
    _check_asked(tasks, split_name)
    for what, given, allowed in known:
        wrong = [name for name in given if name not in allowed]
        if wrong or not given:
            named = ", ".join(wrong) or "given"
            raise UserError(f"there is no {what} {named}; expected {', '.join(allowed)}")
    if not cells(scenarios, negatives):
        raise UserError("item_cold_start has matched negatives only; add matched to --negatives")
    readers = parts.part(split_name) if readers is None else readers
    if not len(readers):
        raise UserError(
            f"data set {dataset.name!r} has no {split_name} readers (of ten books or more); import more"
        )
    made = {
        (s, n): make_tasks(dataset.interactions, readers, s, n, graph.counts, retriever, tasks, seed=seed)
        for s, n in cells(scenarios, negatives)
    }
    made = {cell: those for cell, those in made.items() if those}
    if not made:
        raise UserError(f"no reader gives a task for {', '.join(scenarios)}; ask for other scenarios")
    return made


def _rows(
    outcomes: dict[tuple[str, Cell], Outcome], cells_of: list[Cell], graph: Graph, seed: int
) -> list[dict[str, Any]]:
    """One row per method and cell, then the pooled ones."""
    percentile = metrics.percentiles(graph.counts)
    rows = [_row(key, cell, out, percentile, seed) for (key, cell), out in outcomes.items()]
    return rows + pools(rows, outcomes, cells_of, seed)


def _row(method: str, cell: Cell, out: Outcome, percentile: np.ndarray, seed: int) -> dict[str, Any]:
    values = {name: metric(out.ranks) for name, metric in METRICS.items()}
    orders = [answer.order for answer in out.answers]
    return {
        "method": method,
        "scenario": cell[0],
        "negatives": cell[1],
        "n": len(out.ranks),
        **{name: rounded(value.mean()) for name, value in values.items()},
        "coverage": rounded(metrics.coverage(orders, len(percentile))),
        "popularity": rounded(metrics.mean_popularity(orders, percentile)),
        "ci": {name: rounded(*metrics.bootstrap_mean(v, out.readers, seed)) for name, v in values.items()},
        "seconds_per_query": float(f"{np.mean([a.seconds for a in out.answers]):.4g}"),
        "generated_tokens": rounded(np.mean([a.generated_tokens for a in out.answers])),
        "model_calls": rounded(np.mean([a.model_calls for a in out.answers])),
    }


def _retrieval(scenario: str, questions: dict[Cell, list[Task]], retriever: Retriever) -> dict[str, Any]:
    """Share of targets among the first 20, 50 and 100 retrieved candidates."""
    asked = {(t.history, t.target) for (s, _), tasks in questions.items() if s == scenario for t in tasks}
    places = []
    for history, target in sorted(asked):
        found = np.flatnonzero(retriever(np.array(history), 100) == target)
        places.append(int(found[0]) if len(found) else 100)
    recall = {f"recall@{k}": rounded(np.mean(np.array(places) < k)) for k in (20, 50, 100)}
    return {"scenario": scenario, "n": len(places), **recall}
