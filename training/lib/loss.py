"""Dense loss of pretraining and of on-policy training: one weight per role of a token, and one function per term."""

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
GUIDE = 0.85  # share of distillation in the ranking's loss
OPEN = 0.1  # weight of the cross-entropy over the whole vocabulary at the first ranked item
PRIOR = 8.0  # weight, per sequence, of ranking the candidates at the end of the prompt
NAMED = 4.0  # weight, per written item, of naming an item of the context
AGAIN = 20.0  # weight, per place after the first, of not ranking an item twice


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


def sampled(role: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Bool (B, L - 1): a position of role r is kept with probability `SAMPLED[r]`; padding never."""
    draw = torch.from_numpy(rng.random(role.shape)).to(role.device)
    chosen = torch.zeros_like(role, dtype=torch.bool)
    for kind, share in SAMPLED.items():
        chosen |= (role == kind) & (draw < share)
    return chosen


def among(logits: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """log p(c), (n, C): log-softmax of the logits (n, V) over the candidates (n, C) alone."""
    return logits.gather(1, candidates).log_softmax(-1)


def cross_entropy(logp: torch.Tensor, gold: torch.Tensor) -> torch.Tensor:
    """−log p(gold), (n,); `gold` is the column of the item that was really read."""
    return -logp.gather(1, gold[:, None])[:, 0]


def distillation(logp: torch.Tensor, soft: torch.Tensor) -> torch.Tensor:
    """−Σ_c q(c) log p(c), (n,), with the distillation teacher's probabilities q = `soft` (Hinton et al. 2015)."""
    return -(soft * logp).sum(1)


def outside_context(logits: torch.Tensor, items: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """−log [Σ_{i in context} p(i) / Σ_{i item} p(i)], (n,).

    Args:
        items: bool (V,); there: bool (n, V), tokens of the context.
    """
    spoken = logits.masked_fill(~items, -torch.inf)
    known = spoken.masked_fill(~there, -torch.inf)
    return spoken.logsumexp(-1) - known.logsumexp(-1)


def unlikelihood(logits: torch.Tensor, tokens: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """−log (1 − Σ_{j before} p(token_j)), (n,) (Welleck et al. 2020, arXiv 1908.04319).

    Args:
        tokens: (n, L); before: bool (n, L), which of them are ranked already.
    """
    again = (logits.softmax(-1).gather(1, tokens) * before).sum(1)
    return -torch.log1p(-again.clamp(max=1 - 1e-6))


def loss_of(
    model: torch.nn.Module,
    batch: list[Sequence],
    rng: np.random.Generator,
    items: torch.Tensor,
    guide: float = GUIDE,
) -> tuple[torch.Tensor, dict[str, float]]:
    """(Σ_t w_t CE_t + NAMED Σ U + AGAIN Σ R + PRIOR Σ P) / Σ_t w_t over the sampled positions t; logits for these alone.

    CE: over the whole vocabulary. At the first ranked item it becomes OPEN · CE + (1 − g) · cross_entropy + g · distillation
    among the candidates, unless the trajectory's counts were perturbed: ranking on them would teach that numbers mean
    nothing. U: `outside_context`, at items that the student writes before the ranking. Cross-entropy alone leaves similar
    books some probability; the student would name a book that no tool mentioned and invent its line. R: `unlikelihood`,
    at the ranking's later places. Only the decoder would keep an item from being ranked twice otherwise. P: (1 − g) ·
    cross_entropy + g · distillation at the end of the prompt: the parametric prior. It is left out after an entity
    permutation or a candidate swap.

    Args:
        items: bool (V,), which tokens are items.
        guide: g, share of distillation. Its gradient is less noisy than that of the item really read.

    Returns:
        the loss, and the mean of each term by name.
    """
    tokens, roles, candidates, soft = collate(batch, model.device)
    hidden = model.model(input_ids=tokens).last_hidden_state[:, :-1]
    label, role = tokens[:, 1:], roles[:, 1:]
    chosen = sampled(role, rng)
    at, target, kinds = hidden[chosen], label[chosen], role[chosen]
    rows, places = chosen.nonzero(as_tuple=True)

    def scores(some: torch.Tensor) -> torch.Tensor:
        # A second product: a slice of the logits of all positions would pass back a gradient of their size, mostly zeros.
        return model.lm_head(at[some]).float()

    each = F.cross_entropy(model.lm_head(at).float(), target, reduction="none")
    first = kinds == RANK
    counted = torch.tensor([s.counted for s in batch], device=model.device)[rows]
    weight = sum((kinds == kind) * value for kind, value in WEIGHT.items()) * (counted | ~first)
    gold = (candidates == target[first][:, None]).int().argmax(-1)
    logp = among(scores(first), candidates)
    imitation, listed = distillation(logp, soft), cross_entropy(logp, gold)
    ranking = (role == RANK).cumsum(1) > 0  # the decoder allows candidates only
    naming = (kinds == WRITTEN) & items[target] & ~ranking[chosen]
    there = torch.zeros(len(tokens), len(items), dtype=torch.bool, device=model.device)
    there.scatter_(1, tokens, True)
    strange = outside_context(scores(naming), items, there[rows[naming]])
    ranked = ranking & items[label]
    later = ranked[chosen] & ~first
    before = ranked[rows[later]] & (torch.arange(role.shape[1], device=model.device) < places[later][:, None])
    again = unlikelihood(scores(later), label[rows[later]], before)
    each[first] = OPEN * each[first] + (1 - guide) * listed + guide * imitation
    real = torch.tensor([s.real for s in batch], device=model.device)
    asked = hidden[torch.arange(len(batch), device=model.device), (role == PROMPT).sum(1)]
    early = among(model.lm_head(asked).float(), candidates)
    prior = ((1 - guide) * cross_entropy(early, gold) + guide * distillation(early, soft))[real]
    entropy = (soft * (soft + 1e-9).log()).sum(1)
    report = {
        "written": float(each[kinds == WRITTEN].mean().detach()),
        "tool": float(each[kinds == TOOL].mean().detach()),
        "rank": float(each[first].mean().detach()),
        "imitation": float((imitation + entropy).mean().detach()),
        "listed": float(listed.mean().detach()),
        "hit": float((logp.argmax(-1) == gold).float().mean()),
        "strange": _mean_or_zero(strange),
        "prior": _mean_or_zero(prior),
        "again": _mean_or_zero(again),
    }
    whole = (each * weight).sum() + NAMED * strange.sum() + AGAIN * again.sum() + PRIOR * prior.sum()
    return whole / weight.sum(), report


def _mean_or_zero(term: torch.Tensor) -> float:
    return float(term.detach().sum()) / max(1, len(term))


def mask_of(tokens: np.ndarray, size: int) -> torch.Tensor:
    """Which of `size` tokens are among these, bool (size,)."""
    mask = torch.zeros(size, dtype=torch.bool)
    mask[torch.from_numpy(tokens)] = True
    return mask
