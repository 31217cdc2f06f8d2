"""Which lines of the tools' answers the reflections of a trace quote.

A unit of evidence is all that one tool says of one candidate or genre, over all calls of the tool. Every line of a tool's
answer belongs to one unit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from star.evidence.claims import Claim
from star.evidence.tools import Line
from star.trace.grammar import ITEM, CallContext, lines_of, read_line
from star.trace.steps import Trace

Unit = tuple[str, int | str]
"""(tool, candidate or genre)."""


@dataclass(frozen=True)
class Said:
    """One line of a trace. `step`: its place in the trace; `tool`: who answered it, None in a reflection."""

    step: int
    tool: str | None
    words: tuple[str, ...]
    claims: tuple[Claim, ...]

    @property
    def about(self) -> int | str | None:
        """Candidate or genre; None for a remark, and for a tool that found nothing."""
        claim = self.claims[0]
        return claim.label if claim.kind == "genre" else claim.subject

    @property
    def names_a_book(self) -> bool:
        return any(ITEM.match(word) for word in self.words)


@dataclass(frozen=True)
class Citations:
    """The lines of a trace and which of them quote which.

    Args:
        heard: lines of the tools' answers that say something.
        written: lines of the reflections.
        quoted: for each line written, the index in `heard` of the line that it quotes; None if no tool said it.
    """

    heard: tuple[Said, ...]
    written: tuple[Said, ...]
    quoted: tuple[int | None, ...]

    @property
    def units(self) -> tuple[Unit, ...]:
        """All evidence heard, in the order heard."""
        return tuple(dict.fromkeys(unit for said in self.heard if (unit := unit_of(said)) is not None))

    @property
    def cited(self) -> tuple[Unit, ...]:
        """The evidence that the reflections quote, in the order of `units`."""
        found = {unit_of(self.heard[place]) for place in self.quoted if place is not None}
        return tuple(unit for unit in self.units if unit in found)

    def recall(self, items: Collection[int]) -> tuple[int, int]:
        """(Lines about these items that the reflections quote, all lines heard about them)."""
        there = [place for place, said in enumerate(self.heard) if said.about in items]
        return len(set(there) & set(self.quoted)), len(there)


def unit_of(said: Said) -> Unit | None:
    return None if said.tool is None or said.about is None else (said.tool, said.about)


def unit_found(tool: str, line: Line) -> Unit | None:
    """The unit of a line as a tool returns it."""
    claim = line[0].claim
    about = claim.label if claim.kind == "genre" else claim.subject
    return None if about is None else (tool, about)


def citations(trace: Trace, shelf: int) -> Citations:
    """Match each written line to an earlier line heard of the same unit: the one with the most equal claims, the latest
    of equals. A quotation with one wrong number still matches its line.

    Args:
        shelf: number of books on the reader's shelf.
    """
    heard: list[Said] = []
    written: list[Said] = []
    quoted: list[int | None] = []
    for said in _lines(trace, shelf):
        if said.tool is None:
            written.append(said)
            quoted.append(_quoted(said, heard))
        elif said.about is not None:
            heard.append(said)
    return Citations(tuple(heard), tuple(written), tuple(quoted))


def _lines(trace: Trace, shelf: int) -> Iterator[Said]:
    """Every line of the tools' answers and of the reflections, in order; read as `star.trace.steps` reads them."""
    context, tool = CallContext(shelf), None
    for place, step in enumerate(trace.steps):
        if step.type == "tool_call":
            tool = str(step.name)
            context.heard(tool, step.arguments or ())
        elif step.type in ("tool_response", "reflection"):
            for words in lines_of(step.words):
                by = tool if step.type == "tool_response" else None
                yield Said(place, by, tuple(words), tuple(read_line(words, context)))
            context.answering = None


def _quoted(said: Said, heard: list[Said]) -> int | None:
    if said.about is None:
        return None
    shared = {
        place: sum(claim in other.claims for claim in said.claims)
        for place, other in enumerate(heard)
        if other.about == said.about
    }
    best = max(shared, key=lambda place: (shared[place], place), default=None)
    return best if best is not None and shared[best] else None
