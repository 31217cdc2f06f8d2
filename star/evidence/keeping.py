"""The graph of a data set's training readers, which is kept and memory-mapped where the data set is large (`MAPPED`)."""

from __future__ import annotations

from star.data.cache import MAPPED, content_key, kept_folder
from star.data.dataset import Dataset
from star.data.tasks import Split
from star.evidence.graph import Graph

ARRAYS = (
    *("rows", "indptr", "items", "sorted_items", "starts", "readers", "following"),
    *("sampled_starts", "sampled_readers"),
)
SOURCES = ("evidence/graph", "evidence/keeping")


def training_graph(dataset: Dataset, split: Split) -> Graph:
    """`Graph.build` of the training readers. From `MAPPED` interactions on it is kept beside the data sets, and built again
    when the data or the code change."""
    interactions = dataset.interactions
    if len(interactions.items) < MAPPED:
        return Graph.build(interactions, split.train)
    key = content_key(dataset, split, "graph", SOURCES)
    made = kept_folder(
        f"graph-{dataset.name}",
        key,
        ARRAYS,
        lambda: Graph.build(interactions, split.train).arrays(),
        dataset.fitted,
    )
    return Graph.from_arrays(made, interactions)
