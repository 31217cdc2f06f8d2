"""Simulated readers of the embedded catalogue, and the exact distribution from which each next book is drawn.

    P(next = j | h) = exp(s_j(h)) / sum of exp(s_b(h)) over the books b not in h

    s_j(h) = sharpness · ( popularity_j + tempo_j · log(1 + n)
                           + < sum over k of scale_k * state_k(h), taste_out_j >
                           + for author and for series: weight · recent_j(h) + weight · log(1 + count_j(h))
                           + bonus_j(h) - malus_j(h) )

    h            the reader's history, oldest first; n: the number of books in it
    j, b         books
    < a, b >     inner product; * is the product factor by factor
    state_k(h)   a taste state, the sum of `taste_in` of the books in h: k = 0 historic, damped by n; k = 1, 2, … recent,
                 with a decay per book
    count_j(h)   the number of books in h by the author of j, or in its series; recent_j(h): the same with a decay per book
    bonus_j(h)   for the volume after one just read; malus_j(h): while the volume before is unread

`Figures` holds the fitted factors of these terms. Everything depends on the observed history alone: `log_probabilities` is
the oracle, and no method ranks better. All arithmetic is float64. The figures are float32 on disk, fitted by
`python -m training.demo.fit_demo`.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from star.data.catalog import Catalog, Item
from star.data.dataset import DEMO, Dataset
from star.data.interactions import Interactions
from star.errors import UserError

FIGURES = DEMO / "figures.npz"
N_READERS = 3_000
SEED = 20_260_917
SHORTEST, LONGEST = 10, 60
COLUMNS = ("id", "title", "creators", "year", "series", "number", "genres", "theme")
History = Sequence[int] | np.ndarray
BATCH = 500  # readers simulated side by side; bounds memory, does not change what is drawn
NOTICE = (
    "readers simulated from figures fitted to goodbooks-10k (Zygmunt Zając, CC BY-SA 4.0), no person's rows"
)


def read_catalog(path: Path = DEMO / "catalog.csv") -> Catalog:
    """The embedded catalogue; lists in its cells are joined by '; '.

    Raises:
        UserError: the file is missing or lacks a column.
    """
    if not path.is_file():
        raise UserError(f"no catalogue at {path}; restore data/demo/catalog.csv from the repository")
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    missing = [name for name in COLUMNS if rows and name not in rows[0]]
    if missing or not rows:
        raise UserError(f"{path} lacks {', '.join(missing) or 'rows'}; restore it from the repository")
    return Catalog(tuple(_item(row) for row in rows))


def _item(row: dict[str, str]) -> Item:
    return Item(
        id=row["id"],
        title=row["title"],
        creators=tuple(filter(None, row["creators"].split("; "))),
        year=int(row["year"]) if row["year"] else None,
        series=row["series"] or None,
        number=float(row["number"]) if row["number"] else None,
        genres=tuple(filter(None, row["genres"].split("; "))),
        theme=row["theme"] or None,
    )


@dataclass(frozen=True)
class Relations:
    """Relations between the catalogue's I books.

    Attributes:
        author: float64 (I, I), 1 where two different books share a creator.
        series: float64 (I, I), 1 where two different books are in the same series.
        before: int64 (I,), row of the volume before, -1 for first volumes and single books.
    """

    author: np.ndarray
    series: np.ndarray
    before: np.ndarray

    @classmethod
    def of(cls, catalog: Catalog) -> Relations:
        author = _sharing([item.creators for item in catalog])
        series = _sharing([() if item.series is None else (item.series,) for item in catalog])
        before = np.full(len(catalog), -1, dtype=np.int64)
        for i, one in enumerate(catalog):
            if one.number is not None:
                numbers = {catalog[j].number or 0.0: int(j) for j in np.flatnonzero(series[i])}
                earlier = [n for n in numbers if n < one.number]
                before[i] = numbers[max(earlier)] if earlier else -1
        return cls(author, series, before)

    @cached_property
    def related(self) -> tuple[_Marked, _Marked]:
        """Of each book those by its author, and those of its series."""
        return _Marked.of(self.author), _Marked.of(self.series)

    @cached_property
    def later(self) -> _Marked:
        """Of each book those whose volume before it is."""
        return _Marked.of(self.before == np.arange(len(self.before))[:, None])


@dataclass(frozen=True)
class _Marked:
    """The columns that are not 0 in each row of a square table: columns[starts[row] : starts[row + 1]]."""

    starts: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, table: np.ndarray) -> _Marked:
        rows, columns = np.nonzero(table)
        return cls(np.searchsorted(rows, np.arange(len(table) + 1)), columns)

    def at(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where they are in `table[rows]`: places in `rows`, and columns."""
        starts = self.starts[rows]
        lengths = self.starts[rows + 1] - starts
        place = np.arange(len(rows)).repeat(lengths)
        first = starts - lengths.cumsum() + lengths
        return place, self.columns[first.repeat(lengths) + np.arange(len(place))]


def _sharing(names: Sequence[Sequence[str]]) -> np.ndarray:
    """Float64 (I, I), 1 where two different books share one of their names."""
    having: dict[str, list[int]] = {}
    for book, some in enumerate(names):
        for name in some:
            having.setdefault(name, []).append(book)
    shared = np.zeros((len(names), len(names)))
    for books in having.values():
        shared[np.ix_(books, books)] = 1
    np.fill_diagonal(shared, 0)
    return shared


@dataclass(frozen=True)
class Figures:
    """The fitted figures for I books, d factors, K taste states (0 historic, 1..K-1 recent) in float64.

    Attributes:
        ids: the books, in catalogue order.
        popularity, tempo: (I,), log weight of a book as the first, its change per log(1 + books read).
        taste_in, taste_out: (I, d), what a book says about a reader, and whom it attracts.
        scale: (K, d), weight of each taste state and factor.
        decay: (K - 1,), what is left of a book in a recent state after one more book, in (0, 1).
        damping: historic state = sum of taste_in over (n + 1) to this power.
        relation: (2, 3), for author and series: weight of the recent state, of log(1 + count);
            decay of the recent state.
        volume: (3,), bonus for the volume after one just read, what is left of it after one more book, malus
            while the volume before is unread.
        sharpness: factor on the whole score, 1 is as fitted; data/README.md says why it is not 1.
        lengths: (51,), probability of 10, 11, … 60 books.
        relations: from the catalogue.
    """

    ids: tuple[str, ...]
    popularity: np.ndarray
    tempo: np.ndarray
    taste_in: np.ndarray
    taste_out: np.ndarray
    scale: np.ndarray
    decay: np.ndarray
    damping: float
    relation: np.ndarray
    volume: np.ndarray
    sharpness: float
    lengths: np.ndarray
    relations: Relations

    @classmethod
    def load(cls, path: Path = FIGURES, catalog: Catalog | None = None) -> Figures:
        """The committed figures.

        Raises:
            UserError: no such file, or figures of another catalogue.
        """
        if not path.is_file():
            raise UserError(
                f"no fitted figures at {path}; restore them or run: python -m training.demo.fit_demo"
            )
        catalog = read_catalog() if catalog is None else catalog
        with np.load(path, allow_pickle=False) as stored:
            ids = tuple(str(i) for i in stored["ids"])
            values = {name: stored[name].astype(np.float64) for name in stored.files if name != "ids"}
        if ids != tuple(item.id for item in catalog):
            raise UserError(
                f"{path} was fitted to another catalogue; run python -m training.demo.fit_demo again"
            )
        return cls(
            ids=ids,
            relations=Relations.of(catalog),
            damping=float(values.pop("damping")),
            sharpness=float(values.pop("sharpness")),
            **values,
        )


class _Run:
    """The states of R readers who read step by step; everything the next book depends on."""

    def __init__(self, figures: Figures, readers: int) -> None:
        f, items = figures, len(figures.ids)
        self.figures = f
        self.n = 0
        self.read = np.zeros((readers, items), dtype=bool)
        self.taste = np.zeros((readers, len(f.scale), f.taste_in.shape[1]))
        self.recent = np.zeros((2, readers, items))
        self.count = np.zeros((2, readers, items))
        self.log_count = np.zeros((2, readers, items))  # log(1 + count)
        self.follows = np.zeros((readers, items))
        self.waits = np.tile((f.relations.before >= 0) * f.volume[2], (readers, 1))  # malus

    def scores(self, rows: slice) -> np.ndarray:
        """s_j of the readers in `rows`, who have all read `self.n` books; (R, I), -inf on what was read."""
        f = self.figures
        taste = self.taste[rows].copy()
        taste[:, 0] *= (self.n + 1.0) ** -f.damping
        score = (taste * f.scale).sum(1) @ f.taste_out.T
        score += f.popularity + f.tempo * np.log1p(self.n)
        for r in range(2):
            score += f.relation[r, 0] * self.recent[r, rows]
            score += f.relation[r, 1] * self.log_count[r, rows]
        score -= self.waits[rows]
        score += f.volume[0] * self.follows[rows]
        score *= f.sharpness
        np.copyto(score, -np.inf, where=self.read[rows])
        return score

    def log_probabilities(self, rows: slice) -> np.ndarray:
        """Normalised scores, (R, I)."""
        score = self.scores(rows)
        score -= score.max(1, keepdims=True)
        score -= np.log(np.exp(score).sum(1, keepdims=True))
        return score

    def add(self, rows: slice, books: np.ndarray) -> None:
        """One more book (row number) for each reader in `rows`."""
        f = self.figures
        self.read[rows][np.arange(len(books)), books] = True
        self.taste[rows, 1:] *= f.decay[:, None]
        self.taste[rows] += f.taste_in[books][:, None]
        # Few books are related to one: what is not is left as it is.
        for r, related in enumerate(f.relations.related):
            near = related.at(books)
            recent, count = self.recent[r, rows], self.count[r, rows]
            recent *= f.relation[r, 2]
            recent[near] += 1
            count[near] += 1
            self.log_count[r, rows][near] = np.log1p(count[near])
        later = f.relations.later.at(books)
        self.follows[rows] *= f.volume[1]
        self.follows[rows][later] += 1
        self.waits[rows][later] = 0
        self.n += 1


def log_probabilities(figures: Figures, history: History) -> np.ndarray:
    """The exact distribution of the next book after `history` (item rows, oldest first).

    Returns:
        float64 (I,), natural logarithms that sum to probability 1, -inf on the books of the history.

    Raises:
        ValueError: a book occurs twice or is no row of the catalogue, or nothing is left to read.
    """
    return log_probabilities_batch(figures, [history])[0]


def log_probabilities_batch(figures: Figures, histories: Sequence[History]) -> np.ndarray:
    """`log_probabilities` of R histories at once, float64 (R, I)."""
    items = len(figures.ids)
    for history in histories:
        if len(set(map(int, history))) != len(history) or len(history) >= items:
            raise ValueError("a history holds each book at most once and leaves one unread")
        if any(not 0 <= int(book) < items for book in history):
            raise ValueError(f"a history holds rows of the catalogue, 0 to {items - 1}")
    order = sorted(range(len(histories)), key=lambda row: -len(histories[row]))
    lengths = np.array([len(histories[row]) for row in order], dtype=np.int64)
    run = _Run(figures, len(histories))
    result = np.empty((len(histories), items))
    for step in range(int(lengths.max(initial=0)) + 1):
        first, last = int((lengths > step).sum()), int((lengths >= step).sum())
        if last > first:
            result[order[first:last]] = run.log_probabilities(slice(first, last))
        if first:
            run.add(slice(0, first), np.array([int(histories[row][step]) for row in order[:first]]))
    return result


def draw(log_p: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """One book per row of log probabilities (R, I), inverse CDF at `uniform` (R,) in [0, 1); int64 (R,)."""
    cumulative = np.exp(log_p).cumsum(1)
    return (cumulative <= (uniform * cumulative[:, -1])[:, None]).sum(1)


def simulate(figures: Figures, n_readers: int = N_READERS, seed: int = SEED) -> Interactions:
    """Readers r0001, r0002, … whose every book is drawn from `log_probabilities` of the books before it.

    The number of books of each reader is drawn first, from `figures.lengths`, independent of taste.
    """
    rng = np.random.default_rng(seed)
    wanted = SHORTEST + draw(np.log(figures.lengths)[None].repeat(n_readers, 0), rng.random(n_readers))
    uniform = rng.random((LONGEST, n_readers))
    order = np.argsort(-wanted, kind="stable")
    lengths = wanted[order]
    books = np.zeros((n_readers, LONGEST), dtype=np.int32)
    for begin in range(0, n_readers, BATCH):
        rows = order[begin : begin + BATCH]
        run = _Run(figures, len(rows))
        for step in range(int(lengths[begin])):
            active = int((wanted[rows] > step).sum())
            drawn = draw(run.log_probabilities(slice(0, active)), uniform[step, rows[:active]])
            books[rows[:active], step] = drawn
            run.add(slice(0, active), drawn)
    histories = [books[row, : wanted[row]] for row in range(n_readers)]
    users = [f"r{n:04d}" for n in range(1, n_readers + 1)]
    return Interactions.from_histories(histories, len(figures.ids), users)


def items_checksum(interactions: Interactions) -> str:
    """SHA-256 over the readers' lengths and books, hex: equal for equal figures and seed."""
    stream = interactions.indptr.astype("<i8").tobytes() + interactions.items.astype("<i4").tobytes()
    return hashlib.sha256(stream).hexdigest()


def _simulated(catalog: Catalog) -> Interactions:
    """The demo's readers, cached on disk until the catalogue, the figures or this file change: simulating takes longer
    than an answer."""
    from star.data.cache import kept

    def make() -> dict[str, np.ndarray]:
        made = simulate(Figures.load(catalog=catalog))
        return {"indptr": made.indptr, "items": made.items}

    digest = hashlib.sha256(f"{N_READERS} {SEED} {np.__version__}".encode())
    for file in (DEMO / "catalog.csv", FIGURES, Path(__file__)):
        digest.update(file.read_bytes() if file.is_file() else b"")  # `make` reports what is missing
    stored = kept("demo", digest.hexdigest()[:16], make)
    users = tuple(f"r{n:04d}" for n in range(1, N_READERS + 1))
    return Interactions(users, stored["indptr"], stored["items"], len(catalog))


@cache
def load_demo() -> Dataset:
    """The embedded data set: 3,000 simulated readers of the catalogue in data/demo. Made once per process.

    Raises:
        UserError: a file of data/demo is missing or does not fit the others.
    """
    catalog = read_catalog()
    interactions = _simulated(catalog)
    manifest = {
        "name": "demo",
        "title": f"Demo: {len(catalog)} well-known books, simulated readers",
        "source": "catalogue written for STAR; readers simulated from figures fitted to goodbooks-10k",
        "citation": "Zygmunt Zając (2017). Goodbooks-10k: a new dataset for book recommendations. FastML.",
        "licence": "catalogue Apache-2.0; fitted figures CC BY-SA 4.0",
        "notices": [NOTICE],
        "format": "simulated",
        "counts": dict(readers=N_READERS, items=len(catalog), interactions=len(interactions.items)),
        "ordered_by": "order of simulation",
        "simulated": True,
        "seed": SEED,
        "checksum": items_checksum(interactions),
    }
    return Dataset("demo", catalog, interactions, manifest)
