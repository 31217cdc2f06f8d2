"""The parametric prior, learned from prompts alone: what is read after what, and which candidates go with a shelf.

A prompt is a seventh of a trajectory, so seven times as many are read in the same time. Behind every book of the shelf the
student imitates the sequence model of the other folds' readers over all items (distillation, Hinton et al. 2015: thousands
of probabilities say more than the one book that followed), behind the prompt the guide's probabilities of the candidates.
In the ranking the tools' evidence adds to what is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from training.lib.corpus import Sequence
from training.lib.latent import network_of

WEIGHT = 0.1  # of either loss, beside that of the trajectories
BEFORE = 2  # words of a prompt before the first book: "<history>" and the size of the shelf


class ByHeart:
    """Prompts by fold, and the sequence model that was fitted without it.

    Args:
        sequences: trajectories with the items that were read; their prompts and the guide's probabilities are used.
        trajectories: their folder, with what `training/lib/latent.py` fitted.
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
            (int(word[2:-1]), token) for word, token in vocabulary.items() if re.fullmatch(r"<i\d+>", word)
        )
        self.tokens = torch.tensor([token for _, token in tokens])
        self.item_of = torch.full((max(vocabulary.values()) + 1,), -1)
        self.item_of[self.tokens] = torch.arange(len(tokens))

    def loss(
        self, model: torch.nn.Module, fold: int, rng: np.random.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Both losses on prompts of one fold, weighted, and as they are: nats (Kullback–Leibler) from either teacher."""
        batch = [self.sequences[n] for n in rng.choice(self.of_fold[fold], self.size)]
        wide = len(batch[0].candidates)
        ends = torch.tensor([int(np.flatnonzero(s.tokens == self.marker)[0]) + 1 + wide for s in batch])
        tokens = torch.zeros(len(batch), int(ends.max()), dtype=torch.long)
        for row, sequence in enumerate(batch):
            tokens[row, : ends[row]] = torch.from_numpy(sequence.tokens[: ends[row]].astype(np.int64))
        width = int(ends.max()) - wide - BEFORE - 1
        read = torch.arange(width) < (ends - wide - BEFORE - 1)[:, None]  # (B, W), which places hold a book
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
        report = {"after": float(after.detach()), "by_heart": float(prior.detach())}
        return WEIGHT * (after + prior), report


@contextmanager
def short(model: torch.nn.Module) -> Iterator[None]:
    """Attention by plain products on a CPU, for sequences as short as prompts: the gradient of torch's own costs many times
    as much there in bf16 (training/LOG.md)."""
    before = model.config._attn_implementation
    if model.device.type == "cpu":
        model.config._attn_implementation = "eager"
    try:
        yield
    finally:
        model.config._attn_implementation = before
