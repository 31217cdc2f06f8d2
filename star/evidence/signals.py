"""Signals that are sums over the shelf: whole shelf (EASE) and description, in closed form, and what comes after.

Each gives a candidate a score that is the sum of one part per shelf book, so a sentence can name the books that carry it
and their shares. Parts of items outside a signal's vocabulary (the most read items, at most `HEAD`) are zero: the signal
is silent on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack
from tqdm import tqdm

from star.data.catalog import Catalog, Item
from star.evidence.claims import Fitted
from star.evidence.graph import Graph
from star.evidence.read_after import ReadAfter

HEAD = 10_000
"""Most items that a square table is fitted over: 400 MB in float32, and half a minute to invert."""
RIDGE = 1_600.0  # EASE's λ
RECENT, EMPHASIS = 10, 3.0  # each of the last ten books counts 1 + EMPHASIS times
KNOWN = 5  # readers from which on an item has factors of its own
FACTORS = 128
TEXT_RIDGE = 10.0
LATEST: dict[str, int] = {"latest": 3, "last": 1}
"""Signals that are the whole shelf's, of so many last books."""
RARITY = (0.5, 0.65, 0.8, 0.9, 0.96, 0.99)


def inverse(gram: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric positive definite matrix by its Cholesky factor, in place where it can be.

    Raises:
        ValueError: the matrix is not positive definite.
    """
    factor, inverted = (
        (lapack.spotrf, lapack.spotri) if gram.dtype == np.float32 else (lapack.dpotrf, lapack.dpotri)
    )
    lower, problem = factor(gram, lower=1, overwrite_a=1, clean=0)
    if problem == 0:
        lower, problem = inverted(lower, lower=1, overwrite_c=1)
    if problem:
        raise ValueError(
            f"the matrix of {len(gram)} items is not positive definite; expected a ridge above 0"
        )
    out = np.tril(lower)
    out += np.tril(lower, -1).T
    return out


@dataclass(frozen=True)
class WholeShelf:
    """EASE (Steck 2019, arXiv 1905.03375): B = I - P diag(P)⁻¹ with P = (XᵀX + λI)⁻¹, zero diagonal.

    Score of item j for the shelf H with weights w: Σ_{h in H} w_h B_hj, so book h's part is w_h B_hj.

    Attributes:
        head: rows of the items that the signal knows, (M,), sorted.
        n_items: I, size of the catalogue.
        p: float32 (M, M).
    """

    head: np.ndarray
    n_items: int
    p: np.ndarray

    @classmethod
    def fit(cls, graph: Graph, ridge: float = RIDGE) -> WholeShelf:
        head = graph.most_read(HEAD)
        x = graph.matrix[:, head]
        gram = (x.T @ x).toarray().astype(np.float32)
        gram[np.diag_indices_from(gram)] += ridge
        return cls(head, graph.n_items, inverse(gram))

    @cached_property
    def column(self) -> np.ndarray:
        """Position of every item in `head`, int64 (I,), -1 for items outside it."""
        out = np.full(self.n_items, -1)
        out[self.head] = np.arange(len(self.head))
        return out

    def without(self, x: sp.csr_matrix) -> WholeShelf:
        """The same fit without some of its readers: P + P Xᵀ (I - X P Xᵀ)⁻¹ X P (Woodbury), which costs little where they
        are few against the items.

        Args:
            x: their rows of the graph's matrix, (F, I).
        """
        part = x[:, self.head].tocsr()
        px = (part @ self.p).T  # (M, F)
        inner = np.eye(part.shape[0], dtype=np.float64) - part @ px
        return WholeShelf(
            self.head, self.n_items, self.p + px @ np.linalg.solve(inner, px.T).astype(np.float32)
        )

    @cached_property
    def _diagonal(self) -> np.ndarray:
        """Of `p`, (M,)."""
        return np.array(self.p.diagonal())

    @staticmethod
    def weights(size: int) -> np.ndarray:
        """Weight of every book of a shelf of this size, oldest first, (size,)."""
        return np.where(np.arange(size) >= size - RECENT, 1 + EMPHASIS, 1.0)

    def _table(
        self, at: np.ndarray, to: np.ndarray | slice, own: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """P at these positions of `head`, (A, C), and its diagonal at `to`, (C,), of the fit without one reader's row `own`;
        rows at -1 are 0."""
        rows, diagonal = (
            self.p[at[:, None], to] if isinstance(to, np.ndarray) else self.p[at, to],
            self._diagonal[to],
        )
        rows[at < 0] = 0
        if own is not None and len(mine := self.column[own][self.column[own] >= 0]):
            px = self.p[mine].sum(0, dtype=np.float64)  # Sherman and Morrison: one row taken out of XᵀX
            rest = 1 - px[mine].sum()
            rows = rows + np.where(at >= 0, px[at], 0)[:, None] * px[to] / rest
            diagonal = diagonal + px[to] * px[to] / rest
        return rows, diagonal

    def scores(self, shelf: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Score of every item, float (I,); 0 for those outside the head."""
        rows, diagonal = self._table(self.column[shelf], slice(None), own)
        weights = self.weights(len(shelf))
        found = -(weights @ rows) / diagonal
        out = np.zeros(self.n_items)
        out[self.head] = found
        known = self.column[shelf] >= 0
        out[shelf[known]] += weights[known]  # P_hh / P_hh of the book itself
        return out

    def parts(self, shelf: np.ndarray, items: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Each shelf book's part of each item's score, float (A, C).

        Args:
            own: items of a reader of the graph who is left out of the fit, exactly.
        """
        to = self.column[items]
        rows, diagonal = self._table(self.column[shelf], to, own)
        parts = np.where(to >= 0, -rows / diagonal, 0) * self.weights(len(shelf))[:, None]
        return np.where(shelf[:, None] == items[None], 0, parts)


@dataclass(frozen=True)
class Description:
    """Item vectors from the description, for items with few or no readers: a ridge map from title, creators, genres and
    series (TF-IDF) to the factors of the items that are read.

    Factors are the leading right singular vectors of the readers × items matrix, items scaled by n_i^-1/2. Score of item j:
    Σ_h x_h · y_j / |H|, with x_h the factors of shelf book h where it is read enough, and y_j always from the description.

    Attributes:
        shelf: float32 (I, K), factors of items as shelf books.
        described: float32 (I, K), factors as the description gives them.
    """

    shelf: np.ndarray
    described: np.ndarray

    @classmethod
    def fit(cls, graph: Graph, texts: list[str], ridge: float = TEXT_RIDGE, seed: int = 0) -> Description:
        """
        Args:
            texts: words of every item, as `words_of` gives them.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import Ridge
        from sklearn.utils.extmath import randomized_svd

        counts = graph.counts
        known = np.flatnonzero(counts >= KNOWN)
        vectors = np.zeros((graph.n_items, FACTORS), np.float32)
        described = vectors.copy()
        if len(known) > 1:
            scaled = graph.matrix[:, known] @ sp.diags(1 / np.sqrt(counts[known]).astype(np.float32))
            size = min(FACTORS, len(known) - 1, graph.n_readers)
            _, values, right = randomized_svd(scaled, size, n_iter=3, random_state=seed)
            vectors[known, :size] = right.T * np.sqrt(values)
            words = TfidfVectorizer(analyzer=str.split, sublinear_tf=True, min_df=2, dtype=np.float32)
            try:
                features = words.fit_transform(texts)
            except ValueError:  # no word occurs twice
                return cls(vectors, described)
            model = Ridge(alpha=ridge, solver="sparse_cg", fit_intercept=True, tol=1e-3)
            model.fit(features[known], vectors[known], sample_weight=np.sqrt(counts[known]))
            described = np.asarray(model.predict(features), dtype=np.float32)
        silent = counts < KNOWN
        vectors[silent] = described[silent]
        return cls(vectors, described)

    def parts(self, shelf: np.ndarray, items: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Each shelf book's part of each item's score, float (A, C)."""
        # Not a matrix product, whose last digits depend on an item's place among the candidates.
        return np.einsum("ak,ck->ac", self.shelf[shelf], self.described[items]) / max(len(shelf), 1)

    def scores(self, shelf: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        """Score of every item, float (I,)."""
        return (
            np.asarray(self.described @ self.shelf[shelf].mean(0))
            if len(shelf)
            else np.zeros(len(self.shelf))
        )


def words_of(item: Item) -> str:
    """What describes an item, as words between spaces: title words, and creators, genres and series as one word each."""
    title = re.findall(r"\w+", item.title.casefold())
    named = [("by", c) for c in item.creators] + [("genre", g) for g in item.genres]
    named += [("series", item.series)] if item.series else []
    return " ".join([*title, *("_".join([kind, *name.casefold().split()]) for kind, name in named)])


@dataclass(frozen=True)
class Signals:
    """The fitted signals of one graph.

    Attributes:
        bounds: signal → lower bounds of the six strengths, (6,): the values that shares `RARITY` of the candidates of
            training readers' lists stay below, so a word means the same rarity in every data set.
    """

    whole: WholeShelf
    after: ReadAfter
    about: Description
    bounds: dict[str, np.ndarray] = field(default_factory=dict)

    def __getitem__(self, kind: Fitted) -> WholeShelf | ReadAfter | Description:
        match kind:
            case "whole" | "latest" | "last":
                return self.whole
            case "after":
                return self.after
            case _:
                return self.about

    def parts(
        self, kind: Fitted, shelf: np.ndarray, items: np.ndarray, own: np.ndarray | None = None
    ) -> np.ndarray:
        """Each shelf book's part of each item's score, float (A, C); of books that the signal does not look at, 0.

        Args:
            own: items of a reader of the graph who is left out, exactly so for the whole shelf.
        """
        back = LATEST.get(kind, len(shelf))
        seen = shelf[len(shelf) - min(back, len(shelf)) :]
        parts = self[kind].parts(seen, items, own)
        return np.vstack([np.zeros((len(shelf) - len(seen), len(items))), parts])

    @classmethod
    def fit(cls, graph: Graph, catalog: Catalog, after: ReadAfter | None = None) -> Signals:
        """Seconds for some thousand items, some minutes for `HEAD` and more.

        Args:
            after: what comes after, where it is fitted already.
        """
        texts = [words_of(item) for item in catalog]
        with tqdm(total=3, desc="fitting whole shelf", leave=False, disable=None) as bar:
            whole = WholeShelf.fit(graph)
            bar.update()
            bar.set_description("fitting what comes after")
            after = after or ReadAfter.fit(graph)
            bar.update()
            bar.set_description("fitting descriptions")
            return cls(whole, after, Description.fit(graph, texts))

    def fitted_without(self, graph: Graph, rest: Graph, catalog: Catalog) -> Signals:
        """The signals of `rest`, which is `graph` without some of its readers. The whole-shelf inverse is updated where that
        costs less than to fit it again."""
        out = np.setdiff1d(np.arange(graph.n_readers), [graph.position(int(row)) for row in rest.rows])
        if 3 * len(out) > len(self.whole.head):
            return Signals.fit(rest, catalog)
        texts = [words_of(item) for item in catalog]
        return Signals(
            self.whole.without(graph.matrix[out]), ReadAfter.fit(rest), Description.fit(rest, texts)
        )
