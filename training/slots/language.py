"""Words of a query whose items are slots, and sequences of them.

A word that states a signal is `signal:place:strength`, as in `read_after:2:strong`. Its embedding is a sum of the parts', so
that places and strengths are learned once for all signals. Every token also carries the slot that its line is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import rankdata

from star.evidence.claims import STRENGTHS
from star.evidence.signals import RARITY
from training.slots.lists import RAW, RELATED, WIDTH

STATED = ("pull10", "next10", "similar50", "whole", "whole3", "whole1", "after", "about", "readers")
COLUMNS = [RAW.index(name) for name in STATED]
SECTIONS = ("<pad>", "<profile>", "<look>", "<shortlist>", "<reflection>", "<recommend>", "<end>", ";")
MOVES = ("over", "on", "keep", "drop")
TENTHS = 20  # steps in which the share of lists that a signal decides rightly is stated


@dataclass(frozen=True)
class Lists:
    """Candidate lists as words see them.

    Attributes:
        level: int8 (L, 20, S), 0 (silent) to 6; place: int8 (L, 20, S), 1 for the largest, ties share; 0 without candidate.
        related: int8 (L, 20, RELATED).
        target: column of the item really read next, (L,); length of the shelf, (L,).
        hits: int8 (S,), of the data set: share of training lists in which the signal places the target first, in steps.
        soft: float32 (L, 20), the distillation teacher's probabilities.
    """

    level: np.ndarray
    place: np.ndarray
    related: np.ndarray
    target: np.ndarray
    length: np.ndarray
    hits: np.ndarray
    soft: np.ndarray
    scenario: np.ndarray
    kind: np.ndarray


def bounds_of(stored: dict[str, np.ndarray]) -> np.ndarray:
    """Lower bounds of the strengths, (S, 6): quantiles over candidates of uniform and retrieved lists."""
    some = np.isin(stored["kind"], (0, 2))
    raw = stored["raw"][some][:, :, COLUMNS].reshape(-1, len(COLUMNS))
    raw = raw[~np.isnan(raw[:, 0])]
    return np.maximum(np.quantile(raw, RARITY, axis=0).T, 1e-9)


def places_of(raw: np.ndarray) -> np.ndarray:
    """1 for the largest value of each column, ties share the first place; 0 for nan."""
    filled = np.where(np.isnan(raw), -np.inf, raw)
    ranks = rankdata(-filled, method="min", axis=1)
    return np.where(np.isnan(raw), 0, ranks).astype(np.int8)


def hits_of(raw: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Share of lists that each signal puts the target first in (ties at half), in steps of 1 / TENTHS."""
    filled = np.where(np.isnan(raw), -np.inf, raw)
    own = np.take_along_axis(filled, target[:, None, None].astype(np.int64), 1)
    above, same = (filled > own).sum(1), (filled == own).sum(1)
    return np.round(TENTHS * ((above == 0) / same).mean(0)).astype(np.int8)


def lists_from(
    stored: dict[str, np.ndarray], soft: np.ndarray | None = None, bounds: np.ndarray | None = None,
    hits: np.ndarray | None = None,
) -> Lists:  # fmt: skip
    raw = stored["raw"][:, :, COLUMNS]
    bounds = bounds_of(stored) if bounds is None else bounds
    level = np.zeros(raw.shape, np.int8)
    for s in range(raw.shape[2]):
        level[:, :, s] = np.searchsorted(bounds[s], np.nan_to_num(raw[:, :, s], nan=-1e9), side="right")
    target = stored["target"].astype(np.int64)
    if soft is None:
        soft = np.eye(WIDTH, dtype=np.float32)[target]
    some = np.isin(stored["kind"], (0, 1))
    hits = hits_of(raw[some], target[some]) if hits is None else hits
    return Lists(
        level, places_of(raw), stored["related"], target, stored["length"], hits, soft, stored["scenario"], stored["kind"]
    )


class Vocabulary:
    """word ↔ number, the parts that each word's embedding sums, and where the kinds of words begin."""

    def __init__(self) -> None:
        self.words: list[str] = [*SECTIONS, *MOVES]
        self.slots = len(self.words)
        self.words += [f"<c{n}>" for n in range(1, WIDTH + 1)]
        self.signals = len(self.words)
        self.words += [f"{s}:{p}:{w}" for s in STATED for p in range(1, WIDTH + 1) for w in STRENGTHS]
        self.on = len(self.words)
        self.words += [f"on {s}" for s in STATED]
        self.related = len(self.words)
        self.words += ["series", "sequel", *(f"author:{n}" for n in (1, 2, 3))]
        self.hits = len(self.words)
        self.words += [f"{s} hits {n}" for s in STATED for n in range(TENTHS + 1)]
        self.length = len(self.words)
        self.words += [f"shelf {n}" for n in LENGTHS]

    @cached_property
    def number(self) -> dict[str, int]:
        return {word: n for n, word in enumerate(self.words)}

    @cached_property
    def parts(self) -> np.ndarray:
        """int64 (V, 4): rows of the table of parts that a word's embedding sums; 0 is the empty part."""
        names: dict[str, int] = {"": 0}
        out = np.zeros((len(self.words), 4), np.int64)
        for row, word in enumerate(self.words):
            if word.startswith("<c"):
                parts = ["slot"]
            elif " hits " in word:
                signal, value = word.split(" hits ")
                parts = [f"signal {signal}", f"hits {value}", "hits", f"{signal} hits"]
            elif word.count(":") == 2:
                signal, place, strength = word.split(":")
                parts = [f"signal {signal}", f"place {place}", f"strength {strength}", "stated"]
            elif word.startswith("on "):
                parts = [f"signal {word[3:]}", "on"]
            else:
                parts = [word]
            for at, part in enumerate(parts):
                out[row, at] = names.setdefault(part, len(names))
        return out

    def signal(self, signal: np.ndarray, place: np.ndarray, level: np.ndarray) -> np.ndarray:
        return self.signals + (signal * WIDTH + place - 1) * len(STRENGTHS) + level - 1


LENGTHS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200)
VOCABULARY = Vocabulary()


def look(lists: Lists, row: int, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Words and slots of profile and look. `order`: column of each slot, (n,)."""
    v = VOCABULARY
    n = len(order)
    head = [v.number["<profile>"], v.length + int(np.searchsorted(LENGTHS, lists.length[row], side="right")) - 1]
    head += [v.hits + s * (TENTHS + 1) + int(lists.hits[s]) for s in range(len(STATED))]
    head += [v.number["<look>"]]
    level, place, related = (part[row, order].astype(np.int64) for part in (lists.level, lists.place, lists.related))
    S = len(STATED)
    grid = np.zeros((n, 1 + S + len(RELATED)), np.int64)  # 0: not said
    grid[:, 0] = v.slots + np.arange(n)
    grid[:, 1 : 1 + S] = np.where(level > 0, v.signal(np.arange(S)[None], place, level), 0)
    grid[:, 1 + S] = np.where((related[:, 0] > 0) & (related[:, 1] == 0), v.related, 0)
    grid[:, 2 + S] = np.where(related[:, 1] > 0, v.related + 1, 0)
    grid[:, 3 + S] = np.where(related[:, 2] > 0, v.related + 1 + related[:, 2], 0)
    slot = np.broadcast_to(np.arange(1, n + 1)[:, None], grid.shape)
    said = grid > 0
    return np.concatenate([head, grid[said]]), np.concatenate([np.zeros(len(head), np.int64), slot[said]])
