"""Expert correction of a student's own trace: every quotation becomes the tool's line, or is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from star.trace.grammar import ITEM, CallContext, TraceError, lines_of, read_call, read_line
from star.trace.steps import steps_of


def expert_corrected(words: Sequence[str], shelf: int) -> tuple[list[str], int]:
    """The trace with corrected reflections, and the number of changed lines.

    A quotation is identified by its subject and by whether it is about similar readers. It becomes the last such line of a
    tool. Left out: quotations without such a line, unreadable lines, and repetitions within a reflection. Plans, calls,
    tools' answers, remarks and the ranking stay.

    Args:
        words: a trace with all steps closed.
        shelf: number of books on the reader's shelf.

    Raises:
        TraceError: a step is not closed, or the steps cannot be separated.
    """
    context, said = CallContext(shelf), dict[object, list[str]]()
    out: list[str] = []
    changed = 0
    for kind, inside, closed in steps_of(words):
        if not closed:
            raise TraceError(f"<{kind}> is not closed")
        if kind == "tool_call":
            context.heard(*read_call(inside))
        elif kind == "tool_response":
            for line in lines_of(inside):
                said[_about(line)] = line[:-1] if ITEM.match(line[0]) else line
        if kind == "reflection":
            right = list(dict.fromkeys(tuple(line) for line in _right(inside, said, context)))
            before = [tuple(line) for line in _parts(inside)]
            changed += len(before) - sum(line in right for line in set(before))
            inside = tuple(word for line in right for word in (*line, ";"))
        out += [f"<{kind}>", *inside, f"</{kind}>"]
    return out, changed


def _about(line: Sequence[str]) -> object:
    """Key of a line: its subject, a book or a genre, and whether it is about similar readers."""
    return (line[0], any(word.startswith("similar_") for word in line))


def _parts(words: Sequence[str]) -> Iterator[list[str]]:
    closed = len(words) - list(reversed(words)).index(";") if ";" in words else 0
    yield from lines_of(words[:closed])  # words after the last `;` are no line


def _right(words: Sequence[str], said: dict[object, list[str]], context: CallContext) -> Iterator[list[str]]:
    for line in _parts(words):
        if line and (ITEM.match(line[0]) or line[0].startswith("_")):
            if _about(line) in said:
                yield said[_about(line)]
            continue
        try:
            read_line(line, context)
        except TraceError:
            continue
        yield line
