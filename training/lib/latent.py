"""Scores of the distillation teacher besides the tools': a factorisation and a sequence model of the other folds' readers.

Single paths of the graph are what the tools state. Which books go together over many paths (ALS) and what is read after what
(SASRec) has no words in a trace; the student can learn it by heart from the guide's probabilities, and its teacher does not
know it. Fitted per fold without its readers, minutes each, and kept in a folder: nobody's own reading is in what is said of
their lists.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from star.data.cache import Arrays
from star.data.tasks import Task
from star.errors import UserError
from star.evidence.graph import Graph
from star.methods.factorisation import Als, als, fit_als
from star.methods.sasrec import Network, SasRec, fit_sasrec, sasrec
from star.ranking import Score

ALS = Als(factors=64, regularization=200.0, alpha=60.0, iterations=15)
SHOWN = 20  # books of the shelf that a prompt shows; what stands before them the student cannot know


def sequences(epochs: int) -> SasRec:
    """Settings of the sequence model: batches half as large as the baseline's, so as many steps in half its epochs."""
    return SasRec(batch=32, epochs=epochs)


def file_of(trajectories: Path, fold: int) -> Path:
    """Where what was fitted without a fold is kept: beside the trajectories."""
    return trajectories / "latent" / f"fold{fold}.npz"


def fit_latent(graph: Graph, epochs: int, file: Path, seed: int = 0) -> None:
    """Fit both on this graph's readers and write them to `file`, which stands only when whole."""
    arrays: Arrays = {"als": fit_als(graph, ALS, seed)["items"]}
    if epochs:
        fitted = fit_sasrec(graph, sequences(epochs), seed)
        arrays |= {f"sasrec.{name}": value for name, value in fitted.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **arrays)
    part.rename(file)


def latent(file: Path) -> Score:
    """Scores (C, 1 or 2) of what was fitted, from the shelf as a prompt shows it: ALS, and SASRec where it is there."""
    arrays = _read(file)
    scores = [als({"items": arrays["als"]}, ALS)]
    if network := _network(arrays):
        scores.append(sasrec(network, sequences(0)))

    def shown(task: Task) -> np.ndarray:
        short = replace(task, history=task.history[-SHOWN:])
        return np.stack([score(short) for score in scores], axis=1)

    return shown


def network_of(trajectories: Path, fold: int) -> Network:
    """The sequence model that was fitted without a fold.

    Raises:
        UserError: there is none.
    """
    file = file_of(trajectories, fold)
    weights = _network(_read(file)) if file.exists() else {}
    if not weights:
        raise UserError(
            f"there is no sequence model in {file}; make the trajectories again with latent_epochs above 0, or set "
            "heart to 0"
        )
    network = Network(len(weights["items.weight"]) - 1, sequences(0))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network.eval()


def _read(file: Path) -> Arrays:
    with np.load(file, allow_pickle=False) as stored:
        return dict(stored)


def _network(arrays: Arrays) -> Arrays:
    prefix = "sasrec."
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
