"""Trains the parametric prior from prompts alone: the next book on a shelf, and the candidates that fit it.

A prompt has a seventh of a trajectory's tokens, so seven times as many are read in the same time. Both losses are
distillation (Hinton et al. 2015). After every book of the shelf the student imitates the next-item probabilities of a
sequence model over all items, fitted without the reader's fold. At the end of the prompt it imitates the distillation
teacher's probabilities of the candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from star.trace.grammar import item_row
from training.lib.corpus import Sequence
from training.lib.latent import network_of

WEIGHT = 0.1  # of both losses, relative to that of the trajectories
BEFORE = 2  # words of a prompt before its first book: "<history>" and the size of the shelf


class ParametricPrior:
    """Prompts by fold, each with the sequence model fitted without that fold.

    Args:
        sequences: unperturbed trajectories; their prompts and soft labels are used.
        trajectories: their folder, with the models of `training/lib/latent.py`.
        vocabulary: word → token.
        size: prompts per step.
    """

    def __init__(self, sequences: list[Sequence], trajectories: Path, vocabulary: dict[str, int], size: int):
        self.sequences, self.size = sequences, size
        self.marker = vocabulary["<candidates>"]
        folds = np.array([sequence.fold for sequence in sequences])
        self.of_fold = {int(fold): np.flatnonzero(folds == fold) for fold in np.unique(folds)}
        self.teachers = {fold: network_of(trajectories, fold) for fold in self.of_fold}
        tokens = sorted(
            (row, token) for word, token in vocabulary.items() if (row := item_row(word)) is not None
        )
        self.tokens = torch.tensor([token for _, token in tokens])
        self.item_of = torch.full((max(vocabulary.values()) + 1,), -1)
        self.item_of[self.tokens] = torch.arange(len(tokens))

    def loss(
        self, model: torch.nn.Module, fold: int, rng: np.random.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Weighted sum of both losses on prompts of one fold, and each by name: Kullback–Leibler divergence, nats."""
        batch = [self.sequences[n] for n in rng.choice(self.of_fold[fold], self.size)]
        wide = len(batch[0].candidates)
        ends = torch.tensor([int(np.flatnonzero(s.tokens == self.marker)[0]) + 1 + wide for s in batch])
        tokens = torch.zeros(len(batch), int(ends.max()), dtype=torch.long)
        for row, sequence in enumerate(batch):
            tokens[row, : ends[row]] = torch.from_numpy(sequence.tokens[: ends[row]].astype(np.int64))
        width = int(ends.max()) - wide - BEFORE - 1
        read = torch.arange(width) < (ends - wide - BEFORE - 1)[:, None]  # (B, W), true where a book is
        shelf = torch.where(read, self.item_of[tokens[:, BEFORE : BEFORE + width]], len(self.tokens))
        teacher = self.teachers[fold]
        with torch.no_grad():
            known = (teacher(shelf)[read] @ teacher.items.weight[:-1].T).log_softmax(-1)
        device = model.device
        with short(model):
            hidden = model.model(input_ids=tokens.to(device)).last_hidden_state
        every = model.lm_head.weight[self.tokens.to(device)]
        followed = (hidden[:, BEFORE : BEFORE + width][read.to(device)] @ every.T).float().log_softmax(-1)
        after = F.kl_div(followed, known.to(device), reduction="batchmean", log_target=True)
        last = hidden[torch.arange(len(batch), device=device), ends.to(device) - 1]
        candidates = torch.from_numpy(np.stack([s.candidates for s in batch]).astype(np.int64))
        listed = model.lm_head(last).float().gather(1, candidates.to(device)).log_softmax(-1)
        guide = torch.from_numpy(np.stack([s.soft for s in batch]))
        prior = F.kl_div(listed, guide.to(device), reduction="batchmean")
        report = {"after": float(after.detach()), "prompt_prior": float(prior.detach())}
        return WEIGHT * (after + prior), report


@contextmanager
def short(model: torch.nn.Module) -> Iterator[None]:
    """Eager attention on a CPU, for prompts: the gradient of torch's fused attention is many times slower there in bf16
    (training/LOG.md)."""
    before = model.config._attn_implementation
    if model.device.type == "cpu":
        model.config._attn_implementation = "eager"
    try:
        yield
    finally:
        model.config._attn_implementation = before
