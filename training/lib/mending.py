"""Expert correction of a student's own trace: every quotation becomes the tool's line, or is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from star.trace.grammar import ITEM, Context, TraceError, lines_of, read_call, read_line
from star.trace.steps import steps_of


def mended(words: Sequence[str], shelf: int) -> tuple[list[str], int]:
    """The trace with every quotation in its reflections equal to the line it quotes, and how many lines were changed.

    A line is told by its subject and by whether it speaks of similar readers; it becomes the last such line that a tool
    said. One that quotes nothing a tool said, says nothing readable, or repeats an earlier line of the same reflection is
    left out. Plans, calls, tools' answers, remarks and the ranking stay.

    Args:
        words: a trace whose steps are all closed.
        shelf: number of books on the shelf asked about.

    Raises:
        TraceError: the steps themselves cannot be told apart.
    """
    context, said = Context(shelf), dict[object, list[str]]()
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
    """What a line speaks of: a book and by which tool, or a genre."""
    return (line[0], any(word.startswith("similar_") for word in line))


def _parts(words: Sequence[str]) -> Iterator[list[str]]:
    closed = len(words) - list(reversed(words)).index(";") if ";" in words else 0
    yield from lines_of(words[:closed])  # what stands behind the last `;` is no line


def _right(words: Sequence[str], said: dict[object, list[str]], context: Context) -> Iterator[list[str]]:
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
