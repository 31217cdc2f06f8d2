"""What may be written when: the shortlist and the paragraphs of the student, word by word.

Serving takes the likeliest word, training draws one. Both follow this grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from star.evidence.claims import COMPARED
from star.student.decoder import Past
from star.student.vocabulary import CALLS, CLOSE, LOOK, OVER, SILENT, VOCABULARY, Tokens, about_what

if TYPE_CHECKING:
    from star.student.network import Network

T = TypeVar("T")
V = VOCABULARY
LONGEST = 14  # words of a paragraph before it is closed
STATED = [*range(V.signals, V.on), *range(V.related, V.calls)]
"""Words that state something of an item."""
SUBJECT = {word: about_what(word) for word in STATED}


def _only(words: Iterable[int]) -> torch.Tensor:
    """Which words of the vocabulary these are, bool (V,)."""
    out = torch.zeros(len(V), dtype=torch.bool)
    out[list(words)] = True
    return out


STATING = _only(STATED)
ON = {subject: _only(w for w in STATED if SUBJECT[w] == subject) for subject in set(SUBJECT.values())}
"""What a word states something of → all words that do."""
PLANNING = _only([*(V.calls + n for n in range(len(CALLS))), V.number[LOOK]])
COMPARING = _only(V.on + n for n in range(len(COMPARED)))
CLOSING = _only([V.number[CLOSE]])
COMPARING_OR_CLOSING = _only([V.number[CLOSE], V.number[OVER]])


@dataclass(frozen=True)
class Request:
    """What an answer waits for: the logits behind these words, which continue the cache."""

    tokens: Tokens
    past: Past


Writing = Generator[Request | None, torch.Tensor, None]
"""Yields what it waits for and is sent the logits; yields None after every step of the trace."""
Reading = Generator[Request | None, torch.Tensor, torch.Tensor]
"""As `Writing`, up to the logits that it returns."""
Choose = Callable[[torch.Tensor, torch.Tensor], int]
"""Logits (V,) and the words that are allowed, bool (V,) → one of these words."""
Write = Callable[[int, int, Past], Reading]
"""A word, the slot that it is about and the cache → the logits behind it."""


@dataclass(frozen=True)
class Paragraph:
    """What was written of a slot. `stated`: words that state something of it; `over`: the slot that it is put above, and the
    number of the kind of signal."""

    slot: int
    said: Tokens
    stated: list[int]
    over: tuple[int, int] | None


def together(network: Network, writings: Sequence[Generator[Request | None, torch.Tensor, T]]) -> list[T]:
    """Drive all to their ends; what several wait for is read in one pass if it is equally long. What each returns."""
    ended: dict[int, T] = {}
    sent: dict[int, torch.Tensor | None] = dict.fromkeys(range(len(writings)))
    while sent:
        by_length: dict[int, list[tuple[int, Request]]] = {}
        silent: dict[int, torch.Tensor | None] = {}
        for number, logits in sent.items():
            try:
                asked = next(writings[number]) if logits is None else writings[number].send(logits)
            except StopIteration as end:
                ended[number] = end.value
                continue
            if asked is None:
                silent[number] = None
            else:
                by_length.setdefault(len(asked.tokens), []).append((number, asked))
        sent = silent
        for some in by_length.values():
            found = network.read_many([asked.tokens for _, asked in some], [asked.past for _, asked in some])
            sent |= {number: logits for (number, _), logits in zip(some, found, strict=True)}
    return [ended[number] for number in range(len(writings))]


def wait_for(word: int, slot: int, past: Past) -> Reading:
    """Write one word."""
    tokens = Tokens()
    tokens.add(word, slot)
    return (yield Request(tokens, past))


def draw(rng: np.random.Generator, logits: torch.Tensor, allowed: torch.Tensor) -> int:
    """A word drawn from the probabilities of those allowed."""
    words = torch.nonzero(allowed)[:, 0]
    shares = logits[words].double().softmax(0).numpy()
    return int(words[int(rng.choice(len(words), p=shares / shares.sum()))])


def shortlist(
    choose: Choose, write: Write, logits: torch.Tensor, slots: Sequence[int], wanted: int, past: Past
) -> Generator[Request | None, torch.Tensor, list[int]]:
    """Name so many of these slots. `logits`: behind the word `<shortlist>`."""
    left, chosen = list(slots), list[int]()
    while len(chosen) < wanted:
        slot = _slot(choose, logits, left)
        left.remove(slot)
        chosen.append(slot)
        logits = yield from write(V.slot(slot), slot, past)
    return chosen


def discuss(
    choose: Choose,
    write: Write,
    logits: torch.Tensor,
    left: Sequence[int],
    named: Sequence[int],
    past: Past,
) -> Generator[Request | None, torch.Tensor, tuple[Paragraph, torch.Tensor]]:
    """The next paragraph, and the logits behind it.

    Args:
        left: slots that have no paragraph yet; named: all of the shortlist.
    """
    slot = _slot(choose, logits, left)
    said, stated, over = Tokens(), list[int](), None
    others = [other for other in named if other != slot]
    word = V.slot(slot)
    said.add(word, slot)
    logits = yield from write(word, slot, past)
    while word != V.number[CLOSE]:
        word = choose(logits, following(stated, bool(others)))
        if word == V.number[OVER]:
            said.add(word, slot)
            logits = yield from write(word, slot, past)
            other = _slot(choose, logits, others)
            said.add(V.slot(other), other)
            logits = yield from write(V.slot(other), other, past)
            on = choose(logits, COMPARING)
            said.add(on, slot)
            yield from write(on, slot, past)
            over, word = (other, on - V.on), V.number[CLOSE]
        elif word != V.number[CLOSE]:
            stated.append(word)
        said.add(word, slot)
        logits = yield from write(word, slot, past)
    return Paragraph(slot, said, stated, over), logits


def following(stated: Sequence[int], others: bool) -> torch.Tensor:
    """Words that may follow in a paragraph that states these, bool (V,). It states something first, and nothing more once it
    has said that no tool spoke."""
    if not stated:
        return STATING
    if V.number[SILENT] in stated:
        return CLOSING
    out = COMPARING_OR_CLOSING if others else CLOSING
    if len(stated) >= LONGEST:
        return out
    out = out | STATING
    for word in (*stated, V.number[SILENT]):
        out &= ~ON[SUBJECT[word]]
    return out


def _slot(choose: Choose, logits: torch.Tensor, slots: Iterable[int]) -> int:
    return choose(logits, _only(V.slot(slot) for slot in slots)) - V.slots + 1
