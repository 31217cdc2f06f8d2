"""Ready questions to start with: shelves that each have a point, and users with a one-line portrait, of any data set.

All come from held-out users, where the data set has any. A data set gives those that it can: without series there is no
series under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.data.tasks import split
from star.data.words import a, capital
from star.display import isolated
from star.evidence.graph import Graph
from star.evidence.keeping import training_graph
from star.recommend.recommendation import Query

USERS = 2_000  # that are looked through
SHORT = 3  # items of a thin shelf
LONG = 6  # items of a shelf with a point


@dataclass(frozen=True)
class Example:
    """A question with the reason to ask it: a shelf, or a known user's history."""

    label: str
    note: str
    query: Query


def examples(dataset: Dataset) -> list[Example]:
    """At most six shelves, then at most six users; fewer where the data set does not have what they show."""
    found = _Finder(dataset, training_graph(dataset, split(dataset.interactions)))
    return [*found.shelves(), *found.users()]


class _Finder:
    def __init__(self, dataset: Dataset, graph: Graph):
        self.dataset, self.catalog, self.graph = dataset, dataset.catalog, graph
        log = dataset.interactions
        rows = sorted(dataset.held_out)[:USERS] or list(range(min(len(log), USERS)))
        self.histories = {row: log.history(row).tolist() for row in rows}
        self.histories = {row: items for row, items in self.histories.items() if len(items) >= 5}

    def shelves(self) -> Iterator[Example]:
        w = self.catalog.words
        made: tuple[tuple[str, str, Callable[[], list[int] | None]], ...] = (
            (f"{capital(a(w.series))} under way", f"the latest {w.item} has a next {w.volume}", self._series),
            ("A taste that moved", f"the last {w.items} are of another {w.genre} than the first", self._moved),
            ("Two tastes at once", f"one {w.genre} and another in turn", self._mixed),
            (f"Much of one {w.creator}", f"every {w.item} by the same {w.creator}", self._creator),
            (f"One {w.item} only", f"the {w.item} that most {w.users} {w.past}", self._one),
            ("Thin evidence", f"{w.items} that few {w.users} {w.past}", self._thin),
        )
        for label, note, find in made:
            if (shelf := find()) is not None:
                yield Example(label, note, Query(tuple(shelf)))

    def users(self) -> Iterator[Example]:
        """The one with most items, with fewest, of one genre most, of most genres, of the best and the least known items."""
        w, counts = self.catalog.words, self.graph.counts
        main = {row: self._main(items) for row, items in self.histories.items()}
        some = {row: items for row, items in self.histories.items() if len(items) >= 8} or self.histories
        known = {row: float(np.median(counts[items])) for row, items in some.items()}
        wanted: tuple[tuple[str, Callable[[int], float]], ...] = (
            (f"a long {w.shelf}", lambda row: len(self.histories[row])),
            (f"a short {w.shelf}", lambda row: -len(self.histories[row])),
            *(
                (("one taste", lambda row: main[row][1]), ("many tastes", lambda row: -main[row][1]))
                if any(genre for genre, _ in main.values())
                else ()
            ),
            (f"what most {w.users} {w.past}", lambda row: known.get(row, -np.inf)),
            (f"what few {w.users} {w.past}", lambda row: -known.get(row, np.inf)),
        )
        taken: set[int] = set()
        for portrait, score in wanted:
            left = [row for row in (self.histories if "short" in portrait else some) if row not in taken]
            if not left:
                return
            row = max(left, key=lambda row: (score(row), -row))
            taken.add(row)
            items = self.histories[row]
            genre = main[row][0]
            parts = [portrait, *([f"mostly {isolated(genre)}"] if genre else []), f"{len(items)} {w.items}"]
            yield Example(f"{capital(w.user)} {row + 1}", ", ".join(parts), Query(tuple(items), row))

    def _main(self, items: list[int]) -> tuple[str, float]:
        """The genre of most of these items, and its share of all their genres."""
        genres = Counter(genre for item in items for genre in self.catalog[item].genres)
        if not genres:
            return "", 0.0
        ((genre, count),) = genres.most_common(1)
        return genre, count / genres.total()

    def _series(self) -> list[int] | None:
        """A shelf that ends within a series whose next volume is there and was not read, of the best known such series."""
        volumes = {
            (item.series, item.number): n
            for n, item in enumerate(self.catalog)
            if item.series and item.number is not None
        }
        found = []
        for items in self.histories.values():
            for at, n in enumerate(items):
                item = self.catalog[n]
                after = volumes.get((item.series, (item.number or 0) + 1)) if item.number is not None else None
                if after is not None and after not in items[: at + 1] and at >= 2:
                    found.append((int(self.graph.counts[after]), items[max(0, at - LONG + 1) : at + 1]))
        return max(found)[1] if found else None

    def _moved(self) -> list[int] | None:
        return self._by_genres(lambda first, last: first == "aaa" and last == "bbb")

    def _mixed(self) -> list[int] | None:
        return self._by_genres(lambda first, last: first + last in ("ababab", "abaabb", "abbaab", "abbaba"))

    def _by_genres(self, fits: Callable[[str, str], bool]) -> list[int] | None:
        """Six items in a row of two first genres, as `fits` wants them: `a` is the first item's genre, `b` the other."""
        found = []
        for items in self.histories.values():
            for at in range(len(items) - LONG + 1):
                part = items[at : at + LONG]
                genres = [next(iter(self.catalog[n].genres), "") for n in part]
                if len(set(genres)) != 2 or "" in genres:
                    continue
                pattern = "".join("a" if genre == genres[0] else "b" for genre in genres)
                if fits(pattern[:3], pattern[3:]):
                    found.append((int(self.graph.counts[part].min()), part))
        return max(found)[1] if found else None

    def _creator(self) -> list[int] | None:
        """The most items of one creator on one shelf, four at most."""
        best: list[int] = []
        for items in self.histories.values():
            by: dict[str, list[int]] = {}
            for n in items:
                for creator in self.catalog[n].creators[:1]:
                    by.setdefault(creator, []).append(n)
            longest = max(by.values(), key=len, default=[])
            best = longest if len(longest) > len(best) else best
        return best[-4:] if len(best) >= SHORT else None

    def _one(self) -> list[int] | None:
        return [int(self.graph.counts.argmax())] if self.graph.counts.any() else None

    def _thin(self) -> list[int] | None:
        """The least read items of one shelf that anybody read."""
        found = []
        for items in self.histories.values():
            read = sorted((int(self.graph.counts[n]), n) for n in items if self.graph.counts[n])[:SHORT]
            if len(read) == SHORT:
                found.append((sum(count for count, _ in read), [n for _, n in read]))
        return min(found)[1] if found else None


def titles(catalog: Catalog, query: Query, most: int = 3) -> str:
    """The latest items of a question, as a line."""
    return ", ".join(isolated(catalog[n].title) for n in query.history[::-1][:most])
