"""Dense pretraining of the student on reading histories, verbalised evidence and the items really read next.

    python -m training.pretrain --config training/configs/goodbooks.yaml
    python -m torch.distributed.run --standalone --nproc-per-node 2 -m training.pretrain --config FILE

The data are all MARS trajectories of the pretraining folds, kept for SFT or not. The item really read next comes first in
every ranking. The loss of the ranking is mostly distillation from boosted trees. These trees are fitted on other readers,
over the tools' signals and latent models (`training/lib/latent.py`). Prompts alone train the parametric prior
(`training/lib/parametric_prior.py`).

Every position has a loss (`training/lib/loss.py`). Its weight is small on histories and on tools' lines, where the model
learns copying early. It is larger on words that the student writes, and largest on the first ranked item.

The run ends after a fixed time or number of sequences. By then the learning rate has fallen to zero `pretrain_cycles` times.
The run saves every five minutes; a stopped run continues from its last save. Several processes read different sequences and
average their gradients; the first process writes. A big base (`base` in the config) trains only the rows of its new tokens.
Curves are written to TensorBoard under `runs/`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from star.data import tasks as T
from star.data.catalog import title_marks
from star.data.loading import load_dataset
from star.errors import UserError, command
from star.evidence.graph import Graph
from star.student.model import Checkpoint, new_model
from star.student.vocabulary import build_tokenizer, grammar_of, words_of
from training.lib import bases
from training.lib.config import Config, load_config
from training.lib.corpus import RANK, Sequence, read_corpus
from training.lib.device import (
    agreed,
    average_gradients,
    compiles,
    device_for,
    mixed,
    processes,
    rank,
    share_of,
    together,
)
from training.lib.loss import collate, loss_of, mask_of
from training.lib.muon import Muon
from training.lib.parametric_prior import ParametricPrior
from training.lib.start import take_over
from training.lib.vectors import WHOLE, Embedded, fit_vectors

SAVE_EVERY = 300.0
Drawn = TypeVar("Drawn")


def batches(
    sequences: list[Sequence],
    size: int,
    rng: np.random.Generator,
    draw: Callable[[int, np.random.Generator], Drawn],
) -> Iterator[list[Drawn]]:
    """Endless batches, each of one fold and of similar lengths, to pad little: sorted within pools of 50 batches.

    If a fold fills more than one batch of a pool, its incomplete batch waits for the next pass.

    Args:
        draw: returns the n-th sequence, perturbed at random.
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
                yield [draw(n, rng) for n in groups[place]]


def optimisers(model: torch.nn.Module, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the trainable matrices inside the blocks, AdamW for the other trainable parameters."""
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    inside = [p.ndim == 2 and "embed" not in n and "lm_head" not in n for n, p in named]
    matrices = [p for (_, p), matrix in zip(named, inside, strict=True) if matrix]
    rest = [p for (_, p), matrix in zip(named, inside, strict=True) if not matrix]
    adam = torch.optim.AdamW(rest, lr=lr, weight_decay=0.0, betas=(0.9, 0.98))
    if not matrices:
        return [adam]
    return [Muon(matrices, lr=lr, weight_decay=0.01), adam]


def rate_at(done: float, step: int, cycles: int) -> float:
    """Factor of the learning rate: constant, then linear to zero in the second half of each cycle (warm restarts,
    Loshchilov, Hutter 2017, arXiv 1608.03983), after a warm-up of 200 steps.

    Args:
        done: share of the run that is over, 0 to 1.
    """
    within = done * cycles % 1
    return min(1.0, (step + 1) / 200) * min(1.0, (1 - within) / 0.5)


@torch.no_grad()
def hit_rate(model: torch.nn.Module, sequences: list[Sequence], size: int = 32) -> float:
    """Mean of HR@1/3/5 of the item at the first ranking position, among the prompt's candidates."""
    ranks = []
    for start in range(0, len(sequences), size):
        tokens, roles, candidates, _ = collate(sequences[start : start + size], model.device)
        hidden = model.model(input_ids=tokens).last_hidden_state
        rows = torch.arange(len(tokens), device=tokens.device)
        at = (roles == RANK).int().argmax(1)
        logits = model.lm_head(hidden[rows, at - 1]).gather(1, candidates)
        real = (candidates == tokens[rows, at][:, None]) & (candidates > 0)
        own = logits.masked_fill(~real, -torch.inf).amax(1, keepdim=True)
        ranks += ((logits > own) & (candidates > 0)).sum(1).tolist()
    return float(np.mean([(np.array(ranks) < k).mean() for k in (1, 3, 5)]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", required=True, help="YAML file of the run")
    parser.add_argument("--minutes", type=float, help="instead of what the config says")
    args = parser.parse_args()
    train(load_config(args.config), args.minutes)


def train(config: Config, minutes: float | None = None) -> Path:
    """Pretrain and save; returns the folder.

    Args:
        minutes: wall-clock limit; None: the config's.
    """
    device = device_for(config.threads)
    many, first = together(), rank() == 0
    data = load_dataset(config.dataset)
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
    held: float | None = None  # standard deviation of the start's item vectors
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
    corpus, check = read_corpus(config, vocabulary, split.fold_of, largest)
    items = mask_of(corpus.items, model.config.vocab_size).to(device)
    folder = Path(config.runs) / "pretrain"
    folder.mkdir(parents=True, exist_ok=True)
    if config.compile and compiles(device):
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

    heart: ParametricPrior | None = None
    if config.heart and not config.base:
        share = max(1, config.heart // processes())
        heart = ParametricPrior(corpus.sequences, config.trajectory_folder, vocabulary, share)
    rng = np.random.default_rng([config.seed, step, 1 + rank()])
    groups = batches(  # equal in all processes, which share each batch; similar lengths, so that none waits
        corpus.sequences,
        config.pretrain_batch,
        np.random.default_rng([config.seed, step]),
        lambda n, _: n,
    )
    writer = SummaryWriter(folder / "tensorboard") if first else None
    sequences = config.pretrain_sequences if minutes is None else None
    whole = 60 * (config.pretrain_minutes if minutes is None else minutes) if sequences is None else sequences

    def passed() -> float:
        """Seconds or sequences so far."""
        return spent if sequences is None else step * config.pretrain_batch

    began, saved_at = time.monotonic() - spent, time.monotonic()
    bar = tqdm(
        total=round(whole),
        initial=round(passed()),
        unit="s" if sequences is None else " sequences",
        desc="pretrain",
        mininterval=10,
        disable=not first,
    )
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

    for places in groups:
        batch = [corpus.draw(n, rng) for n in share_of(places)]
        spent = time.monotonic() - began
        spent = agreed(spent, device) if many else spent
        if passed() >= whole:
            break
        factor = rate_at(passed() / whole, step, config.pretrain_cycles)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = config.pretrain_lr * factor
        show(batch[0].fold)
        with mixed(device):
            loss, report = loss_of(model, batch, rng, items)
            if heart is not None:
                known, more = heart.loss(model, batch[0].fold, rng)
                loss, report = loss + known, report | more
        loss.backward()
        if many:
            average_gradients(model.parameters())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        for key, value in report.items():
            averages[key] = value if key not in averages else 0.98 * averages[key] + 0.02 * value
        bar.n = round(passed())
        if step % 50 == 0:
            bar.set_postfix(step=step, **{k: f"{v:.3f}" for k, v in averages.items()})
            for key, value in averages.items() if writer is not None else ():
                writer.add_scalar(key, value, step)
        if step % 300 == 0 and writer is not None:
            show(WHOLE)
            model.eval()
            value = hit_rate(model, check)
            model.train()
            writer.add_scalar("held_hit", value, step)
            tqdm.write(
                f"{spent:.0f} s, step {step}: held-out folds HR mean {value:.3f}, "
                + ", ".join(f"{k} {v:.3f}" for k, v in averages.items())
            )
        if first and time.monotonic() - saved_at > SAVE_EVERY:
            save()
            saved_at = time.monotonic()
    bar.n = bar.total
    bar.close()
    if not first:
        return folder / "model"
    save()
    show(WHOLE)
    model.eval()
    about: dict[str, Any] = {
        **({"base": config.base} if config.base else {}),
        "dataset": config.dataset,
        "items": [item.id for item in data.catalog],
        "titles": title_marks(data.catalog),
        "stages": {
            "pretrain": {
                "minutes": round(spent / 60, 1),
                "steps": step,
                "sequences": step * config.pretrain_batch,
                **({"prompts": step * heart.size * processes()} if heart else {}),
                "of": len(corpus.sequences),
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
