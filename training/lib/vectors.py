"""Item vectors of a factorisation, which the student's item embeddings hold from the start.

The tools state what single paths of the graph say. What a factorisation knows of a book besides has no words in a trace; the
student can know it by heart and its teacher does not. No student has ranked better by it yet (training/LOG.md), so that a
config has to ask for it.

A factorisation of all readers holds their own targets, and a student pretrained with it would trust it too much. So in
pretraining the readers of each fold see the vectors of a factorisation without that fold, turned onto the same axes
(orthogonal Procrustes). What stays is that of all pretraining folds together, which has seen none of the readers that SFT
and the later stages use.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import torch
from tqdm import tqdm

from star.data.dataset import Dataset
from star.data.tasks import Split
from star.evidence.graph import Graph
from star.methods.factorisation import fit_als
from star.trace.grammar import ITEM
from training.lib.latent import ALS

WHOLE = -1


def turned(vectors: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Vectors (I, k) turned so that they lie as near as a rotation can to others of the same items."""
    left, _, right = np.linalg.svd(vectors.T @ onto)
    return np.asarray(vectors @ (left @ right))


@dataclass(frozen=True)
class Vectors:
    """whole: float32 (I, k), of all pretraining folds, of standard deviation 1; without: the same, per fold left out."""

    whole: np.ndarray
    without: dict[int, np.ndarray]


def fit_vectors(data: Dataset, split: Split, left_out: Collection[int], size: int) -> Vectors:
    """Factorise the readers of all training folds but those left out, and once more without each; seconds per fold.

    Args:
        size: k, numbers per vector.
    """
    folds = [int(fold) for fold in np.unique(split.folds) if fold not in left_out]

    def fit(some: list[int]) -> np.ndarray:
        readers = split.train[np.isin(split.folds, some)]
        return fit_als(Graph.build(data.interactions, readers), replace(ALS, factors=size))["items"]

    whole = fit(folds)
    scale = whole.std()
    without = {
        fold: turned(fit([f for f in folds if f != fold]), whole) / scale
        for fold in tqdm(folds, desc="item vectors")
    }
    return Vectors(whole / scale, without)


class Embedded:
    """The vectors as part of a model's embeddings: the last k columns of an item's row are a vector plus what is learned.

    What is learned is shared by all folds; `show` exchanges the vectors alone.

    Args:
        table: (V, d), the model's embeddings; d at least k.
        spread: standard deviation of the vectors there; None: that of the items' rows as they are.
        shown: what of `show` the table holds already.
    """

    def __init__(
        self,
        table: torch.Tensor,
        vocabulary: dict[str, int],
        vectors: Vectors,
        spread: float | None = None,
        shown: int | None = None,
    ):
        rows = {int(found[1]): token for word, token in vocabulary.items() if (found := ITEM.match(word))}
        self.rows = torch.tensor([rows[item] for item in range(len(rows))], device=table.device)
        self.spread = float(table.detach()[self.rows].std()) if spread is None else spread
        self.table, self.columns = table, slice(table.shape[1] - vectors.whole.shape[1], None)
        every = {WHOLE: vectors.whole} | vectors.without
        self.of = {fold: torch.from_numpy(some * self.spread).to(table) for fold, some in every.items()}
        self.shown = shown

    @torch.no_grad()
    def show(self, fold: int | None) -> None:
        """Put the vectors without this fold in place of those that stand there; `WHOLE`: without none; None: no vectors."""
        if fold == self.shown:
            return
        change = torch.zeros_like(self.of[WHOLE])
        if fold is not None:
            change += self.of[fold]
        if self.shown is not None:
            change -= self.of[self.shown]
        self.table[self.rows, self.columns] += change
        self.shown = fold
