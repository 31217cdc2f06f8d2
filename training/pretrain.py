"""Pretraining of the student on reading histories, verbalised evidence and what was really read next.

    python -m training.pretrain --config training/configs/goodbooks.yaml

All teacher trajectories of the pretraining folds serve, kept or not, with the book that was really read put first in the
ranking; most of the ranking's loss imitates the guide: trees fitted on other readers over the signals that the tools
state and the score of a factorisation, whose vectors stand in the item embeddings (`training/vectors.py`). The loss is
dense: a little on histories and on the tools' lines (copying circuits form early), more on what the student writes, most on
the first recommended book. Runs for a fixed time, after which the learning rate has fallen to zero; saves every five
minutes and goes on from there when started again.
Of a big base (`base` in the config) only the rows of the new tokens are trained: they learn to mean something to it.
Curves: TensorBoard under `runs/`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from star import tasks as T
from star.dataset import Dataset
from star.errors import UserError, command
from star.graph import Graph
from star.student.model import Checkpoint, new_model
from star.student.vocabulary import build_tokenizer, grammar_of, words_of
from training import bases
from training.config import Config, load_config
from training.corpus import (
    PROMPT,
    RANK,
    TOOL,
    WRITTEN,
    Sequence,
    encode_all,
    item_tokens,
    renamed,
)
from training.device import alone, device_for, mixed, native_bf16
from training.start import take_over
from training.vectors import WHOLE, Embedded, fit_vectors

WEIGHT = {PROMPT: 0.1, TOOL: 0.1, WRITTEN: 2.0, RANK: 24.0}
SAMPLED = {
    PROMPT: 0.5,
    TOOL: 0.2,
    WRITTEN: 1.0,
    RANK: 1.0,
}  # share of positions that enter the loss, for speed
GUIDE = 0.7  # share of the ranking's loss that imitates the guide's probabilities
OPEN = 0.1  # share of the cross-entropy over the whole vocabulary; the rest of the ranking's loss is among the candidates
PRIOR = 8.0  # weight, per sequence, of ranking the candidates before anything was looked up
NAMED = 4.0  # weight, per written item, of naming one that stands in the context, whichever it is
SAVE_EVERY = 300.0


def batches(
    sequences: list[Sequence], size: int, rng: np.random.Generator, share: float, items: np.ndarray
) -> Iterator[list[Sequence]]:
    """Endless batches of sequences of one fold and like length (sorted within pools of 50 batches, so little is padded; of a
    fold with more than one batch in a pool, what does not fill a batch waits for the next pass).

    Args:
        share: of the sequences that get other items (`renamed`), each time anew.
        items: int (I,), tokens of the items.
    """
    while True:
        order = rng.permutation(len(sequences))
        for start in range(0, len(order) - size + 1, size * 50):
            folds: dict[int, list[int]] = {}
            for n in order[start : start + size * 50]:
                folds.setdefault(sequences[n].fold, []).append(n)
            groups = []
            for pool in folds.values():
                whole = pool[: max(size, len(pool) // size * size)]
                whole.sort(key=lambda n: len(sequences[n].tokens))
                groups += [whole[a : a + size] for a in range(0, len(whole), size)]
            for place in rng.permutation(len(groups)):
                yield [
                    renamed(sequences[n], items, rng) if rng.random() < share else sequences[n]
                    for n in groups[place]
                ]


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
    of its own. At the end of the prompt, before anything was looked up, the candidates are ranked by what is known of the
    shelf's books by heart (`training/vectors.py`), which the ranking can then take up; not where the items are other ones.
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
    logits = model.lm_head(hidden[chosen]).float()
    each = F.cross_entropy(logits, label[chosen], reduction="none")
    kinds = role[chosen]
    first = kinds == RANK
    rows = torch.arange(len(tokens), device=model.device)[:, None].expand_as(role)[chosen]
    counted = torch.tensor([s.counted for s in batch], device=model.device)[rows]
    weight = sum((kinds == kind) * value for kind, value in WEIGHT.items()) * (counted | ~first)
    place = (candidates == label[chosen][first][:, None]).int().argmax(-1)
    among = torch.gather(logits[first], 1, candidates).log_softmax(-1)
    imitation = -(soft * among).sum(1)
    listed = -among.gather(1, place[:, None])[:, 0]
    ranking = (role == RANK).cumsum(1) > 0  # there the decoder sees to it
    naming = (kinds == WRITTEN) & items[label[chosen]] & ~ranking[chosen]
    there = torch.zeros(len(tokens), len(items), dtype=torch.bool, device=model.device)
    there.scatter_(1, tokens, True)
    spoken = logits[naming].masked_fill(~items, -torch.inf)
    known = spoken.masked_fill(~there[rows[naming]], -torch.inf)
    strange = spoken.logsumexp(-1) - known.logsumexp(-1)
    each[first] = OPEN * each[first] + (1 - guide) * listed + guide * imitation
    real = torch.tensor([s.real for s in batch], device=model.device)
    before = hidden[torch.arange(len(batch), device=model.device), (role == PROMPT).sum(1)]
    early = model.lm_head(before).float().gather(1, candidates).log_softmax(-1)
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
    }
    whole = (each * weight).sum() + NAMED * strange.sum() + PRIOR * prior.sum()
    return whole / weight.sum(), report


def mask_of(tokens: np.ndarray, size: int) -> torch.Tensor:
    """Which of `size` tokens are among these, bool (size,)."""
    mask = torch.zeros(size, dtype=torch.bool)
    mask[torch.from_numpy(tokens)] = True
    return mask


def optimisers(model: torch.nn.Module, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for embeddings and gains; for what is to be trained of them."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    inside = [p.ndim == 2 and "embed" not in n and "lm_head" not in n for n, p in named]
    matrices = [p for (_, p), matrix in zip(named, inside, strict=True) if matrix]
    rest = [p for (_, p), matrix in zip(named, inside, strict=True) if not matrix]
    adam = torch.optim.AdamW(rest, lr=lr, weight_decay=0.0, betas=(0.9, 0.98))
    if not matrices:
        return [adam]
    return [torch.optim.Muon(matrices, lr=lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"), adam]


@torch.no_grad()
def hit_rate(model: torch.nn.Module, sequences: list[Sequence], size: int = 32) -> float:
    """Mean of HR@1/3/5 of the first ranking position, among the prompt's candidates, on these sequences."""
    ranks = []
    for start in range(0, len(sequences), size):
        tokens, roles, candidates, _ = collate(sequences[start : start + size], model.device)
        hidden = model.model(input_ids=tokens).last_hidden_state
        for row in range(len(tokens)):
            at = int((roles[row] == RANK).nonzero()[0, 0])
            logits = model.lm_head(hidden[row, at - 1])[candidates[row]]
            ranks.append(int((logits > logits[candidates[row] == tokens[row, at]]).sum()))
    return float(np.mean([(np.array(ranks) < k).mean() for k in (1, 3, 5)]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--minutes", type=float, help="instead of the config's pretrain_minutes")
    args = parser.parse_args()
    config = load_config(args.config)
    train(config, args.minutes or config.pretrain_minutes)


def train(config: Config, minutes: float) -> Path:
    """Pretrain and save; returns the folder."""
    alone("pretrain")
    device = device_for(config.threads)
    data = Dataset.load(config.dataset)
    split = T.split(data.interactions)
    largest = int(Graph.build(data.interactions, split.train).counts.max())
    words = words_of(data.catalog, largest)
    if config.base:
        dtype = bases.dtype_for(config.base)
        student, tokenizer = bases.prepare(config.base, words, data.catalog, config.base_rank, dtype)
        bases.rows_only(student)
    else:
        student = new_model(
            words, config.hidden, config.layers, config.heads, config.intermediate, config.seed
        )
        tokenizer = build_tokenizer(words)
    held: float | None = None  # spread of the vectors that the start holds
    if config.start:
        start = Checkpoint.load(config.start)
        take_over(student, words, start)
        if start.about["items"] == [item.id for item in data.catalog]:
            held = start.about["stages"].get("pretrain", {}).get("vectors")
    model, vocabulary = bases.network(student).to(device), grammar_of(tokenizer)
    if held is not None and not config.vectors:
        raise UserError(
            f"checkpoint {config.start} has item vectors; expected vectors: true, or another start"
        )
    items = mask_of(item_tokens(vocabulary), model.config.vocab_size).to(device)
    sequences, check = encode_all(
        Path(config.runs) / "trajectories",
        vocabulary,
        split.fold_of,
        config.sft_folds,
        np.random.default_rng([config.seed, 1]),
        largest,
        config.renumbered,
        config.form,
    )
    folder = Path(config.runs) / "pretrain"
    folder.mkdir(parents=True, exist_ok=True)
    if config.compile and native_bf16(device):
        model.model.compile(dynamic=True)
    optimizers, step, spent = optimisers(model, config.pretrain_lr), 0, 0.0
    state, saved = folder / "state.pt", None
    if state.exists():
        saved = torch.load(state, weights_only=True, map_location=device)
        model.load_state_dict(saved["model"], strict=not config.base)
        for optimizer, part in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(part)
        step, spent = saved["step"], saved["spent"]
    embedded: Embedded | None = None
    if config.vectors and not config.base:
        vectors = fit_vectors(data, split, config.sft_folds, config.hidden // 2)
        table, spread = model.get_input_embeddings().weight, saved["vectors"] if saved else held
        embedded = Embedded(
            table, vocabulary, vectors, spread, WHOLE if held is not None and not saved else None
        )

    def show(fold: int | None) -> None:
        if embedded is not None:
            embedded.show(fold)

    rng = np.random.default_rng([config.seed, step])
    writer = SummaryWriter(folder / "tensorboard")
    began, saved_at, limit = time.monotonic() - spent, time.monotonic(), minutes * 60
    bar = tqdm(total=round(limit), initial=round(spent), unit="s", desc="pretrain", mininterval=10)
    averages: dict[str, float] = {}

    def save() -> None:
        show(None)
        torch.save(
            {
                "model": bases.trained_state(model) if config.base else model.state_dict(),
                "optimizers": [o.state_dict() for o in optimizers],
                "step": step,
                "spent": time.monotonic() - began,
                "vectors": embedded.spread if embedded else None,
            },
            state.with_suffix(".part"),
        )
        state.with_suffix(".part").rename(state)

    for batch in batches(sequences, config.pretrain_batch, rng, config.renamed, item_tokens(vocabulary)):
        spent = time.monotonic() - began
        if spent >= limit:
            break
        factor = min(1.0, (step + 1) / 200) * min(1.0, (1 - spent / limit) / 0.5)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = config.pretrain_lr * factor
        show(batch[0].fold)
        with mixed(device):
            loss, report = loss_of(model, batch, rng, items)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        for key, value in report.items():
            averages[key] = value if key not in averages else 0.98 * averages[key] + 0.02 * value
        bar.n = round(spent)
        if step % 50 == 0:
            bar.set_postfix(step=step, **{k: f"{v:.3f}" for k, v in averages.items()})
            for key, value in averages.items():
                writer.add_scalar(key, value, step)
        if step % 300 == 0:
            show(WHOLE)
            model.eval()
            value = hit_rate(model, check)
            model.train()
            writer.add_scalar("held_hit", value, step)
            tqdm.write(
                f"{spent:.0f} s, step {step}: held-out folds HR mean {value:.3f}, "
                + ", ".join(f"{k} {v:.3f}" for k, v in averages.items())
            )
        if time.monotonic() - saved_at > SAVE_EVERY:
            save()
            saved_at = time.monotonic()
    spent = limit
    save()
    show(WHOLE)
    model.eval()
    about: dict[str, Any] = {
        **({"base": config.base} if config.base else {}),
        "dataset": config.dataset,
        "items": [item.id for item in data.catalog],
        "stages": {
            "pretrain": {
                "minutes": minutes,
                "steps": step,
                "sequences": step * config.pretrain_batch,
                "of": len(sequences),
                "held_hit_mean": round(hit_rate(model, check), 4),
                **({"vectors": embedded.spread} if embedded else {}),
            }
        },
    }
    bases.save(student, folder / "model")
    tokenizer.save_pretrained(folder / "model")
    (folder / "model" / "star.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    print(json.dumps(about["stages"]))
    return folder / "model"


if __name__ == "__main__":
    command(main)
