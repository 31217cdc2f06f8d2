"""How a student in training ranks: by all it heard, by a rule-made reflection on its shortlist, and by its own answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from star.student.generation import reread as second_reading
from star.student.network import Checkpoint
from star.student.vocabulary import DISCUSSED, SLOTS, VOCABULARY, plan
from training.lib.answers import false_statements, rollouts
from training.lib.network import padded
from training.lib.sequences import Lists, look, paragraphs, reread, rivals


@torch.inference_mode()
def ranks(model: nn.Module, lists: Lists, seed: int = 0, batch: int = 64) -> dict[str, np.ndarray]:
    """0-based rank of each list's target, (L,): `heard`, from the logits at the first place of the shortlist; `words`, from
    those of the second reading. A target outside the shortlist is last there."""
    model.eval()
    out = {name: np.full(len(lists.target), SLOTS - 1) for name in ("heard", "words")}
    for start in range(0, len(lists.target), batch):
        rows = range(start, min(start + batch, len(lists.target)))
        orders = [
            np.random.default_rng([seed, row]).permutation(int((lists.place[row, :, 0] > 0).sum()))
            for row in rows
        ]
        heard = [
            look(lists, row, order, plan(int(lists.length[row])))
            for row, order in zip(rows, orders, strict=True)
        ]
        scores = pointed(model, [a for a, _ in heard])
        second, chosen, targets = [], [], []
        for at, (row, order) in enumerate(zip(rows, orders, strict=True)):
            own = scores[at, : len(order)]
            target = int(np.flatnonzero(order == lists.target[row])[0])
            out["heard"][row] = (own > own[target]).sum()
            short = [int(c) + 1 for c in np.argsort(-own)[:DISCUSSED]]
            said = paragraphs(heard[at][1], short, rivals(short))
            shuffled = np.random.default_rng([seed, row, 1]).permutation(short)
            second.append(reread(said, shuffled.tolist()))
            chosen.append(short)
            targets.append(target)
        scores = pointed(model, second)
        for at, row in enumerate(rows):
            if targets[at] + 1 in chosen[at]:
                own = scores[at, [c - 1 for c in chosen[at]]]
                out["words"][row] = (own > scores[at, targets[at]]).sum()
    model.train()
    return out


def pointed(model: nn.Module, sequences: list) -> np.ndarray:
    """Logits over slots at the end of each sequence, (B, 20)."""
    hidden, output = model(*padded(sequences))
    last = torch.tensor([len(s) - 1 for s in sequences])
    at = hidden[torch.arange(len(sequences)), last]
    return (at @ output[VOCABULARY.slots : VOCABULARY.slots + SLOTS].T).numpy()


def hit_mean(lists: Lists, rank: np.ndarray) -> float:
    """Mean of HR@1, HR@3 and HR@5 over the cells."""
    cell = lists.scenario.astype(int) * 3 + lists.kind
    return float(np.mean([[(rank[cell == c] < k).mean() for k in (1, 3, 5)] for c in np.unique(cell)]))


def answers(checkpoint: Checkpoint, lists: Lists, most: int, seed: int = 0) -> dict[str, float]:
    """How the student's likeliest answers rank, how much of what they state is true, and how long they are.

    Args:
        most: lists that are answered, at most.
    """
    rows = np.random.default_rng(seed).permutation(len(lists.target))[:most]
    rng, rank, stated, wrong, words = np.random.default_rng(seed), list[int](), 0, 0, 0
    for start in range(0, len(rows), 64):
        for rollout in rollouts(checkpoint, lists, rows[start : start + 64].tolist(), 1, rng, greedy=True):
            said = rollout.said
            shares = dict(zip(said, second_reading(checkpoint, said), strict=True))
            own = shares.get(int(np.flatnonzero(rollout.order == lists.target[rollout.row])[0]) + 1)
            rank.append(SLOTS - 1 if own is None else sum(share > own for share in shares.values()))
            stated += sum(len(p.stated) + (p.over is not None) for p in rollout.paragraphs)
            wrong += sum(false_statements(rollout.heard, p) for p in rollout.paragraphs)
            words += len(rollout.words)
    few = replace(lists, scenario=lists.scenario[rows], kind=lists.kind[rows])
    return {
        "mean": round(hit_mean(few, np.array(rank)), 4),
        "true": round(1 - wrong / max(stated, 1), 4),
        "words": round(words / max(len(rows), 1), 1),
    }
