"""Training sequences of the student: calls and answers, shortlist and reflection; and the second reading, which ranks."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from star.evidence.claims import COMPARED, WITHHELD
from star.student.vocabulary import (
    CLOSE,
    DISCUSSED,
    END,
    KINDS,
    LOOK,
    OVER,
    PROFILE,
    QUOTED,
    RECOMMEND,
    REFLECTION,
    SHORTLIST,
    SILENT,
    SLOTS,
    STATES,
    UNREAD,
    VOCABULARY,
    Tokens,
    plan,
)
from training.lib.lists import RAW, VARIANTS

V = VOCABULARY
RECOMMENDED = 5


@dataclass(frozen=True)
class Lists:
    """Candidate lists as the student's words see them: L lists of at most 20 candidates.

    Attributes:
        level, place: int8 (L, 20, RAW), 0 where nothing is stated, or in places without a candidate.
        readers: readers of each candidate, (L, 20); related: int8 (L, 20, RELATED).
        target: column of the item really read next; length: of the shelf; (L,).
        soft: float32 (L, 20), the distillation teacher's probabilities.
    """

    level: np.ndarray
    place: np.ndarray
    readers: np.ndarray
    related: np.ndarray
    target: np.ndarray
    length: np.ndarray
    soft: np.ndarray
    scenario: np.ndarray
    kind: np.ndarray


def lists_from(stored: dict[str, np.ndarray], soft: np.ndarray | None = None) -> Lists:
    target = stored["target"].astype(np.int64)
    soft = np.eye(SLOTS, dtype=np.float32)[target] if soft is None else soft
    return Lists(
        stored["level"], stored["place"], stored["raw"][:, :, RAW.index("readers")], stored["related"],
        target, stored["length"], soft, stored["scenario"], stored["kind"],
    )  # fmt: skip


@dataclass
class Sequence(Tokens):
    """Tokens with the loss's terms: words to write (position, word, kind of loss), and slots to choose from a
    distribution (position, (C,), kind of loss)."""

    hard: list[tuple[int, int, str]] = field(default_factory=list)
    soft: list[tuple[int, np.ndarray, str]] = field(default_factory=list)

    def write(self, word: int, slot: int, kind: str) -> None:
        self.hard.append((len(self) - 1, int(word), kind))
        self.add(word, slot)

    def choose(self, slot: int, weights: np.ndarray, kind: str) -> None:
        self.soft.append((len(self) - 1, weights / max(weights.sum(), 1e-9), kind))
        self.add(V.slot(slot), slot)


def answer(
    lists: Lists, row: int, order: np.ndarray, call: tuple[str, tuple[int, ...]]
) -> dict[int, list[int]]:
    """Slot → words that the call's answer states about it. `order`: column of each slot, (n,)."""
    said: dict[int, list[int]] = {}
    for at, column in enumerate(order.tolist()):
        words: list[int] = []
        for kind, name in zip(STATES[call], VARIANTS[call], strict=False):
            s = RAW.index(name)
            level, place = int(lists.level[row, column, s]), int(lists.place[row, column, s])
            if kind == "about" and lists.readers[row, column] < WITHHELD:
                kind = UNREAD
            if level:
                words.append(int(V.signal(KINDS.index(kind), place, level)))
        if call[0] == "item_cf":
            series, sequel, author = lists.related[row, column].tolist()
            if series or sequel:
                words.append(V.related + bool(sequel))
            if author:
                words.append(V.author(int(author)))
        if words:
            said[at + 1] = words
    return said


def place_in(word: int) -> int:
    """Place that a word states; relations come first."""
    return (word - V.signals) // 6 % SLOTS + 1 if V.signals <= word < V.on else 0


def ranked_by(word: int) -> int | None:
    """Number of the kind of signal whose place a word states; None for other words."""
    return (word - V.signals) // (6 * SLOTS) if V.signals <= word < V.on else None


def quotes(words: list[int]) -> list[int]:
    """What is quoted of all that was heard about an item: relations, and the signals with the best places."""
    related = [w for w in words if V.related <= w < V.calls]
    signals = sorted((w for w in words if V.signals <= w < V.on), key=place_in)
    return signals[:QUOTED] + related


def advantage(one: list[int], other: list[int]) -> int | None:
    """The kind of signal in which `one` leads `other` by the most places (20 for silence), as a number of `KINDS`."""

    def places(words: list[int]) -> dict[int, int]:
        stated = {kind: place_in(w) for w in words if (kind := ranked_by(w)) is not None}
        return {kind: place for kind, place in stated.items() if kind < len(COMPARED)}

    mine, theirs = places(one), places(other)
    lead = {kind: theirs.get(kind, SLOTS + 1) - place for kind, place in mine.items()}
    best = max(lead, key=lambda kind: (lead[kind], -kind), default=None)
    return best if best is not None and lead[best] > 0 else None


def paragraphs(heard: dict[int, list[int]], chosen: list[int], against: dict[int, int]) -> dict[int, Tokens]:
    """Slot → what is said of it. `against`: slot → the slot it is compared with."""
    out = {}
    for slot in chosen:
        said = Tokens()
        said.add(V.slot(slot), slot)
        mine = heard.get(slot, [])
        for word in quotes(mine) or [V.number[SILENT]]:
            said.add(word, slot)
        other = against.get(slot)
        if other is not None and (kind := advantage(mine, heard.get(other, []))) is not None:
            said.add(V.number[OVER], slot)
            said.add(V.slot(other), other)
            said.add(V.on + kind, slot)
        said.add(V.number[CLOSE], slot)
        out[slot] = said
    return out


def rivals(chosen: list[int]) -> dict[int, int]:
    """Each discussed slot is compared with the next one of the shortlist, the last with none."""
    return dict(pairwise(chosen))


def calls_of(rng: np.random.Generator, shelf: int, various: bool) -> list[tuple[str, tuple[int, ...]]]:
    calls = plan(shelf)
    if not various or rng.random() < 0.5:
        return calls
    kept = [call for call in calls if rng.random() < 0.8] or calls
    return [kept[i] for i in rng.permutation(len(kept))]


def look(
    lists: Lists, row: int, order: np.ndarray, calls: list[tuple[str, tuple[int, ...]]]
) -> tuple[Sequence, dict[int, list[int]]]:
    """The sequence up to `<shortlist>`, and all words heard about each slot."""
    out, heard = Sequence(), dict[int, list[int]]()
    out.add(V.number[PROFILE])
    out.add(V.length(int(lists.length[row])))
    for call in calls:
        out.write(V.call(call), 0, "call")
    out.write(V.number[LOOK], 0, "call")
    for call in calls:
        out.add(V.call(call))
        for slot, words in answer(lists, row, order, call).items():
            heard.setdefault(slot, []).extend(words)
            for word in words:
                out.add(word, slot)
    out.add(V.number[SHORTLIST])
    return out, heard


def make(lists: Lists, row: int, rng: np.random.Generator) -> tuple[Sequence, Sequence]:
    """The answer and the second reading of one list, in slots drawn at random."""
    n = int((lists.place[row, :, 0] > 0).sum())
    order = rng.permutation(n)
    soft = lists.soft[row, order].astype(np.float64) + 1e-6
    calls = calls_of(rng, int(lists.length[row]), True)
    a, heard = look(lists, row, order, calls)
    if calls != plan(int(lists.length[row])):
        a.hard = []  # a plan at random is answered, not learned
    left = soft.copy()
    chosen: list[int] = []
    for _ in range(min(DISCUSSED, n)):
        p = left / left.sum()
        at = int(rng.choice(n, p=p)) if rng.random() < 0.2 else int(np.argmax(p))
        a.choose(at + 1, p, "shortlist")
        chosen.append(at + 1)
        left[at] = 0
    said = paragraphs(heard, chosen, rivals(chosen))
    a.write(V.number[REFLECTION], 0, "written")
    for slot in chosen:
        for word, of in zip(said[slot].words, said[slot].slots, strict=True):
            a.write(word, of, "written")
    a.write(V.number[END], 0, "written")
    best = {
        kind: [s for s, words in heard.items() if any(is_first(w, kind) for w in words)]
        for kind in range(len(KINDS))
    }
    for kind in rng.permutation(len(KINDS))[:3].tolist():
        if best[kind]:
            first = np.zeros(n)
            first[[s - 1 for s in best[kind]]] = 1
            a.add(V.on + kind)
            a.choose(int(rng.choice(best[kind])), first, "point")
    b = reread(said, [int(s) for s in rng.permutation(chosen)])
    left = np.zeros(n)
    inside = [c - 1 for c in chosen]
    left[inside] = soft[inside]
    for _ in range(min(RECOMMENDED, n)):
        p = left / left.sum()
        at = int(np.argmax(p))
        b.choose(at + 1, p, "rank")
        left[at] = 0
    return a, b


def is_first(word: int, kind: int) -> bool:
    return ranked_by(word) == kind and place_in(word) == 1


def reread(said: dict[int, Tokens], order: list[int]) -> Sequence:
    """The second reading up to `<recommend>`."""
    b = Sequence()
    b.add(V.number[REFLECTION])
    for slot in order:
        b.extend(said[slot])
    b.add(V.number[RECOMMEND])
    return b
