"""Latent models of the distillation teacher, fitted per fold without its readers: ALS and SASRec.

Tools state single paths of the graph. ALS scores items over many paths, SASRec scores the next book of a sequence; no trace
has words for either, and MARS does not use them. The student learns them from soft labels. A fit takes minutes per fold and
is kept in a folder; a reader's own history is in no model that scores that reader's lists.
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
SHOWN = 20  # last books of the shelf, the only ones that a prompt holds


def sequences(epochs: int) -> SasRec:
    """Settings of SASRec: half the baseline's batch, so as many steps in half its epochs."""
    return SasRec(batch=32, epochs=epochs)


def file_of(trajectories: Path, fold: int) -> Path:
    """File of the models fitted without a fold, in the trajectories' folder."""
    return trajectories / "latent" / f"fold{fold}.npz"


def fit_latent(graph: Graph, epochs: int, file: Path, seed: int = 0) -> None:
    """Fit both models on this graph's readers and write them to `file` atomically."""
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
    """Scores (C, 1 or 2) from the shelf as a prompt holds it: ALS, and SASRec if it was fitted."""
    arrays = _read(file)
    scores = [als({"items": arrays["als"]}, ALS)]
    if network := _network(arrays):
        scores.append(sasrec(network, sequences(0)))

    def shown(task: Task) -> np.ndarray:
        short = replace(task, history=task.history[-SHOWN:])
        return np.stack([score(short) for score in scores], axis=1)

    return shown


def network_of(trajectories: Path, fold: int) -> Network:
    """The sequence model fitted without a fold.

    Raises:
        UserError: no such model.
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
