"""What retrieval loses where co-reading with the whole catalogue is summed over a sample of the readers.

    python -m training.studies.sample_readers --dataset goodbooks

Recall of the next book on validation readers, for all readers and for every 2nd, 4th, 8th and 16th.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from star.data.loading import load_dataset
from star.data.tasks import make_tasks, split
from star.errors import command
from star.evidence import graph as graph_module
from star.evidence.fitting import kept_signals
from star.evidence.graph import Graph
from star.evidence.retrieval import Retriever
from star.evidence.tools import Attributes

STEPS = (1, 2, 4, 8, 16)
DEPTHS = (20, 100)


def recalls(name: str, limit: int) -> list[dict[str, float]]:
    """Recall at `DEPTHS` for each of `STEPS`, on at most `limit` validation tasks of each of two scenarios."""
    data = load_dataset(name)
    parts = split(data.interactions)
    whole, attributes = Graph.build(data.interactions, parts.train), Attributes.of(data.catalog)
    signals = kept_signals(data, parts, whole, attributes)
    tasks = [
        task
        for scenario in ("classic", "user_cold_start")
        for task in make_tasks(
            data.interactions, parts.valid, scenario, "uniform", whole.counts, limit=limit, draws=1
        )
    ]
    rows = []
    for step in STEPS:
        graph_module.SAMPLED = max(1, len(whole.interactions.items) // step)
        graph = Graph(whole.interactions, whole.rows)
        retriever = Retriever(graph, attributes, signals)
        hits = np.zeros(len(DEPTHS))
        for task in tasks:
            found = retriever.ranked(np.array(task.history), max(DEPTHS)).tolist()
            hits += [task.target in found[:depth] for depth in DEPTHS]
        shares = dict(zip((f"recall@{depth}" for depth in DEPTHS), (hits / len(tasks)).round(4), strict=True))
        rows.append({"every": step, "tasks": len(tasks), **{key: float(v) for key, v in shares.items()}})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="goodbooks", help="an imported data set")
    parser.add_argument("--limit", type=int, default=1_000, help="tasks of each scenario")
    args = parser.parse_args()
    recalls(args.dataset, args.limit)


if __name__ == "__main__":
    command(main)
