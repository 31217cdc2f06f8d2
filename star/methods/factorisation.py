"""Implicit ALS and LightGCN: one vector per item; a new reader's vector comes from the shelf.

Readers of a task are in no fit. Their shelf is folded in: ALS takes one least-squares step, LightGCN adds a node whose
neighbours are the books of the shelf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from tqdm import tqdm

from star.data.cache import Arrays
from star.data.tasks import Task
from star.evidence.graph import Graph
from star.ranking import Score


@dataclass(frozen=True)
class Als:
    """Settings of implicit ALS (Hu, Koren, Volinsky 2008): the best of a grid on goodbooks' validation readers
    (`training/studies/tune_baselines.py`)."""

    factors: int = 256
    regularization: float = 200.0
    alpha: float = 60.0
    iterations: int = 20


def fit_als(graph: Graph, settings: Als, seed: int = 0) -> Arrays:
    """Item factors, float32 (I, factors), fitted by the library `implicit`."""
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=settings.factors,
            regularization=settings.regularization,
            alpha=settings.alpha,
            iterations=settings.iterations,
            random_state=seed,
            num_threads=1,
        )
        model.fit(graph.matrix.astype(np.float32), show_progress=False)
    return {"items": np.asarray(model.item_factors)}


def als(fitted: Arrays, settings: Als) -> Score:
    """Score x_u · y_i, where x_u solves the shelf's least squares (YᵀY + (α - 1) Y_HᵀY_H + λI) x = α Σ_H y."""
    items = fitted["items"].astype(np.float64)
    gram = items.T @ items + settings.regularization * np.eye(items.shape[1])

    def score(task: Task) -> np.ndarray:
        shelf = items[list(task.history)]
        reader = np.linalg.solve(gram + (settings.alpha - 1) * shelf.T @ shelf, settings.alpha * shelf.sum(0))
        return items[list(task.candidates)] @ reader

    return score


@dataclass(frozen=True)
class LightGcn:
    """Settings of LightGCN (He et al. 2020, arXiv 2002.02126): the best of a grid on goodbooks' validation readers
    (`training/studies/tune_baselines.py`)."""

    width: int = 64
    layers: int = 2
    steps: int = 300
    rate: float = 0.02
    decay: float = 1e-4


def fit_lightgcn(graph: Graph, settings: LightGcn, seed: int = 0) -> Arrays:
    """Item vectors of every layer, float32 (layers + 1, I, width), by PyTorch Geometric's LightGCN with the BPR loss."""
    import torch
    from torch_geometric.nn.models import LightGCN

    torch.manual_seed(seed)
    readers, n_items = graph.n_readers, graph.matrix.shape[1]
    rows, columns = graph.matrix.nonzero()
    pairs = torch.from_numpy(np.stack([rows, columns + readers]).astype(np.int64))
    edges = torch.cat([pairs, pairs.flip(0)], dim=1)
    model: Any = LightGCN(readers + n_items, settings.width, settings.layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.rate)
    read = sp.csr_matrix(graph.matrix)
    rng = np.random.default_rng(seed)
    for step in tqdm(range(settings.steps), desc="LightGCN", leave=False):
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * (1 - step / settings.steps)
        drawn = rng.integers(n_items, size=pairs.shape[1])
        fresh = np.asarray(read[rows, drawn]).ravel() == 0
        negative = torch.stack([pairs[0], torch.from_numpy(drawn + readers)])[:, torch.from_numpy(fresh)]
        positive = pairs[:, torch.from_numpy(fresh)]
        vectors = model.get_embedding(edges)
        better, worse = ((vectors[e[0]] * vectors[e[1]]).sum(1) for e in (positive, negative))
        nodes = torch.cat([positive.flatten(), negative[1]])
        loss = model.recommendation_loss(better, worse, nodes.unique(), settings.decay)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        layer = model.embedding.weight
        layers = [layer]
        for conv in model.convs:
            layer = conv(layer, edges)
            layers.append(layer)
    return {"layers": torch.stack(layers)[:, readers:].detach().numpy(), "counts": graph.counts}


def lightgcn(fitted: Arrays) -> Score:
    """Score z_u · z_i, each z a mean over layers; the new reader's layer k + 1 is Σ_H e_i^k / sqrt(|H| n_i)."""
    layers, counts = fitted["layers"], np.maximum(fitted["counts"], 1)
    items = layers.mean(0)

    def score(task: Task) -> np.ndarray:
        shelf = list(task.history)
        weight = 1 / np.sqrt(max(len(shelf), 1) * counts[shelf])
        reader = np.einsum("h,khd->d", weight, layers[:-1, shelf])
        return np.asarray(items[list(task.candidates)] @ reader)

    return score
