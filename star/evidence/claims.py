"""Evidence: what a tool found in the graph, as data. A sentence is only how it is shown.

A `Claim` is what is said (by a tool or by the model); `Evidence` is a claim that a tool makes, together with the
edges it was read from. Collaborative Signal Translation (arXiv 2602.09829, section 3) puts them into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from star.data.catalog import Catalog
from star.data.words import Words, a

Fitted = Literal["whole", "latest", "last", "after", "about"]
"""Signals that are sums over the shelf: whole shelf, last three books, last book; what comes after; the description."""
Kind = Literal[
    "co_read",
    "pull",
    "read_next",
    "similar",
    "series",
    "author",
    "genre",
    "opinion",
    "whole",
    "latest",
    "last",
    "after",
    "about",
    "carried",
    "over",
    "silent",
]

TOLD = 20  # items with fewer readers are also spoken of by their descriptions
WITHHELD = 5  # counts of fewer real readers than this are never shown
LEAST_LIFT = 0.1  # the grammar has no words beyond these two: `x0.1` is 0.1 or less,
MOST_LIFT = 99.0  # `x99` is 99 or more
STRENGTHS = (
    "faint",
    "weak",
    "fair",
    "good",
    "strong",
    "striking",
)  # words for levels 1 to 6; level 0 is not said

Verdict = Literal["supported", "unsupported", "opinion"]


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge of the graph. Nodes are `user`, `i:<item index>`, `r:<reader row in the graph>` or `g:<genre>`.

    kind: `read` (reader–book), `co_read` (book–book, weight = readers of both), `read_next` (book–book, weight =
    readers who read the second soon after the first), `similar` (user–reader, weight = cosine similarity, 0 to 1), `series`,
    `author`, `genre` (book–genre), `carries` (book–book, weight = share of the score that the first gives the second).
    """

    source: str
    target: str
    kind: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Claim:
    """One checkable statement about `subject` (an item index, or None where it is about the reader).

    numbers, by kind (`window`: so many last books of the shelf were looked at):
      co_read:   both, of (readers of the anchor), lift (times what chance would give); instead of them only `window`
                 where fewer than five readers of any book of the window support it
      pull:      window; strength = mean co-reading with the window's books
      read_next: window; strength = how often it is read soon after the window's books
      similar:   both, of (most similar readers asked; readers who share nothing with the shelf are not heard); `both`
                 is left out under five
      series:    number (volume of the subject); label `sequel` if it is the next volume, else `series`
      author:    books (by that author on the shelf)
      genre:     books, of (books looked at); label names the genre
      whole, latest, last, after, about: rank (1: highest score) among (so many candidates); strength = the score; about
                 also says under (how many readers the item has: 5 or 20)
      carried:   share (of the score, in per cent, of the shelf book `anchor`); label: one of these five
      over:      the subject's score is above that of `anchor`; label: the signal; window or of as the signal has
      silent:    window, of (readers asked): no tool says anything of the subject
      opinion:   none; label holds the words

    With fitted signals pull, read_next and similar also have rank and among.
    """

    kind: Kind
    subject: int | None = None
    anchor: int | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    strength: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A tool's claim and the edges it was read from. `interval`: 95 % interval of the lift, where there is one."""

    claim: Claim
    edges: tuple[Edge, ...] = ()
    interval: tuple[float, float] | None = None


def stated(claim: Claim) -> dict[str, float]:
    """The claim's numbers, its word of strength as a level from 1 to 6 among them."""
    return dict(claim.numbers) | ({"level": STRENGTHS.index(claim.strength) + 1} if claim.strength else {})


def bound(name: str, given: float | None, found: Mapping[str, float]) -> str:
    """What a number of a claim must be read as where the grammar's words end: `more than`, `less than`, else nothing.

    Args:
        name, given: the number as it is stated.
        found: what the graph holds; a lift that is there to the figures stated is no bound.
    """
    if name != "lift" or given not in (LEAST_LIFT, MOST_LIFT) or found.get(name) == given:
        return ""
    if given == MOST_LIFT:
        return "more than"
    return "less than" if found.get(name, given) < given else ""


def bounds(claim: Claim, found: Mapping[str, float]) -> dict[str, float]:
    """The claim's numbers that are bounds, as `lift_more_than` or `lift_less_than`."""
    return {
        f"{name}_{words.replace(' ', '_')}": value
        for name, value in claim.numbers.items()
        if (words := bound(name, value, found))
    }


COMPARED = ("pull", "read_next", "similar", "whole", "latest", "last", "after")
"""Signals that two items may be compared on: those which the tools compute for every candidate."""


def compared_in(signal: str | None, w: Words) -> str:
    """A signal as what two items are compared in."""
    match signal:
        case "pull":
            return f"co-{w.gerund}"
        case "read_next":
            return f"what is {w.participle} soon after"
        case "similar":
            return f"what similar {w.users} {w.past}"
        case "whole":
            return f"what the whole {w.shelf} leads to"
        case "latest":
            return f"what the last three {w.items} lead to"
        case "last":
            return f"what the last {w.item} leads to"
        case _:
            return f"what others {w.past} next"


def _source(label: str | None, w: Words) -> str:
    """What a score rests on, as the subject of `says for …`."""
    match label:
        case "whole":
            return f"the whole {w.shelf}"
        case "latest":
            return f"the last three {w.items} of the {w.shelf}"
        case "last":
            return f"the last {w.item} of the {w.shelf}"
        case "after":
            return f"the order of {w.gerund}"
        case _:
            return "the description"


def _leads(kind: Fitted, w: Words) -> str:
    """What leads to an item, up to its title."""
    match kind:
        case "whole":
            return f"the {w.shelf} as a whole leads to"
        case "latest":
            return f"the last three {w.items} of the {w.shelf} lead to"
        case "last":
            return f"the last {w.item} of the {w.shelf} leads to"
        case "after":
            return f"what others {w.past} after these {w.items} leads to"
        case "about":
            return f"by its description, the {w.shelf} leads to"


def _latest(window: float, w: Words) -> str:
    """`the last 10 books`, `the last book`."""
    return f"the last {w.item}" if window == 1 else f"the last {window:.0f} {w.items}"


def _series(claim: Claim, anchor: str, w: Words) -> str:
    """The series of a volume: that of the shelf's book `anchor`, where it is known."""
    return f"{a(w.series)} {w.on_shelf}" if claim.anchor is None else f"the {w.series} of {anchor}, {w.on_shelf}"


def place_words(rank: float, among: float) -> str:
    """`first of 20 candidates`, `4th of 20 candidates`."""
    if rank == 1:
        return f"first of {among:.0f} candidates"
    last = "th" if 10 < rank % 100 < 20 else {1: "st", 2: "nd", 3: "rd"}.get(int(rank) % 10, "th")
    return f"{rank:.0f}{last} of {among:.0f} candidates"


def sentence(claim: Claim, catalog: Catalog, found: Mapping[str, float] = MappingProxyType({})) -> str:
    """The claim in plain words, those of the catalogue, and titles in place of items. Plain text: escape before it enters
    HTML.

    Args:
        found: what the graph holds, as far as it is known; tells a capped lift from one that is 99 by chance.
    """
    n, w = claim.numbers, catalog.words
    subject = "?" if claim.subject is None else catalog[claim.subject].title
    anchor = "?" if claim.anchor is None else catalog[claim.anchor].title
    at = f", {place_words(n['rank'], n['among'])}" if "rank" in n else ""
    match claim.kind:
        case "co_read" if "both" in n:
            times = f"{bound('lift', n['lift'], found)} {n['lift']:g}".lstrip()
            return (
                f"{n['both']:,.0f} of the {n['of']:,.0f} {w.users} of {anchor} also {w.past} {subject}, "
                f"{times} times what chance would give"
            )
        case "co_read":
            return f"fewer than five {w.users} of any one of these {w.items} also {w.past} {subject}: too little to tell"
        case "pull":
            return f"co-{w.gerund} of {subject} with {_latest(n['window'], w)} is {claim.strength}{at}"
        case "read_next":
            return f"{subject} is {w.participle} soon after {_latest(n['window'], w)}: {claim.strength}{at}"
        case "similar" if "both" in n:
            users = f"{n['both']:.0f} of the {n['of']:.0f} most similar {w.users}"
            return f"{users} {w.past} {subject}: {claim.strength}{at}"
        case "similar":
            few = f"fewer than five of the {n['of']:.0f} most similar {w.users} {w.past} {subject}"
            return f"{few}: {claim.strength}{at}, too little to tell"
        case "series" if claim.label == "sequel":
            return f"{subject} is the next {w.volume} ({n['number']:g}) of {_series(claim, anchor, w)}"
        case "series":
            return f"{subject} is {w.volume} {n['number']:g} of {_series(claim, anchor, w)}"
        case "about" if n.get("under") == WITHHELD:
            alone = f"by its description alone (it has fewer than five {w.users})"
            return f"{alone}, the {w.shelf} leads to {subject}: {claim.strength}{at}"
        case "whole" | "latest" | "last" | "after" | "about":
            few = f" (it has fewer than {n['under']:.0f} {w.users})" if "under" in n else ""
            return f"{_leads(claim.kind, w)} {subject}{few}: {claim.strength}{at}"
        case "over":
            return f"in {compared_in(claim.label, w)}, {subject} stands above {anchor}"
        case "silent":
            return f"no signal speaks for {subject}"
        case "carried":
            return f"{anchor} carries {n['share']:.0f} % of what {_source(claim.label, w)} says for {subject}"
        case "author":
            return f"{n['books']:.0f} {w.on_shelf} by the {w.creator} of {subject}"
        case "genre":
            return f"{n['books']:.0f} of the {n['of']:.0f} {w.items} looked at are {claim.label}"
        case _:
            return claim.label or ""
