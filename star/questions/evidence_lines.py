"""The evidence about two items line by line: one line a signal, with place, strength and the shelf books that carry it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from star.data.catalog import Catalog
from star.data.words import Words, a
from star.evidence.claims import STRENGTHS, Claim
from star.questions.edits import headline
from star.recommend.recommendation import Recommendation

ORDER = ("whole", "after", "latest", "last", "pull", "read_next", "similar", "about", "series", "author")
"""Signals in the order shown: first those that look at the whole shelf."""


@dataclass(frozen=True)
class Said:
    """What the tools said of one item in one signal.

    Attributes:
        place, among: place among the candidates, from 1, and their number; None where the tool gives no place.
        level: strength from 1 (faint) to 6 (striking); 0 where the tool gives none.
        text: the sentence in plain words.
        books: (item row of the shelf, its share of the score from 0 to 1 or None), the largest share first.
    """

    place: int | None
    among: int | None
    level: int
    text: str
    books: tuple[tuple[int, float | None], ...] = ()

    @property
    def strength(self) -> str:
        """The word for the level; empty for none."""
        return STRENGTHS[self.level - 1] if self.level else ""


@dataclass(frozen=True)
class Line:
    """One signal of both items; None where the tools said nothing of the item in it."""

    kind: str
    name: str
    one: Said | None
    other: Said | None

    @property
    def ahead(self) -> int:
        """1: the first item is ahead in this signal, -1: the second, 0: neither."""
        mine, theirs = _standing(self.one), _standing(self.other)
        return (mine > theirs) - (mine < theirs)

    @property
    def apart(self) -> int:
        """Places between the two, of which an item without a place stands behind all; levels where no place is given."""
        if self.one is None and self.other is None:
            return 0
        places = [said.place for said in (self.one, self.other) if said and said.place is not None]
        if not places:
            return abs(_level(self.one) - _level(self.other))
        behind = max(said.among or 0 for said in (self.one, self.other) if said) + 1
        return abs(_place(self.one, behind) - _place(self.other, behind))


def _level(said: Said | None) -> int:
    return 0 if said is None else max(said.level, 1)


def _place(said: Said | None, behind: int) -> int:
    return behind if said is None or said.place is None else said.place


def _standing(said: Said | None) -> tuple[int, int]:
    """Ordered as the signal orders items: by place, and by level where no place is given."""
    if said is None:
        return (-(10**9), 0)
    return (0 if said.place is None else -said.place, said.level)


def lines(done: Recommendation, one: int, other: int, catalog: Catalog) -> tuple[Line, ...]:
    """What the tools said of two items in an answer, a line for each signal, in the order `ORDER`.

    A signal that was asked for with several windows has a line for each.
    """
    mine, theirs = said_of(done, one, catalog), said_of(done, other, catalog)
    keys = sorted(
        dict.fromkeys([*mine, *theirs]),
        key=lambda key: (ORDER.index(key[0]) if key[0] in ORDER else len(ORDER), key[1]),
    )
    return tuple(
        Line(key[0], signal_name(key[0], key[1], catalog.words), mine.get(key), theirs.get(key))
        for key in keys
    )


Key = tuple[str, int]
"""Kind of the sentence, and the window or number of similar readers asked; 0 where there is none."""


@dataclass
class _Heard:
    head: Claim | None = None
    text: str = ""
    books: list[tuple[int, float | None]] = field(default_factory=list)


def said_of(done: Recommendation, item: int, catalog: Catalog) -> dict[Key, Said]:
    """What the tools said of an item in an answer, by signal; each is counted once, as it was said first."""
    heard: dict[Key, _Heard] = {}
    last = 0  # window of the sentence that a pair's count belongs to
    for checked in done.claims:
        claim = checked.claim
        if checked.author != "tool" or claim.subject != item or claim.kind == "opinion":
            continue
        if claim.kind in ("pull", "similar", "read_next"):
            last = int(claim.numbers.get("window", claim.numbers.get("of", 0)))
        key = (headline(claim), last if headline(claim) in ("pull", "similar", "read_next") else 0)
        found = heard.setdefault(key, _Heard())
        if claim.kind in ("carried", "co_read") and claim.anchor is not None:
            share = claim.numbers.get("share")
            pair = (claim.anchor, None if share is None else share / 100)
            if claim.anchor not in [book for book, _ in found.books]:
                found.books.append(pair)
        if found.head is None or (found.head.kind == "co_read" and claim.kind == "pull"):
            found.head, found.text = claim, checked.text
        if claim.kind in ("series", "author", "last"):
            found.books = [(book, None) for book in _kin(done.query.history, item, claim.kind, catalog)]
    return {key: _said(found) for key, found in heard.items() if found.head is not None}


def _kin(history: Sequence[int], item: int, kind: str, catalog: Catalog) -> list[int]:
    """Books of the shelf that a relation or the last book's signal rests on."""
    mine = catalog[item]
    match kind:
        case "series":
            return [book for book in history if mine.series and catalog[book].series == mine.series]
        case "author":
            return [
                book for book in history if mine.creators and catalog[book].creators[:1] == mine.creators[:1]
            ]
        case _:
            return [history[-1]]


def _said(found: _Heard) -> Said:
    assert found.head is not None
    n, strength = found.head.numbers, found.head.strength
    return Said(
        int(n["rank"]) if "rank" in n else None,
        int(n["among"]) if "among" in n else None,
        STRENGTHS.index(strength) + 1 if strength else 0,
        found.text,
        tuple(found.books),
    )


def _many(size: int, w: Words) -> str:
    return w.item if size == 1 else f"{size} {w.items}"


def signal_name(kind: str, size: int, w: Words) -> str:
    """A signal in the data set's words, as the head of its line."""
    match kind:
        case "whole":
            return f"The whole {w.shelf}"
        case "latest":
            return f"The last three {w.items}"
        case "last":
            return f"The last {w.item}"
        case "after":
            return f"What others {w.past} next"
        case "pull":
            return f"Co-{w.gerund} with the last {_many(size, w)}" if size else f"Co-{w.gerund}"
        case "read_next":
            return f"Soon after the last {_many(size, w)}"
        case "similar":
            return f"The {size} most similar {w.users}"
        case "about":
            return "The description"
        case "series":
            return f"{w.series.capitalize()} {w.on_shelf}"
        case "author":
            return f"{w.creator.capitalize()} {w.on_shelf}"
        case _:
            return f"What the tools say of {a(w.item)}"


def parting(found: Sequence[Line], leader_first: bool) -> Line | None:
    """The line that parts two items most in favour of the one that leads; None: no signal favours it.

    Args:
        leader_first: whether the first item leads.
    """
    side = 1 if leader_first else -1
    favouring = [line for line in found if line.ahead == side]
    return max(favouring, key=lambda line: line.apart, default=None)
