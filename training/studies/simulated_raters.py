"""Trains on raters of known taste and measures the change in taste, traces and ranking.

    python -m training.studies.simulated_raters --config training/configs/preference.yaml --taste short --json FILE

Each query of a training reader gets two traces at temperature 1, over the graph of the other folds. The ranking is greedy as
on the page, or drawn with `learn_ranking`. Raters compare the two blindly by taste alone, with noise, ties and a bias to one
side. Their answers go through the same export as those of people, and `training.preference` trains on it. The checkpoint
and its adapter are then compared on the same tasks of unseen test readers, decoded as on the page; choose settings with
`--split valid`. Prints one JSON document, or writes it to FILE; intervals resample readers. Export and adapter go to the
config's folders, with the taste appended to their names (`-short`).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from star.annotation.exchange import export, preferences
from star.annotation.exchange.rows import Comparison, Rating
from star.annotation.statistics.agreement import report
from star.data import tasks as T
from star.data.dataset import Dataset
from star.data.loading import load_dataset
from star.errors import UserError, command
from star.evaluation import metrics
from star.evaluation.answers import read_trace
from star.evidence.graph import Graph
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes, Tools
from star.evidence.verification import check
from star.methods.student import BATCH, StarRanker, order
from star.student.checkpoint import fingerprint
from star.student.decoding import GenerationState, write_many
from star.student.model import Checkpoint
from star.trace.steps import Trace
from training import preference
from training.lib.config import load_config
from training.lib.rewards import quotes
from training.preference import PreferenceConfig

FOLD = 9  # fold of the queried training readers; the graph holds the other folds
CELLS = (("classic", "uniform"), ("classic", "matched"))
SIDES = ("a", "b")  # the two traces of a query count as two systems

Taste = Callable[[Trace, Tools], float]


def short(trace: Trace, tools: Tools) -> float:
    """Few words of reflection (negative count)."""
    return -float(sum(len(step.words) for step in trace.steps if step.type == "reflection"))


def held(trace: Trace, tools: Tools) -> float:
    """Supported claims: share of the model's own checkable claims that the graph supports; 0 without any."""
    verdicts = [check(claim, tools).verdict for claim in quotes(trace)]
    return float(np.mean([v == "supported" for v in verdicts])) if verdicts else 0.0


def recent(trace: Trace, tools: Tools) -> float:
    """New books: mean year of what is recommended, in decades."""
    years = [year for item in trace.ranking if (year := tools.catalog[item].year) is not None]
    return float(np.mean([max(year, 1800) for year in years])) / 10 if years else 0.0


TASTES: dict[str, Taste] = {"short": short, "held": held, "recent": recent}


@dataclass(frozen=True)
class Rater:
    """A rater. strength: log-odds per standard deviation of taste (`liking`); lean: bias to the left side and to high
    ratings; width: difference in taste below which a tie is likely."""

    name: str
    strength: float
    lean: float
    width: float

    @classmethod
    def drawn(cls, name: str, rng: np.random.Generator) -> Rater:
        return cls(name, float(rng.uniform(1, 3)), float(rng.normal(0, 0.4)), float(rng.uniform(0.05, 0.4)))

    def choose(self, left: float, right: float, rng: np.random.Generator) -> str:
        """Answer to a pair; left and right: taste in standard deviations."""
        liking = self.strength * (left - right) + self.lean
        if abs(left - right) < self.width and rng.random() < 0.7:
            return "tie"
        return "left" if rng.random() < 1 / (1 + np.exp(-liking)) else "right"

    def rate(self, value: float, rng: np.random.Generator) -> int:
        """Rating from 1 to 5 for a taste in standard deviations."""
        return int(np.clip(round(3 + self.lean + 0.5 * self.strength * value + rng.normal(0, 0.5)), 1, 5))


def questions(data: Dataset, readers: np.ndarray, graph: Graph, limit: int) -> list[T.Task]:
    """`limit` tasks, the same number from each of `CELLS`."""
    retriever = Retriever(graph, Attributes.of(data.catalog))
    each = [
        T.make_tasks(data.interactions, readers, s, n, graph.counts, retriever, limit // len(CELLS))
        for s, n in CELLS
    ]
    return [task for tasks in each for task in tasks]


def answers(
    ranker: StarRanker, tasks: Sequence[T.Task], seed: int | None = None, draw_ranking: bool = False
) -> list[GenerationState]:
    """A finished GenerationState per task: decoded as on the page without a seed, else drawn at temperature 1."""
    done: list[GenerationState] = []
    for start in range(0, len(tasks), BATCH):
        writers = ranker.states(tasks[start : start + BATCH])
        seeds = None if seed is None else [seed * 1_000_003 + start + n for n in range(len(writers))]
        write_many(writers, seeds, 1.0, draw_ranking)
        done += writers
        print(f"{len(done)} of {len(tasks)} traces", file=sys.stderr)
    return done


def tasted(writers: Sequence[GenerationState], taste: Taste) -> np.ndarray:
    """Taste of each trace; nan: unreadable."""
    traces = [(read_trace(writer), writer.tools) for writer in writers]
    return np.array([np.nan if isinstance(t, str) else taste(t, tools) for t, tools in traces])


def liking(values: np.ndarray) -> np.ndarray:
    """Tastes (2, pairs) in standard deviations between the two traces of a query, which are smaller than those between
    queries. An unreadable trace (nan) gets two standard deviations less than the other."""
    spread = float(np.nanstd(values[0] - values[1])) / np.sqrt(2)
    scaled = (values - np.nanmean(values)) / max(spread, 1e-9)
    return np.where(np.isnan(scaled), np.nan_to_num(scaled[::-1]) - 2, scaled)


def campaign(
    data: Dataset,
    checkpoint: str,
    pairs: Sequence[tuple[GenerationState, GenerationState]],
    taste: Taste,
    raters: Sequence[Rater],
    overlap: int,
    seed: int,
) -> export.Export:
    """Answers of these raters to these pairs, in the form of a campaign's export: comparisons, and ratings of each trace."""
    rng = np.random.default_rng(seed)
    values = liking(np.stack([tasted([pair[side] for pair in pairs], taste) for side in (0, 1)]))
    written, comparisons, ratings = [], [], []
    for n, pair in enumerate(pairs):
        for side, system in enumerate(SIDES):
            writer = pair[side]
            words = " ".join(writer.word(token) for token in writer.start())
            written.append(
                export.TraceRow(data.name, f"q{n}", system, checkpoint, words, " ".join(writer.words))
            )
        for who in rng.choice(len(raters), min(overlap, len(raters)), replace=False).tolist():
            first = int(rng.integers(2))
            choice = raters[who].choose(values[first, n], values[1 - first, n], rng)
            comparisons.append(
                Comparison(f"q{n}", SIDES[first], SIDES[1 - first], raters[who].name, choice, 20.0, "taste@1")  # type: ignore[arg-type]
            )
            ratings += [
                Rating(
                    f"q{n}",
                    system,
                    raters[who].name,
                    "to my taste",
                    raters[who].rate(values[side, n], rng),
                    20.0,
                    None,
                    "taste@1",
                )
                for side, system in enumerate(SIDES)
            ]
    items = tuple(item.id for item in data.catalog)
    return export.Export(data.name, items, tuple(written), tuple(ratings), tuple(comparisons))


def measured(writers: Sequence[GenerationState], tasks: Sequence[T.Task]) -> dict[str, np.ndarray]:
    """Per task: every taste, words written, whether the trace is readable, mean of HR@1, 3, 5; all (n,)."""
    ranks = [metrics.rank_of(order(w, t.candidates), t.target) for w, t in zip(writers, tasks, strict=True)]
    return {
        **{name: tasted(writers, taste) for name, taste in TASTES.items()},
        "readable": np.array([not isinstance(read_trace(w), str) for w in writers], dtype=np.float64),
        "words": np.array([sum(w.own) for w in writers], dtype=np.float64),
        "hr_mean": metrics.mean_hit_rate(np.array(ranks)),
    }


def compared(
    before: dict[str, np.ndarray], after: dict[str, np.ndarray], readers: np.ndarray, seed: int
) -> dict[str, Any]:
    """Means before and after and their difference, with intervals over readers. A row leaves out tasks without a value on
    either side."""
    out = {}
    for name, old in before.items():
        both = np.isfinite(old) & np.isfinite(after[name])
        one, two, who = old[both], after[name][both], readers[both]
        out[name] = {
            "n": int(both.sum()),
            "before": round(float(one.mean()), 4),
            "before_ci": _four(metrics.bootstrap_mean(one, who, seed)),
            "after": round(float(two.mean()), 4),
            "after_ci": _four(metrics.bootstrap_mean(two, who, seed)),
            "difference": round(float((two - one).mean()), 4),
            "ci": _four(metrics.bootstrap_pair(two, one, who, seed)["difference"]),
        }
    return out


def _four(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]


def experiment(
    config: PreferenceConfig,
    taste: str,
    queries: int = 200,
    tasks: int = 400,
    raters: int = 6,
    overlap: int = 2,
    part: str = "test",
) -> dict[str, Any]:
    """Rate, train and measure; export and adapter stay in the config's folders, with the taste in their names.

    Args:
        queries: pairs of traces for the raters; tasks: for measuring; part: `test` or `valid` readers, for measuring.

    Raises:
        UserError: an unknown taste, or what `training.preference` raises.
    """
    if taste not in TASTES:
        raise UserError(f"there is no taste {taste!r}; expected {', '.join(TASTES)}")
    began = time.perf_counter()
    config = dataclasses.replace(config, data=f"{config.data}-{taste}", out=f"{config.out}-{taste}")
    checkpoint = Checkpoint.load(config.model)
    data = load_dataset(checkpoint.about["dataset"])
    split = T.split(data.interactions)
    others = Graph.build(data.interactions, split.train[split.folds != FOLD])
    asked = questions(data, split.train[split.folds == FOLD], others, queries)
    ranker = StarRanker(data, others, checkpoint)
    sides = (answers(ranker, asked, config.seed * 2 + side, config.learn_ranking) for side in (1, 2))
    pairs = list(zip(*sides, strict=True))
    rng = np.random.default_rng(config.seed)
    people = [Rater.drawn(f"rater{n}", rng) for n in range(raters)]
    brought = campaign(data, fingerprint(config.model), pairs, TASTES[taste], people, overlap, config.seed)
    preferences.save_trl(brought, Path(config.data), gap=np.inf)  # ratings repeat the comparisons
    export.save_export(brought, Path(config.data))
    said = report(brought.ratings, brought.comparisons)
    written = time.perf_counter() - began
    stage = preference.train(config)["stages"]
    trained = time.perf_counter() - began - written

    graph = Graph.build(data.interactions, split.train)
    tested = questions(data, split.part(part), graph, tasks)
    results = []
    for model in (config.model, config.out):
        tried = StarRanker(data, graph, Checkpoint.load(model))
        results.append(measured(answers(tried, tested), tested))
    readers = np.array([task.reader for task in tested])
    return {
        "taste": taste,
        "liked": str(TASTES[taste].__doc__).rstrip("."),
        "dataset": data.name,
        "checkpoint": config.model,
        "fingerprint": fingerprint(config.model),
        "seed": config.seed,
        "split": part,
        "config": dataclasses.asdict(config),
        "queries": len(asked),
        "raters": [dataclasses.asdict(rater) for rater in people],
        "alpha": {"ratings": said["criteria"][0]["alpha"], "comparisons": said["contest"]["alpha"]},
        "training": stage,
        "tasks": len(tested),
        "readers": len(set(readers.tolist())),
        "unseen": compared(*results, readers, config.seed),
        "seconds": {"traces": round(written), "training": round(trained)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument("--taste", required=True, help="what the raters like: short, held or recent")
    parser.add_argument("--queries", type=int, default=200, help="pairs of traces to rate")
    parser.add_argument("--tasks", type=int, default=400, help="tasks to measure on")
    parser.add_argument("--split", default="test", choices=("valid", "test"), help="readers to measure on")
    parser.add_argument("--json", metavar="FILE", help="where the document goes; standard output without")
    args = parser.parse_args()
    said = " ".join(f"--{name} {value}" for name, value in vars(args).items() if name != "json")
    if args.json is not None and not Path(args.json).resolve().parent.is_dir():
        raise UserError(f"--json {args.json} cannot be written: its folder does not exist; make it first")
    config = load_config(args.config, PreferenceConfig)
    torch.set_num_threads(config.threads)
    made = experiment(config, args.taste, args.queries, args.tasks, part=args.split)
    text = json.dumps({"command": f"python -m training.studies.simulated_raters {said}"} | made, indent=1)
    if args.json is None:
        print(text)
    else:
        Path(args.json).write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    command(main)
