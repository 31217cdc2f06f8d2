"""What if: the model answers again after an edit, and both answers are compared; a random edit of equal size beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from star.errors import UserError
from star.evidence.claims import WITHHELD
from star.questions.edits import CUTTABLE, Add, CutEdge, CutSentence, Edit, Silence, TakeOff, headline
from star.questions.running import context_of, fixed, rerun
from star.recommend.recommendation import CheckedClaim, Query, Recommendation
from star.recommend.recommender import Recommender, answer


@dataclass(frozen=True)
class Move:
    """One item's places in the recommendation before and after, from 1; None: it is not recommended.

    `score`: its probability before and after, None where it is not recommended.
    """

    item: int
    before: int | None
    after: int | None
    score: tuple[float | None, float | None]


@dataclass(frozen=True)
class Sentence:
    """One sentence of either answer. `before` or `after` is None where the other answer has no sentence of the kind.

    `author`: who says it, the model or a tool. `item`: what it is about, None: the shelf.
    """

    author: str
    item: int | None
    before: str | None
    after: str | None


@dataclass(frozen=True)
class WhatIf:
    """Two answers to the same candidates.

    Attributes:
        moves: every item that either answer recommends, in the order of the answer after.
        sentences: those that differ, the model's first.
        same: number of sentences that both answers have.
    """

    before: Recommendation
    after: Recommendation
    edits: tuple[Edit, ...]
    moves: tuple[Move, ...]
    sentences: tuple[Sentence, ...]
    same: int

    @property
    def places(self) -> int:
        """Sum of the places that items moved; an item that enters or leaves counts from the place behind the last."""
        behind = max(len(self.before.items), len(self.after.items)) + 1
        return sum(abs((m.before or behind) - (m.after or behind)) for m in self.moves)

    @property
    def first_stays(self) -> bool:
        """Whether the first recommended item is the same."""
        return bool(self.moves) and self.moves[0].before == 1 and self.moves[0].after == 1


def what_if(
    recommender: Recommender, query: Query, edits: Sequence[Edit], before: Recommendation | None = None
) -> WhatIf:
    """Answer again under these edits. The candidates of the answer before stay, so that only the edits can change it.

    Args:
        edits: in their order; an edit is undone by leaving it out.
        before: the answer to `query`, where it is at hand.

    Raises:
        UserError: as `star.questions.running.rerun`.
    """
    before = answer(recommender, query) if before is None else before
    after = rerun(recommender, fixed(query, before.candidates), edits)
    return compared(before, after, edits)


def compared(before: Recommendation, after: Recommendation, edits: Sequence[Edit] = ()) -> WhatIf:
    """The two answers side by side."""
    old = {r.item: r for r in before.items}
    new = {r.item: r for r in after.items}
    moves = tuple(
        Move(
            item,
            old[item].rank if item in old else None,
            new[item].rank if item in new else None,
            (old[item].score if item in old else None, new[item].score if item in new else None),
        )
        for item in dict.fromkeys([*new, *old])
    )
    sentences, same = _differences(before, after)
    return WhatIf(before, after, tuple(edits), moves, sentences, same)


def _differences(before: Recommendation, after: Recommendation) -> tuple[tuple[Sentence, ...], int]:
    """Sentences that differ, and how many do not. Sentences of one kind about one item by one author are compared."""
    old, new = _by_subject(before), _by_subject(after)
    found, same = [], 0
    for key in dict.fromkeys([*new, *old]):
        was, now = old.get(key, []), new.get(key, [])
        same += len(set(was) & set(now))
        gone = [text for text in was if text not in now]
        come = [text for text in now if text not in was]
        for place in range(max(len(gone), len(come))):
            one = gone[place] if place < len(gone) else None
            two = come[place] if place < len(come) else None
            found.append(Sentence(key[0], key[1], one, two))
    found.sort(key=lambda s: s.author != "model")
    return tuple(found), same


Key = tuple[str, int | None, str, str | None]


def _by_subject(done: Recommendation) -> dict[Key, list[str]]:
    out: dict[Key, list[str]] = {}
    for checked in done.claims:
        said = out.setdefault(_key(checked), [])
        if checked.text not in said:
            said.append(checked.text)
    return out


def _key(checked: CheckedClaim) -> Key:
    claim = checked.claim
    label = claim.label if claim.kind in ("carried", "over", "genre") else None
    return checked.author, claim.subject, claim.kind, label


@dataclass(frozen=True)
class Possible:
    """What can be edited in an answer.

    Attributes:
        shelf: item rows, oldest first.
        tools: names of the tools that were called.
        edges: those that can be cut, once each.
        sentences: what the tools said of candidates, one edit for each sentence.
    """

    shelf: tuple[int, ...]
    tools: tuple[str, ...]
    edges: tuple[CutEdge, ...] = field(default=())
    sentences: tuple[CutSentence, ...] = field(default=())


def possible(done: Recommendation) -> Possible:
    """The edits that an answer offers, in the order of its text."""
    tools = dict.fromkeys(str(s.name) for s in done.steps if s.type == "tool_call" and s.name)
    edges = dict.fromkeys(
        CutEdge(e.source, e.target, e.kind)
        for e in done.edges
        if e.kind in CUTTABLE and not (e.kind == "read" and e.source == "user")
    )
    sentences = dict.fromkeys(
        CutSentence(c.claim.subject, headline(c.claim))
        for c in done.claims
        if c.author == "tool" and c.claim.subject is not None and c.claim.kind != "opinion"
    )
    return Possible(done.query.history, tuple(tools), tuple(edges), tuple(sentences))


def random_edits(
    recommender: Recommender, done: Recommendation, edits: Sequence[Edit], seed: int = 0
) -> tuple[Edit, ...]:
    """As many random edits of the same sorts as a control: another book of the shelf, another tool, another edge of the
    same kind, another sentence; for an addition, an item drawn from the catalogue.

    Raises:
        UserError: the answer has too little for as many other edits.
    """
    rng = np.random.default_rng([seed, len(edits)])
    offered, chosen = possible(done), list[Edit]()
    w = recommender.dataset.catalog.words
    for edit in edits:
        taken = {*edits, *chosen}
        pool = [other for other in _like(recommender, done, offered, edit) if other not in taken]
        off = [e.item for e in edits if isinstance(e, Add)]
        pool = [other for other in pool if not (isinstance(other, TakeOff) and other.item in off)]
        if not pool:
            raise UserError(f"there is nothing else of this sort to change; put more {w.items} {w.on_shelf}")
        chosen.append(pool[int(rng.integers(len(pool)))])
    return tuple(chosen)


def _like(recommender: Recommender, done: Recommendation, offered: Possible, edit: Edit) -> Sequence[Edit]:
    """Edits of the same sort."""
    match edit:
        case TakeOff():
            return [TakeOff(item) for item in offered.shelf]
        case Add():
            # Items that nobody may count readers of would say nothing; candidates would leave the list.
            known = np.flatnonzero(context_of(recommender).graph.counts >= WITHHELD).tolist()
            without = {*done.query.history, *done.candidates}
            return [Add(item) for item in known if item not in without]
        case Silence():
            return [Silence(tool) for tool in offered.tools]
        case CutEdge(kind=kind):
            return [edge for edge in offered.edges if edge.kind == kind]
        case CutSentence():
            return offered.sentences


def control(recommender: Recommender, done: Recommendation, edits: Sequence[Edit], seed: int = 0) -> WhatIf:
    """The same question with random edits of equal size, to tell what the chosen ones do from what any change does.

    Raises:
        UserError: as `random_edits` and `what_if`.
    """
    return what_if(recommender, done.query, random_edits(recommender, done, edits, seed), done)


@dataclass(frozen=True)
class Timeline:
    """Edits in their order, and how many of them are in force; immutable.

    Example: `Timeline().then(a).then(b).undo().now` is `(a,)`, and `.redo()` brings `b` back.
    """

    edits: tuple[Edit, ...] = ()
    at: int = 0

    @property
    def now(self) -> tuple[Edit, ...]:
        """The edits in force."""
        return self.edits[: self.at]

    def then(self, edit: Edit) -> Timeline:
        """One more edit; what was undone is dropped."""
        return Timeline((*self.now, edit), self.at + 1)

    def undo(self) -> Timeline:
        """Without the last edit in force; the same where there is none."""
        return replace(self, at=max(self.at - 1, 0))

    def redo(self) -> Timeline:
        """With the edit that was undone last; the same where there is none."""
        return replace(self, at=min(self.at + 1, len(self.edits)))
