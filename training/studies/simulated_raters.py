"""Trains on a simulated rater who prefers short reflections, and measures how long answers are before and after.

    python -m training.studies.simulated_raters --config training/configs/preference.yaml --json FILE

Each query of a training reader of the demo gets two drawn answers, over the graph of the other folds. The rater picks the
one with fewer words of reflection, and errs now and then. The picks go through the same export as those of people, and
`training.preference` trains on it. Both checkpoints then answer the same tasks of unseen test readers. Intervals resample
readers. The export and the trained checkpoint go to the config's folders.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from star.annotation.exchange import export, preferences
from star.annotation.exchange.rows import Comparison
from star.data import tasks as T
from star.data.dataset import Dataset
from star.data.loading import load_dataset
from star.errors import UserError, command
from star.evaluation import metrics
from star.evidence.fitting import fit_signals
from star.evidence.graph import Graph
from star.evidence.retrieval import Retriever
from star.evidence.signals import Signals
from star.evidence.tools import Attributes, Tools
from star.student.checkpoint import checkpoint_folder, fingerprint
from star.student.generation import GenerationState, write_all
from star.student.network import Checkpoint
from star.student.paragraphs import draw
from training import preference
from training.lib.config import load_config
from training.preference import PreferenceConfig

FOLD = 9  # fold of the queried training readers; the graph holds the other folds
SIDES = ("a", "b")  # the two answers of a query count as two systems
ERRS = 0.1  # share of pairs in which the rater picks the longer one
TOGETHER = 32  # answers that are written together


@dataclass
class Drawn(GenerationState):
    """An answer whose shortlist and reflection are drawn by their probabilities; its plan is the likeliest."""

    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def choose(self, logits: torch.Tensor, allowed: torch.Tensor) -> int:
        return draw(self.rng, logits, allowed) if self.said else super().choose(logits, allowed)


@dataclass(frozen=True)
class Asked:
    """Tasks, and what their tools need."""

    data: Dataset
    graph: Graph
    signals: Signals
    tasks: tuple[T.Task, ...]

    @classmethod
    def of(cls, data: Dataset, known: np.ndarray, readers: np.ndarray, limit: int) -> Asked:
        """At most so many tasks of these readers, over the graph of the known ones."""
        graph, attributes = Graph.build(data.interactions, known), Attributes.of(data.catalog)
        signals = fit_signals(graph, data.catalog, attributes)
        found = T.make_tasks(
            data.interactions, readers, "classic", "uniform", graph.counts, Retriever(graph, attributes), limit
        )
        return cls(data, graph, signals, tuple(found))

    def tools(self, task: T.Task) -> Tools:
        attributes = Attributes.of(self.data.catalog)
        given = (task.history, task.candidates, task.reader, self.signals)
        return Tools(self.graph, self.data.catalog, attributes, *given)


def answers(checkpoint: Checkpoint, asked: Asked, seed: int | None = None) -> list[GenerationState]:
    """A finished answer to each task: the likeliest one, or drawn with this seed."""
    done: list[GenerationState] = []
    for start in range(0, len(asked.tasks), TOGETHER):
        states: list[GenerationState] = [
            GenerationState(checkpoint, asked.tools(task))
            if seed is None
            else Drawn(checkpoint, asked.tools(task), rng=np.random.default_rng([seed, start + n]))
            for n, task in enumerate(asked.tasks[start : start + TOGETHER])
        ]
        write_all(states)
        done += states
    return done


def reflected(state: GenerationState) -> int:
    """Words of the student's own in its paragraphs."""
    return sum(map(len, state.paragraphs.values()))


def campaign(
    asked: Asked, checkpoint: str, sides: Sequence[Sequence[GenerationState]], rng: np.random.Generator
) -> export.Export:
    """Pairs of answers with the rater's picks."""
    written, picks = [], []
    for n, pair in enumerate(zip(*sides, strict=True)):
        for system, state in zip(SIDES, pair, strict=True):
            prompt = export.prompt_of(state.tools.history.tolist(), state.candidates)
            written.append(
                export.TraceRow(asked.data.name, f"q{n}", system, checkpoint, prompt, " ".join(state.words))
            )
        lengths = [reflected(state) for state in pair]
        if lengths[0] != lengths[1]:
            left = (lengths[0] < lengths[1]) != (rng.random() < ERRS)
            picks.append(Comparison(f"q{n}", *SIDES, "rater", "left" if left else "right", 20.0, "trace@1"))
    items = tuple(item.id for item in asked.data.catalog)
    return export.Export(asked.data.name, items, tuple(written), (), tuple(picks))


def measured(states: Sequence[GenerationState], tasks: Sequence[T.Task]) -> dict[str, np.ndarray]:
    """Per task: words of reflection, and mean of HR@1, 3, 5; each (n,)."""
    places = [
        state.order.index(task.target) + 1 if task.target in state.order else len(task.candidates)
        for state, task in zip(states, tasks, strict=True)
    ]
    return {
        "words": np.array([reflected(state) for state in states], dtype=np.float64),
        "hr_mean": metrics.mean_hit_rate(np.array(places)),
    }


def experiment(config: PreferenceConfig, queries: int, tasks: int) -> dict[str, Any]:
    """Rate, train and measure.

    Raises:
        UserError: as `training.preference`.
    """
    data = load_dataset("demo")
    split = T.split(data.interactions)
    inside = split.folds == FOLD
    start = Checkpoint.load(checkpoint_folder(config.model))
    asked = Asked.of(data, split.train[~inside], split.train[inside], queries)
    sides = [answers(start, asked, config.seed * 2 + side) for side in (1, 2)]
    brought = campaign(asked, fingerprint(config.model), sides, np.random.default_rng(config.seed))
    preferences.save_trl(brought, Path(config.data), gap=np.inf)
    stage = preference.train(config)["stages"][config.method]

    tested = Asked.of(data, split.train, split.test, tasks)
    readers = np.array([task.reader for task in tested.tasks])
    before, after = (
        measured(answers(checkpoint, tested), tested.tasks)
        for checkpoint in (start, Checkpoint.load(Path(config.out)))
    )
    return {
        "dataset": data.name,
        "checkpoint": config.model,
        "fingerprint": fingerprint(config.model),
        "config": dataclasses.asdict(config),
        "pairs": len(brought.comparisons),
        "training": stage,
        "tasks": len(readers),
        "readers": len(set(readers.tolist())),
        "unseen": {
            name: {
                "before": round(float(before[name].mean()), 4),
                "after": round(float(after[name].mean()), 4),
                "difference": round(float((after[name] - before[name]).mean()), 4),
                "ci": [
                    round(value, 4)
                    for value in metrics.bootstrap_pair(after[name], before[name], readers, config.seed)["difference"]
                ],
            }
            for name in before
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument("--queries", type=int, default=200, help="pairs of answers to rate, at most")
    parser.add_argument("--tasks", type=int, default=200, help="tasks to measure on, at most")
    parser.add_argument("--json", metavar="FILE", help="where the document goes; standard output without")
    args = parser.parse_args()
    if args.json is not None and not Path(args.json).resolve().parent.is_dir():
        raise UserError(f"--json {args.json} cannot be written: its folder does not exist; make it first")
    config = load_config(args.config, PreferenceConfig)
    torch.set_num_threads(config.threads)
    said = f"--config {args.config} --queries {args.queries} --tasks {args.tasks}"
    made = experiment(config, args.queries, args.tasks)
    text = json.dumps({"command": f"python -m training.studies.simulated_raters {said}"} | made, indent=1)
    if args.json is None:
        print(text)
    else:
        Path(args.json).write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    command(main)
