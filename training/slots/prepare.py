"""Lists of many catalogues with soft targets, for `training.slots.train`.

    python -m training.slots.prepare --out runs/slots/lists --universes 50

The catalogues are goodbooks, the demo, and drawn universes. Training readers of a data set have evidence of the other folds.
What a folder already has is not made again. Soft targets come from boosted trees over the evidence of the same list alone.
They are fitted on one half of the readers, or of the universes, and speak of the other half.
"""

from __future__ import annotations

import argparse
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata
from tqdm import tqdm

from star.data import tasks as T
from star.data.loading import load_dataset
from star.errors import UserError, command
from star.evidence.graph import Graph
from star.evidence.signals import Signals
from star.methods.fusion import fit
from training.slots.lists import lists_of, of_folds, stacked
from training.slots.universes import universe

HELD = 200  # readers of a universe whose lists are made; the others are its graph
EACH = 100  # tasks a cell, of a universe
FITTED = 20_000  # lists that a half of the trees is fitted on

Stored = dict[str, np.ndarray]


def of_universe(seed: int) -> Stored:
    """Lists of held-out readers of one universe."""
    data = universe(seed)
    order = np.random.default_rng(seed).permutation(len(data.interactions))
    graph = Graph.build(data.interactions, np.sort(order[HELD:]))
    signals = Signals.fit(graph, data.catalog)
    return stacked(list(lists_of(graph, data, signals, order[:HELD], EACH, seed)))


def of_validation(name: str, each: int) -> Stored:
    """Lists of a data set's validation readers, from the evidence of its training readers."""
    data = load_dataset(name)
    split = T.split(data.interactions)
    graph = Graph.build(data.interactions, split.train)
    return stacked(
        list(lists_of(graph, data, Signals.fit(graph, data.catalog), split.valid, each, 0, draws=3))
    )


def features(stored: Stored, raw: bool) -> np.ndarray:
    """Places, shares of the list's largest value, relations and the shelf's length of every candidate, (L, 20, F); values
    too where all lists are of one data set (`raw`)."""
    values = stored["raw"]
    filled = np.where(np.isnan(values), -np.inf, values)
    places = np.where(np.isnan(values), 0, rankdata(-filled, method="min", axis=1)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        largest = np.nanmax(values, 1, keepdims=True)
    length = np.log1p(stored["length"]).astype(np.float32)[:, None, None].repeat(values.shape[1], 1)
    parts = [places, values / np.maximum(largest, 1e-9), stored["related"].astype(np.float32), length]
    return np.concatenate([values, *parts] if raw else parts, 2)


def softened(stored: Stored, half: np.ndarray, raw: bool) -> np.ndarray:
    """Probability of every candidate, float32 (L, 20), by trees fitted on the other half of the lists.

    Args:
        half: 0 or 1 for each list.
    """
    x, there = features(stored, raw), ~np.isnan(stored["raw"][:, :, 0])
    y = np.arange(x.shape[1])[None] == stored["target"][:, None]
    scores = np.full(there.shape, -np.inf)
    for side in (0, 1):
        some = np.random.default_rng(side).permutation(np.flatnonzero(half != side))[:FITTED]
        trees: Any = fit(x[some][there[some]], y[some][there[some]], side)
        of = np.flatnonzero(half == side)
        rows = scores[of]
        rows[there[of]] = trees.decision_function(x[of][there[of]])
        scores[of] = rows
    share = np.exp(scores - scores.max(1, keepdims=True))
    return (share / share.sum(1, keepdims=True)).astype(np.float32)


def kept(file: Path, make: Any) -> Stored:
    """The arrays in this file; made and written if there is none."""
    if not file.is_file():
        made = make()
        unfinished = file.with_suffix(".part.npz")
        np.savez(unfinished, **made)
        unfinished.replace(file)
    with np.load(file, allow_pickle=False) as found:
        return dict(found)


def sizes(text: str) -> tuple[str, int, int]:
    """Name, tasks a cell and fold, and folds of a data set, from `NAME:TASKS:FOLDS`.

    Raises:
        UserError: of another form.
    """
    found = re.fullmatch(r"([^:,]+):([1-9]\d*):([2-9]|10)", text)
    if found is None:
        raise UserError(f"--datasets has {text!r}; expected NAME:TASKS:FOLDS with 2 to 10 folds, as demo:600:3")
    return found[1], int(found[2]), int(found[3])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", required=True, help="folder of the lists")
    parser.add_argument("--universes", type=int, default=50, help="catalogues that are drawn")
    parser.add_argument(
        "--datasets",
        default="goodbooks:800:5,demo:600:3",
        help="data sets whose training readers give lists; tasks a cell and fold; folds",
    )
    parser.add_argument(
        "--validation", default="goodbooks", help="data sets whose validation readers are measured"
    )
    args = parser.parse_args()
    out = Path(args.out)
    if args.universes < 2:
        raise UserError(
            f"{args.universes} universes were asked for; give at least 2, a half for each half of the trees"
        )
    out.mkdir(parents=True, exist_ok=True)
    for name in filter(None, args.validation.split(",")):
        kept(out / f"valid-{name}.npz", lambda name=name: of_validation(name, 300))
    for name, each, folds in map(sizes, filter(None, args.datasets.split(","))):
        stored = kept(
            out / f"data-{name}.npz",
            lambda name=name, each=each, folds=folds: of_folds(load_dataset(name), each, folds=folds),
        )
        kept(out / f"soft-{name}.npz", lambda s=stored: {"soft": softened(s, s["reader"] % 2, raw=True)})
    drawn = [
        kept(out / f"universe-{seed}.npz", lambda seed=seed: of_universe(seed))
        for seed in tqdm(range(args.universes), desc="universes")
    ]
    together = {name: np.concatenate([stored[name] for stored in drawn]) for name in drawn[0]}
    half = np.concatenate([np.full(len(stored["target"]), seed % 2) for seed, stored in enumerate(drawn)])
    kept(
        out / f"soft-universes-{args.universes}.npz",
        lambda: {
            "soft": softened(together, half, raw=False),
            "of": np.array([len(s["target"]) for s in drawn]),
        },
    )


if __name__ == "__main__":
    command(main)
