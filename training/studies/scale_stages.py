"""What the stages after an import need, each with its seconds and the process's peak memory so far, as JSON.

    python -m training.studies.scale_stages --dataset NAME

The stages: loading the data set NAME, its split, the graph of its training readers, the fitted signals, and the rules of a
list. Then queries: one retrieval and every tool call for a validation reader, the first query alone, then the median and
the 90th percentile over `QUERIES` other readers. A second run finds what the first one kept.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from star.data.dataset import Dataset
from star.data.loading import load_dataset
from star.data.tasks import Split, split
from star.errors import command
from star.evidence.fitting import kept_signals
from star.evidence.hygiene import Hygiene
from star.evidence.keeping import training_graph
from star.evidence.retrieval import Retriever
from star.evidence.tools import ASKED, FITTED, WINDOWS, Attributes, Tools

T = TypeVar("T")
CALLS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("profile", ()),
    *(("recent", (window,)) for window in WINDOWS),
    *(("user_cf", (asked,)) for asked in ASKED),
    *(("item_cf", (window,)) for window in WINDOWS),
    *FITTED,
)
"""Every tool call that there is."""
QUERIES = 40


class Stages:
    """Seconds of each stage, and the peak of the process after it in MiB."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, float]] = {}

    def run(self, name: str, make: Callable[[], T]) -> T:
        began = time.perf_counter()
        made = make()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self.rows[name] = {"seconds": round(time.perf_counter() - began, 3), "peak_mib": round(peak)}
        return made


def stages(name: str, candidates: int = 100) -> dict[str, Any]:
    """Counts of the data set, and seconds and peak of each stage."""
    taken = Stages()
    data: Dataset = taken.run("load", lambda: load_dataset(name))
    parts: Split = taken.run("split", lambda: split(data.interactions))
    graph = taken.run("graph", lambda: training_graph(data, parts))
    attributes = taken.run("attributes", lambda: Attributes.of(data.catalog))
    signals = taken.run("signals", lambda: kept_signals(data, parts, graph, attributes))
    retriever = Retriever(
        graph, attributes, signals, taken.run("rules", lambda: Hygiene.of(data.catalog, None))
    )
    spent: list[tuple[float, float]] = []
    books: list[int] = []

    def query(reader: int) -> None:
        history = data.interactions.history(reader).astype(np.int64)
        began, busy = time.perf_counter(), time.process_time()
        found = retriever(history, candidates)
        tools = Tools(
            graph, data.catalog, attributes, history.tolist(), found.tolist(), reader, signals
        )
        for each in CALLS:
            tools.call(*each)
        spent.append((time.perf_counter() - began, time.process_time() - busy))
        books.append(len(history))

    first, *others = parts.valid[: QUERIES + 1].tolist()
    taken.run("first query", lambda: query(first))
    taken.run("queries", lambda: [query(reader) for reader in others])
    return {
        "readers": len(data.interactions),
        "items": len(data.catalog),
        "interactions": len(data.interactions.items),
        "books": int(np.median(books[1:])),
        "candidates": candidates,
        "stages": taken.rows,
        "query": {
            name: [round(float(np.quantile([each[place] for each in spent[1:]], share)), 4) for share in (0.5, 0.9)]
            for place, name in enumerate(("seconds", "cpu_seconds"))
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True, help="an imported data set")
    parser.add_argument("--candidates", type=int, default=100, help="items that a query retrieves")
    args = parser.parse_args()
    print(json.dumps(stages(args.dataset, args.candidates)))


if __name__ == "__main__":
    command(main)
