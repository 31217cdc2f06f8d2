"""From words to the typed steps of a run and their claims, by the grammar of `grammar.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from star.evidence.claims import Claim
from star.trace.grammar import (
    RANKED,
    TAGS,
    CallContext,
    StepType,
    TraceError,
    item_rows,
    lines_of,
    read_call,
    read_line,
)

OPENING, CLOSING = tuple(f"<{tag}>" for tag in TAGS), tuple(f"</{tag}>" for tag in TAGS)


@dataclass(frozen=True)
class Step:
    """One step. `words` without its tags; `claims` in order; `name` and `arguments` for tool steps."""

    type: StepType
    words: tuple[str, ...]
    claims: tuple[Claim, ...] = ()
    name: str | None = None
    arguments: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Trace:
    """All steps, and the ranking of the last one (item rows, best first)."""

    steps: tuple[Step, ...]
    ranking: tuple[int, ...]


def steps_of(words: Sequence[str]) -> Iterator[tuple[StepType, tuple[str, ...], bool]]:
    """(type, words inside, closed) for each step; only the last one may be open.

    Raises:
        TraceError: words outside a step, a wrong closing tag, an unknown tag.
    """
    kind: StepType | None = None
    inside: list[str] = []
    for place, word in enumerate(words):
        if kind is None:
            if word not in OPENING:
                raise TraceError(f"word {place} is {word!r}, expected the start of a step")
            kind, inside = word[1:-1], []  # type: ignore[assignment]
        elif word == f"</{kind}>":
            yield kind, tuple(inside), True
            kind = None
        elif word in OPENING or word in CLOSING:
            raise TraceError(f"word {place} is {word!r} inside <{kind}>")
        else:
            inside.append(word)
    if kind is not None:
        yield kind, tuple(inside), False


def read_step(kind: StepType, words: tuple[str, ...], context: CallContext) -> Step:
    """One closed step; its claims are read in `context`, which notes its calls.

    Raises:
        TraceError: the words do not follow the grammar.
    """
    match kind:
        case "tool_call":
            name, arguments = read_call(words)
            context.heard(name, arguments)
            return Step(kind, words, (), name, arguments)
        case "recommend":
            return Step(kind, words, ())
        case "plan":
            return Step(
                kind, words, tuple(Claim("opinion", label=" ".join(part)) for part in lines_of(words))
            )
        case _:
            claims = tuple(claim for part in lines_of(words) for claim in read_line(part, context))
            context.answering = None
            return Step(kind, words, claims)


def parse(words: Sequence[str], shelf: int, k: int = RANKED) -> Trace:
    """A complete trace.

    Args:
        shelf: number of books on the reader's shelf.
        k: length of the ranking.

    Raises:
        TraceError: an open step, no plan at the start, a call without an answer, or no ranking of k distinct items at
            the end.
    """
    context = CallContext(shelf)
    steps: list[Step] = []
    for kind, inside, closed in steps_of(words):
        if not closed:
            raise TraceError(f"<{kind}> is not closed")
        if (kind == "tool_response") != bool(steps and steps[-1].type == "tool_call"):
            raise TraceError("a tool response must follow its call, and nothing else may")
        steps.append(read_step(kind, inside, context))
    if (
        not steps
        or steps[0].type != "plan"
        or steps[-1].type != "recommend"
        or sum(s.type == "recommend" for s in steps) != 1
    ):
        raise TraceError("a trace begins with one plan and ends with one recommendation")
    ranking = tuple(item_rows(steps[-1].words))
    if len(ranking) != len(steps[-1].words) or len(set(ranking)) != k or len(ranking) != k:
        raise TraceError(
            f"the recommendation holds {len(ranking)} items in {len(steps[-1].words)} words, expected {k} distinct items"
        )
    return Trace(tuple(steps), ranking)
