"""The student answers: a plan of calls, a look, a shortlist, a reflection, and a second reading that ranks.

The second reading is a fresh pass over the reflection's words alone. What the tools said reaches the ranking only through
what the student wrote of it (compare arXiv 2404.18988). Slots stand for candidates, so one network serves every catalogue.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import torch

from star.evidence.claims import COMPARED, Claim
from star.evidence.tools import ASKED, FITTED, WINDOWS, ToolResponse, Tools, places
from star.student.decoder import Past
from star.student.network import Checkpoint
from star.student.paragraphs import (
    PLANNING,
    Reading,
    Request,
    Writing,
    discuss,
    draw,
    shortlist,
    together,
    wait_for,
)
from star.student.vocabulary import (
    CALLS,
    DISCUSSED,
    END,
    KINDS,
    LOOK,
    PROFILE,
    RECOMMEND,
    REFLECTION,
    SHORTLIST,
    SLOTS,
    VOCABULARY,
    Tokens,
    drawn_slots,
    first_said,
    lines_about,
    plan,
    read,
)
from star.trace.grammar import call_words, item_word, line, response_words

V = VOCABULARY
READINGS = 8  # of the paragraphs, when they are ranked
TOGETHER = 32  # answers that are written together
SPOKEN = {("user_cf", n): f"compare with {n} readers" for n in ASKED} | {
    ("item_cf", n): f"look back {n} books" for n in WINDOWS
}


@dataclass
class GenerationState:
    """One answer while it is written. `words`, `own`: of the trace, in `star/trace/grammar.py`'s language."""

    checkpoint: Checkpoint
    tools: Tools
    k: int = 5
    draw: int = 0
    """Which of the ways to give candidates their slots."""
    words: list[str] = field(default_factory=list)
    own: list[bool] = field(default_factory=list)
    calls: int = 0
    generated: int = 0
    """Words of its own language that the student wrote."""
    prefilled: int = 0
    broken: str | None = None
    """The first word that the student would have written against the grammar, had it been allowed."""
    finished: bool = False
    order: list[int] = field(default_factory=list)
    """Discussed candidates (catalogue rows), best first."""
    scores: dict[int, float] = field(default_factory=dict)
    """Candidate → probability at the first place, from the second reading; 0 if it is not discussed."""
    heard: dict[int, float] = field(default_factory=dict)
    """Candidate → logit at the first place of the shortlist, which follows all that the tools said."""
    said: list[Claim] = field(default_factory=list)
    paragraphs: dict[int, Tokens] = field(default_factory=dict)
    """Slot → what the student wrote of it."""

    @property
    def candidates(self) -> list[int]:
        found: list[int] = self.tools.candidates.tolist()
        return found

    @cached_property
    def slots(self) -> list[int]:
        """The candidate of each slot, the first of slot 1."""
        return drawn_slots(self.candidates, len(self.tools.history), self.draw)

    @cached_property
    def slot_of(self) -> dict[int, int]:
        return {item: n for n, item in enumerate(self.slots, 1)}

    def choose(self, logits: torch.Tensor, allowed: torch.Tensor) -> int:
        """The most likely of the words allowed, bool (V,). A more likely one that the grammar does not allow is noted."""
        word = int(torch.where(allowed, logits, -torch.inf).argmax())
        if self.broken is None and float(logits.max()) > float(logits[word]):
            self.broken = f"{V.words[int(logits.argmax())]!r} in place of {V.words[word]!r}"
        return word

    def write(self, word: int, slot: int, past: Past) -> Reading:
        self.generated += 1
        return wait_for(word, slot, past)

    def say(self, words: list[str], own: bool = True) -> None:
        self.words += words
        self.own += [own] * len(words)


def _standing(tools: Tools) -> list[int]:
    """The candidates, first those that stand first in most of the signals, as far as places tell."""
    scores = [*tools.pulls(max(WINDOWS))[2:], tools.similar_share(max(ASKED))[1]]
    scores += [tools.parts(kind).sum(0) for kind in FITTED.values() if kind in COMPARED]
    standing = np.sum([1 / places(score) for score in scores], 0)
    # Ties go to the lower row, so the order in which they are given does not matter.
    found: list[int] = tools.candidates[np.lexsort((tools.candidates, -standing))].tolist()
    return found


def _first_look(state: GenerationState) -> Writing:
    """Of a longer list, leave the candidates that the student would shortlist in groups of at most `SLOTS`.

    Every group gets as many of those that stand first in the signals. The first of each group stay, then the second, and so
    on up to `SLOTS`.
    """
    order = _standing(state.tools)
    groups = -(-len(order) // SLOTS)
    standing = {item: n for n, item in enumerate(order)}
    standings: list[tuple[int, int, int]] = []  # in the group, in the signals, and the item
    for number in range(groups):
        tools = state.tools.among(order[number::groups])
        group = GenerationState(state.checkpoint, tools, state.k, state.draw)
        text, calls = Tokens(), plan(len(tools.history))
        text.add(V.number[PROFILE])
        text.add(V.length(len(tools.history)))
        for call in calls:
            text.add(V.call(call))
        text.add(V.number[LOOK])
        for call in calls:
            text.add(V.call(call))
            text.extend(read(_claims(tools.call(*call)), group.slot_of))
        text.add(V.number[SHORTLIST])
        logits = yield from _read(state, text, Past())
        found = sorted(group.candidates, key=lambda item: -float(logits[V.slot(group.slot_of[item])]))
        standings += [(place, standing[item], item) for place, item in enumerate(found)]
    kept = {item for _, _, item in sorted(standings)[:SLOTS]}
    state.tools = state.tools.among([item for item in state.candidates if item in kept])


def write(state: GenerationState, seed: int | None = None) -> Iterator[None]:
    """Drive one answer to its end; yields after every step of the trace.

    Args:
        seed: of the shortlist, drawn from its probabilities; None: the most likely one.
    """
    writing = _written(state, seed)
    asked = next(writing)
    while not state.finished:
        if asked is None:
            yield
            asked = next(writing)
        else:
            asked = writing.send(state.checkpoint.network.read(asked.tokens, asked.past))
    yield


def write_all(states: Sequence[GenerationState], seeds: Sequence[int | None] | None = None) -> None:
    """Drive answers of one checkpoint to their ends together. Each writes the words that it writes alone.

    Args:
        seeds: of each answer, as `write` takes them; None: the likeliest words.
    """
    if states:
        seeds = [None] * len(states) if seeds is None else seeds
        written = [_written(state, seed) for state, seed in zip(states, seeds, strict=True)]
        together(states[0].checkpoint.network, written)


def _written(state: GenerationState, seed: int | None) -> Writing:
    if len(state.candidates) > SLOTS:
        yield from _first_look(state)
    past = Past()
    rng = None if seed is None else np.random.default_rng(seed)
    start = Tokens()
    start.add(V.number[PROFILE])
    start.add(V.length(len(state.tools.history)))
    logits = yield from _read(state, start, past)
    yield from _look(state, past, logits)
    named = yield from _shortlist(state, past, rng)
    yield None
    yield from _reflect(state, past, named)
    _rank(state)
    state.finished = True
    yield None


def _claims(response: ToolResponse) -> list[Claim]:
    return [evidence.claim for line in response.lines for evidence in line]


def _read(state: GenerationState, tokens: Tokens, past: Past) -> Reading:
    state.prefilled += len(tokens)
    return (yield Request(tokens, past))


def _look(state: GenerationState, past: Past, logits: torch.Tensor) -> Writing:
    """The plan, and the answers to its calls."""
    allowed, calls = PLANNING.clone(), []
    while (word := state.choose(logits, allowed)) != V.number[LOOK]:
        allowed[word] = False
        calls.append(CALLS[word - V.calls])
        logits = yield from state.write(word, 0, past)
    if not calls:  # nothing is known of the candidates without a call
        calls = [("whole_shelf", ())]
        yield from state.write(V.call(calls[0]), 0, past)
    spoken = [SPOKEN.get((name, arguments[0])) if arguments else None for name, arguments in calls]
    plans = [phrase for phrase in spoken if phrase] or ["know the shelf first"]
    state.say(["<plan>", *(word for phrase in plans for word in [*phrase.split(), ";"]), "</plan>"])
    answers = Tokens()
    answers.add(V.number[LOOK])
    yield None
    for call in calls:
        name, arguments = call
        state.say(call_words(name, arguments))
        response = state.tools.call(name, arguments)
        state.calls += 1
        state.say(response_words(response), own=False)
        said = _claims(response)
        state.said += said
        answers.add(V.call(call))
        answers.extend(read(said, state.slot_of))
        yield None
    yield from _read(state, answers, past)


def _shortlist(
    state: GenerationState, past: Past, rng: np.random.Generator | None
) -> Generator[Request | None, torch.Tensor, list[int]]:
    """The slots to be discussed."""
    tokens = Tokens()
    tokens.add(V.number[SHORTLIST])
    logits = yield from _read(state, tokens, past)
    slots = list(state.slot_of.values())
    state.heard = {item: float(logits[V.slot(slot)]) for item, slot in state.slot_of.items()}
    wanted = min(max(DISCUSSED, state.k), len(slots))
    drawn = state.choose if rng is None else partial(draw, rng)
    chosen = yield from shortlist(drawn, state.write, logits, slots, wanted, past)
    names = [item_word(state.slots[slot - 1]) for slot in chosen]
    state.say(["<reflection>", "look", "again", "at", *names, ";", "</reflection>"])
    return chosen


def _reflect(state: GenerationState, past: Past, named: list[int]) -> Writing:
    """A paragraph for every slot of the shortlist."""
    about = first_said(state.said)
    logits = yield from state.write(V.number[REFLECTION], 0, past)
    state.say(["<reflection>"])
    left = list(named)
    while left:
        paragraph, logits = yield from discuss(state.choose, state.write, logits, left, named, past)
        left.remove(paragraph.slot)
        state.paragraphs[paragraph.slot] = paragraph.said
        item = state.slots[paragraph.slot - 1]
        for claims in lines_about(item, about.get(item, []), paragraph.stated):
            state.say(line(claims, closing=False))
        if paragraph.over is not None:
            rival, kind = paragraph.over
            over = Claim("over", item, state.slots[rival - 1], label=KINDS[kind])
            state.say(line([over], closing=False))
        yield None
    yield from state.write(V.number[END], 0, past)
    state.say(["</reflection>"])
    yield None


def reread(
    checkpoint: Checkpoint, paragraphs: Mapping[int, Tokens], times: int = READINGS
) -> list[float]:
    """Probability of each discussed slot at the first place, by the second reading: these paragraphs, and nothing else.

    They are read so many times, each time in another order and with other slots; the probability is the mean. Orders and
    slots start from what is written. So neither the order of mention nor the names of the slots can carry the ranking, but
    of paragraphs that say the same.
    """
    shares: list[float] = readings(checkpoint, paragraphs, times).softmax(1).mean(0).tolist()
    return shares


def readings(
    checkpoint: Checkpoint, paragraphs: Mapping[int, Tokens], times: int = READINGS
) -> torch.Tensor:
    """Logits of the discussed slots at the first place, (times, slots), one row for each second reading."""
    written = sorted(paragraphs, key=lambda slot: _unnamed(paragraphs[slot]))
    renamed, texts = [], []
    for reading in range(times):
        rng = np.random.default_rng([reading, len(written)])
        names = dict(zip(written, (1 + rng.permutation(SLOTS)[: len(written)]).tolist(), strict=True))
        tokens = Tokens()
        tokens.add(V.number[REFLECTION])
        for place in rng.permutation(len(written)).tolist():
            tokens.extend(_named(paragraphs[written[place]], names))
        tokens.add(V.number[RECOMMEND])
        renamed.append([V.slot(names[slot]) for slot in paragraphs])
        texts.append(tokens)
    return checkpoint.network.read_alike(texts).gather(1, torch.tensor(renamed))


def _unnamed(paragraph: Tokens) -> list[int]:
    """The words of a paragraph without the slots that it names."""
    return [word for word in paragraph.words if V.slot_of(word) is None]


def _named(paragraph: Tokens, names: Mapping[int, int]) -> Tokens:
    """The paragraph with other slots."""
    out = Tokens()
    for word, slot in zip(paragraph.words, paragraph.slots, strict=True):
        named = V.slot_of(word)
        out.add(word if named is None else V.slot(names[named]), names.get(slot, 0))
    return out


def _rank(state: GenerationState) -> None:
    discussed = list(state.paragraphs)
    shares = reread(state.checkpoint, state.paragraphs)
    state.prefilled += READINGS * (2 + sum(map(len, state.paragraphs.values())))
    state.scores = dict.fromkeys(state.candidates, 0.0)
    state.scores |= {state.slots[slot - 1]: share for slot, share in zip(discussed, shares, strict=True)}
    places = sorted(range(len(discussed)), key=lambda n: (-shares[n], discussed[n]))
    state.order = [state.slots[discussed[n] - 1] for n in places]
    state.say(["<recommend>", *map(item_word, state.order[: state.k]), "</recommend>"])
    state.generated += min(state.k, len(state.order))
