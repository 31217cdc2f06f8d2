"""What carries a recommendation: how far an item falls without each piece of the evidence about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from star.data.catalog import Catalog
from star.errors import UserError
from star.questions.edits import CutSentence, TakeOff, headline
from star.questions.running import fixed, ranking, title
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import Recommender, answer


@dataclass(frozen=True)
class Piece:
    """One piece of evidence about an item, and what the answer is without it.

    Attributes:
        edit: the sentence that is cut, or the book that is taken off the shelf.
        text: the piece in plain words, before HTML escapes it.
        fall: how much of its probability the item loses; negative where it gains.
        place: its place without the piece, from 1; None: it is ranked no more.
        instead: item row that comes first without the piece, where the first changes.
    """

    edit: CutSentence | TakeOff
    text: str
    fall: float
    place: int | None
    instead: int | None


@dataclass(frozen=True)
class Carried:
    """What is known so far of one item.

    Attributes:
        item: item row; `place` from 1 and `score` as recommended.
        pieces: the largest fall first.
        left: pieces that were not tried yet.
    """

    item: int
    place: int | None
    score: float
    pieces: tuple[Piece, ...]
    left: int


def pieces_about(done: Recommendation, item: int, catalog: Catalog) -> dict[CutSentence | TakeOff, str]:
    """The pieces of evidence about an item with their words: what the tools said of it, then the books of the shelf."""
    pieces: dict[CutSentence | TakeOff, str] = {}
    for checked in done.claims:
        claim = checked.claim
        if checked.author == "tool" and claim.subject == item and claim.kind != "opinion":
            # The first claim is the sentence's head: the place and strength, before shares and counts.
            pieces.setdefault(CutSentence(item, headline(claim)), checked.text)
    if len(done.query.history) > 1:
        w = catalog.words
        for book in done.query.history:
            pieces[TakeOff(book)] = f"{title(catalog, book)} {w.on_shelf}"
    return pieces


def carried_by(
    recommender: Recommender,
    query: Query,
    item: int,
    before: Recommendation | None = None,
    most: int = 24,
) -> Iterator[Carried]:
    """One snapshot before the first run and one after each; close the generator to stop. The last one has `left` 0.

    The candidates stay, and the model runs once for each piece. Pieces do not add up: two may say the same.

    Args:
        item: a candidate of the answer.
        before: the answer to `query`, where it is at hand.
        most: pieces that are tried, sentences first and then the latest books of the shelf.

    Raises:
        UserError: the item is no candidate, no tool spoke of it, or as `star.questions.running.rerun`.
    """
    before = answer(recommender, query) if before is None else before
    catalog = recommender.dataset.catalog
    if item not in before.candidates:
        raise UserError(
            f"{title(catalog, item)} is no candidate of this answer; ask why not, which puts it among them"
        )
    query = fixed(query, before.candidates)
    pieces = pieces_about(before, item, catalog)
    tried: list[CutSentence | TakeOff] = [edit for edit in pieces if isinstance(edit, CutSentence)]
    tried += [edit for edit in reversed(pieces) if isinstance(edit, TakeOff)]
    tried = tried[:most]
    if not tried:
        raise UserError(f"no tool spoke of {title(catalog, item)}, so nothing can be cut")
    whole = ranking(recommender, query)
    score, found = whole.scores.get(item, 0.0), list[Piece]()
    yield Carried(item, whole.place(item), score, (), len(tried))
    for done, edit in enumerate(tried, 1):
        now = ranking(recommender, query, [edit])
        first = now.order[0] if now.order[:1] != whole.order[:1] else None
        found.append(Piece(edit, pieces[edit], score - now.scores.get(item, 0.0), now.place(item), first))
        found.sort(key=lambda piece: -piece.fall)
        yield Carried(item, whole.place(item), score, tuple(found), len(tried) - done)
