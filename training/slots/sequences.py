"""Training sequences: look, shortlist, reflection (A), and the re-reading that ranks (B)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from training.slots.language import MOVES, STATED, VOCABULARY, Lists, look

SHORTLIST = 6  # discussed: the five recommended and the strongest rejected
QUOTED = 6  # lines quoted of an item, at most
KINDS = ("shortlist", "written", "rank", "point")


@dataclass
class Sequence:
    """Words, slots, and the loss's terms: hard targets (position, word, weight), soft ones (position, (C,) over slots)."""

    words: list[int] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    hard: list[tuple[int, int, str]] = field(default_factory=list)
    soft: list[tuple[int, np.ndarray, str]] = field(default_factory=list)

    def add(self, word: int, slot: int = 0, kind: str | None = None) -> None:
        if kind is not None:
            self.hard.append((len(self.words) - 1, word, kind))
        self.words.append(int(word))
        self.slots.append(int(slot))

    def choose(self, slot: int, weights: np.ndarray, kind: str) -> None:
        """The next word is a slot; learned from a distribution over slots."""
        self.soft.append((len(self.words) - 1, weights / max(weights.sum(), 1e-9), kind))
        self.add(VOCABULARY.slots + slot - 1, slot)


def quotes(lists: Lists, row: int, column: int) -> list[int]:
    """Words that state an item's evidence, the best places first."""
    v = VOCABULARY
    level, place, related = (part[row, column].astype(np.int64) for part in (lists.level, lists.place, lists.related))
    said = [s for s in np.lexsort((np.arange(len(STATED)), place)) if level[s] > 0]
    out = [int(v.signal(np.array(s), place[s], level[s])) for s in said[:QUOTED]]
    if related[1]:
        out.append(v.related + 1)
    elif related[0]:
        out.append(v.related)
    if related[2]:
        out.append(v.related + 1 + int(related[2]))
    return out


def advantage(lists: Lists, row: int, one: int, other: int) -> int | None:
    """The signal in which `one` leads `other` by the most places, if it is stated of `one`."""
    lead = lists.place[row, other].astype(int) - lists.place[row, one]
    lead[lists.level[row, one] == 0] = 0
    best = int(np.argmax(lead))
    return best if lead[best] > 0 else None


def paragraphs(lists: Lists, row: int, order: np.ndarray, chosen: list[int], rng: np.random.Generator) -> dict:
    """Slot → words and slots of what is said about each chosen slot (1-based)."""
    v = VOCABULARY
    out = {}
    for slot in chosen:
        words, slots = [v.slots + slot - 1], [slot]
        for word in quotes(lists, row, order[slot - 1]):
            words.append(word)
            slots.append(slot)
        others = [c for c in chosen if c != slot]
        if others:
            other = int(rng.choice(others))
            signal = advantage(lists, row, order[slot - 1], order[other - 1])
            if signal is not None:
                words += [v.number["over"], v.slots + other - 1, v.on + signal]
                slots += [slot, other, slot]
        words.append(v.number[";"])
        slots.append(slot)
        out[slot] = (words, slots)
    return out


def make(lists: Lists, row: int, rng: np.random.Generator, sampled: bool = True) -> tuple[Sequence, Sequence]:
    """A and B of one list, with slots drawn anew."""
    v = VOCABULARY
    n = int((lists.place[row, :, 0] > 0).sum())
    order = rng.permutation(n)
    soft = lists.soft[row, order].astype(np.float64)
    a = Sequence()
    words, slots = look(lists, row, order)
    a.words, a.slots = words.tolist(), slots.tolist()
    a.add(v.number["<shortlist>"])
    left = soft + 1e-6
    chosen: list[int] = []
    for _ in range(min(SHORTLIST, n)):
        p = left / left.sum()
        at = int(rng.choice(n, p=p)) if sampled and rng.random() < 0.2 else int(np.argmax(p))
        a.choose(at + 1, p, "shortlist")
        chosen.append(at + 1)
        left[at] = 0
    said = paragraphs(lists, row, order, chosen, rng)
    a.add(v.number["<reflection>"])
    for slot in chosen:
        words, slots = said[slot]
        a.add(words[0], slots[0], "written")
        for word, of in zip(words[1:], slots[1:], strict=True):
            a.add(word, of, "written")
    a.add(v.number["<end>"], 0, "written")
    for s in rng.permutation(len(STATED))[:3]:
        place = lists.place[row, order, s]
        if (lists.level[row, order, s] > 0).any():
            first = (place == 1).astype(np.float64)
            a.add(v.on + int(s))
            a.choose(int(rng.choice(np.flatnonzero(first))) + 1, first, "point")
    b = Sequence()
    b.add(v.number["<reflection>"])
    for slot in rng.permutation(chosen):
        words, slots = said[int(slot)]
        for word, of in zip(words, slots, strict=True):
            b.add(word, of)
    b.add(v.number["<recommend>"])
    left = np.zeros(n)
    left[[c - 1 for c in chosen]] = soft[[c - 1 for c in chosen]] + 1e-6
    for _ in range(min(5, n)):
        p = left / left.sum()
        at = int(np.argmax(p))
        b.choose(at + 1, p, "rank")
        left[at] = 0
    return a, b


assert MOVES
