"""Catalogue: the items of one data set, addressed by row number (`index`) or by the data set's own `id`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from star.data.search import SearchIndex
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
    """Lower-case ASCII words of a text; other scripts are left out. Lists of titles are matched by it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", " ", plain.lower()).strip()


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
    def index_of_words(self) -> SearchIndex:
        """The words that a search looks up. Made at the first use, in about a second for 100,000 items."""
        return SearchIndex((item.title for item in self.items), map(_other_words, self.items))

    def search(self, text: str, limit: int = 20) -> list[int]:
        """Indices of items whose title, series, number, creators or contributors hold every word of `text`, in any script.

        Best match first; words with typing errors come last (`SearchIndex.search`).
        """
        return self.index_of_words.search(text, limit)


def _other_words(item: Item) -> str:
    """What a search looks up beside the title."""
    number = "" if item.number is None else f"{item.number:g}"
    return " ".join((item.series or "", number, *item.creators, *item.contributors))
