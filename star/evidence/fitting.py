"""Fitted signals of a graph, calibrated on its own readers, and kept beside the data sets for the next start.

What comes after takes the longest to fit. The demo ships with it (`SHIPPED`, written by `training.demo.fit_read_after`), so
that its first start is short.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np

from star.data.cache import Arrays, content_key, kept_folder
from star.data.catalog import Catalog
from star.data.dataset import DEMO, Dataset
from star.data.tasks import Split
from star.display import echo
from star.evidence.graph import Graph
from star.evidence.read_after import ReadAfter
from star.evidence.retrieval import Retriever
from star.evidence.signals import RARITY, Description, Signals, WholeShelf, words_of
from star.evidence.tools import FITTED, Attributes, Tools

CALIBRATION = 300  # readers whose lists the strengths are calibrated on
WINDOW, ASKED, LIST = 10, 50, 20

KINDS = tuple(FITTED.values())
CALIBRATED = ("pull", "read_next", "similar", *KINDS)
AFTER = ("vectors", "maps", "scales", "distance", "own")
ARRAYS = ("head", "p", *AFTER, "shelf", "described", *(f"bounds_{name}" for name in CALIBRATED))
SOURCES = tuple(
    f"evidence/{name}"
    for name in ("graph", "signals", "read_after", "attention", "tools", "retrieval", "fitting")
)
"""Modules that the fit depends on."""
SHIPPED = DEMO / "read_after.npz"


def fit_signals(
    graph: Graph, catalog: Catalog, attributes: Attributes, seed: int = 0, after: ReadAfter | None = None
) -> Signals:
    """Fit and calibrate the signals of a graph.

    Args:
        after: what comes after, where it is fitted already.
    """
    return calibrated(Signals.fit(graph, catalog, after), graph, catalog, attributes, seed)


def calibrated(
    signals: Signals, graph: Graph, catalog: Catalog, attributes: Attributes, seed: int = 0
) -> Signals:
    """The same signals with the bounds of their strengths: quantiles over lists of readers of the graph.

    Each reader is left out of all counts and of the whole shelf's fit. Half of a list is retrieved, half drawn at random;
    the reader's last book is on neither side.
    """
    rng = np.random.default_rng(seed)
    retriever = Retriever(graph, attributes)
    long_enough = np.flatnonzero(np.diff(graph.interactions.indptr) >= 3)
    values: dict[str, list[np.ndarray]] = {}
    for own in rng.permutation(long_enough)[:CALIBRATION].tolist():
        reader, books = int(graph.rows[own]), graph.interactions.history(own).astype(np.int64)
        found = retriever(books[:-1], LIST // 2, reader)
        drawn = rng.integers(graph.n_items, size=LIST // 2)
        items = np.setdiff1d(np.concatenate([found, drawn]), books)
        if not len(items):
            continue
        tools = Tools(graph, catalog, attributes, books[:-1].tolist(), items.tolist(), reader, signals)
        _, _, pull, follow = tools.pulls(WINDOW)
        each = {"pull": pull, "read_next": follow, "similar": tools.similar_share(ASKED)[1]}
        each |= {kind: tools.parts(kind).sum(0) for kind in KINDS}
        for name, found_values in each.items():
            values.setdefault(name, []).append(found_values)
    least = 1e-9  # nothing found is never a strength
    bounds = {
        name: np.maximum(np.quantile(np.concatenate(some), RARITY), least) for name, some in values.items()
    }
    silent = np.full(len(RARITY), np.inf)
    return replace(signals, bounds={name: bounds.get(name, silent) for name in CALIBRATED})


def kept_signals(dataset: Dataset, split: Split, graph: Graph, attributes: Attributes) -> Signals:
    """`fit_signals`, kept beside the data sets and memory-mapped; fitted again when the data or the code change."""
    key = content_key(dataset, split, [words_of(item) for item in dataset.catalog], SOURCES)

    def make() -> Arrays:
        return to_arrays(fit_signals(graph, dataset.catalog, attributes, after=shipped(dataset, split)))

    return from_arrays(kept_folder(f"signals-{dataset.name}", key, ARRAYS, make, dataset.fitted))


def after_key(dataset: Dataset, split: Split) -> str:
    """Of what a fit of what comes after depends on: the readers and the code."""
    return content_key(dataset, split, "what comes after", ("evidence/read_after", "evidence/attention"))


def shipped(dataset: Dataset, split: Split) -> ReadAfter | None:
    """What comes after, as the demo ships with it; None for another data set, and where readers or code changed."""
    if dataset.name != "demo":
        return None
    try:
        with np.load(SHIPPED, allow_pickle=False) as stored:
            if str(stored["key"]) != after_key(dataset, split):
                return None
            return ReadAfter(*(stored[name] for name in AFTER))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        echo(f"star: {SHIPPED} cannot be read and is fitted again ({error})", err=True)
        return None


def to_arrays(signals: Signals) -> Arrays:
    whole, after, about = signals.whole, signals.after, signals.about
    fitted = {
        "head": whole.head,
        "p": whole.p,
        **{name: getattr(after, name) for name in AFTER},
        "shelf": about.shelf,
        "described": about.described,
    }
    return fitted | {f"bounds_{name}": bounds for name, bounds in signals.bounds.items()}


def from_arrays(arrays: Arrays) -> Signals:
    head, n_items = arrays["head"], len(arrays["shelf"])
    bounds = {name.removeprefix("bounds_"): a for name, a in arrays.items() if name.startswith("bounds_")}
    return Signals(
        WholeShelf(head, n_items, arrays["p"]),
        ReadAfter(*(arrays[name] for name in AFTER)),
        Description(arrays["shelf"], arrays["described"]),
        bounds,
    )
