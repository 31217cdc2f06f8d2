"""Evidence: what a tool found in the graph, as data. A sentence is only how it is shown.

A `Claim` is what is said (by a tool or by the model); `Evidence` is a claim that a tool makes, together with the
edges it was read from. Collaborative Signal Translation (arXiv 2602.09829, section 3) puts them into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from star.catalog import Catalog

Kind = Literal["co_read", "read_next", "similar", "series", "author", "genre", "shelf", "opinion"]

WITHHELD = 5  # counts of fewer real readers than this are never shown
STRENGTHS = ("thin", "weak", "fair", "good", "strong", "striking")


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge of the graph. Nodes are `user`, `i:<item index>`, `r:<reader row>` or `g:<genre>`.

    kind: `read` (reader–book), `co_read` (book–book, weight = readers of both), `read_next` (book–book, weight =
    readers who read the second soon after the first), `similar` (user–reader, weight = books shared), `series`,
    `author`, `genre` (book–genre).
    """

    source: str
    target: str
    kind: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Claim:
    """One checkable statement about `subject` (an item index, or None where it is about the reader).

    numbers, by kind:
      co_read:   both, of (readers of the anchor), lift (times what chance would give)
      read_next: both, of
      similar:   both, of (most similar readers asked)
      series:    number (volume of the subject)
      author:    books (by that author on the shelf)
      genre:     books, of (books on the shelf); `label` names the genre
      shelf:     books
      opinion:   none
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


def sentence(claim: Claim, catalog: Catalog) -> str:
    """The claim in plain words, titles in place of items. Plain text: escape before it enters HTML."""

    def title(index: int | None) -> str:
        return "?" if index is None else catalog[index].title

    n = claim.numbers
    tail = f" ({claim.strength})" if claim.strength else ""
    match claim.kind:
        case "co_read":
            return (f"{n['both']:.0f} of the {n['of']:,.0f} readers of {title(claim.anchor)} also read {title(claim.subject)}, "
                    f"{n['lift']:g} times what chance would give{tail}")
        case "read_next":
            return f"{n['both']:.0f} of the {n['of']:,.0f} readers of {title(claim.anchor)} read {title(claim.subject)} soon after it{tail}"
        case "similar":
            return f"{n['both']:.0f} of the {n['of']:.0f} most similar readers read {title(claim.subject)}{tail}"
        case "series":
            return f"{title(claim.subject)} is volume {n['number']:g} of the series of {title(claim.anchor)}"
        case "author":
            books = int(n["books"])
            return f"{title(claim.subject)} is by the author of {title(claim.anchor)} ({books} on the shelf)"
        case "genre":
            return f"{n['books']:.0f} of the {n['of']:.0f} books looked at are {claim.label}"
        case "shelf":
            return f"the shelf holds {n['books']:.0f} books"
        case _:
            return claim.label or ""
