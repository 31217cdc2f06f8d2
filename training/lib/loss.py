"""Loss of pretraining and of learning on own traces: dense, weighted by the role of every position."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from training.lib.corpus import PROMPT, RANK, TOOL, WRITTEN, Sequence

WEIGHT = {PROMPT: 0.1, TOOL: 0.1, WRITTEN: 2.0, RANK: 60.0}
SAMPLED = {
    PROMPT: 0.5,
    TOOL: 0.2,
    WRITTEN: 1.0,
    RANK: 1.0,
}  # share of positions that enter the loss, for speed
GUIDE = 0.85  # share of the ranking's loss that imitates the guide's probabilities
OPEN = 0.1  # share of the cross-entropy over the whole vocabulary; the rest of the ranking's loss is among the candidates
PRIOR = 8.0  # weight, per sequence, of ranking the candidates before anything was looked up
NAMED = 4.0  # weight, per written item, of naming one that stands in the context, whichever it is
AGAIN = 20.0  # weight, per place after the first, of not naming again what stands in the ranking already


def collate(
    batch: list[Sequence], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """tokens (B, L) padded with 0 on the right, roles (B, L) with 255 on padding, candidates (B, C), soft (B, C)."""
    length = max(len(s.tokens) for s in batch)
    tokens, roles = np.zeros((len(batch), length), np.int64), np.full((len(batch), length), 255, np.uint8)
    for row, s in enumerate(batch):
        tokens[row, : len(s.tokens)], roles[row, : len(s.tokens)] = s.tokens, s.roles
    width = max(len(s.candidates) for s in batch)
    candidates, soft = np.zeros((len(batch), width), np.int64), np.zeros((len(batch), width), np.float32)
    for row, s in enumerate(batch):
        candidates[row, : len(s.candidates)], soft[row, : len(s.soft)] = s.candidates, s.soft
    return (
        torch.from_numpy(tokens).to(device),
        torch.from_numpy(roles).to(device),
        torch.from_numpy(candidates).to(device),
        torch.from_numpy(soft).to(device),
    )


def loss_of(
    model: torch.nn.Module,
    batch: list[Sequence],
    rng: np.random.Generator,
    items: torch.Tensor,
    guide: float = GUIDE,
) -> tuple[torch.Tensor, dict[str, float]]:
    """Weighted cross-entropy over the sampled positions; logits are computed for these alone.

    Which book is looked at next is a matter of taste, so the cross-entropy there is mostly noise, and books like those in
    question get a share of the probability. The student must not name a book that nobody asked about, whose line it then
    has to make up: where it writes an item before the ranking, the probability of all items outside the context is a loss
    of its own; likewise, at the ranking's later places, that of items which are ranked already (unlikelihood, Welleck et
    al. 2020, arXiv 1908.04319): all places rank alike, and only the decoder would keep them apart. At the end of the
    prompt, before anything was looked up, the candidates are ranked by what is known of the shelf's books by heart
    (`training/lib/vectors.py`), which the ranking can then take up; not where the items are other ones.
    Nor is ranking learned behind other numbers than were found: it would learn that numbers say nothing.

    Args:
        items: bool (V,), which tokens are items.
        guide: share of the ranking's loss that follows the guide's probabilities (distillation, Hinton et al. 2015)
            instead of what was really read: its gradient is far less noisy, so weighing is learned sooner.
    """
    tokens, roles, candidates, soft = collate(batch, model.device)
    hidden = model.model(input_ids=tokens).last_hidden_state[:, :-1]
    label, role = tokens[:, 1:], roles[:, 1:]
    draw = torch.from_numpy(rng.random(role.shape)).to(role.device)
    chosen = torch.zeros_like(role, dtype=torch.bool)
    for kind, share in SAMPLED.items():
        chosen |= (role == kind) & (draw < share)
    at = hidden[chosen]

    def scores(some: torch.Tensor) -> torch.Tensor:
        # From the states anew: part of all scores would pass back a gradient as large as all, mostly zeros.
        return model.lm_head(at[some]).float()

    each = F.cross_entropy(model.lm_head(at).float(), label[chosen], reduction="none")
    kinds = role[chosen]
    first = kinds == RANK
    rows, places = chosen.nonzero(as_tuple=True)
    counted = torch.tensor([s.counted for s in batch], device=model.device)[rows]
    weight = sum((kinds == kind) * value for kind, value in WEIGHT.items()) * (counted | ~first)
    place = (candidates == label[chosen][first][:, None]).int().argmax(-1)
    among = scores(first).gather(1, candidates).log_softmax(-1)
    imitation = -(soft * among).sum(1)
    listed = -among.gather(1, place[:, None])[:, 0]
    ranking = (role == RANK).cumsum(1) > 0  # there the decoder sees to it
    naming = (kinds == WRITTEN) & items[label[chosen]] & ~ranking[chosen]
    there = torch.zeros(len(tokens), len(items), dtype=torch.bool, device=model.device)
    there.scatter_(1, tokens, True)
    spoken = scores(naming).masked_fill(~items, -torch.inf)
    known = spoken.masked_fill(~there[rows[naming]], -torch.inf)
    strange = spoken.logsumexp(-1) - known.logsumexp(-1)
    ranked = ranking & items[label]
    later = ranked[chosen] & ~first
    before = ranked[rows[later]] & (torch.arange(role.shape[1], device=model.device) < places[later][:, None])
    again = (scores(later).softmax(-1).gather(1, label[rows[later]]) * before).sum(1)
    again = -torch.log1p(-again.clamp(max=1 - 1e-6))
    each[first] = OPEN * each[first] + (1 - guide) * listed + guide * imitation
    real = torch.tensor([s.real for s in batch], device=model.device)
    asked = hidden[torch.arange(len(batch), device=model.device), (role == PROMPT).sum(1)]
    early = model.lm_head(asked).float().gather(1, candidates).log_softmax(-1)
    prior = -(1 - guide) * early.gather(1, place[:, None])[:, 0] - guide * (soft * early).sum(1)
    prior = prior[real]
    report = {
        "written": float(each[kinds == WRITTEN].mean().detach()),
        "tool": float(each[kinds == TOOL].mean().detach()),
        "rank": float(each[first].mean().detach()),
        "imitation": float((imitation + (soft * (soft + 1e-9).log()).sum(1)).mean().detach()),
        "listed": float(listed.mean().detach()),
        "hit": float((among.argmax(-1) == place).float().mean()),
        "strange": float(strange.detach().sum()) / max(1, len(strange)),
        "prior": float(prior.detach().sum()) / max(1, len(prior)),
        "again": float(again.detach().sum()) / max(1, len(again)),
    }
    whole = (each * weight).sum() + NAMED * strange.sum() + AGAIN * again.sum() + PRIOR * prior.sum()
    return whole / weight.sum(), report


def mask_of(tokens: np.ndarray, size: int) -> torch.Tensor:
    """Which of `size` tokens are among these, bool (size,)."""
    mask = torch.zeros(size, dtype=torch.bool)
    mask[torch.from_numpy(tokens)] = True
    return mask
