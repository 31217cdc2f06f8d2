"""Compares simulated with real readers; prints the tables of data/README.md.

    python -m training.demo.check_demo [--dataset goodbooks]

Compares the readers of `demo` with the TEST readers of goodbooks-10k, which the fit has not seen, over the embedded
catalogue. The training readers of goodbooks-10k are the ceiling: real against real.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import spearmanr

from star.data import tasks
from star.data.interactions import Interactions
from star.data.loading import load_dataset
from star.data.simulator import (
    LONGEST,
    SHORTEST,
    Figures,
    Relations,
    load_demo,
    log_probabilities_batch,
    read_catalog,
    simulate,
)
from star.errors import command
from star.evaluation import metrics
from star.evidence.graph import Graph
from star.methods import baselines
from training.demo.match_demo import Histories, real_histories

EXPECTED = 5.0  # expected common readers by chance, held-out group: smallest value of a compared pair
ORDERS = 20  # shuffles of every history, for the adjacency expected by chance
MEASURES = (
    "",
    "readers",
    "books each",
    "item–item lift: rank correlation with held-out",
    "item–item lift: standard deviation of its log",
    "popularity: rank correlation with held-out",
    "share of reads on the most read tenth",
    "next book by the same author",
    "the same, histories shuffled",
    "consecutive volumes read in order",
)
RANKERS = ("mean of HR@1, 3, 5", "tasks", "popularity", "item-kNN", "item-kNN, last ten", "the distribution")


def over_demo(histories: Histories) -> Interactions:
    """Readers with at least 10 books of the catalogue, cut to their first 60."""
    kept = [history[:LONGEST] for history in histories if len(history) >= SHORTEST]
    return Interactions.from_histories(kept, len(read_catalog()))


@dataclass(frozen=True)
class Group:
    """One group of readers and its pair counts."""

    name: str
    readers: Interactions
    graph: Graph

    @classmethod
    def of(cls, name: str, readers: Interactions) -> Group:
        return cls(name, readers, Graph.build(readers, np.arange(len(readers))))

    def chance(self) -> np.ndarray:
        """Common readers of each pair that chance would give, (I, I)."""
        return np.outer(self.graph.counts, self.graph.counts) / len(self.readers)

    def lift(self) -> np.ndarray:
        """Log of common readers over chance, half a reader added to both, (I, I)."""
        return np.log(((self.graph.by_item @ self.graph.matrix).toarray() + 0.5) / (self.chance() + 0.5))

    def top_share(self) -> float:
        """Share of all reads that falls on the most read tenth of the books."""
        counts = np.sort(self.graph.counts)[::-1]
        return float(counts[: len(counts) // 10].sum() / counts.sum())

    def adjacency(self, related: np.ndarray, rng: np.random.Generator | None = None) -> float:
        """Share of neighbouring books that are `related` (I, I); in shuffled order where `rng` is given."""
        hits = pairs = 0.0
        for _ in range(1 if rng is None else ORDERS):
            for reader in range(len(self.readers)):
                books = self.readers.history(reader)
                books = books if rng is None else rng.permutation(books)
                hits += related[books[:-1], books[1:]].sum()
                pairs += len(books) - 1
        return float(hits / pairs)

    def in_order(self, before: np.ndarray) -> float:
        """Share of pairs of consecutive volumes, both read by one reader, that were read in order."""
        right = both = 0
        for reader in range(len(self.readers)):
            place = {int(book): n for n, book in enumerate(self.readers.history(reader))}
            pairs = [(place[int(before[b])], at) for b, at in place.items() if int(before[b]) in place]
            right += sum(first < second for first, second in pairs)
            both += len(pairs)
        return right / both


def likeness(groups: list[Group], held_out: Group, relations: Relations) -> list[list[str]]:
    """Columns of the first table, one per group, with the cells of MEASURES."""
    upper = np.triu_indices(held_out.readers.n_items, 1)
    enough = held_out.chance()[upper] >= EXPECTED
    target = held_out.lift()[upper][enough]
    print(f"pairs compared: {int(enough.sum()):,} of {len(enough):,}\n")
    result = []
    for group in groups:
        itself = group is held_out
        lift = group.lift()[upper][enough]
        rng = np.random.default_rng(0)
        result.append(
            [
                group.name,
                f"{len(group.readers):,}",
                f"{np.diff(group.readers.indptr).mean():.1f}",
                "1" if itself else f"{spearmanr(lift, target)[0]:.3f}",
                f"{lift.std():.2f}",
                "1" if itself else f"{spearmanr(group.graph.counts, held_out.graph.counts)[0]:.3f}",
                f"{group.top_share():.1%}",
                f"{group.adjacency(relations.author):.1%}",
                f"{group.adjacency(relations.author, rng):.1%}",
                f"{group.in_order(relations.before):.1%}",
            ]
        )
    return result


def ranking(
    name: str, readers: Interactions, test: np.ndarray, known: np.ndarray, figures: Figures
) -> list[str]:
    """Row of the second table: mean of HR@1, 3, 5; 1 + 19 uniform candidates, last five books as targets.

    Args:
        test: rows to rank for; known: rows of the graph of popularity and item-kNN.
    """
    graph = Graph.build(readers, known)
    asked = tasks.make_tasks(readers, test, "classic", "uniform", graph.counts, draws=1)
    scores = {
        "popularity": [baselines.popularity(graph)(task) for task in asked],
        "whole": [baselines.itemknn(graph)(task) for task in asked],
        "recent": [baselines.itemknn(graph, baselines.RECENT)(task) for task in asked],
        "model": [
            row[list(task.candidates)]
            for part in np.array_split(np.arange(len(asked)), 20)
            for row, task in zip(
                log_probabilities_batch(figures, [asked[n].history for n in part]),
                [asked[n] for n in part],
                strict=True,
            )
        ],
    }
    row = [name, f"{len(asked):,}"]
    for score in scores.values():
        orders = [baselines.best_first(task, s, 0) for task, s in zip(asked, score, strict=True)]
        ranks = np.array([metrics.rank_of(o, task.target) for o, task in zip(orders, asked, strict=True)])
        row.append(f"{metrics.mean_hit_rate(ranks).mean():.3f}")
    return row


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def main(argv: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Compare the simulated readers of the demo with real ones.")
    parser.add_argument("--dataset", default="goodbooks", help="name under which goodbooks-10k was imported")
    _, parts = real_histories(load_dataset(parser.parse_args(argv).dataset))
    figures, demo = Figures.load(), load_demo()
    fitted = replace(figures, sharpness=1.0)
    plain = simulate(fitted)
    held_out = Group.of("held-out real (test)", over_demo(parts["test"]))
    training = Group.of("training real: the ceiling", over_demo(parts["train"]))
    groups = [
        Group.of("simulated: the demo", demo.interactions),
        Group.of("simulated, sharpness 1", plain),
        training,
        held_out,
    ]
    columns = likeness(groups, held_out, figures.relations)
    head, *rows = zip(MEASURES, *columns, strict=True)
    print(table(head, rows))
    answers = []
    for name, readers, model in (
        ("simulated: the demo", demo.interactions, figures),
        ("simulated, sharpness 1", plain, fitted),
    ):
        split = tasks.split(readers)
        answers.append(ranking(name, readers, split.test, split.train, model))
    real = over_demo([*parts["test"], *parts["train"]])
    asked, known = np.split(np.arange(len(real)), [len(held_out.readers)])
    answers.append(ranking("held-out real (test)", real, asked, known, fitted))
    print(table(RANKERS, answers))


if __name__ == "__main__":
    command(main)
