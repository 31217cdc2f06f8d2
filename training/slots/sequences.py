"""Training sequences of the slot student: calls and answers, shortlist and reflection; and the re-reading that ranks."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy.stats import rankdata

from star.evidence.claims import COMPARED, TOLD, WITHHELD
from star.evidence.signals import RARITY
from star.evidence.tools import ASKED, WINDOWS
from star.student.slots import (
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
from training.slots.lists import RAW

V = VOCABULARY
VARIANTS: dict[tuple[str, tuple[int, ...]], tuple[str, ...]] = {
    **{("item_cf", (w,)): (f"pull{w}", f"next{w}") for w in WINDOWS},
    **{("user_cf", (a,)): (f"similar{a}",) for a in ASKED},
    ("whole_shelf", ()): ("whole",),
    ("whole_shelf", (3,)): ("whole3",),
    ("whole_shelf", (1,)): ("whole1",),
    ("read_after", ()): ("after",),
    ("description", ()): ("about",),
}
"""Columns of `RAW` that each call states."""
CALIBRATED = {"pull": "pull10", "next": "next10", "similar": "similar50"}
RECOMMENDED = 5


@dataclass(frozen=True)
class Lists:
    """Candidate lists as the student's words see them: L lists of at most 20 candidates.

    Attributes:
        level, place: int8 (L, 20, RAW), 0 for silent, or for places without a candidate.
        readers: readers of each candidate, (L, 20); related: int8 (L, 20, 3).
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


def bounds_of(stored: dict[str, np.ndarray]) -> np.ndarray:
    """Lower bounds of the strengths of each column, (RAW, 6), from quantiles over candidates of uniform and retrieved lists.
    Windows share the bounds of one, as the tools' do."""
    raw = stored["raw"][np.isin(stored["kind"], (0, 2))].reshape(-1, len(RAW))
    raw = raw[~np.isnan(raw[:, 0])]
    own = np.maximum(np.quantile(raw, RARITY, axis=0).T, 1e-9)
    shared = [CALIBRATED.get(name.rstrip("0123456789"), name) for name in RAW]
    return own[[RAW.index(name) for name in shared]]


def lists_from(
    stored: dict[str, np.ndarray], soft: np.ndarray | None = None, bounds: np.ndarray | None = None
) -> Lists:
    raw = stored["raw"]
    bounds = bounds_of(stored) if bounds is None else bounds
    missing = np.isnan(raw)
    filled = np.where(missing, -np.inf, raw)
    level = np.stack(
        [np.searchsorted(bounds[s], filled[:, :, s], side="right") for s in range(len(RAW))], -1
    ).astype(np.int8)
    place = np.where(missing, 0, rankdata(-filled, method="min", axis=1)).astype(np.int8)
    target = stored["target"].astype(np.int64)
    soft = np.eye(SLOTS, dtype=np.float32)[target] if soft is None else soft
    readers = np.nan_to_num(raw[:, :, RAW.index("readers")], nan=0)
    return Lists(
        level, place, readers, stored["related"], target, stored["length"], soft, stored["scenario"], stored["kind"]
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
            if kind == "about":
                readers = lists.readers[row, column]
                if readers >= TOLD:
                    continue
                kind = UNREAD if readers < WITHHELD else kind
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
    out, heard = Sequence(), {}
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
    """Both sequences of one list, with slots drawn anew."""
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
