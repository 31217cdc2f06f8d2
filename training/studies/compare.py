"""Gain of each training stage and of each part of the recipe, on readers that no model was fitted on.

    python -m training.studies.compare --config training/configs/ablations.yaml --json
    assets/evaluation/stages-goodbooks.json

Ranks the students of `training.studies.ablations` and MARS on the same tasks of all scenarios. A stage is compared with
the one before it, per seed and in the mean over seeds; an ablation with the full student of seed 0 after the same stage.
Intervals resample readers and leave out the variance between seeds, which the rows of single seeds show.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from star.data.loading import load_dataset
from star.data.tasks import NEGATIVE_KINDS, SCENARIOS, Task, split
from star.errors import UserError, command
from star.evaluation import metrics
from star.evaluation.answers import read_trace
from star.evaluation.evaluate import questions
from star.evaluation.pooling import METRICS, Outcome, draws, mean_of, rounded
from star.evaluation.tabular import Table
from star.evidence.graph import Graph
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes
from star.mars.run import MarsRanker
from star.methods.student import StarRanker, generate, order
from star.ranking import Ranked
from training.lib.config import Config, load_config
from training.studies.ablations import (
    ABLATIONS,
    SEEDS,
    STAGES,
    STUDENTS,
    WHOLE,
    after,
    finished,
    last_stage,
    stages_of,
    variant,
)

MARS = "mars"
MEAN = "mean of the seeds"
Key = tuple[str, str]
"""(student, stage)."""


def rank(student: StarRanker, cells: Sequence[Sequence[Task]]) -> tuple[list[Outcome], float]:
    """The student's outcome in every cell, and the share of readable traces."""
    outcomes, readable = [], []
    for tasks in cells:
        writers = generate(student.states(tasks))
        ranks = [
            metrics.rank_of(order(w, t.candidates), t.target) for w, t in zip(writers, tasks, strict=True)
        ]
        outcomes.append(_outcome(ranks, tasks, [Ranked((), 0.0, sum(w.own), 1) for w in writers]))
        readable += [not isinstance(read_trace(w), str) for w in writers]
    return outcomes, float(np.mean(readable))


def _outcome(ranks: Sequence[int], tasks: Sequence[Task], answers: list[Ranked]) -> Outcome:
    return Outcome(np.array(ranks), np.array([t.reader for t in tasks]), answers)


def row(key: Key, outcomes: Sequence[Outcome], readable: float | None, seed: int) -> dict[str, Any]:
    """One row: a student after a stage, mean over the cells."""
    each = [answer for out in outcomes for answer in out.answers]
    return {
        "student": key[0],
        "stage": key[1],
        "n": sum(len(out.ranks) for out in outcomes),
        **{name: rounded(np.mean([m(out.ranks).mean() for out in outcomes])) for name, m in METRICS.items()},
        "ci": rounded(*metrics.interval(draws(outcomes, "mean", seed))),
        "readable": None if readable is None else rounded(readable),
        "generated_tokens": rounded(np.mean([answer.generated_tokens for answer in each])),
    }


def pair(
    what: str, of: str, a: Sequence[list[Outcome]], b: Sequence[list[Outcome]], seed: int
) -> dict[str, Any]:
    """Mean hit rate of students `a` minus that of students `b` on the same tasks, each side the mean of its students."""
    one, two = (np.mean([draws(each, "mean", seed) for each in side], axis=0) for side in (a, b))
    spans = metrics.pair_intervals(one, two)
    means = [float(np.mean([mean_of(each) for each in side])) for side in (a, b)]
    return {
        "what": what,
        "of": of,
        "difference": rounded(means[0] - means[1]),
        "ratio": rounded(means[0] / means[1]) if means[1] else None,
        "ci": {name: rounded(*span) for name, span in spans.items()},
    }


def pairs(outcomes: dict[Key, list[Outcome]], seed: int) -> list[dict[str, Any]]:
    """Each stage against the one before it and against MARS; ablations against the full student."""
    made = []
    first, *_, last = STAGES
    steps = [(later, earlier) for earlier, later in pairwise(STAGES)]
    for later, earlier in [*steps, (last, "sft"), (last, first)]:
        there = [name for name in SEEDS if {(name, later), (name, earlier)} <= outcomes.keys()]
        for names in [[name] for name in there] + ([there] if len(there) > 1 else []):
            made.append(
                pair(
                    f"{later} - {earlier}",
                    names[0] if len(names) == 1 else MEAN,
                    [outcomes[name, later] for name in names],
                    [outcomes[name, earlier] for name in names],
                    seed,
                )
            )
    for stage in STAGES:
        if some := [outcomes[name, stage] for name in SEEDS if (name, stage) in outcomes]:
            made.append(
                pair(f"{stage} - {MARS}", MEAN if len(some) > 1 else "", some, [outcomes[MARS, ""]], seed)
            )
    for name in ABLATIONS:
        stage = last_stage(name)
        if {(name, stage), (WHOLE, stage)} <= outcomes.keys():
            made.append(
                pair(name, f"less {WHOLE}, {stage}", [outcomes[name, stage]], [outcomes[WHOLE, stage]], seed)
            )
    return made


def shown(document: dict[str, Any]) -> list[Table]:
    """The document as two tables: students, and paired differences."""
    about = (
        f"{document['dataset']}, {document['split']} readers, {document['cells']} cells of at most "
        f"{document['tasks']} tasks, seed {document['seed']}. Mean of HR@1, HR@3, HR@5 with 95 % intervals (readers "
        "resampled). Every student was pretrained for the same number of minutes"
    )
    rows = tuple(
        (
            r["student"],
            r["stage"],
            f"{r['mean']:.3f} ({r['ci'][0]:.3f} to {r['ci'][1]:.3f})",
            *(f"{r[name]:.3f}" for name in ("hr@1", "hr@3", "hr@5", "ndcg@10")),
            "" if r["readable"] is None else f"{r['readable']:.3f}",
            f"{r['generated_tokens']:.0f}",
        )
        for r in document["rows"]
    )
    heads = ("student", "after", "mean", "HR@1", "HR@3", "HR@5", "NDCG@10", "readable", "words written")
    differences = tuple(
        (
            p["what"],
            p["of"],
            f"{p['difference']:+.3f} ({p['ci']['difference'][0]:+.3f} to {p['ci']['difference'][1]:+.3f})",
        )
        for p in document["paired"]
    )
    return [
        Table(about, heads, rows),
        Table("Paired on the same tasks (mean hit rate)", ("difference", "of", "mean"), differences),
    ]


def students(config: Config) -> dict[Key, Path]:
    """Folder of every finished student, in the order of the table."""
    found: dict[Key, Path] = {}
    for name in STUDENTS:
        made = variant(config, name)
        stages = stages_of(name) if name in SEEDS else (last_stage(name),)
        found |= {(name, stage): after(made, stage) for stage in stages if finished(made, stage)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument("--tasks", type=int, default=200, help="per cell, at most (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="draws of negatives and bootstrap")
    parser.add_argument("--split", default="test", help="test, or valid")
    parser.add_argument("--json", metavar="OUT", help="write the document here")
    args = parser.parse_args()
    config = load_config(args.config)
    there = students(config)
    if not there:
        raise UserError(
            f"no student under {config.runs}; run python -m training.studies.ablations --config {args.config} first"
        )
    data = load_dataset(config.dataset)
    parts = split(data.interactions)
    graph = Graph.build(data.interactions, parts.train)
    retriever = Retriever(graph, Attributes.of(data.catalog))
    cells = questions(
        data, parts, graph, retriever, SCENARIOS, NEGATIVE_KINDS, args.tasks, args.seed, args.split
    )
    teacher = MarsRanker(data, graph, args.seed)
    outcomes: dict[Key, list[Outcome]] = {}
    readable: dict[Key, float] = {}
    outcomes[MARS, ""] = [
        _outcome(
            [metrics.rank_of(a.order, t.target) for a, t in zip(given, tasks, strict=True)], tasks, given
        )
        for tasks in cells.values()
        for given in [teacher.rank(tasks)]
    ]
    for key, folder in tqdm(there.items(), desc="students"):
        student = StarRanker.load(data, graph, folder)
        outcomes[key], readable[key] = rank(student, list(cells.values()))
    document = {
        "command": f"python -m training.studies.compare --config {args.config} --tasks {args.tasks} --seed {args.seed} "
        f"--split {args.split}",
        "dataset": data.name,
        "split": args.split,
        "seed": args.seed,
        "tasks": args.tasks,
        "cells": len(cells),
        "stages": {
            ", ".join(key): json.loads((folder / "star.json").read_text("utf-8"))["stages"]
            for key, folder in there.items()
        },
        "rows": [row(key, out, readable.get(key), args.seed) for key, out in outcomes.items()],
        "paired": pairs(outcomes, args.seed),
    }
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    if args.json:
        Path(args.json).write_text(text, "utf-8")
    print(text, end="")


if __name__ == "__main__":
    command(main)
