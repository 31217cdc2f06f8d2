"""The argument of a trace as prose: the verdict, why each item, what spoke against it, what was left out and why.

It is composed from the typed steps and claims; `reasons.py` has the sentences that speak for an item.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from star.data.catalog import Catalog
from star.data.words import Words, capital
from star.evidence.claims import Claim, compared_in, place_words
from star.recommend.reasons import Part, Sentence, listed, once, reasons, said, speaks_against
from star.recommend.recommendation import Recommendation
from star.trace.grammar import item_rows

LOOK = "look again at"  # the remark that names the shortlist
MOST = 4  # sentences that speak for one item


@dataclass(frozen=True)
class Passage:
    """Sentences that belong together. `kind`: `verdict`, `why` (an item is recommended), `dropped` (it is not), `opinion`,
    `unsupported`; `item`: whom it is about. `sentences` speak for the item or state the rest, `against` speak against it."""

    kind: Literal["verdict", "why", "dropped", "opinion", "unsupported"]
    item: int | None
    sentences: tuple[Sentence, ...]
    against: tuple[Sentence, ...] = ()


def argument(answer: Recommendation, catalog: Catalog, yours: bool = False) -> tuple[Passage, ...]:
    """The passages of a finished answer, the verdict first; none where nothing is recommended.

    Args:
        yours: whoever reads it is the one whose shelf it is.
    """
    if not answer.items:
        return ()
    ranking = [entry.item for entry in answer.items]
    out = [Passage("verdict", None, tuple(_verdict(answer, ranking, catalog.words)))]
    for item in ranking:
        speaking = once(reasons(answer, item, catalog, yours)[:MOST], catalog.words, yours)
        above = [_over(answer, index, catalog.words) for index in _own(answer, "over") if _about(answer, index) == item]
        against = tuple(_against(answer, item, catalog.words))
        out.append(Passage("why", item, (*speaking, *above), against))
    for item in dropped(answer):
        speaking = reasons(answer, item, catalog, yours)[:1]
        spoken = [said("For it: ", *_lower(sentence), claims=sentence.claims) for sentence in speaking]
        against = (*_beaten(answer, item, catalog.words), *_against(answer, item, catalog.words))
        out.append(Passage("dropped", item, tuple(spoken), against))
    opinions, wrong = _rest(answer)
    return (*out[:1], *wrong, *out[1:], *opinions)  # what is not true is said before it is used


def shortlist(answer: Recommendation) -> tuple[list[int], int | None]:
    """Items that the model looked at again, in its order, and the claim that says so."""
    for index in _own(answer, "opinion"):
        label = answer.claims[index].claim.label or ""
        if label.startswith(LOOK) and (rows := item_rows(label.split())):
            return rows, index
    return [], None


def dropped(answer: Recommendation) -> list[int]:
    """Items that the model wrote of and did not recommend, in the order in which it wrote of them."""
    ranked = {entry.item for entry in answer.items}
    rivals = [answer.claims[index].claim.anchor for index in _own(answer, "over")]
    written = [c.claim.subject for c in answer.claims if c.author == "model" and c.claim.kind != "opinion"]
    named = [*shortlist(answer)[0], *written, *rivals]
    return [item for item in dict.fromkeys(named) if item is not None and item not in ranked]


def figure(claim: Claim, w: Words) -> str:
    """The number of a claim that stands beside its sentence, as `37 of 50`; empty where it has none."""
    n = claim.numbers
    match claim.kind:
        case "co_read" | "similar" if "both" in n:
            return f"{n['both']:,.0f} of {n['of']:,.0f} {w.users}"
        case "carried":
            return f"{n['share']:.0f} %"
        case _ if "rank" in n:
            return place_words(n["rank"], n["among"]).removesuffix(" candidates")
        case _:
            return ""


def _own(answer: Recommendation, kind: str) -> list[int]:
    """Supported claims of the model of one kind; opinions too, which are never that."""
    return [
        index
        for index, each in enumerate(answer.claims)
        if each.author == "model" and each.claim.kind == kind and each.verdict != "unsupported"
    ]


def _about(answer: Recommendation, index: int) -> int | None:
    return answer.claims[index].claim.subject


def _verdict(answer: Recommendation, ranking: Sequence[int], w: Words) -> Iterator[Sentence]:
    then = [", then ", *listed(ranking[1:])] if len(ranking) > 1 else []
    yield said("It recommends ", ranking[0], *((" first", *then) if then else ()), ".")
    named, index = shortlist(answer)
    if index is not None:
        of = f"of the {len(answer.candidates)} {w.items} that the graph offered"
        yield said(f"It chose them from {len(named)} that it looked at again, {of}.", claims=(index,))


def _over(answer: Recommendation, index: int, w: Words) -> Sentence:
    claim = answer.claims[index].claim
    anchor: Part = "another" if claim.anchor is None else claim.anchor
    return said("It stands above ", anchor, f" in {compared_in(claim.label, w)}.", claims=(index,))


def _beaten(answer: Recommendation, item: int, w: Words) -> Iterator[Sentence]:
    """Comparisons that the item lost."""
    for index in _own(answer, "over"):
        claim = answer.claims[index].claim
        if claim.anchor == item and claim.subject is not None:
            yield said(claim.subject, f" stands above it in {compared_in(claim.label, w)}.", claims=(index,))


def _against(answer: Recommendation, item: int, w: Words) -> Iterator[Sentence]:
    """What the model wrote that puts the item into the second half, or that nothing speaks for it."""
    for index, each in enumerate(answer.claims):
        claim = each.claim
        if claim.subject != item or each.author != "model" or each.verdict != "supported":
            continue
        if not speaks_against(claim):
            continue
        if claim.kind == "silent":
            yield said("No signal speaks for it.", claims=(index,))
        else:
            yield said(f"{capital(_judge(claim.kind, w))} it in the lower half.", claims=(index,))


def _judge(kind: str, w: Words) -> str:
    """A signal as what gives an item a place."""
    match kind:
        case "similar":
            return f"similar {w.users} put"
        case "whole":
            return f"the {w.shelf} as a whole puts"
        case "latest":
            return f"the last three {w.items} put"
        case "last":
            return f"the last {w.item} puts"
        case "after":
            return f"what others {w.past} next puts"
        case "read_next":
            return f"what is {w.participle} soon after puts"
        case "about":
            return "its description puts"
        case _:
            return f"co-{w.gerund} puts"


def _lower(sentence: Sentence) -> tuple[Part, ...]:
    """The sentence after a colon: its first word in lower case, unless it is a title."""
    first, *rest = sentence.parts
    return (first[:1].lower() + first[1:], *rest) if isinstance(first, str) else sentence.parts


def _rest(answer: Recommendation) -> tuple[list[Passage], list[Passage]]:
    """Opinions of the reflections, and what the model wrote and the graph does not bear out, in its own words."""
    plans = {index for step in answer.steps if step.type == "plan" for index in step.claims}
    looked = shortlist(answer)[1]
    opinions = [index for index in _own(answer, "opinion") if index not in plans and index != looked]
    return _stated("opinion", opinions, answer), _stated("unsupported", answer.unsupported, answer)


def _stated(kind: Literal["opinion", "unsupported"], claims: Sequence[int], answer: Recommendation) -> list[Passage]:
    made = tuple(said(f"{capital(answer.claims[i].text)}.", claims=(i,)) for i in claims)
    return [Passage(kind, None, made)] if made else []
