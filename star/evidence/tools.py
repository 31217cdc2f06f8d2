"""The tools that teacher and student call: single signals from the graph, with the edges they were read from.

`item_cf` walks item → readers → items from the books of a window to the candidates, `user_cf` walks reader → items →
readers → items (arXiv 2602.09829, section 3.1). `whole_shelf`, `read_after` and `description` state fitted signals.
`profile` and `recent` describe the shelf, for the teacher. None returns a fused score or an order: lines come in the order
of the (shuffled) candidates. Weighing them is the model's work.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from star.data.catalog import Catalog
from star.evidence.claims import (
    LEAST_LIFT,
    MOST_LIFT,
    STRENGTHS,
    TOLD,
    WITHHELD,
    Claim,
    Edge,
    Evidence,
    Fitted,
)
from star.evidence.graph import Graph
from star.evidence.signals import Signals

WINDOWS = (5, 10, 20)  # books of the shelf that item_cf and recent may look back on
ASKED = (30, 50)  # most similar readers that user_cf may ask
COUNTED = 999  # books of a shelf that `profile` counts, at most
WRITABLE = 1e9  # volume numbers from here on have no word
SAMPLE = 3  # co-readers drawn as nodes of their own

# Lower bounds of the six strengths, geometric, from about the 20th to the 98th percentile of the signal over training
# readers' lists on goodbooks. They hold only without fitted signals, which bring bounds of their own.
PULL = np.geomspace(0.01, 0.25, 6)
NEXT = np.geomspace(0.001, 0.09, 6)
SIMILAR = np.geomspace(0.015, 0.45, 6)

FIXED: dict[str, np.ndarray] = {"pull": PULL, "read_next": NEXT, "similar": SIMILAR}
FITTED: dict[tuple[str, tuple[int, ...]], Fitted] = {
    ("whole_shelf", ()): "whole",
    ("whole_shelf", (3,)): "latest",
    ("whole_shelf", (1,)): "last",
    ("read_after", ()): "after",
    ("description", ()): "about",
}
"""Calls that need fitted signals, and the kind of claim that each makes."""
CARRIERS = 3  # shelf books named with their shares, at most
CAPS = (1.0, 1.25, 1.5, 2.0, 3.0)
"""With fitted signals: lifts from which the words beside them may be weak, fair, good, strong and striking."""
LEAST_SHARE = 10  # per cent, below which a book is not named; the one with the largest share always is

Line = tuple[Evidence, ...]
_At = list[dict[str, float]]
_Led = tuple[np.ndarray, np.ndarray, np.ndarray, list[int], list[int], _At, _At, np.ndarray]
"""Of the last books: they, counts of both and of read-next, levels and places of both signals, the lifts' lower ends."""


@dataclass(frozen=True)
class ToolResponse:
    """What one call returned: lines of evidence, each about one candidate (or about the shelf)."""

    name: str
    arguments: tuple[int, ...]
    lines: tuple[Line, ...]


def levels(values: np.ndarray, bounds: np.ndarray) -> list[int]:
    """0 (nothing to say) to 6 (striking), for each value."""
    found: list[int] = np.searchsorted(bounds, values, side="right").tolist()
    return found


def places(values: np.ndarray) -> np.ndarray:
    """Place of every value, 1 for the highest; equal values share the better place."""
    return 1 + (values[None] > values[:, None]).sum(1)


def strength(level: int) -> str | None:
    return STRENGTHS[level - 1] if level else None


def capped(strong: int, beside: Claim) -> int:
    """The level that may stand beside a stated lift, which is the weaker of the two: no `striking` beside 1.2 times what
    chance would give."""
    lift = beside.numbers.get("lift")
    return strong if lift is None else min(strong, 1 + bisect_right(CAPS, lift))


def lift_interval(both: int, of: int, base: float) -> tuple[float, float]:
    """95 % Wilson interval of both / of, divided by the base rate: the range the lift may have."""
    low, high = lift_intervals(np.array(both), np.array(of), np.array(base))
    return float(low), float(high)


def lift_intervals(both: np.ndarray, of: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`lift_interval` of many counts; the arrays broadcast."""
    z, p = 1.96, both / of
    centre = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * np.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return np.maximum(centre - half, 0) / base, (centre + half) / base


def figures(lift: float) -> float:
    """A lift to the figures that are stated, without end: tenths up to 9.9, then whole numbers; one figure under 0.1."""
    if 0 < lift < 0.1:
        return float(f"{lift:.1g}")
    # numpy's rounding, whatever the type given: Python's differs at some halves (1.85), and verification must agree
    return float(np.round(min(lift, 9.9), 1) if lift < 9.95 else np.round(lift))


def rounded_lift(lift: float) -> float:
    """`figures` as far as the grammar has words: from 0.1 (or less) to 99 (or more)."""
    return min(max(figures(lift), LEAST_LIFT), MOST_LIFT)


@dataclass(frozen=True)
class Attributes:
    """Series and first author of every item as numbers (-1: none), volume numbers (nan: none); all (I,)."""

    series: np.ndarray
    author: np.ndarray
    volume: np.ndarray

    @classmethod
    def of(cls, catalog: Catalog) -> Attributes:
        series: dict[str, int] = {}
        author: dict[str, int] = {}
        return cls(
            np.array([series.setdefault(i.series, len(series)) if i.series else -1 for i in catalog]),
            np.array([author.setdefault(i.creators[0], len(author)) if i.creators else -1 for i in catalog]),
            np.array([np.nan if i.number is None else i.number for i in catalog]),
        )


class Tools:
    """The tools over one graph, bound to one query.

    Args:
        history: items of the shelf, oldest first.
        candidates: items to look for, in the order shown.
        reader: row in the data set of the reader asked about; their own row is never among the co-readers.
        signals: fitted over the same graph; None: only the tools that need no fit, with strengths that are the same for
            every data set.
    """

    def __init__(
        self,
        graph: Graph,
        catalog: Catalog,
        attributes: Attributes,
        history: Sequence[int],
        candidates: Sequence[int],
        reader: int | None = None,
        signals: Signals | None = None,
    ):
        self.signals = signals
        self.bounds = signals.bounds if signals else FIXED
        self._start_counting(len(candidates))
        self.graph, self.catalog, self.attributes = graph, catalog, attributes
        self.history = np.asarray(history, dtype=np.int64)
        self.candidates = np.asarray(candidates, dtype=np.int64)
        self.reader = reader
        own = graph.position(reader)
        self._own = np.isin(np.arange(0), ()) if own is None else graph.interactions.history(own)
        self._counts = (
            graph.counts if own is None else graph.counts - np.isin(np.arange(len(catalog)), self._own)
        )
        self.n_readers = graph.n_readers - (own is not None)

    def _start_counting(self, candidates: int) -> None:
        """Forget what was counted so far; edited tools count again."""
        self._lines: dict[Fitted, tuple[Line, ...]] = {}
        self._parts: dict[Fitted, np.ndarray] = {}
        self._heard: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self._alike: dict[int, tuple[Line, ...]] = {}
        self._pulled: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}
        self._led: dict[int, _Led] = {}
        self._led_lines: dict[tuple[int, int], Line] = {}
        none = np.zeros((0, candidates), np.int64)
        self._counted: tuple[np.ndarray, np.ndarray] = none, none
        self.__dict__.pop("_nearest", None)

    def about(self, item: int) -> Tools:
        """The same tools with this one item as the only candidate."""
        return self.among([item])

    def among(self, items: Sequence[int]) -> Tools:
        """The same tools with these candidates."""
        other = Tools(
            self.graph, self.catalog, self.attributes, self.history.tolist(), items, self.reader, self.signals
        )
        other.__dict__["_nearest"] = self._nearest  # depends on the shelf alone, and is the costly part
        return other

    @property
    def little_read(self) -> np.ndarray:
        """Whether each candidate has so few readers that the tools speak of its description, bool (C,)."""
        return np.asarray(self._counts[self.candidates] < TOLD)

    def readers(self, item: int) -> int:
        """Readers of an item, the reader asked about left out."""
        return int(self._counts[item])

    def readers_of_both(self, a: int, b: int) -> int:
        """Readers of two items, the reader asked about left out."""
        return int(self.graph.pairs(np.array([a]), np.array([b]), self.reader)[0][0, 0])

    def call(self, name: str, arguments: Sequence[int]) -> ToolResponse:
        """Run a tool by name. Arguments: `profile`: none; `recent` n; `user_cf` n; `item_cf` window [candidate …];
        `whole_shelf` [books]; `read_after` and `description`: none. The last three need fitted signals.

        Raises:
            ValueError: no such tool, or arguments it does not take.
        """
        match name, tuple(arguments):
            case "profile", ():
                return ToolResponse(
                    name, (), tuple((e,) for e in self.genres(min(len(self.history), COUNTED))[:3])
                )
            case "recent", (window,) if window in WINDOWS:
                return ToolResponse(name, (window,), tuple((e,) for e in self.genres(window)[:3]))
            case "user_cf", (asked,) if asked in ASKED:
                return ToolResponse(name, (asked,), self.user_cf(asked))
            case "item_cf", (window, *only) if window in WINDOWS and set(only) <= set(
                self.candidates.tolist()
            ):
                return ToolResponse(name, tuple(arguments), self.item_cf(window, only or None))
            case call if self.signals is not None and call in FITTED:
                return ToolResponse(*call, self.fitted(FITTED[call]))
        raise ValueError(
            f"tool call {name}({', '.join(map(str, arguments))}) is not one of profile(), recent(window), "
            "user_cf(readers), item_cf(window[, candidates])"
            + (", whole_shelf([books]), read_after(), description()" if self.signals else "")
        )

    def genres(self, window: int) -> list[Evidence]:
        """Genres of the last `window` books, the most frequent first."""
        items = self.history[-window:] if window else self.history[:0]
        found: dict[str, list[int]] = {}
        for item in items.tolist():
            # As the grammar reads a genre back; two that are told apart by an underscore alone are one.
            for genre in dict.fromkeys(
                " ".join(g.replace("_", " ").split()) for g in self.catalog[item].genres
            ):
                if genre:
                    found.setdefault(genre, []).append(item)
        return [
            Evidence(
                Claim("genre", numbers={"books": len(books), "of": len(items)}, label=genre),
                tuple(Edge(f"i:{b}", f"g:{genre}", "genre") for b in dict.fromkeys(books)),
            )
            for genre, books in sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))
        ]

    @cached_property
    def _nearest(self) -> tuple[np.ndarray, np.ndarray]:
        return self.graph.similar_readers(self.history, max(ASKED), self.reader)

    def nearest(self, asked: int) -> tuple[np.ndarray, np.ndarray]:
        """The `asked` most similar readers, as rows of the graph, and their similarity; both (n,)."""
        return self._nearest[0][:asked], self._nearest[1][:asked]

    def heard(self, asked: int) -> int:
        """Readers who answer when so many are asked: those who share nothing with the shelf are not heard."""
        return min(asked, len(self._nearest[0]))

    def similar_share(self, asked: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the `asked` most similar readers: counts per candidate, similarity-weighted share, and who (n, C)."""
        if asked not in self._heard:  # verification asks with every claim
            self._heard[asked] = self._similar_share(asked)
        return self._heard[asked]

    def _similar_share(self, asked: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        readers, weight = self.nearest(asked)
        if not len(readers) or asked < 1:
            return (
                np.zeros(len(self.candidates)),
                np.zeros(len(self.candidates)),
                np.zeros((0, len(self.candidates))),
            )
        read = self.graph.matrix[readers][:, self.candidates].toarray()
        return read.sum(0), weight @ read / weight.sum(), read

    def _at(self, values: np.ndarray) -> list[dict[str, float]]:
        """Each candidate's place by these values, as numbers of a claim; none without fitted signals."""
        if self.signals is None:
            return [{}] * len(values)
        return [{"rank": int(rank), "among": len(values)} for rank in places(values)]

    def user_cf(self, asked: int) -> tuple[Line, ...]:
        """A line for each candidate that some of the `asked` most similar readers read."""
        if asked not in self._alike:  # verification asks with every claim
            self._alike[asked] = self._user_lines(asked)
        return self._alike[asked]

    def _user_lines(self, asked: int) -> tuple[Line, ...]:
        counts, share, read = self.similar_share(asked)
        readers, weight = self.nearest(asked)
        at = self._at(share)
        strengths = levels(share, self.bounds["similar"])
        lines = []
        for column, item in enumerate(self.candidates):
            strong = strengths[column]
            if not strong:
                continue
            numbers: dict[str, float] = {"of": asked}
            if counts[column] >= WITHHELD:
                numbers["both"] = int(counts[column])
            numbers |= at[column]
            who = np.flatnonzero(read[:, column])[:SAMPLE] if counts[column] >= WITHHELD else ()
            edges = tuple(
                edge
                for r in who
                for edge in (
                    Edge("user", f"r:{readers[r]}", "similar", round(float(weight[r]), 3)),
                    Edge(f"r:{readers[r]}", f"i:{item}", "read"),
                )
            )
            lines.append(
                (Evidence(Claim("similar", int(item), numbers=numbers, strength=strength(strong)), edges),)
            )
        return tuple(lines)

    def pulls(self, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For the last `window` books × candidates: readers of both (W, C) and read-next counts (W, C); then the mean
        cosine of co-reading (C,) and the recency-weighted mean of read-next cosines (C,)."""
        if window not in self._pulled:
            self._pulled[window] = self._pulls(window)
        return self._pulled[window]

    def _pulls(self, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        shelf, candidates = self.history[-window:], self.candidates
        both, after = self._pairs(len(shelf))
        anchors, subjects = (
            np.maximum(self._counts[shelf], 1)[:, None],
            np.maximum(self._counts[candidates], 1)[None],
        )
        recency = 1 / np.arange(len(shelf), 0, -1)
        pull = (both / np.sqrt(anchors * subjects)).mean(0)
        follow = (recency / recency.sum()) @ (after / np.sqrt((anchors + 5) * (subjects + 5)))
        return both, after, pull, follow

    def _pairs(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Readers of both and read-next counts of the last `size` books × candidates, each counted once for all windows."""
        more = size - len(self._counted[0])
        if more > 0:
            older = self.history[len(self.history) - size :][:more]
            new = self.graph.pairs(older, self.candidates, self.reader)
            both, after = (np.concatenate(pair) for pair in zip(new, self._counted, strict=True))
            self._counted = both, after
        both, after = self._counted
        return both[len(both) - size :], after[len(after) - size :]

    def item_cf(self, window: int, only: Sequence[int] | None = None) -> tuple[Line, ...]:
        """A line for each candidate (of `only`, if given) that the last `window` books lead to."""
        window = min(window, len(self.history))
        items = enumerate(self.candidates.tolist())
        lines = (self._led_to(window, column, item) for column, item in items if only is None or item in only)
        return tuple(line for line in lines if line)

    def _led_to(self, window: int, column: int, item: int) -> Line:
        """What leads to a candidate; nothing, if nothing does. Verification asks with every claim."""
        if (window, column) not in self._led_lines:
            self._led_lines[window, column] = self._line(window, column, item)
        return self._led_lines[window, column]

    def _line(self, window: int, column: int, item: int) -> Line:
        if window not in self._led:
            self._led[window] = self._leads(window)
        shelf, both, after, strengths, follows, pulled, followed, surely = self._led[window]
        evidence: list[Evidence] = []
        strong, soon = strengths[column], follows[column]
        strongest = self._strongest(shelf, item, both[:, column], surely[:, column]) if strong else None
        if strongest is not None and self.signals is not None:
            strong, soon = capped(strong, strongest.claim), capped(soon, strongest.claim)
        if strong:
            linked = self._linked(shelf, both[:, column])
            numbers = {"window": len(shelf)} | pulled[column]
            edges = tuple(Edge(f"i:{s}", f"i:{item}", "co_read", n) for s, n in linked)
            evidence.append(Evidence(Claim("pull", item, numbers=numbers, strength=strength(strong)), edges))
        if soon:
            linked = self._linked(shelf, after[:, column])
            numbers = {"window": len(shelf)} | followed[column]
            edges = tuple(Edge(f"i:{s}", f"i:{item}", "read_next", n) for s, n in linked)
            evidence.append(Evidence(Claim("read_next", item, numbers=numbers, strength=strength(soon)), edges))
        evidence += self._relations(item)
        if strongest is not None:
            evidence.append(strongest)
        return tuple(evidence)

    def _leads(self, window: int) -> _Led:
        """What the lines of `item_cf` are made of."""
        both, after, pull, follow = self.pulls(window)
        shelf = self.history[-window:]
        strengths, follows = levels(pull, self.bounds["pull"]), levels(follow, self.bounds["read_next"])
        return shelf, both, after, strengths, follows, self._at(pull), self._at(follow), self._surely(shelf, both)

    @staticmethod
    def _linked(shelf: np.ndarray, counts: np.ndarray) -> list[tuple[int, float]]:
        """The books with a count that may be shown, and these counts."""
        shown = counts >= WITHHELD
        return list(zip(shelf[shown].tolist(), counts[shown].astype(float).tolist(), strict=True))

    def _surely(self, shelf: np.ndarray, both: np.ndarray) -> np.ndarray:
        """Lower end of the lift's interval for the last books × candidates, (W, C); -1 under five co-readers."""
        of = np.maximum(self._counts[shelf], 1)[:, None]
        base = np.maximum(self._counts[self.candidates], 1)[None] / max(self.n_readers, 1)
        return np.where(both >= WITHHELD, lift_intervals(both, of, base)[0], -1)

    def _strongest(self, shelf: np.ndarray, item: int, both: np.ndarray, surely: np.ndarray) -> Evidence:
        """The anchor whose readers read the item most surely above chance (by the lower end of the lift's interval), among
        those with five co-readers or more."""
        best = int(np.argmax(surely))
        if surely[best] < 0:
            return Evidence(Claim("co_read", item, numbers={"window": len(shelf)}))
        base = self._counts[item] / self.n_readers
        anchor, n, m = int(shelf[best]), int(both[best]), max(int(self._counts[shelf[best]]), 1)
        claim = Claim("co_read", item, anchor, {"both": n, "of": m, "lift": rounded_lift(n / m / base)})
        return Evidence(
            claim, (Edge(f"i:{anchor}", f"i:{item}", "co_read", float(n)),), lift_interval(n, m, base)
        )

    def parts(self, kind: Fitted) -> np.ndarray:
        """Each shelf book's part of each candidate's score in a fitted signal, float (H, C); a column sums to the score.

        Raises:
            ValueError: the tools have no fitted signals.
        """
        if self.signals is None:
            raise ValueError(f"{kind} needs fitted signals, and these tools have none")
        if kind not in self._parts:
            own = self._own if len(self._own) else None
            self._parts[kind] = self.signals.parts(kind, self.history, self.candidates, own)
        return self._parts[kind]

    def fitted(self, kind: Fitted) -> tuple[Line, ...]:
        """A line for each candidate whose score has a word: its place among the candidates, and the shelf books that carry
        it. The description speaks of items with few readers only."""
        if kind not in self._lines:  # verification asks for them with every claim
            self._lines[kind] = self._fitted_lines(kind)
        return self._lines[kind]

    def _fitted_lines(self, kind: Fitted) -> tuple[Line, ...]:
        parts = self.parts(kind)
        score = parts.sum(0)
        at, strengths = self._at(score), levels(score, self.bounds[kind])
        lines = []
        for column, item in enumerate(self.candidates.tolist()):
            strong = strength(strengths[column])
            if strong is None or (kind == "about" and self._counts[item] >= TOLD):
                continue
            share = 100 * parts[:, column] / score[column]
            edges = []
            carried: list[Evidence] = []
            for place in np.argsort(-share, kind="stable")[:CARRIERS]:
                percent = int(np.round(share[place]))
                if percent < LEAST_SHARE and carried:
                    break
                anchor = int(self.history[place])
                edge = Edge(f"i:{anchor}", f"i:{item}", "carries", percent / 100)
                edges.append(edge)
                if kind == "last":  # it is that book alone
                    break
                carried.append(
                    Evidence(Claim("carried", item, anchor, {"share": percent}, label=kind), (edge,))
                )
            numbers = at[column]
            if kind == "about":
                numbers = numbers | {"under": WITHHELD if self._counts[item] < WITHHELD else TOLD}
            lines.append(
                (Evidence(Claim(kind, item, numbers=numbers, strength=strong), tuple(edges)), *carried)
            )
        return tuple(lines)

    def _relations(self, item: int) -> list[Evidence]:
        a, out = self.attributes, []
        if a.series[item] >= 0 and abs(a.volume[item]) < WRITABLE:  # false for nan
            same = self.history[a.series[self.history] == a.series[item]]
            if len(same):
                numbered = a.volume[same][~np.isnan(a.volume[same])]
                label = "sequel" if len(numbered) and a.volume[item] == numbered.max() + 1 else "series"
                claim = Claim("series", item, numbers={"number": float(a.volume[item])}, label=label)
                out.append(Evidence(claim, tuple(Edge(f"i:{s}", f"i:{item}", "series") for s in same)))
        if a.author[item] >= 0:
            same = self.history[a.author[self.history] == a.author[item]]
            if len(same):
                claim = Claim("author", item, numbers={"books": len(same)})
                out.append(Evidence(claim, tuple(Edge(f"i:{s}", f"i:{item}", "author") for s in same)))
        return out
