"""Self-attention over the shelf in reading order: SASRec (Kang, McAuley 2018, arXiv 1808.09781).

The loss is cross-entropy over the whole catalogue, which ranks better than the paper's one sampled negative (Klenitskiy,
Vasilev 2023, arXiv 2309.07602).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from star.data.cache import Arrays
from star.data.tasks import Task
from star.evidence.graph import Graph
from star.ranking import Score


@dataclass(frozen=True)
class SasRec:
    """Settings: the best of those tried on goodbooks' validation readers (grid in `training/studies/tune_baselines.py`,
    runs in training/LOG.md)."""

    width: int = 64
    layers: int = 2
    heads: int = 2
    length: int = 50
    dropout: float = 0.3
    epochs: int = 60
    batch: int = 64
    rate: float = 2e-3


class Network(nn.Module):
    """Item and position embeddings and causal attention blocks; scores are products with the item embeddings."""

    def __init__(self, n_items: int, settings: SasRec):
        super().__init__()
        self.items = nn.Embedding(n_items + 1, settings.width, padding_idx=n_items)
        self.places = nn.Embedding(settings.length, settings.width)
        block = nn.TransformerEncoderLayer(
            settings.width,
            settings.heads,
            4 * settings.width,
            settings.dropout,
            "gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(block, settings.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(settings.width)
        self.dropout = nn.Dropout(settings.dropout)
        nn.init.normal_(self.items.weight, std=0.02)
        nn.init.normal_(self.places.weight, std=0.02)

    def forward(self, shelf: torch.Tensor) -> torch.Tensor:
        """States after each book, (B, L, width); `shelf` int64 (B, L), padded on the right."""
        length = shelf.shape[1]
        x = self.dropout(self.items(shelf) + self.places.weight[:length])
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        return self.norm(self.blocks(x, mask=mask, is_causal=True))


def fit_sasrec(graph: Graph, settings: SasRec, seed: int = 0) -> Arrays:
    """Train the network; returns its weights by name."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    n_items = graph.matrix.shape[1]
    network = Network(n_items, settings)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.rate, weight_decay=0.01)
    histories = [graph.interactions.history(row) for row in range(graph.n_readers)]
    histories = [h for h in histories if len(h) > 1]
    steps = settings.epochs * -(-len(histories) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=steps, pct_start=0.1)
    for _ in tqdm(range(settings.epochs), desc="SASRec", leave=False):
        order = rng.permutation(len(histories))
        for at in range(0, len(order), settings.batch):
            rows = np.full(
                (len(order[at : at + settings.batch]), settings.length + 1), n_items, dtype=np.int64
            )
            for row, n in zip(rows, order[at : at + settings.batch], strict=True):
                history = histories[n]
                start = int(
                    rng.integers(max(1, len(history) - settings.length))
                )  # another window in each epoch
                part = history[start : start + settings.length + 1]
                row[: len(part)] = part
            whole = torch.from_numpy(rows)
            target = whole[:, 1:]
            state = network(whole[:, :-1])[target != n_items]
            loss = F.cross_entropy(state @ network.items.weight[:-1].T, target[target != n_items])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return {name: value.numpy() for name, value in network.state_dict().items()}


def sasrec(fitted: Arrays, settings: SasRec) -> Score:
    """Score: product of the state after the last book with the candidate's embedding."""
    network = Network(len(fitted["items.weight"]) - 1, settings)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in fitted.items()})
    network.eval()

    @torch.inference_mode()
    def score(task: Task) -> np.ndarray:
        if not task.history:
            return np.zeros(len(task.candidates))
        state = network(torch.tensor([task.history[-settings.length :]]))[0, -1]
        return np.asarray(network.items.weight[list(task.candidates)] @ state)

    return score
