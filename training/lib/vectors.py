"""ALS vectors inside the student's item embeddings, optional (`vectors: true`).

A factorisation scores items over many paths of the graph, for which a trace has no words. It improved no student's ranking
so far (training/LOG.md), so the default is off.

A factorisation of all readers holds their own targets, and a student pretrained with it would trust it too much. So each
fold's readers are read with the vectors of a factorisation without that fold, rotated onto common axes (orthogonal
Procrustes). The final vectors come from all pretraining folds; readers of SFT and later stages are in none.
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
from star.trace.grammar import item_row
from training.lib.latent import ALS

WHOLE = -1


def turned(vectors: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Vectors (I, k) rotated as near as possible to other vectors of the same items (orthogonal Procrustes)."""
    left, _, right = np.linalg.svd(vectors.T @ onto)
    return np.asarray(vectors @ (left @ right))


@dataclass(frozen=True)
class Vectors:
    """whole: float32 (I, k), from all pretraining folds, standard deviation 1; without: the same per left-out fold."""

    whole: np.ndarray
    without: dict[int, np.ndarray]


def fit_vectors(data: Dataset, split: Split, left_out: Collection[int], size: int) -> Vectors:
    """Factorise the pretraining folds together and again without each one; seconds per fold.

    Args:
        left_out: folds that take no part.
        size: k, dimension of a vector.
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
    """Vectors inside a model's embeddings: the last k columns of an item's row are its vector plus a learned part.

    All folds share the learned part; `show` replaces the vectors alone.

    Args:
        table: (V, d), the model's embeddings; d at least k.
        spread: standard deviation of the vectors in the table; None: that of the items' rows.
        shown: argument of the last `show` that the table holds already.
    """

    def __init__(
        self,
        table: torch.Tensor,
        vocabulary: dict[str, int],
        vectors: Vectors,
        spread: float | None = None,
        shown: int | None = None,
    ):
        rows = {row: token for word, token in vocabulary.items() if (row := item_row(word)) is not None}
        self.rows = torch.tensor([rows[item] for item in range(len(rows))], device=table.device)
        self.spread = float(table.detach()[self.rows].std()) if spread is None else spread
        self.table, self.columns = table, slice(table.shape[1] - vectors.whole.shape[1], None)
        every = {WHOLE: vectors.whole} | vectors.without
        self.of = {fold: torch.from_numpy(some * self.spread).to(table) for fold, some in every.items()}
        self.shown = shown

    @torch.no_grad()
    def show(self, fold: int | None) -> None:
        """Show the vectors fitted without this fold; `WHOLE`: those of all folds; None: no vectors."""
        if fold == self.shown:
            return
        change = torch.zeros_like(self.of[WHOLE])
        if fold is not None:
            change += self.of[fold]
        if self.shown is not None:
            change -= self.of[self.shown]
        self.table[self.rows, self.columns] += change
        self.shown = fold
