"""What the stages after an import need, each with its seconds and the process's peak memory so far, as JSON.

    python -m training.studies.scale_stages --dataset NAME

The stages: loading the data set NAME, its split, the graph of its training readers, one retrieval and every tool call for
a validation reader, first with everything still to be counted, then again as every later reader has it.
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
from star.evidence.graph import Graph
from star.evidence.retrieval import Retriever
from star.evidence.tools import ASKED, WINDOWS, Attributes, Tools

T = TypeVar("T")
CALLS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("profile", ()),
    *(("recent", (window,)) for window in WINDOWS),
    *(("user_cf", (asked,)) for asked in ASKED),
    *(("item_cf", (window,)) for window in WINDOWS),
)
"""Every call that needs no fitted signals."""


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
    graph = taken.run("graph", lambda: Graph.build(data.interactions, parts.train))
    attributes = taken.run("attributes", lambda: Attributes.of(data.catalog))
    retriever = Retriever(graph, attributes)
    later = int(
        np.argsort(np.diff(data.interactions.indptr)[parts.valid], kind="stable")[len(parts.valid) // 2]
    )
    for suffix, reader in (("first", parts.valid[later - 1]), ("next", parts.valid[later])):
        history = data.interactions.history(int(reader)).astype(np.int64)
        found = taken.run(f"retrieval, {suffix}", lambda history=history: retriever(history, candidates))
        tools = Tools(graph, data.catalog, attributes, history.tolist(), found.tolist())
        taken.run(f"tools, {suffix}", lambda tools=tools: [tools.call(*each) for each in CALLS])
    return {
        "readers": len(data.interactions),
        "items": len(data.catalog),
        "interactions": len(data.interactions.items),
        "history": len(history),
        "candidates": len(found),
        "stages": taken.rows,
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
