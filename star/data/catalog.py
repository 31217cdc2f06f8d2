"""Catalogue: the items of one data set, addressed by row number (`index`) or by the data set's own `id`."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from star.data.words import BOOK, Words
from star.errors import UserError


@dataclass(frozen=True, slots=True)
class Item:
    """One item. `id` is the data set's own; `year` may be negative (BC). `contributors`: others than its creators, with
    their roles, as `Bo Ink (translator)`."""

    id: str
    title: str
    creators: tuple[str, ...] = ()
    year: int | None = None
    series: str | None = None
    number: float | None = None
    genres: tuple[str, ...] = ()
    theme: str | None = None
    contributors: tuple[str, ...] = ()


def fold(text: str) -> str:
    """Lower case, accents and punctuation removed: what a search compares."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", " ", plain.lower()).strip()


MARK = 4  # hex digits of a title's mark


def marks_of(title: str) -> list[str]:
    """A short hash of each word of a title, the longest word first; the first hash represents the title.

    It ignores case, accents and punctuation in any script. The longest word stays among the others when a subtitle or a
    series is added.
    """
    plain = unicodedata.normalize("NFKD", title).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c) and c not in "'’")
    words = sorted(re.findall(r"\w+", plain), key=lambda word: (-len(word), word))
    return [hashlib.sha256(word.encode("utf-8", "replace")).hexdigest()[:MARK] for word in words]


def title_marks(items: Sequence[Item]) -> str:
    """Hashes of the items' titles for a checkpoint, `MARK` digits each; dashes for a title without words."""
    return "".join(next(iter(marks_of(item.title)), "-" * MARK) for item in items)


@dataclass(frozen=True)
class Catalog(Sequence[Item]):
    """Items in a fixed order; the position is the item's `index` everywhere in STAR. `words`: what people call them."""

    items: tuple[Item, ...]
    words: Words = BOOK
    _by_id: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_id = {item.id: index for index, item in enumerate(self.items)}
        if len(by_id) != len(self.items):
            raise UserError(
                f"the catalogue has {len(self.items) - len(by_id)} repeated ids; each must occur once"
            )
        object.__setattr__(self, "_by_id", by_id)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.items[index]

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def index(self, id: str) -> int:  # type: ignore[override]
        """Row of the item with this id.

        Raises:
            UserError: no such id.
        """
        try:
            return self._by_id[id]
        except KeyError:
            raise UserError(
                f"item id {id!r} is not in the catalogue of {len(self)} items; search by title instead"
            ) from None

    def get(self, id: str) -> int | None:
        return self._by_id.get(id)

    @cached_property
    def _folded(self) -> list[tuple[str, str]]:
        return [
            (fold(item.title), fold(" ".join((item.title, item.series or "", *item.creators, *item.contributors))))
            for item in self.items
        ]

    def search(self, text: str, limit: int = 20) -> list[int]:
        """Indices of items whose title, series, creators or contributors hold every word of `text`, title matches first."""
        words = fold(text).split()
        if not words:
            return []
        found = []
        for index, (title, everything) in enumerate(self._folded):
            if all(word in everything for word in words):
                rank = 0 if title == " ".join(words) else 1 if title.startswith(words[0]) else 2
                found.append((rank, index))
        return [index for _, index in sorted(found)[:limit]]
