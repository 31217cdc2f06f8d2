"""Fits the simulator's parameters (data/demo/figures.npz) to goodbooks-10k by maximum likelihood.

    python -m training.demo.fit_demo [--dataset goodbooks] [--seed 0] [--epochs 8] [--factors 32] [--out FILE]

Maximises the likelihood of each next book given the books before it: a softmax over all unread books of the embedded
catalogue. Uses TRAINING readers of the fixed split (`star.data.tasks.split`), with the books that match the catalogue.
Validation readers choose the epoch; test readers are not used.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor, nn

from star.data.dataset import DEMO
from star.data.loading import load_dataset
from star.data.simulator import LONGEST, SHORTEST, Figures, Relations, log_probabilities_batch, read_catalog
from star.errors import UserError, command
from training.demo.match_demo import Histories, real_histories

SHARPNESS = 1.08  # factor on the whole score; reason in data/README.md


class NextBook(nn.Module):
    """The distribution of `star.data.simulator` with its figures as trainable parameters."""

    author: Tensor
    series: Tensor
    follows: Tensor
    later: Tensor

    def __init__(self, relations: Relations, counts: np.ndarray, factors: int, seed: int) -> None:
        super().__init__()
        items, generator = len(counts), torch.Generator().manual_seed(seed)
        share = torch.tensor(np.log((counts + 1.0) / counts.sum()), dtype=torch.float32)
        self.popularity = nn.Parameter(share)
        self.tempo = nn.Parameter(torch.zeros(items))
        start = torch.randn(items, factors, generator=generator) * 0.1
        self.taste_in = nn.Parameter(start.clone())
        self.taste_out = nn.Parameter(start.clone())
        self.scale = nn.Parameter(torch.tensor([1.0, 0.3, 0.3])[:, None].repeat(1, factors))
        self.raw_decay = nn.Parameter(torch.tensor([2.0, 0.0]))
        self.raw_damping = nn.Parameter(torch.tensor(0.0))
        self.weights = nn.Parameter(torch.tensor([[1.0, 0.2], [0.5, 0.2]]))
        self.raw_relation = nn.Parameter(torch.tensor([0.0, 0.0]))
        self.volume = nn.Parameter(torch.tensor([1.0, 1.0]))
        self.raw_volume = nn.Parameter(torch.tensor(0.0))
        self.register_buffer("author", torch.tensor(relations.author, dtype=torch.float32))
        self.register_buffer("series", torch.tensor(relations.series, dtype=torch.float32))
        before = torch.tensor(relations.before)
        follows = torch.zeros(items, items)
        later = torch.nonzero(before >= 0).ravel()
        follows[before[later], later] = 1.0
        self.register_buffer("follows", follows)
        self.register_buffer("later", (before >= 0).float())

    def forward(self, books: Tensor) -> Tensor:
        """Log-probabilities (B, L) of books[:, t] given books[:, :t]; books (B, L), padded with -1."""
        known = books.clamp(min=0)
        length = books.shape[1]
        step = torch.arange(length)
        age = step[:, None] - step[None, :] - 1
        past = (age >= 0).float()

        def recent(decay: Tensor) -> Tensor:
            return past * decay ** age.clamp(min=0)

        vectors = self.taste_in[known]
        historic = (past @ vectors) * ((step + 1.0) ** -torch.sigmoid(self.raw_damping))[:, None]
        taste = historic * self.scale[0]
        for scale, decay in zip(self.scale[1:], torch.sigmoid(self.raw_decay), strict=True):
            taste = taste + (recent(decay) @ vectors) * scale
        score = taste @ self.taste_out.T + self.popularity + torch.log1p(step.float())[:, None] * self.tempo
        for r, related in enumerate((self.author, self.series)):
            near = related[known]
            score = score + self.weights[r, 0] * (recent(torch.sigmoid(self.raw_relation[r])) @ near)
            score = score + self.weights[r, 1] * torch.log1p(past @ near)
        follows = self.follows[known]
        score = score + self.volume[0] * (recent(torch.sigmoid(self.raw_volume)) @ follows)
        score = score - self.volume[1] * self.later * (1 - past @ follows)
        read = past @ nn.functional.one_hot(known, score.shape[2]).float()
        score = score.masked_fill(read > 0, -1e9)
        return score.log_softmax(2).gather(2, known[:, :, None])[:, :, 0]

    def penalty(self) -> Tensor:
        """Squared lengths of the per-book parameters."""
        return self.taste_in.square().sum() + self.taste_out.square().sum() + self.tempo.square().sum()


def batches(histories: Histories, size: int, rng: np.random.Generator | None) -> list[Tensor]:
    """Batches (B, L) of readers with similar lengths, cut to LONGEST books, padded with -1."""
    cut = [history[:LONGEST] for history in histories if len(history) > 1]
    noise = rng.random(len(cut)) * 6 if rng is not None else np.zeros(len(cut))
    order = np.argsort([len(history) + noise[n] for n, history in enumerate(cut)], kind="stable")
    result = []
    for begin in range(0, len(cut), size):
        rows = [cut[row] for row in order[begin : begin + size]]
        block = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int64)
        for row, history in enumerate(rows):
            block[row, : len(history)] = history
        result.append(torch.tensor(block))
    return [result[n] for n in (rng.permutation(len(result)) if rng is not None else range(len(result)))]


@torch.no_grad()
def loss_of(model: NextBook, histories: Histories) -> float:
    """Mean negative log-likelihood per book, nats."""
    total, number = 0.0, 0
    for block in batches(histories, 32, None):
        mask = block >= 0
        total -= float(model(block)[mask].sum())
        number += int(mask.sum())
    return total / number


def train(
    model: NextBook, parts: dict[str, Histories], epochs: int, ridge: float, rate: float, seed: int
) -> float:
    """Fit in place and keep the best validation epoch's parameters; returns its loss."""
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    number = sum(min(len(h), LONGEST) for h in parts["train"])
    steps = epochs * len(batches(parts["train"], 32, None))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    best, kept, patience = np.inf, {}, 0
    with Progress(*Progress.get_default_columns(), "{task.fields[loss]}", transient=False) as progress:
        bar = progress.add_task("fitting", total=epochs, loss="")
        for _ in range(epochs):
            for block in batches(parts["train"], 32, rng):
                mask = block >= 0
                log_p = model(block)[mask]
                loss = -log_p.mean() + ridge * model.penalty() / number
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
            valid = loss_of(model, parts["valid"])
            if valid < best:
                best, patience = valid, 0
                kept = {name: value.clone() for name, value in model.state_dict().items()}
            else:
                patience += 1
            progress.update(bar, advance=1, loss=f"valid {valid:.4f} best {best:.4f} nats")
            if patience >= 6:
                break
    model.load_state_dict(kept)
    return best


def lengths(histories: Histories) -> np.ndarray:
    """Shares of readers with 10, 11, … 60 matched books, smoothed by a triangle of five books to either side."""
    counts = np.bincount([len(h) for h in histories if SHORTEST <= len(h) <= LONGEST], minlength=LONGEST + 1)
    triangle = np.minimum(np.arange(1, 12), np.arange(11, 0, -1)).astype(np.float64)
    padded = np.pad(counts[SHORTEST:].astype(np.float64), 5, mode="reflect")
    smooth = np.convolve(padded, triangle, mode="valid")
    return smooth / smooth.sum()


def figures_of(model: NextBook, share: np.ndarray, relations: Relations, ids: tuple[str, ...]) -> Figures:
    """The fitted parameters as the simulator's figures, sharpness 1."""
    value = {name: tensor.detach().double().numpy() for name, tensor in model.named_parameters()}

    def sigmoid(name: str) -> np.ndarray:
        return 1 / (1 + np.exp(-value[name]))

    return Figures(
        ids=ids,
        popularity=value["popularity"],
        tempo=value["tempo"],
        taste_in=value["taste_in"],
        taste_out=value["taste_out"],
        scale=value["scale"],
        decay=sigmoid("raw_decay"),
        damping=float(sigmoid("raw_damping")),
        relation=np.column_stack([value["weights"], sigmoid("raw_relation")]),
        volume=np.array([value["volume"][0], sigmoid("raw_volume"), value["volume"][1]]),
        sharpness=1.0,
        lengths=share,
        relations=relations,
    )


def borrow(figures: Figures, missing: np.ndarray) -> None:
    """Fill in, in place, the figures of books without a match: the mean of their series, else of their author, else of the
    catalogue.

    Popularity is the lowest of the series or author, since a later volume has fewer readers, or the catalogue's median.
    """
    known = np.ones(len(figures.ids), dtype=bool)
    known[missing] = False
    for book in missing:
        related = figures.relations.series[book] * known
        related = related if related.any() else figures.relations.author[book] * known
        rows = np.flatnonzero(related) if related.any() else np.flatnonzero(known)
        for name in ("tempo", "taste_in", "taste_out"):
            getattr(figures, name)[book] = getattr(figures, name)[rows].mean(0)
        low = figures.popularity[rows].min() if related.any() else np.median(figures.popularity[rows])
        figures.popularity[book] = low


def save(figures: Figures, path: Path) -> None:
    """Write as float32 with the ids; the same figures give the same bytes."""
    names = [name for name in Figures.__dataclass_fields__ if name not in ("ids", "relations")]
    arrays: dict[str, Any] = {name: np.asarray(getattr(figures, name), dtype="<f4") for name in names}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, ids=np.array(figures.ids), **arrays)


def largest_difference(model: NextBook, figures: Figures, histories: Histories) -> float:
    """Largest difference in log probability between fitted model and simulator, over some real steps."""
    worst = 0.0
    for history in [h[:25] for h in histories if len(h) >= 25][:8]:
        with torch.no_grad():
            fitted = model(torch.tensor(history)[None])[0].numpy()
        known = [history[:t] for t in range(len(history))]
        exact = log_probabilities_batch(figures, known)[np.arange(len(history)), history]
        worst = max(worst, float(np.abs(fitted - exact).max()))
    return worst


def main(argv: list[str] | None = None) -> None:
    """Fit, check against the simulator, write the figures."""
    parser = argparse.ArgumentParser(
        description="Fit the demo's figures to training readers of goodbooks-10k"
    )
    parser.add_argument("--dataset", default="goodbooks", help="name under which goodbooks-10k was imported")
    parser.add_argument("--seed", type=int, default=0, help="of the initial figures and the batches")
    parser.add_argument("--epochs", type=int, default=8, help="passes over the readers")
    parser.add_argument("--factors", type=int, default=32, help="dimensions of taste")
    parser.add_argument("--ridge", type=float, default=40.0, help="weight of the squared per-book figures")
    parser.add_argument("--rate", type=float, default=0.01, help="highest learning rate")
    parser.add_argument("--sharpness", type=float, default=SHARPNESS, help="factor on the fitted scores")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--out", type=Path, default=DEMO / "figures.npz", help="file to write")
    options = parser.parse_args(argv)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    catalog = read_catalog()
    rows, parts = real_histories(load_dataset(options.dataset))
    missing = np.flatnonzero(rows < 0)
    print(
        f"{len(catalog) - len(missing)} of {len(catalog)} books matched; without a match: "
        + ", ".join(catalog[int(book)].title for book in missing),
        file=sys.stderr,
    )
    relations = Relations.of(catalog)
    counts = np.bincount(np.concatenate(parts["train"]), minlength=len(catalog))
    model = NextBook(relations, counts, options.factors, options.seed)
    alone = loss_of(model, parts["valid"])
    loss = train(model, parts, options.epochs, options.ridge, options.rate, options.seed)
    figures = figures_of(model, lengths(parts["train"]), relations, tuple(item.id for item in catalog))
    worst = largest_difference(model, figures, parts["valid"])
    if worst > 1e-3:
        raise UserError(f"fit and simulator differ by {worst:.2g} nats; their formulas no longer agree")
    borrow(figures, missing)
    save(replace(figures, sharpness=options.sharpness), options.out)
    print(
        f"validation readers: {loss:.4f} nats per book (before fitting {alone:.4f}); "
        f"fit and simulator differ by at most {worst:.1g} nats; wrote {options.out}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    command(main)
