"""Answers of the student in training: drawn from a network, replayed from their words, and read from the text of a trace."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch

from star.evidence.claims import Claim
from star.student.decoder import Past
from star.student.network import Checkpoint
from star.student.paragraphs import (
    Choose,
    Paragraph,
    Reading,
    Request,
    Write,
    discuss,
    draw,
    shortlist,
    together,
    wait_for,
)
from star.student.vocabulary import (
    CALLS,
    CLOSE,
    DISCUSSED,
    END,
    KINDS,
    LOOK,
    OVER,
    PROFILE,
    REFLECTION,
    SHORTLIST,
    SILENT,
    SLOTS,
    VOCABULARY,
    Tokens,
    drawn_slots,
    plan,
    read,
    word_of,
)
from star.trace.grammar import TraceError, item_rows
from star.trace.steps import Step, parse
from training.lib.sequences import Lists, look, place_in, ranked_by

V = VOCABULARY
Allowed = list[torch.Tensor | None]
"""For each word of an answer, the words that were allowed, bool (V,); None where the grammar left one only."""


def written(
    choose: Choose, write: Write, logits: torch.Tensor, slots: Sequence[int], wanted: int, past: Past
) -> Generator[Request | None, torch.Tensor, list[Paragraph]]:
    """An answer behind `<shortlist>`: slots, and a paragraph on each, as serving writes it (`star/student/generation.py`).

    Args:
        slots: of all candidates; wanted: how many are named; logits: behind the word `<shortlist>`.
    """
    named = yield from shortlist(choose, write, logits, slots, wanted, past)
    logits = yield from write(V.number[REFLECTION], 0, past)
    left, out = list(named), list[Paragraph]()
    while left:
        paragraph, logits = yield from discuss(choose, write, logits, left, named, past)
        left.remove(paragraph.slot)
        out.append(paragraph)
    yield from write(V.number[END], 0, past)
    return out


# drawn


@dataclass
class Rollout:
    """One answer to a list of candidates: the words behind `<shortlist>`, and which words were allowed."""

    row: int
    order: np.ndarray
    """Column of each slot."""
    prefix: Tokens
    heard: dict[int, list[int]]
    """Slot → words that the tools said."""
    rng: np.random.Generator | None
    """None: the likeliest words."""
    words: Tokens = field(default_factory=Tokens)
    allowed: Allowed = field(default_factory=list)
    paragraphs: list[Paragraph] = field(default_factory=list)
    _asked: torch.Tensor | None = None

    def choose(self, logits: torch.Tensor, allowed: torch.Tensor) -> int:
        self._asked = allowed
        if self.rng is not None:
            return draw(self.rng, logits, allowed)
        return int(torch.where(allowed, logits, -torch.inf).argmax())

    def write(self, word: int, slot: int, past: Past) -> Reading:
        self.words.add(word, slot)
        self.allowed.append(self._asked)
        self._asked = None
        return wait_for(word, slot, past)

    def written(self, past: Past, logits: torch.Tensor) -> Generator[Request | None, torch.Tensor, None]:
        """Shortlist and paragraphs, behind a cache that holds the prefix."""
        slots = range(1, len(self.order) + 1)
        wanted = min(DISCUSSED, len(slots))
        self.paragraphs = yield from written(self.choose, self.write, logits, slots, wanted, past)

    @property
    def said(self) -> dict[int, Tokens]:
        """Slot → its paragraph."""
        return {paragraph.slot: paragraph.said for paragraph in self.paragraphs}


def rollouts(
    checkpoint: Checkpoint,
    lists: Lists,
    rows: Sequence[int],
    each: int,
    rng: np.random.Generator,
    greedy: bool = False,
) -> list[Rollout]:
    """`each` answers to every list; the slots of a list are the same in all of its answers."""
    network, out, writings = checkpoint.network, list[Rollout](), []
    for row in rows:
        order = rng.permutation(int((lists.place[row, :, 0] > 0).sum()))
        prefix, heard = look(lists, row, order, plan(int(lists.length[row])))
        past = Past()
        logits = network.read(prefix, past)
        for _ in range(each):
            own = None if greedy else np.random.default_rng(rng.integers(2**63))
            made = Rollout(row, order, Tokens(list(prefix.words), list(prefix.slots)), heard, own)
            writings.append(made.written(_copy(past), logits))
            out.append(made)
    together(network, writings)
    return out


def _copy(past: Past) -> Past:
    return Past(past.length, [(keys.clone(), values.clone()) for keys, values in past.kept])


def false_statements(heard: Mapping[int, Sequence[int]], paragraph: Paragraph) -> int:
    """Statements and comparisons of a paragraph that the tools' answers refute or do not hold.

    Args:
        heard: slot → words that the tools said.
    """
    mine = heard.get(paragraph.slot, ())
    wrong = sum(
        bool(mine) if word == V.number[SILENT] else word not in mine for word in paragraph.stated
    )
    if paragraph.over is not None:
        other, kind = paragraph.over
        wrong += _place(mine, kind) >= _place(heard.get(other, ()), kind)
    return wrong


def _place(words: Sequence[int], kind: int) -> int:
    """Place in a kind of signal; behind all others where it is silent."""
    return next((place_in(word) for word in words if ranked_by(word) == kind), SLOTS + 1)


# replayed


@dataclass
class Replay:
    """An answer that is written a second time without a network, to know what was allowed at each of its words."""

    words: Sequence[int]
    tokens: Tokens = field(default_factory=Tokens)
    allowed: Allowed = field(default_factory=list)
    paragraphs: list[Paragraph] = field(default_factory=list)
    _asked: torch.Tensor | None = None

    def choose(self, _: torch.Tensor, allowed: torch.Tensor) -> int:
        word = self._next()
        if not bool(allowed[word]):
            raise ValueError(f"word {len(self.tokens)} is {V.words[word]!r}, which the grammar does not allow")
        self._asked = allowed
        return word

    def write(self, word: int, slot: int, past: Past) -> Reading:
        if word != self._next():
            raise ValueError(f"word {len(self.tokens)} is {V.words[self._next()]!r}, expected {V.words[word]!r}")
        self.tokens.add(word, slot)
        self.allowed.append(self._asked)
        self._asked = None
        yield from ()
        return torch.empty(0)

    def _next(self) -> int:
        if len(self.tokens) == len(self.words):
            raise ValueError(f"the answer ends after {len(self.words)} words, without {END!r}")
        return self.words[len(self.tokens)]


def replay(words: Sequence[int], slots: int) -> Replay:
    """An answer from its words behind `<shortlist>`.

    Args:
        slots: number of candidates.

    Raises:
        ValueError: the words do not follow the grammar.
    """
    wanted = next((n for n, word in enumerate(words) if V.slot_of(word) is None), len(words))
    done = Replay(words)
    writing = written(done.choose, done.write, torch.empty(0), range(1, slots + 1), wanted, Past())
    try:
        next(writing)
    except StopIteration as end:
        done.paragraphs = end.value
    if len(done.tokens) < len(words):
        raise ValueError(f"{len(words) - len(done.tokens)} words follow {END!r}")
    return done


# read from a trace


@dataclass(frozen=True)
class Answer:
    """A trace in the student's own words: `prefix` up to `<shortlist>`, then the answer; `slots`: number of candidates."""

    prefix: Tokens
    words: Tokens
    slots: int


def answer_of(prompt: str, completion: str, draw: int = 0) -> Answer:
    """The student's words of an exported trace, in the slots in which it was served.

    The slots are those of `GenerationState.slots`. A trace over more than twenty candidates tells which of them were looked
    at by what its tools said; unmentioned ones fill up the slots.

    Args:
        prompt, completion: in the words of `star/trace/grammar.py`.
        draw: which of the ways to give candidates their slots.

    Raises:
        ValueError: the trace is unreadable (TraceError), or another system wrote it.
    """
    asked, words = prompt.split(), completion.split()
    if "<candidates>" not in asked or len(asked) < 2 or not asked[1].isdigit():
        raise TraceError("the prompt names no shelf and no candidates")
    shelf = int(asked[1])
    trace = parse(words, shelf, len(item_rows(words[words.index("<recommend>") :])) if "<recommend>" in words else 0)
    reflections = [step for step in trace.steps if step.type == "reflection"]
    if len(reflections) != 2 or reflections[0].words[:3] != ("look", "again", "at"):
        raise ValueError("the trace has no shortlist with one reflection on it: another system wrote it")
    slot_of = _slots(item_rows(asked[asked.index("<candidates>") :]), trace.steps, shelf, draw)
    prefix = _prefix(trace.steps, slot_of, shelf)
    out = Tokens()
    for item in item_rows(reflections[0].words):
        out.add(V.slot(_slot(item, slot_of)), _slot(item, slot_of))
    out.add(V.number[REFLECTION])
    for paragraph in _paragraphs(reflections[1].claims, slot_of):
        out.extend(paragraph)
    out.add(V.number[END])
    if replay(out.words, len(slot_of)).tokens != out:
        raise ValueError("a word is about another candidate than the grammar says")
    return Answer(prefix, out, len(slot_of))


def _slots(candidates: Sequence[int], steps: Sequence[Step], shelf: int, draw: int) -> dict[int, int]:
    """Candidate → slot."""
    if len(candidates) > SLOTS:
        said = [c.subject for step in steps for c in step.claims if c.subject is not None]
        candidates = list(dict.fromkeys([*(c for c in said if c in set(candidates)), *candidates]))[:SLOTS]
    return {item: slot for slot, item in enumerate(drawn_slots(candidates, shelf, draw), 1)}


def _slot(item: int | None, slot_of: Mapping[int, int]) -> int:
    if item is None or item not in slot_of:
        raise ValueError(f"the trace discusses item {item}, which is no candidate")
    return slot_of[item]


def _prefix(steps: Sequence[Step], slot_of: Mapping[int, int], shelf: int) -> Tokens:
    """The words up to `<shortlist>`: the plan, and for each call what the student read of its answer."""
    calls, told = list[int](), list[Tokens]()
    for call, response in pairwise(steps):
        if call.type != "tool_call":
            continue
        asked = (call.name or "", call.arguments or ())
        if asked not in CALLS:
            raise ValueError(f"the student has no word for the call {' '.join(call.words)!r}")
        calls.append(V.call(asked))
        told.append(read(response.claims, slot_of))
    out = Tokens()
    out.add(V.number[PROFILE])
    out.add(V.length(shelf))
    for number in calls:
        out.add(number)
    out.add(V.number[LOOK])
    for number, said in zip(calls, told, strict=True):
        out.add(number)
        out.extend(said)
    out.add(V.number[SHORTLIST])
    return out


def _paragraphs(claims: Sequence[Claim], slot_of: Mapping[int, int]) -> Iterator[Tokens]:
    """A paragraph for each run of claims about one candidate."""
    said, slot = Tokens(), 0
    for claim in claims:
        here = _slot(claim.subject, slot_of)
        if here != slot:
            yield from _closed(said, slot)
            said, slot = Tokens([V.slot(here)], [here]), here
        if claim.kind == "over":
            other = _slot(claim.anchor, slot_of)
            said.add(V.number[OVER], slot)
            said.add(V.slot(other), other)
            said.add(V.on + KINDS.index(claim.label or ""), slot)
        else:
            word = V.number[SILENT] if claim.kind == "silent" else word_of(claim)
            if word is None:
                raise ValueError(f"the student has no word for a claim of kind {claim.kind!r}")
            said.add(word, slot)
    yield from _closed(said, slot)


def _closed(said: Tokens, slot: int) -> Iterator[Tokens]:
    if slot:
        said.add(V.number[CLOSE], slot)
        yield said
