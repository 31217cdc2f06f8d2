"""What comes after: one layer of self-attention over the shelf, whose score is still a sum over the shelf's books.

It is SASRec (Kang, McAuley 2018, arXiv 1808.09781) with one layer and without its feed-forward part. What is left between a
book's vector and the score is linear once the attention is known, so each book's part of the score is known too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from tqdm import tqdm

from star.evidence.graph import Graph

WIDTH, HEADS = 64, 2
LENGTH = 50  # last books that are looked back on
MOST = 100_000  # most read items that have a vector
EPOCHS, BATCH = 20, 64
FEWEST, LONGEST = 500, 3_000  # steps of a fit, whatever the number of readers
RATE, DECAY, DROPOUT = 0.02, 0.01, 0.3
NEGATIVES = 1_024  # other items that a step compares with; all of a smaller catalogue
FLATTENED = 0.75  # they are drawn by readers to this power
TINY = 1e-6


@dataclass(frozen=True)
class ReadAfter:
    """Score of item j for the shelf H: Σ_h c_h · (y_j - ȳ), so c_h · (y_j - ȳ) is book h's part.

    c_h is what book h brings to the state after the last book: in each head, its attention times its value, and for the last
    book its own vector too. The state is then scaled to length √d. ȳ is the mean vector, so an average item has 0.

    Attributes:
        vectors: y, float32 (I, d); 0 for items that the signal does not know.
        maps: query, key, value and output maps, float32 (4, d, d).
        scales: of the norms before and after the attention, float32 (2, d).
        distance: what is added to the attention of the book so far back, float32 (heads, LENGTH).
        own: weight of the last book's own vector, float32 (1,).
    """

    vectors: np.ndarray
    maps: np.ndarray
    scales: np.ndarray
    distance: np.ndarray
    own: np.ndarray

    @cached_property
    def known(self) -> np.ndarray:
        """Whether the signal knows each item, bool (I,)."""
        return np.asarray(self.vectors.any(1))

    @cached_property
    def mean(self) -> np.ndarray:
        """ȳ, float32 (d,)."""
        return np.asarray(self.vectors.sum(0) / max(int(self.known.sum()), 1))

    def brought(self, shelf: np.ndarray) -> np.ndarray:
        """c, float (H, d); 0 for books that are unknown or too far back."""
        out = np.zeros((len(shelf), self.vectors.shape[1]))
        at = np.flatnonzero(self.known[shelf])[-self.distance.shape[1] :]
        if not len(at):
            return out
        heads, width = len(self.distance), self.vectors.shape[1] // len(self.distance)
        x = _normed(self.vectors[shelf[at]].astype(np.float64)) * self.scales[0]
        query, key, value = (x @ part.T for part in self.maps[:3])
        key, value = (part.reshape(len(at), heads, width) for part in (key, value))
        fit = np.einsum("hw,ahw->ha", query[-1].reshape(heads, width), key) / np.sqrt(width)
        fit += self.distance[:, np.arange(len(at) - 1, -1, -1)]
        attention = np.exp(fit - fit.max(1, keepdims=True))
        attention /= attention.sum(1, keepdims=True)
        found = (attention.T[..., None] * value).reshape(len(at), -1) @ self.maps[3].T
        found[-1] += self.own[0] * x[-1]
        state = found.sum(0)
        out[at] = found * self.scales[1] / np.sqrt(np.mean(state * state) + TINY)
        return out

    def parts(self, shelf: np.ndarray, items: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Each shelf book's part of each item's score, float (H, C).

        Args:
            own: is not used. A reader of the graph is not left out of the fit.
        """
        ahead = np.where(self.known[items][:, None], self.vectors[items] - self.mean, 0)
        # Not a matrix product, whose last digits depend on an item's place among the candidates.
        return np.einsum("hd,cd->hc", self.brought(shelf), ahead.astype(np.float64))

    def scores(self, shelf: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Score of every item, float (I,); 0 for those that the signal does not know."""
        return np.where(self.known, (self.vectors - self.mean) @ self.brought(shelf).sum(0), 0)

    def chances(self, shelf: np.ndarray) -> np.ndarray:
        """How likely each item is the next one, against the likeliest, float (I,); 0 for unknown items."""
        scores = self.scores(shelf)
        most = scores[self.known].max(initial=0)
        return np.where(self.known, np.exp(scores - most), 0)

    @classmethod
    def fit(cls, graph: Graph, seed: int = 0) -> ReadAfter:
        """Fit by cross-entropy of every next book against sampled others, corrected for how often each is drawn.

        Graphs with fewer than two known items, or without two books in a row, give a signal that is silent.
        """
        head = graph.most_read(MOST)
        column = np.full(graph.n_items, -1)
        column[head] = np.arange(len(head))
        shelves = [column[graph.interactions.history(row)] for row in range(graph.n_readers)]
        shelves = [known for shelf in shelves if len(known := shelf[shelf >= 0]) > 1]
        vectors = np.zeros((graph.n_items, WIDTH), np.float32)
        if not shelves:
            return cls(
                vectors,
                np.zeros((4, WIDTH, WIDTH), np.float32),
                np.ones((2, WIDTH), np.float32),
                np.zeros((HEADS, LENGTH), np.float32),
                np.ones(1, np.float32),
            )
        learned = _learn(shelves, graph.counts[head], seed)
        vectors[head] = learned["vectors"]
        return cls(vectors, learned["maps"], learned["scales"], learned["distance"], learned["own"])


def _normed(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.sqrt((x * x).mean(-1, keepdims=True) + TINY))


def _learn(shelves: list[np.ndarray], counts: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """The weights, as `ReadAfter` has them, by name.

    Args:
        shelves: positions of known items, oldest first, two at least.
        counts: readers of each known item, (M,).
    """
    import torch  # most uses of the evidence only read what was fitted

    from star.evidence.attention import Attention

    made, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    model = Attention(len(counts), WIDTH, HEADS, LENGTH, DROPOUT, made)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY, betas=(0.9, 0.98))
    each = -(-len(shelves) // BATCH)
    steps = int(np.clip(EPOCHS * each, FEWEST, LONGEST))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    share = counts.astype(np.float64) ** FLATTENED
    share /= share.sum()
    bounds, log_share = np.cumsum(share), torch.from_numpy(np.log(share).astype(np.float32))
    order = np.zeros(0, np.int64)
    for _ in tqdm(range(steps), desc="fitting what comes after", leave=False, disable=None):
        if not len(order):
            order = rng.permutation(len(shelves))
        rows, order = order[:BATCH], order[BATCH:]
        past, target = _cut([shelves[row] for row in rows], rng)
        if len(counts) <= NEGATIVES:
            loss = model.loss(past, target)
        else:
            drawn = np.minimum(np.searchsorted(bounds, rng.random(NEGATIVES)), len(counts) - 1)
            loss = model.loss(past, target, torch.from_numpy(drawn), log_share)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.weights()


def _cut(shelves: list[np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A stretch of each shelf, drawn, and the next book after each of its books; int64 (B, n) each, padded with -1."""
    stretches = []
    for shelf in shelves:
        start = int(rng.integers(max(1, len(shelf) - LENGTH)))
        stretches.append(shelf[start : start + LENGTH + 1])
    whole = np.full((len(stretches), max(map(len, stretches))), -1, np.int64)
    for row, stretch in zip(whole, stretches, strict=True):
        row[: len(stretch)] = stretch
    return whole[:, :-1], whole[:, 1:]
