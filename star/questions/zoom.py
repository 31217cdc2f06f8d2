"""From one sentence of an answer to the count behind it, the readers behind the count, and the second reading's logits.

The same item is carried through: what is said of it, which books of the shelf carry that, who read both, and how probable
the item becomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from star.errors import UserError
from star.evidence.behind import readers_of_both, similar_readers_of
from star.evidence.claims import WITHHELD, Claim
from star.evidence.tools import FITTED, Tools
from star.questions.running import context_of, fixed
from star.recommend.recommendation import CheckedClaim, Recommendation
from star.recommend.recommender import Recommender, Star
from star.student.vocabulary import OVER, VOCABULARY, Tokens, word_of

CARRIERS = 5  # books of the shelf that are shown
LISTED = 12  # readers that are named


@dataclass(frozen=True)
class Carrier:
    """A book of the shelf behind a sentence.

    Attributes:
        share: of the score, more than 1 where other books speak against it; None where the sentence rests on no score.
        both, of: readers of this book and the item, and of this book; None: fewer than five of both.
    """

    item: int
    share: float | None
    both: int | None
    of: int


@dataclass(frozen=True)
class CoReader:
    """A reader behind a count. `row`: in the graph, shown as a pseudonym; `shared`: books of theirs on the shelf."""

    row: int
    books: int
    shared: int


@dataclass(frozen=True)
class Reread:
    """What the second reading gave, or, of a system without one, only the ranking's scores.

    Attributes:
        items: discussed item rows, the most probable first; shares: their probabilities.
        logits: of the item in each reading; first: its probability in each.
        without: probability of the item were the sentence left out; None: it is not in the paragraph, or is all of it.
    """

    items: tuple[int, ...]
    shares: tuple[float, ...]
    logits: tuple[float, ...] = ()
    first: tuple[float, ...] = ()
    without: float | None = None


@dataclass(frozen=True)
class Zoom:
    """One sentence and what stands behind it. `anchor`: the book of the shelf that carries it most; None: no single one.

    `count`: readers behind the sentence; None: fewer than five, or the sentence counts nobody. `readers`: some of them.
    """

    claim: CheckedClaim
    item: int
    carriers: tuple[Carrier, ...]
    anchor: int | None
    count: int | None
    readers: tuple[CoReader, ...]
    reread: Reread


def sentences(answer: Recommendation, item: int) -> list[int]:
    """Indices of the claims about an item that a visitor can zoom into: the model's own, or the tools' without any."""
    about = [
        n for n, c in enumerate(answer.claims) if c.claim.subject == item and c.claim.kind not in ("opinion", "silent")
    ]
    return [n for n in about if answer.claims[n].author == "model"] or about


def zoom(recommender: Recommender, answer: Recommendation, index: int) -> Zoom:
    """
    Args:
        answer: of this recommender; index: of one of its claims.

    Raises:
        UserError: the claim is about no item, or another recommender wrote the answer.
    """
    claim = answer.claims[index].claim
    if claim.subject is None:
        raise UserError("This sentence is about no single item; choose one that is.")
    if answer.checkpoint != recommender.checkpoint:
        raise UserError(f"{answer.checkpoint} wrote this answer, and {recommender.checkpoint} answers here now; ask again.")
    tools = context_of(recommender).tools(fixed(answer.query, answer.candidates))
    carriers = _carriers(claim, tools)
    lead = carriers[0].item if carriers else None
    rows = _rows(claim, lead, tools)
    listed = len(rows) >= WITHHELD
    return Zoom(
        answer.claims[index],
        claim.subject,
        carriers,
        lead,
        len(rows) if listed else None,
        _described(rows[:LISTED], tools) if listed else (),
        _reread(recommender, answer, claim),
    )


def signal(claim: Claim) -> str:
    """The signal that a sentence speaks of: of a comparison, the one in which the item is above the other."""
    return str(claim.label) if claim.kind in ("over", "carried") else claim.kind


def _carriers(claim: Claim, tools: Tools) -> tuple[Carrier, ...]:
    """Books of the shelf behind a sentence, the largest share first."""
    assert claim.subject is not None
    shares = _shares(claim, tools)
    if claim.kind == "co_read" and claim.anchor is not None:
        shares = {claim.anchor: None}
    found = [
        Carrier(item, share, both if both >= WITHHELD else None, tools.readers(item))
        for item, share in shares.items()
        for both in [tools.readers_of_both(item, claim.subject)]
    ]
    return tuple(sorted(found, key=lambda c: (-(c.share or 0.0), -(c.both or 0)))[:CARRIERS])


def _shares(claim: Claim, tools: Tools) -> dict[int, float | None]:
    """Book of the shelf → its share of the item's score in the sentence's signal."""
    kind = signal(claim)
    items, shelf = tools.candidates.tolist(), tools.history
    if claim.subject not in items:
        return {}
    column = items.index(claim.subject)
    fitted = next((name for name in FITTED.values() if name == kind), None)
    if fitted is not None and tools.signals is not None:
        parts = tools.parts(fitted)[:, column]
    elif kind in ("pull", "read_next"):
        window = int(claim.numbers.get("window", len(shelf))) or len(shelf)
        both, after, *_ = tools.pulls(window)
        shelf = shelf[-window:]
        of = np.maximum([tools.readers(item) for item in shelf.tolist()], 1)
        # As `Tools.pulls` sums them; what all books have in common falls out of a share.
        recency = 1 / np.arange(len(shelf), 0, -1)
        parts = both[:, column] / np.sqrt(of) if kind == "pull" else recency * after[:, column] / np.sqrt(of + 5)
    elif kind in ("series", "author"):
        known = getattr(tools.attributes, kind)
        return {item: None for item in shelf.tolist() if known[item] == known[claim.subject]}
    else:
        return {}
    total = float(parts.sum())
    return {item: float(part) / total for item, part in zip(shelf.tolist(), parts, strict=True) if part > 0 and total > 0}


def _rows(claim: Claim, lead: int | None, tools: Tools) -> list[int]:
    """Rows of the readers behind a sentence: the similar ones who read the item, or those of the item and of the book that
    carries it most."""
    assert claim.subject is not None
    if signal(claim) == "similar":
        known = claim.subject in tools.candidates
        asked = int(claim.numbers.get("of", 0))
        return similar_readers_of(claim.subject, asked, tools)[0].tolist() if known else []
    return [] if lead is None else readers_of_both(lead, claim.subject, tools).tolist()


def _described(rows: list[int], tools: Tools) -> tuple[CoReader, ...]:
    shelf = set(tools.history.tolist())
    books = [tools.graph.matrix[row].indices.tolist() for row in rows]
    return tuple(CoReader(row, len(read), len(shelf & set(read))) for row, read in zip(rows, books, strict=True))


def _reread(recommender: Recommender, answer: Recommendation, claim: Claim) -> Reread:
    if not isinstance(recommender, Star):
        return Reread(tuple(r.item for r in answer.items), tuple(r.score or 0.0 for r in answer.items))
    from star.student.generation import readings, reread

    state = recommender.written(fixed(answer.query, answer.candidates))
    slots = list(state.paragraphs)
    logits = readings(state.checkpoint, state.paragraphs)
    each, shares = logits.softmax(1), logits.softmax(1).mean(0).tolist()
    order = sorted(range(len(slots)), key=lambda n: -shares[n])
    items = tuple(state.slots[slots[n] - 1] for n in order)
    if claim.subject not in items:
        return Reread(items, tuple(shares[n] for n in order))
    slot = state.slot_of[claim.subject]
    column = slots.index(slot)
    cut = _cut(state.paragraphs[slot], claim)
    without = None if cut is None else reread(state.checkpoint, _replaced(state.paragraphs, slot, cut))[column]
    return Reread(
        items,
        tuple(shares[n] for n in order),
        tuple(logits[:, column].tolist()),
        tuple(each[:, column].tolist()),
        without,
    )


def _replaced(paragraphs: Mapping[int, Tokens], slot: int, other: Tokens) -> dict[int, Tokens]:
    return {name: other if name == slot else said for name, said in paragraphs.items()}


def _cut(paragraph: Tokens, claim: Claim) -> Tokens | None:
    """The paragraph without the words of a claim; None where they are not in it, or nothing else is."""
    v, words = VOCABULARY, paragraph.words
    if claim.kind == "over":
        at = words.index(v.number[OVER]) if v.number[OVER] in words else len(words)
        gone = set(range(at, min(at + 3, len(words))))  # `over`, the rival's slot, the kind of signal
    else:
        gone = {n for n, word in enumerate(words) if word == word_of(claim)}
    stating = [word for n, word in enumerate(words) if n not in gone and v.signals <= word < v.calls]
    if not gone or not stating:
        return None
    kept = [pair for n, pair in enumerate(zip(words, paragraph.slots, strict=True)) if n not in gone]
    return Tokens([word for word, _ in kept], [slot for _, slot in kept])
