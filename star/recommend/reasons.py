"""Why an item is recommended, in plain sentences that name items of the shelf, each with the claims behind it.

A sentence is made from supported claims alone. An item that it names is one of a claim, or an end of a claim's edges. It
holds no number; the claims have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from star.data.catalog import Catalog
from star.data.words import Words, capital
from star.display import clean, isolated
from star.evidence.claims import STRENGTHS, WITHHELD, Claim
from star.evidence.tools import lift_interval
from star.recommend.recommendation import CheckedClaim, Recommendation

Part = str | int
LONGEST = 60  # letters of a title in a sentence
NAMED = 2  # items of the shelf that a sentence names, at most
NO_REASON = "No evidence of the graph is about it; the model ranked it all the same."

POINTING = dict(zip(STRENGTHS, (" faintly", " weakly", "", " clearly", " strongly", " very strongly"), strict=True))
OFTEN = dict(zip(STRENGTHS, ("sometimes", "sometimes", "sometimes", "often", "often", "very often"), strict=True))
MANY = dict(zip(STRENGTHS, ("some", "some", "many", "many", "very many", "very many"), strict=True))
SUMS = ("whole", "latest", "after", "about")  # signals that a `carried` claim shares out among the shelf
FAMILY = {"last": "shelf", "latest": "shelf", "whole": "shelf", "pull": "shelf", "co_read": "shelf", "after": "order"} | {
    "read_next": "order",
    "carried": "shelf",
}
"""Kinds of claims that say much the same; a card has one sentence of each family."""


@dataclass(frozen=True)
class Sentence:
    """One plain sentence.

    Attributes:
        parts: words, and rows of the items whose titles stand between them.
        claims: indices of the claims behind it, first the one that it puts into words.
    """

    parts: tuple[Part, ...]
    claims: tuple[int, ...] = ()

    @property
    def named(self) -> tuple[int, ...]:
        """Rows of the items that it names."""
        return tuple(part for part in self.parts if isinstance(part, int))


def said(*parts: Part, claims: tuple[int, ...] = ()) -> Sentence:
    """A sentence of these parts; neighbouring words become one part."""
    out = list[Part]()
    for part in parts:
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] = (out[-1] + part).replace(",.", ".").replace(",,", ",")
        else:
            out.append(part)
    return Sentence(tuple(out), claims)


def listed(items: Sequence[int]) -> list[Part]:
    """`A, B and C`."""
    out = list[Part]()
    for place, item in enumerate(items):
        out += [] if not place else [" and "] if place == len(items) - 1 else [", "]
        out.append(item)
    return out


def _note(w: Words, yours: bool) -> str:
    """What is said of the latest item of the shelf, behind its title."""
    return f", which you {w.past} last," if yours else f", the latest {w.on_shelf},"


def once(sentences: Sequence[Sentence], w: Words, yours: bool) -> list[Sentence]:
    """The sentences, of which only the first one says which item is the latest."""
    note, told, out = _note(w, yours), False, list[Sentence]()
    for each in sentences:
        has = any(isinstance(part, str) and part.startswith(note[:-1]) for part in each.parts)
        if has and told:
            parts = (p.removeprefix(note[:-1]).removeprefix(",") if isinstance(p, str) else p for p in each.parts)
            each = Sentence(tuple(parts), each.claims)
        told |= has
        out.append(each)
    return out


def title_of(item: int, catalog: Catalog) -> str:
    """The title as it stands in a sentence: of one line, and cut where it is long."""
    title = " ".join(clean(catalog[item].title).split())
    if len(title) > LONGEST:
        title = title[: LONGEST - 1].rsplit(" ", 1)[0][: LONGEST - 1].rstrip(" ,;:–-") + "…"
    return title or "an untitled one"


def plain(sentence: Sentence, catalog: Catalog) -> str:
    """The sentence as text; right-to-left titles are isolated."""
    return "".join(
        part if isinstance(part, str) else isolated(title_of(part, catalog)) for part in sentence.parts
    )


def reason(answer: Recommendation, item: int, catalog: Catalog) -> str:
    """At most two sentences as text, for whoever reads them; `NO_REASON` where no claim is a reason."""
    return " ".join(plain(each, catalog) for each in card(answer, item, catalog)) or NO_REASON


def card(answer: Recommendation, item: int, catalog: Catalog, yours: bool = False) -> tuple[Sentence, ...]:
    """The two sentences of an item's card, or as many as there are.

    What the model wrote comes before what tools alone said, and the stronger before the weaker. One of the two names an item
    of the shelf, where any sentence does.

    Args:
        yours: whoever reads it is the one whose shelf it is.
    """
    found = reasons(answer, item, catalog, yours)
    if len(found) < 2:
        return tuple(found)
    first, rest = found[0], found[1:]
    kinds = [_family(answer, sentence) for sentence in found]
    others = [s for s, family in zip(rest, kinds[1:], strict=True) if family != kinds[0]] or rest
    if not first.named:
        others = [s for s in rest if s.named] or others
    kin = ("series", "author")  # says something new even of an item that is named already
    fresh = [s for s in others if _family(answer, s) in kin or not s.named or set(s.named) - set(first.named)]
    return tuple(once((first, (fresh or others)[0]), catalog.words, yours))


def reasons(answer: Recommendation, item: int, catalog: Catalog, yours: bool = False) -> list[Sentence]:
    """A sentence for each supported claim that speaks for the item, the strongest of the model's own first."""
    about = _About(answer, item, catalog.words, yours)
    speaking = [index for index in about.claims if not speaks_against(answer.claims[index].claim)]
    order = sorted(speaking or about.claims, key=lambda index: _weight(answer.claims[index]), reverse=True)
    made = [sentence for index in order if (sentence := about.sentence(index)) is not None]
    return list({sentence.parts: sentence for sentence in reversed(made)}.values())[::-1]


def speaks_against(claim: Claim) -> bool:
    """Whether the claim puts its item into the second half of the candidates, or says that nothing speaks for it."""
    n = claim.numbers
    return claim.kind == "silent" or ("rank" in n and n["rank"] > n["among"] / 2)


def _weight(claim: CheckedClaim) -> tuple[bool, float]:
    """What is said first: the model's own claims, then strength, one level more for a first place."""
    return claim.author == "model", _strength(claim.claim)


def _strength(claim: Claim) -> float:
    n = claim.numbers
    match claim.kind:
        case "series":
            return 5.5 if claim.label == "sequel" else 4.0
        case "author":
            return 3.0
        case "co_read":
            return min(n.get("lift", 0), 6.0)
        case _:
            level = STRENGTHS.index(claim.strength) + 1 if claim.strength else 0
            return level + (1.0 if n.get("rank") == 1 else 0.5 if n.get("rank", 99) <= 3 else 0.0)


def _family(answer: Recommendation, sentence: Sentence) -> str:
    kind = answer.claims[sentence.claims[0]].claim.kind
    return FAMILY.get(kind, kind)


class _About:
    """The supported claims about one item, and how each is said."""

    def __init__(self, answer: Recommendation, item: int, w: Words, yours: bool):
        self.answer, self.item, self.w, self.yours = answer, item, w, yours
        self.claims = [
            index
            for index, each in enumerate(answer.claims)
            if each.claim.subject == item and each.verdict == "supported"
        ]
        self.shelf = answer.query.history
        self.whose = f"your {w.shelf}" if yours else f"the {w.shelf}"
        self.on = f"{w.on} {self.whose}"

    def sentence(self, index: int) -> Sentence | None:
        """The claim in plain words; None where it is no reason."""
        claim, w = self.answer.claims[index].claim, self.w
        match claim.kind:
            case "last":
                return self._last(index, claim)
            case "whole" | "latest":
                return self._sum(index, claim)
            case "after" | "read_next":
                return self._next(index, claim)
            case "pull":
                if self._too_few():
                    return None
                names = self._sources(index, "co_read")
                many = MANY[claim.strength or "fair"]
                where = self._names(names) if names else (f"the latest {w.items} {self.on}",)
                return said(f"It has {many} {w.users} in common with ", *where, ".", claims=(index,))
            case "similar" if "both" in claim.numbers:
                share = claim.numbers["both"] / max(claim.numbers["of"], 1)
                much = "Most" if share > 0.5 else "Many" if share >= 0.3 else "Some"
                like = "yours" if self.yours else "this one"
                who = f"{much} of the {w.users} whose {w.shelf} is most like {like}"
                return said(f"{who} {w.past} this too.", claims=(index,))
            case "series":
                return self._series(index, claim)
            case "author":
                names = self._sources(index, "author")
                if not names:
                    return said(f"It is by the {w.creator} of another {w.item} {self.on}.", claims=(index,))
                return said(f"It is by the {w.creator} of ", *listed(names), f", {self.on}.", claims=(index,))
            case "co_read":
                return self._co_read(index, claim)
            case "about":
                names, claims = self._carriers("about")
                above = (", above all ", *self._names(names)) if names else ()
                few = claim.numbers.get("under") == WITHHELD
                known = f"Hardly any {w.user} knows this" if few else f"Few {w.users} know this"
                fits = f"{known}, but its description{' alone' if few else ''} fits {self.whose}"
                return said(fits, *above, ".", claims=(index, *claims))
            case "carried" if self._in_shelf(claim.anchor) and claim.numbers["share"] > 0:
                assert claim.anchor is not None
                if self.answer.claims[index].author != "model":
                    return None  # the signal that it shares out has a sentence, which names it
                return said(claim.anchor, f", {self.on}, speaks for it.", claims=(index,))
            case _:
                return None

    # Each kind

    def _last(self, index: int, claim: Claim) -> Sentence | None:
        if not self.shelf:
            return None
        last = self.shelf[-1]
        for other in self.claims:
            given = self.answer.claims[other].claim
            if given.kind == "co_read" and given.anchor == last and "both" in given.numbers:
                share = given.numbers["both"] / max(given.numbers["of"], 1)
                if share >= 0.3:
                    who = f"{'Most' if share > 0.5 else 'Many'} {self.w.users} of "
                    too = f" {self.w.past} this too."
                    return said(who, *self._names([last]), too, claims=(index, other))
        points = f" points{POINTING[claim.strength or 'fair']} to this."
        return said(*self._names([last]), points, claims=(index,))

    def _sum(self, index: int, claim: Claim) -> Sentence:
        w, adverb = self.w, POINTING[claim.strength or "fair"]
        if len(self.shelf) == 1:
            return said(self.shelf[0], f" points{adverb} to this.", claims=(index,))
        names, claims = self._carriers(claim.kind)
        if claim.kind == "whole":
            start = f"{capital(self.whose)} as a whole points{adverb} to this"
        else:
            count = min(3, len(self.shelf))
            last = f"last {('', '', 'two ', 'three ')[count]}{w.items if count > 1 else w.item}"
            start = f"{'Your' if self.yours else 'The'} {last} point{'' if count > 1 else 's'}{adverb} to this"
        above = (", above all ", *self._names(names)) if names else ()
        return said(start, *above, ".", claims=(index, *claims))

    def _next(self, index: int, claim: Claim) -> Sentence:
        w, often = self.w, OFTEN[claim.strength or "fair"]
        if claim.kind == "after":
            names, claims = self._carriers("after")
            where = self._names(names) if names else (f"the {w.items} {self.on}",)
            return said(f"{capital(w.users)} {often} go on to this after ", *where, ".", claims=(index, *claims))
        names = self._sources(index, "read_next")
        where = self._names(names) if names else (f"the latest {w.items} {self.on}",)
        return said(f"It is {often} {w.participle} soon after ", *where, ".", claims=(index,))

    def _series(self, index: int, claim: Claim) -> Sentence:
        w, names = self.w, self._sources(index, "series")[-1:]
        what = f"It is the next {w.volume}" if claim.label == "sequel" else f"It is another {w.volume}"
        if not names:
            return said(f"{what} of a {w.series} {self.on}.", claims=(index,))
        return said(f"{what} of the {w.series} of ", names[0], f", {self.on}.", claims=(index,))

    def _co_read(self, index: int, claim: Claim) -> Sentence | None:
        """None where too few tell, or where chance would do."""
        n, w = claim.numbers, self.w
        if "both" not in n or not self._in_shelf(claim.anchor) or n["lift"] <= 0:
            return None
        assert claim.anchor is not None
        share = n["both"] / max(n["of"], 1)
        if lift_interval(int(n["both"]), max(int(n["of"]), 1), max(share / n["lift"], 1e-9))[0] <= 1:
            return None
        names = self._names([claim.anchor])
        if share >= 0.3:
            who = f"{'Most' if share > 0.5 else 'Many'} {w.users} of "
            return said(who, *names, f" {w.past} this too.", claims=(index,))
        more = "far more often" if n["lift"] >= 2 else "more often"
        others = f"other {w.users}"
        return said(f"{capital(w.users)} of ", *names, f" {w.past} this {more} than {others}.", claims=(index,))

    # Names

    def _in_shelf(self, item: int | None) -> bool:
        return item is not None and item in self.shelf

    def _too_few(self) -> bool:
        """Whether fewer than five users of any item of the window took this one; how strongly that is told is no reason."""
        claims = [self.answer.claims[index].claim for index in self.claims]
        return any(c.kind == "co_read" and "both" not in c.numbers for c in claims) and any(
            c.kind == "pull" and "rank" in c.numbers for c in claims
        )

    def _names(self, items: Sequence[int]) -> tuple[Part, ...]:
        """`A and B`; if the first is the latest of the shelf, that is said."""
        named = listed(items)
        if items[0] == self.shelf[-1] and len(self.shelf) > 1:
            named.insert(1, _note(self.w, self.yours))
        return tuple(named)

    def _carriers(self, label: str) -> tuple[list[int], tuple[int, ...]]:
        """The shelf's items that carry most of a signal, and the claims that say so."""
        found = [
            (each.claim.numbers["share"], each.claim.anchor, index)
            for index in self.claims
            if (each := self.answer.claims[index]).claim.kind == "carried" and each.claim.label == label
        ]
        found = [each for each in found if each[0] > 0 and self._in_shelf(each[1])]
        found.sort(key=lambda each: -each[0])
        if found and found[0][0] >= 80:
            found = found[:1]
        best = {anchor: index for _, anchor, index in reversed(found) if anchor is not None}
        names = list(dict.fromkeys(anchor for _, anchor, _ in found if anchor is not None))[:NAMED]
        return names, tuple(best[name] for name in names)

    def _sources(self, index: int, kind: str) -> list[int]:
        """The shelf's items on a claim's edges: the heaviest first; of equal ones, as in a series, the latest last."""
        edges = [self.answer.edges[e] for e in self.answer.claims[index].edges]
        found = [
            (edge.weight, int(edge.source[2:]))
            for edge in edges
            if edge.kind == kind and edge.source.startswith("i:") and edge.target == f"i:{self.item}"
        ]
        place = {item: n for n, item in enumerate(self.shelf)}
        found = [(weight, item) for weight, item in found if item in place]
        if kind in ("series", "author"):
            return [item for _, item in sorted(found, key=lambda each: place[each[1]])][-NAMED:]
        return [item for _, item in sorted(found, key=lambda each: (-each[0], -place[each[1]]))][:NAMED]

