"""The language of a student whose items are slots of the query, for any catalogue.

Candidates are `<c1>` to `<c20>`, drawn at random. No item has a word of its own, so nothing can be known
by name. The student reads of a tool's answer the places and strengths, each as one word such as `after:2:strong`, and the
relations. Every word about a candidate also carries the slot of that candidate, added to its embedding. The words that it
writes are turned into the words of the trace (`star/trace/grammar.py`), which people, verification and page read.

    <profile> SHELF CALL … <look>   then for each call  CALL WORD …   then  <shortlist> SLOT … <reflection> PARAGRAPH … <end>
    PARAGRAPH:  SLOT WORD … [over SLOT on_KIND] ;

The ranking is made by a second reading, of nothing but the paragraphs:  <reflection> PARAGRAPH … <recommend> SLOT …
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from star.evidence.claims import COMPARED, STRENGTHS, TOLD, WITHHELD, Claim
from star.evidence.tools import ASKED, WINDOWS

SLOTS = 20
DISCUSSED = 6  # the five that are recommended, and the strongest that is not
QUOTED = 6  # signals quoted of an item, at most
UNREAD = "unread"
"""In place of `about`, for items with fewer than five readers."""
KINDS = (*COMPARED, "about", UNREAD)
SILENT = "silent"
"""In the paragraph of an item that no tool said anything of."""
PAD, PROFILE, LOOK, SHORTLIST, REFLECTION, RECOMMEND, END, CLOSE, OVER = (
    "<pad>",
    "<profile>",
    "<look>",
    "<shortlist>",
    "<reflection>",
    "<recommend>",
    "<end>",
    ";",
    "over",
)
CALLS = (
    *(("item_cf", (window,)) for window in WINDOWS),
    *(("user_cf", (asked,)) for asked in ASKED),
    ("whole_shelf", ()),
    ("whole_shelf", (3,)),
    ("whole_shelf", (1,)),
    ("read_after", ()),
    ("description", ()),
)
"""Calls that the student has a word for."""
STATES: dict[tuple[str, tuple[int, ...]], tuple[str, ...]] = {
    call: {
        "item_cf": ("pull", "read_next"),
        "user_cf": ("similar",),
        "whole_shelf": ({(): "whole", (3,): "latest", (1,): "last"}.get(call[1], ""),),
        "read_after": ("after",),
        "description": ("about", UNREAD),
    }[call[0]]
    for call in CALLS
}
"""Kinds of signals that each call states."""
LENGTHS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200)
MOST_BOOKS = 3  # by the same author, that are told apart


class Vocabulary:
    """word ↔ number, and the parts whose vectors a word's embedding sums, so that places and strengths are learned once for
    all signals."""

    def __init__(self) -> None:
        self.words: list[str] = [PAD, PROFILE, LOOK, SHORTLIST, REFLECTION, RECOMMEND, END, CLOSE, OVER]
        self.slots = len(self.words)
        self.words += [f"<c{n}>" for n in range(1, SLOTS + 1)]
        self.signals = len(self.words)
        self.words += [
            f"{kind}:{place}:{word}" for kind in KINDS for place in range(1, SLOTS + 1) for word in STRENGTHS
        ]
        self.on = len(self.words)
        self.words += [f"on_{kind}" for kind in KINDS]
        self.related = len(self.words)
        self.words += ["series", "sequel", *(f"author:{n}" for n in range(1, MOST_BOOKS + 1)), SILENT]
        self.calls = len(self.words)
        self.words += [call_name(call) for call in CALLS]
        self.lengths = len(self.words)
        self.words += [f"shelf:{n}" for n in LENGTHS]

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def number(self) -> dict[str, int]:
        return {word: n for n, word in enumerate(self.words)}

    @cached_property
    def parts(self) -> np.ndarray:
        """int64 (V, 4): rows of the table of vectors that a word's embedding sums; 0 is no part."""
        rows: dict[str, int] = {"": 0}
        out = np.zeros((len(self.words), 4), np.int64)
        for number, word in enumerate(self.words):
            for at, part in enumerate(_parts(word)):
                out[number, at] = rows.setdefault(part, len(rows))
        return out

    def slot(self, slot: int) -> int:
        """Number of the word for a slot, counted from 1."""
        return self.slots + slot - 1

    def slot_of(self, number: int) -> int | None:
        """The slot that a word names; None for other words."""
        return number - self.slots + 1 if self.slots <= number < self.slots + SLOTS else None

    def signal(
        self, kind: int | np.ndarray, place: int | np.ndarray, level: int | np.ndarray
    ) -> int | np.ndarray:
        """Number of the word that states a place (from 1) and a level (from 1) of a signal."""
        return self.signals + (kind * SLOTS + place - 1) * len(STRENGTHS) + level - 1

    def length(self, shelf: int) -> int:
        """Number of the word for the size of the shelf; the longest are rare in training and have the word before."""
        return self.lengths + int(np.searchsorted(LENGTHS, min(shelf, LENGTHS[-1] - 1), side="right")) - 1

    def call(self, call: tuple[str, tuple[int, ...]]) -> int:
        return self.calls + CALLS.index(call)

    def author(self, books: int) -> int:
        return self.related + 1 + min(books, MOST_BOOKS)


def _parts(word: str) -> list[str]:
    if word.startswith("<c"):
        return ["slot"]
    if word.startswith("on_"):
        return [f"kind {word[3:]}", "on"]
    if word.count(":") == 2:
        kind, place, strength = word.split(":")
        return [f"kind {kind}", f"place {place}", f"strength {strength}", "stated"]
    return [word]


def call_name(call: tuple[str, tuple[int, ...]]) -> str:
    return " ".join([call[0], *map(str, call[1])])


VOCABULARY = Vocabulary()


@dataclass
class Tokens:
    """Words of the student's language by number, and the slot that each is about (0: none)."""

    words: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)

    def add(self, word: int, slot: int = 0) -> None:
        self.words.append(int(word))
        self.slots.append(int(slot))

    def extend(self, other: Tokens) -> None:
        self.words += other.words
        self.slots += other.slots

    def __len__(self) -> int:
        return len(self.words)


def word_of(claim: Claim) -> int | None:
    """The word that says what the student reads of a claim: place and strength, or a relation; None: nothing."""
    v, n = VOCABULARY, claim.numbers
    if claim.kind == "series":
        return v.related + (claim.label == "sequel")
    if claim.kind == "author":
        return v.author(int(n["books"]))
    if claim.strength is None or "rank" not in n:
        return None
    kind = UNREAD if n.get("under") == WITHHELD else claim.kind
    return int(v.signal(KINDS.index(kind), min(int(n["rank"]), SLOTS), STRENGTHS.index(claim.strength) + 1))


def about_what(word: int) -> str:
    """What a stating word speaks of; a line says it once."""
    name = VOCABULARY.words[word].split(":")[0]
    return {UNREAD: "about", "sequel": "series"}.get(name, name)


def drawn_slots(candidates: Iterable[int], shelf: int, draw: int = 0) -> list[int]:
    """The candidate of each slot, the first of slot 1. It does not depend on the order in which candidates are given.

    Args:
        shelf: number of items on it; draw: which of the ways to give candidates their slots.
    """
    items = sorted(candidates)
    rng = np.random.default_rng([draw, shelf, *items])
    return [items[place] for place in rng.permutation(len(items))]


def read(claims: Iterable[Claim], slot_of: Mapping[int, int]) -> Tokens:
    """What the student reads of a tool's answer, behind the word of the call.

    Args:
        claims: of the answer, in its order; slot_of: catalogue row → slot of a candidate.
    """
    said = [
        (slot_of[claim.subject], word)
        for claim in claims
        if claim.subject is not None and claim.subject in slot_of and (word := word_of(claim)) is not None
    ]
    out = Tokens()
    for slot, word in sorted(said, key=lambda pair: pair[0]):  # the order of a slot's words is kept
        out.add(word, slot)
    return out


def plan(shelf: int) -> list[tuple[str, tuple[int, ...]]]:
    """The calls for a shelf of so many books: windows that fit it, and no call whose answer equals an earlier one's."""
    window = next((w for w in WINDOWS if w >= shelf), max(WINDOWS))
    back = [("whole_shelf", (n,)) for n in (3, 1) if shelf > n]
    return [
        ("user_cf", (max(ASKED),)),
        ("whole_shelf", ()),
        ("item_cf", (window,)),
        *back,
        ("read_after", ()),
        ("description", ()),
    ]


def first_said(claims: Iterable[Claim]) -> dict[int, list[Claim]]:
    """Candidate → all that was said about it, in the order heard."""
    out: dict[int, list[Claim]] = {}
    for claim in claims:
        if claim.subject is not None:
            out.setdefault(claim.subject, []).append(claim)
    return out


def lines_about(subject: int, said: Sequence[Claim], words: Sequence[int]) -> list[list[Claim]]:
    """The claims that these words state about one candidate, as lines that keep the order of the words.

    The order is kept because the second reading sees it too, and training reads it back (`training/lib/answers.py`). No word
    is left out: one that no tool said is a claim too, so that people read what the ranking reads.

    Args:
        said: what the tools said about the candidate; volumes, windows and counts of readers are taken from there.
    """
    by_word: dict[int, Claim] = {}
    for claim in said:
        word = word_of(claim)
        if word is not None:
            by_word.setdefault(word, claim)
    related = ("pull", "read_next", "series", "author")  # their order within a line, by the grammar
    lines: list[list[Claim]] = []
    last = len(related)
    for word in dict.fromkeys(words):
        stated = by_word.get(word) or _invented(subject, word)
        here = related.index(stated.kind) if stated.kind in related else len(related)
        if last < here < len(related):
            lines[-1].append(stated)
        else:
            lines.append([stated])
        last = here
    return lines


def _invented(subject: int, word: int) -> Claim:
    """The claim of a word that no tool said, as the student wrote it; verification will tell."""
    v = VOCABULARY
    if v.related <= word < v.calls:
        text = v.words[word]
        if text == SILENT:
            return Claim("silent", subject)
        if text.startswith("author"):
            return Claim("author", subject, numbers={"books": float(text[7:])})
        return Claim("series", subject, label=text, numbers={"number": 0.0})
    kind, place, strength = v.words[word].split(":")
    numbers = {"rank": float(place), "among": float(SLOTS)}
    if kind in ("pull", "read_next"):
        numbers = {"window": float(max(WINDOWS))} | numbers
    if kind == "similar":
        numbers = {"of": float(max(ASKED))} | numbers
    if kind in ("about", UNREAD):
        numbers["under"] = float(WITHHELD if kind == UNREAD else TOLD)
        kind = "about"
    return Claim(kind, subject, numbers=numbers, strength=strength)  # type: ignore[arg-type]
