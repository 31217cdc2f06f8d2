"""Which book an item is: its title in any spelling, its place in a series, and the volumes that an omnibus holds.

Read from the catalogue alone. `Volumes` keeps it as numbers, so that the rules of a list (`hygiene.py`) compare no text.
"""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from star.data.catalog import Item

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NUMBER = rf"(\d{{1,3}}|{'|'.join(WORDS)})"
MARKER = r"(?:#|\b(?:nos?|vols?|volumes?|books?|parts?)\b\.?)"
RANGE = re.compile(rf"{MARKER}\s*{NUMBER}\s*(?:[-–—&+]|to\b|through\b|and\b)\s*#?\s*{NUMBER}\b", re.I)
BARE_RANGE = re.compile(rf"\b{NUMBER}\s*(?:[-–—&]|to\b|and\b)\s*{NUMBER}\b", re.I)  # in the title of a set
VOLUME = re.compile(r"\b(?:vol(?:ume)?\.?|part)\s*0*(\d{1,3})\b(?!\s*[-–&+]\s*\d)", re.I)
AUTHORED = re.compile(r"(?:\b(?:vol(?:ume)?\.?|part|book)\s*|(?<=\s)#)0*(\d{1,3})\b(?!\s*[-–&+]\s*\d)", re.I)
"""A volume number in the title of an item without a series; `book 1` and `#1` count only for items with a creator."""

SETS = {"duology": 2, "trilogy": 3, "quartet": 4, "tetralogy": 4, "quintet": 5, "pentalogy": 5}
SET = re.compile(r"\b(?:box(?:ed)?[ -]?sets?|boxed|box|omnibus|book set)\b", re.I)
OF_A_SET = set(
    "box boxed boxset set sets omnibus complete collection collected saga series cycle chronicles books book novels volumes "
    "edition collector collectors s the a an of and".split()
) | set(SETS)
GENERIC = set("saga series cycle chronicles books novels the a an".split()) | set(SETS)
EDITION = re.compile(
    r"\s*(?:[(\[][^()\[\]]*\b(?:edition|illustrated|(?:un)?abridged|annotated|hardcover|paperback|kindle|ebook|anniversary|deluxe|"
    r"reprint|classics|large print)\b[^()\[\]]*[)\]]|[,:–-]\s*(?:[\w’']+\s+){1,3}edition)\s*$",
    re.I,
)
SUBTITLE = re.compile(r"\s*(?:[:;(\[]|\s[-–—]\s)")
LONGEST = 100  # volumes of an omnibus that are told apart
ASCII = str.maketrans({c: None if chr(c) == "'" else c if chr(c).isalnum() else " " for c in range(128)})


def spelled(text: str) -> str:
    """A name for comparison: case, punctuation, a leading article and Latin accents do not count; any script.

    >>> spelled("The  Émigré’s Tale!"), spelled("か") == spelled("が"), spelled("?!")
    ('emigres tale', False, '?!')
    """
    if text.isascii():
        words = text.lower().translate(ASCII).split()
    else:
        kept: list[str] = []
        for c in unicodedata.normalize("NFKD", text.casefold()):
            if c in "'’" or (unicodedata.combining(c) and kept and kept[-1].isascii()):
                continue
            kept.append(c if unicodedata.category(c)[0] in "LNM" else " ")
        words = unicodedata.normalize("NFC", "".join(kept)).split()
    if len(words) > 1 and words[0] in ("the", "a", "an"):
        words = words[1:]
    return " ".join(words) or text.strip()


@dataclass(frozen=True)
class Volumes:
    """Series, numbers and keys of every item.

    Two items are the same book, or one holds the other, where they share an own key, or one's loose key is the other's own.
    """

    series: list[int]
    """Per item; -1: none."""
    low: list[float]
    """Per item, first volume in it; nan: no number."""
    high: list[float]
    """Per item, last volume in it; above `low` for an omnibus."""
    own: list[tuple[int, ...]]
    """Per item, keys of the books that it is or holds."""
    loose: list[tuple[int, ...]]
    """Per item, keys of the books that it may be a part or an adaptation of."""
    main: list[list[float]]
    """Per series, ascending: whole numbers from 1 of its volumes, or all numbers if no volume has a whole one."""
    every: list[list[float]]
    """Per series, ascending: all numbers of its volumes, or those that its omnibuses begin with if it has no other."""
    at: dict[tuple[int, float], tuple[int, ...]]
    """Items at a series' number, in the catalogue's order."""

    @classmethod
    def of(cls, items: Sequence[Item]) -> Volumes:
        return _Reading(items).done()

    def first(self, series: int) -> float | None:
        """Number of the first volume that the catalogue has; None: no member has a number."""
        return self.main[series][0] if self.main[series] else None

    def next(self, series: int, furthest: float) -> float | None:
        """The lowest main number above `furthest`, or else the lowest of any kind; None: nothing follows."""
        for numbers in (self.main[series], self.every[series]):
            place = bisect_right(numbers, furthest)
            if place < len(numbers):
                return numbers[place]
        return None


class _Reading:
    """Reads a catalogue once: titles, then series, then omnibuses, then keys."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.ids: dict[Hashable, int] = {}
        self.creators = [tuple(dict.fromkeys(spelled(name) for name in item.creators)) for item in items]
        self.titles = [
            spelled(EDITION.sub("", item.title) if item.creators else item.title) for item in items
        ]
        self.owners: dict[tuple[str, Hashable], list[int]] = defaultdict(list)
        for row in range(len(items)):
            for name in self.named(row, self.titles[row]):
                self.owners[name].append(row)
        numbers = (math.nan if item.number is None else float(item.number) for item in items)
        self.low = [number if math.isfinite(number) else math.nan for number in numbers]
        self.high = list(self.low)
        self.series, self.names = self._series()
        self.single: dict[int, set[float]] = defaultdict(set)
        for s, number in zip(self.series, self.low, strict=True):
            if s >= 0 and not math.isnan(number):
                self.single[s].add(number)

    def named(self, row: int, title: str) -> list[tuple[str, Hashable]]:
        """A title with each creator; with the year where there is no creator, as films of one name are told apart by it."""
        if not title:
            return []
        return [(title, who) for who in self.creators[row] or (self.items[row].year,)]

    def _series(self) -> tuple[list[int], list[str]]:
        """Series of every item, and the name of each series.

        Series of one name are one, whoever wrote the volumes, unless two authors have a volume of the same number.
        """
        members: dict[str, list[int]] = defaultdict(list)
        derived: set[int] = set()
        for row, item in enumerate(self.items):
            if item.series and item.series.strip():
                members[spelled(item.series)].append(row)
            elif (found := (AUTHORED if item.creators else VOLUME).search(item.title)) and found.start():
                members[spelled(item.title[: found.start()])].append(row)
                derived.add(row)
                self.low[row] = self.high[row] = float(found[1])
        series: list[int] = [-1] * len(self.items)
        names: list[str] = []
        for name, rows in members.items():
            parts = _by_creator(rows, self.creators)
            told = [part for part in parts if not derived.issuperset(part)]
            numbers = [{self.low[row] for row in part if not math.isnan(self.low[row])} for part in told]
            if sum(map(len, numbers)) == len(set().union(*numbers)):
                told = [[row for part in told for row in part]] if told else []
            for part in [*told, *(part for part in parts if derived.issuperset(part))]:
                for row in part:
                    series[row] = len(names)
                names.append(name)
        return series, names

    def done(self) -> Volumes:
        by_creator: dict[str, set[int]] = defaultdict(set)
        for row, s in enumerate(self.series):
            for who in self.creators[row] if s >= 0 else ():
                by_creator[who].add(s)
        held: list[list[Hashable]] = [[] for _ in self.items]
        for row in range(len(self.items)):
            held[row] = self._held(row, by_creator)
        own = [self._own(row, held[row]) for row in range(len(self.items))]
        loose = [self._loose(row) for row in range(len(self.items))]
        at: dict[tuple[int, float], list[int]] = defaultdict(list)
        for alone in (True, False):  # a volume comes before the omnibus that begins with it
            for row, s in enumerate(self.series):
                if s >= 0 and not math.isnan(self.low[row]) and (self.low[row] == self.high[row]) == alone:
                    at[s, self.low[row]].append(row)
        numbers: list[set[float]] = [set() for _ in self.names]
        for s, number in at:
            numbers[s].add(number)
        every = [sorted(self.single[s] or numbers[s]) for s in range(len(self.names))]
        main = [[n for n in those if n >= 1 and n == int(n)] or those for those in every]
        rows = {place: tuple(found) for place, found in at.items()}
        return Volumes(self.series, self.low, self.high, own, loose, main, every, rows)

    def _held(self, row: int, by_creator: dict[str, set[int]]) -> list[Hashable]:
        """Keys of the books in an omnibus; its series, `low` and `high` are set on the way."""
        title = self.items[row].title
        parts = self._parts(row)
        keys: list[Hashable] = [name for part in parts for name in self.named(row, self.titles[part])]
        if self.series[row] < 0 and (SET.search(title) or RANGE.search(title) or _size(title)):
            self.series[row] = self._named_in(row, by_creator)
        s = self.series[row]
        if s < 0 or not math.isnan(self.low[row]):
            return keys
        placed = [self.low[p] for p in parts if self.series[p] == s and not math.isnan(self.low[p])]
        if span := (min(placed), max(placed)) if placed else self._span(row, s):
            self.low[row], self.high[row] = span
            whole = range(max(math.ceil(span[0]), 0), int(min(span[1], span[0] + LONGEST)) + 1)
            keys += [(s, n) for n in sorted(set(placed) or map(float, whole))]  # novellas are rarely in a set
        return keys

    def _span(self, row: int, s: int) -> tuple[float, float] | None:
        """First and last volume of an omnibus; None: the item is none, or no volume of its series has a number."""
        title = self.items[row].title
        about = {*self.names[s].split(), *(word for who in self.creators[row] for word in who.split())}
        left = {word for word in set(spelled(title).split()) - about - OF_A_SET if not word.isdecimal()}
        is_set = not left or SET.search(title) or _size(title)
        for pattern in (RANGE, BARE_RANGE) if is_set else (RANGE,):
            if (found := pattern.search(title)) and (low := _number(found[1])) < (high := _number(found[2])):
                return low, high
        if not is_set:
            return None
        whole = [n for n in self.single[s] if n >= 1 and n == int(n)]
        if size := _size(title):
            return 1.0, float(size)
        return (1.0, max(whole)) if whole else None

    def _named_in(self, row: int, by_creator: dict[str, set[int]]) -> int:
        """The series by the same creator whose name the title holds, the longest; -1: none."""
        title = f" {spelled(self.items[row].title)} "
        found = []
        for s in {s for who in self.creators[row] for s in by_creator[who]}:
            core = " ".join(word for word in self.names[s].split() if word not in GENERIC)
            if len(core) > 2 and f" {core} " in title:
                found.append((len(core), s))
        return max(found, default=(0, -1))[1]

    def _parts(self, row: int) -> list[int]:
        """Items that a title lists ("A / B", "Boxed Set: A; B"), if at least two are by the same creator."""
        pieces = re.split(r"\s*[/;]\s*", self.items[row].title)
        if len(pieces) < 2:
            return []
        pieces[0] = pieces[0].rpartition(":")[2]
        found = {
            part: None
            for piece in pieces
            for name in self.named(row, spelled(piece))
            for part in self.owners.get(name, ())[:LONGEST]
            if part != row and piece.strip()
        }
        return list(found) if len(found) > 1 else []

    def _own(self, row: int, held: Iterable[Hashable]) -> tuple[int, ...]:
        keys: list[Hashable] = [
            name for name in self.named(row, self.titles[row]) if not self._several(name, row)
        ]
        s = self.series[row]
        if s >= 0 and self.low[row] == self.high[row]:
            keys.append((s, self.low[row]))
        return tuple(self.ids.setdefault(key, len(self.ids)) for key in dict.fromkeys([*keys, *held]))

    def _several(self, name: tuple[str, Hashable], row: int) -> bool:
        """Whether volumes of one series have this title in common, which then tells none of them."""
        s, owners = self.series[row], self.owners[name]
        if s < 0 or len(owners) == 1:
            return False
        return any(self.series[o] == s and abs(self.low[o] - self.low[row]) > 0 for o in owners[:LONGEST])

    def _loose(self, row: int) -> tuple[int, ...]:
        """The title without its subtitle, where another item by the same creator has it and is no other volume."""
        base = SUBTITLE.split(self.items[row].title, maxsplit=1)[0]
        short = spelled(base)
        if not base or not self.creators[row] or short == self.titles[row]:
            return ()
        s, low = self.series[row], self.low[row]
        keys = []
        for name in self.named(row, short):
            others = self.owners.get(name, ())[:LONGEST]
            if others and not any(
                s >= 0 and self.series[o] == s and abs(self.low[o] - low) > 0 for o in others
            ):
                keys.append(self.ids.setdefault(name, len(self.ids)))
        return tuple(keys)


def _by_creator(rows: Sequence[int], creators: Sequence[tuple[str, ...]]) -> list[list[int]]:
    """Rows in groups that are held together by common creators."""
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while above.setdefault(name, name) != name:
            above[name] = name = above[above[name]]
        return name

    for row in rows:
        for name in creators[row][1:]:
            above[top(name)] = top(creators[row][0])
    groups: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        groups[top(creators[row][0] if creators[row] else "")].append(row)
    return list(groups.values())


def _number(text: str) -> float:
    return float(text) if text.isdecimal() else WORDS.index(text.lower()) + 1.0


def _size(title: str) -> int | None:
    """Volumes of a set that says so ("trilogy": 3)."""
    return next((SETS[word] for word in spelled(title).split() if word in SETS), None)
