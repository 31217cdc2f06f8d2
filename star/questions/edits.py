"""Edits of a question: a change of the shelf, a tool that is silenced, an edge or a sentence that is cut.

Edits act from outside. The shelf is a part of the query, and the tools are wrapped. So every recommender with a serving
context takes them, student and teacher alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from star.data.catalog import Catalog
from star.errors import UserError
from star.evidence.claims import Claim, Evidence, Fitted
from star.evidence.tools import ToolResponse, Tools
from star.recommend.recommendation import Query


@dataclass(frozen=True)
class TakeOff:
    """A book is taken off the shelf."""

    item: int


@dataclass(frozen=True)
class Add:
    """A book is put on the shelf, as the latest."""

    item: int


@dataclass(frozen=True)
class Silence:
    """A tool answers nothing, whatever it is asked."""

    tool: str


@dataclass(frozen=True)
class CutEdge:
    """An edge of the graph is left out of all counts and sums. Nodes and kinds as in `star.evidence.claims.Edge`."""

    source: str
    target: str
    kind: str


@dataclass(frozen=True)
class CutSentence:
    """What the tools say of one item in one kind of claim is left out; the places of other items stay as they were."""

    item: int
    kind: str


Edit = TakeOff | Add | Silence | CutEdge | CutSentence
Shelf = TakeOff | Add

CUTTABLE = ("co_read", "read_next", "carries", "similar", "series", "author", "read")
"""Kinds of edges that can be cut. A genre is no tie to a candidate."""


def to_json(edit: Edit, catalog: Catalog) -> dict[str, Any]:
    """An edit as data that names items by their ids."""

    def end(node: str) -> str:
        return f"i:{catalog[int(node[2:])].id}" if node.startswith("i:") else node

    match edit:
        case TakeOff(item):
            return {"do": "take_off", "item": catalog[item].id}
        case Add(item):
            return {"do": "add", "item": catalog[item].id}
        case Silence(tool):
            return {"do": "silence", "tool": tool}
        case CutEdge(source, target, kind):
            return {"do": "cut_edge", "source": end(source), "target": end(target), "kind": kind}
        case CutSentence(item, kind):
            return {"do": "cut_sentence", "item": catalog[item].id, "kind": kind}


def applied(query: Query, edits: Sequence[Edit], catalog: Catalog) -> Query:
    """The query with the edits of its shelf; other edits leave it as it is.

    Raises:
        UserError: a book that is not in the catalogue, that is taken off and not there, or that is added twice.
    """
    history, w = list(query.history), catalog.words
    for edit in edits:
        if isinstance(edit, TakeOff | Add | CutSentence) and not 0 <= edit.item < len(catalog):
            raise UserError(f"item row {edit.item} is outside the catalogue of {len(catalog)} items")
        if isinstance(edit, TakeOff):
            if edit.item not in history:
                raise UserError(
                    f"“{catalog[edit.item].title}” is not {w.on_shelf}; only what is there can go"
                )
            history.remove(edit.item)
        elif isinstance(edit, Add):
            if edit.item in history:
                raise UserError(
                    f"“{catalog[edit.item].title}” is {w.on_shelf} already; choose another {w.item}"
                )
            history.append(edit.item)
    return replace(query, history=tuple(history))


def of_tools(edits: Sequence[Edit], catalog: Catalog) -> tuple[Edit, ...]:
    """The edits that act on the tools.

    Raises:
        UserError: an edge that cannot be cut.
    """
    w = catalog.words
    found = tuple(edit for edit in edits if not isinstance(edit, TakeOff | Add))
    for edit in found:
        if not isinstance(edit, CutEdge):
            continue
        if edit.kind not in CUTTABLE:
            raise UserError(f"an edge {edit.kind!r} cannot be cut; choose one of {', '.join(CUTTABLE)}")
        if edit.kind == "read" and edit.source == "user":
            raise UserError(
                f"the {w.user}'s own tie to {w.items} is the {w.shelf}; take the {w.item} off instead"
            )
    return found


class Edited(Tools):
    """The same tools under edits of tools; see `Silence`, `CutEdge` and `CutSentence`."""

    def __init__(self, tools: Tools, edits: Sequence[Edit]):
        self.__dict__.update(tools.__dict__)
        self._start_counting(len(tools.candidates))
        self.edits = tuple(edits)
        self._silent = {edit.tool for edit in edits if isinstance(edit, Silence)}
        self._said = {(edit.item, edit.kind) for edit in edits if isinstance(edit, CutSentence)}
        self._cut = {(e.kind, e.source, e.target) for e in edits if isinstance(e, CutEdge)}

    def call(self, name: str, arguments: Sequence[int]) -> ToolResponse:
        found = super().call(name, arguments)
        if name in self._silent:
            return replace(found, lines=())
        if not self._said:
            return found
        kept = (tuple(e for e in line if not self._unsaid(e.claim)) for line in found.lines)
        return replace(found, lines=tuple(line for line in kept if line))

    def _unsaid(self, claim: Claim) -> bool:
        return claim.subject is not None and (claim.subject, headline(claim)) in self._said

    def about(self, item: int) -> Tools:
        return Edited(super().about(item), self.edits)

    def _is_cut(self, kind: str, source: int, target: int) -> bool:
        return (kind, f"i:{source}", f"i:{target}") in self._cut

    def _zeroed(self, kind: str, values: np.ndarray, shelf: np.ndarray) -> np.ndarray:
        """The values, (shelf books, candidates), with 0 where an edge of this kind is cut."""
        if not any(cut[0] == kind for cut in self._cut):
            return values
        cut = [[self._is_cut(kind, s, c) for c in self.candidates.tolist()] for s in shelf.tolist()]
        return np.where(np.array(cut, bool).reshape(values.shape), 0, values)

    def readers_of_both(self, a: int, b: int) -> int:
        return 0 if self._is_cut("co_read", a, b) else super().readers_of_both(a, b)

    def _pairs(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        both, after = super()._pairs(size)
        shelf = self.history[len(self.history) - size :]
        return self._zeroed("co_read", both, shelf), self._zeroed("read_next", after, shelf)

    def parts(self, kind: Fitted) -> np.ndarray:
        return self._zeroed("carries", super().parts(kind), self.history)

    @cached_property
    def _nearest(self) -> tuple[np.ndarray, np.ndarray]:
        readers, weight = super()._nearest
        kept = np.array([("similar", "user", f"r:{r}") not in self._cut for r in readers.tolist()], bool)
        return readers[kept], weight[kept]

    def similar_share(self, asked: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        counts, share, read = super().similar_share(asked)
        if not len(read) or not any(cut[0] == "read" for cut in self._cut):
            return counts, share, read
        readers, weight = (part[:asked] for part in self._nearest)
        columns = self.candidates.tolist()
        cut = [[("read", f"r:{r}", f"i:{c}") in self._cut for c in columns] for r in readers.tolist()]
        read = np.where(np.array(cut, bool).reshape(read.shape), 0, read)
        return read.sum(0), weight @ read / weight.sum(), read

    def _relations(self, item: int) -> list[Evidence]:
        out = []
        for evidence in super()._relations(item):
            edges = tuple(e for e in evidence.edges if (e.kind, e.source, e.target) not in self._cut)
            if not edges:
                continue
            numbers = dict(evidence.claim.numbers)
            if evidence.claim.kind == "author":
                numbers["books"] = len(edges)
            out.append(replace(evidence, claim=replace(evidence.claim, numbers=numbers), edges=edges))
        return out


def headline(claim: Claim) -> str:
    """The kind of the sentence that a claim belongs to: shares belong to their signal, a pair's count to co-reading."""
    if claim.kind == "carried":
        return claim.label or ""
    return "pull" if claim.kind == "co_read" else claim.kind
