"""A list a person accepts: five rules against the wrong edition or the wrong volume, each with a name and a switch.

`edition`          no other edition, omnibus or part of a book that is on the shelf or above in the list
`first_volume`     a series not begun is offered by its first volume, or by an omnibus that holds it
`next_volume`      a series under way is offered by its next volume, not by a later one
`behind`           nothing before the furthest volume read, even if the reader left it out
`two_of_a_series`  at most two of one series

Volumes are judged by the shelf alone. A list that keeps the rules therefore keeps them in every order: methods may rank it.
The first volume is the lowest whole number from 1 in the catalogue; a prequel (0, 0.5) or novella (1.5) is never the first.
The next is the lowest whole number above the furthest volume read; a novella between the two is admissible. A volume with a
number begins a series: who read only a companion without one is offered the first volume. A series in which no volume has a
number is bound by `edition` and `two_of_a_series` alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields

from star.data.catalog import Item
from star.evidence.volumes import Volumes

AT_MOST = 2  # of one series


@dataclass(frozen=True)
class Rules:
    """One switch for each rule."""

    edition: bool = True
    first_volume: bool = True
    next_volume: bool = True
    behind: bool = True
    two_of_a_series: bool = True


NAMES = tuple(each.name for each in fields(Rules))


@dataclass(frozen=True)
class Dropped:
    """Why an item is not in the list. `because`: the item that it repeats. `offered`: the volume that took its place."""

    rule: str
    because: int | None = None
    offered: int | None = None


@dataclass
class _List:
    """What is on the shelf, and what the list holds so far."""

    volumes: Volumes
    rules: Rules
    furthest: dict[int, float] = field(default_factory=dict)
    own: dict[int, int] = field(default_factory=dict)
    loose: dict[int, int] = field(default_factory=dict)
    shown: Counter[int] = field(default_factory=Counter)

    def hold(self, item: int) -> None:
        """Another edition of this item is not wanted any more."""
        for key in self.volumes.own[item]:
            self.own.setdefault(key, item)
        for key in self.volumes.loose[item]:
            self.loose.setdefault(key, item)

    def read(self, item: int) -> None:
        self.hold(item)
        v = self.volumes
        if (s := v.series[item]) >= 0 and not math.isnan(high := v.high[item]):
            self.furthest[s] = max(self.furthest.get(s, high), high)

    def show(self, item: int) -> None:
        self.hold(item)
        if (s := self.volumes.series[item]) >= 0:
            self.shown[s] += 1

    def repeated(self, item: int) -> int | None:
        """The item on the shelf or above in the list that this one is, holds, or is a part of."""
        for key in self.volumes.own[item]:
            if (found := self.own.get(key, self.loose.get(key))) is not None:
                return found
        for key in self.volumes.loose[item]:
            if (found := self.own.get(key)) is not None:
                return found
        return None

    def wanted(self, series: int) -> float | None:
        """Number of the volume to offer: the next, or the first of a series not begun; None: the catalogue has none."""
        furthest = self.furthest.get(series)
        return self.volumes.first(series) if furthest is None else self.volumes.next(series, furthest)

    def misplaced(self, item: int) -> str | None:
        """The rule that the item's volume breaks."""
        v, rules = self.volumes, self.rules
        if (s := v.series[item]) < 0:
            return None
        low, wanted, furthest = v.low[item], self.wanted(s), self.furthest.get(s)
        if furthest is None:
            begins = wanted is None or (low <= wanted <= v.high[item])
            return "first_volume" if rules.first_volume and not begins else None
        if v.high[item] < furthest:
            return "behind" if rules.behind else None
        return "next_volume" if rules.next_volume and wanted is not None and low > wanted else None

    def judged(self, item: int) -> Dropped | None:
        if self.rules.edition and (again := self.repeated(item)) is not None:
            return Dropped("edition", again)
        if rule := self.misplaced(item):
            return Dropped(rule)
        if self.rules.two_of_a_series and self.shown.get(self.volumes.series[item], 0) >= AT_MOST:
            return Dropped("two_of_a_series")
        return None


@dataclass(frozen=True)
class Hygiene:
    """The rules over one catalogue. Read-only, so one may serve many threads."""

    volumes: Volumes
    rules: Rules = Rules()

    @classmethod
    def of(cls, items: Sequence[Item], rules: Rules | None = None) -> Hygiene:
        return cls(Volumes.of(items), rules or Rules())

    def admissible(
        self,
        shelf: Iterable[int],
        ranked: Iterable[int],
        at_most: int | None = None,
    ) -> tuple[list[int], dict[int, Dropped]]:
        """The items of a ranking that keep the rules, in its order, and why the others do not.

        Where an item is the wrong volume, the right one takes its place, unless it is on the shelf, in the list already, or
        breaks another rule.

        Args:
            shelf: item rows, read.
            ranked: item rows, best first; what is on the shelf, or repeated, is left out.
            at_most: number of items to keep; what ranks below them is not judged. None: all.
        """
        read = set(map(int, shelf))
        state = self._begun(read)
        kept: dict[int, None] = {}
        dropped: dict[int, Dropped] = {}
        for item in map(int, ranked):
            if len(kept) == at_most:
                break
            if item in kept or item in dropped:
                continue
            if item in read:
                dropped[item] = Dropped("edition", item)
            elif (why := state.judged(item)) is None:
                state.show(item)
                kept[item] = None
            else:
                offered = None
                if why.rule in ("first_volume", "next_volume", "behind"):
                    offered = self._offered(state, item, read, kept)
                if offered is not None:
                    state.show(offered)
                    kept[offered] = None
                dropped[item] = Dropped(why.rule, why.because, offered)
        return list(kept), dropped

    def broken(self, shelf: Iterable[int], listed: Iterable[int]) -> list[str | None]:
        """For each item of a list as it is, the first rule that it breaks; None: none."""
        read = set(map(int, shelf))
        state = self._begun(read)
        found: list[str | None] = []
        for item in map(int, listed):
            why = state.judged(item)
            found.append(None if why is None else why.rule)
            state.show(item)
        return found

    def _begun(self, read: set[int]) -> _List:
        state = _List(self.volumes, self.rules)
        for item in read:
            state.read(item)
        return state

    def _offered(self, state: _List, item: int, read: set[int], kept: dict[int, None]) -> int | None:
        """The right volume of an item's series; None: the list or the shelf has it, or it is not to be had."""
        series = self.volumes.series[item]
        wanted = state.wanted(series)
        if wanted is None:
            return None
        for other in self.volumes.at.get((series, wanted), ()):
            if other in read or other in kept:
                continue
            if state.judged(other) is None:
                return other
        return None
