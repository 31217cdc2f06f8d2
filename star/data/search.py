"""Search for items by words in any script: whole words first, then beginnings, parts, and words with typing errors."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

# How a word of the query was found, best first. Each counts one more outside the title.
WHOLE, BEGINNING, PART, TYPO, MISSING = 0, 2, 4, 6, 9
MOST_WORDS = 12  # of a query that are looked up
LAST = "\U0010ffff"  # sorts after every letter
FEW = 3  # a search that finds fewer items than this also looks for typing errors

# Letters that Arabic and Persian keyboards write in several ways, and the sign that only stretches a word.
_ARABIC = str.maketrans({"ٱ": "ا", "ى": "ي", "ی": "ي", "ې": "ي", "ة": "ه", "ک": "ك", "ـ": None})
_ASCII = str.maketrans({chr(n): None if chr(n) == "'" else " " for n in range(128) if not chr(n).isalnum()})
# Scripts without spaces between words: each sign counts as a word.
_SIGNS = re.compile(r"([\u2e80-\u2fdf\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff])")


def folded(text: str) -> str:
    """Words as a search compares them: case, accents, punctuation and Arabic spelling variants do not count.

    >>> folded("Émile's Tale!"), folded("أَحْمَد"), folded("三体"), folded("Ёлка №٣")
    ('emiles tale', 'احمد', '三 体', 'елка no3')
    """
    if text.isascii():
        return " ".join(text.lower().translate(_ASCII).split())
    plain = unicodedata.normalize("NFKD", text).casefold()
    kept = (_sign(c) for c in plain if not unicodedata.combining(c) and c not in "'’")
    words = unicodedata.normalize("NFC", "".join(kept).translate(_ARABIC))
    return " ".join(_SIGNS.sub(r" \1 ", words).split())


def _sign(sign: str) -> str:
    if unicodedata.category(sign) == "Nd":
        return str(unicodedata.digit(sign))
    return sign if unicodedata.category(sign)[0] in "LNM" else " "


def allowed(word: str) -> int:
    """Number of typing errors that a word of the query may have: none in short words and in numbers."""
    if len(word) < 4 or any(c.isdigit() for c in word):
        return 0
    return 1 if len(word) < 8 else 2


def _letters(word: str) -> int:
    """A bit for each letter of a word, modulo 63: one typing error changes at most two bits."""
    return sum(1 << n for n in {ord(c) % 63 for c in word})


class _Postings:
    """Word → the items that hold it, as one array, so that all words of one beginning are one slice."""

    def __init__(self, texts: Sequence[str], words: dict[str, int]) -> None:
        counts = [text.count(" ") + 1 if text else 0 for text in texts]
        held = np.fromiter((words[word] for text in texts for word in text.split()), np.int64, sum(counts))
        order = np.argsort(held, kind="stable")
        self.items = np.repeat(np.arange(len(texts)), counts)[order]
        self.starts = np.searchsorted(held[order], np.arange(len(words) + 1))

    def of(self, start: int, stop: int) -> NDArray[np.int64]:
        """Items that hold a word of this range."""
        return self.items[self.starts[start] : self.starts[stop]]


class SearchIndex:
    """Titles and all other searchable words of a catalogue's items, in the catalogue's order."""

    def __init__(self, titles: Iterable[str], others: Iterable[str]) -> None:
        names = [folded(title) for title in titles]
        rest = [folded(other) for other in others]
        self._size = len(names)
        self._words = sorted({word for text in (*names, *rest) for word in text.split()})
        numbers = {word: number for number, word in enumerate(self._words)}
        self._fields = (_Postings(names, numbers), _Postings(rest, numbers))
        self._titles = sorted((name, item) for item, name in enumerate(names))
        self._joined = "\n".join(["", *self._words, ""])
        lengths = np.fromiter(map(len, self._words), np.int64, len(self._words))
        self._places = np.concatenate([[0], np.cumsum(lengths + 1)])  # of each word in `_joined`, before its line break
        self._by_length = np.argsort(lengths, kind="stable")
        self._lengths = lengths[self._by_length]
        self._letters = np.fromiter((_letters(self._words[n]) for n in self._by_length), np.int64, len(lengths))

    def search(self, text: str, limit: int = 20) -> list[int]:
        """At most `limit` items that hold every word of `text`, best match first.

        Order: the whole title; titles that begin with the text; then by the word that was found worst, by all words, and by
        the catalogue's order. Words with typing errors come last.
        """
        words = list(dict.fromkeys(folded(text).split()))[:MOST_WORDS]
        if not words or not self._size:
            return []
        spelled = [self._spelled(word) for word in words]
        found = self._ordered(spelled, folded(text), limit)
        if len(found) >= min(FEW, limit) or not any(map(allowed, words)):
            return found
        loose = [self._mistyped(word, known) for word, known in zip(words, spelled, strict=True)]
        return self._ordered(loose, folded(text), limit)

    def _put(self, found: NDArray[np.uint8], ranges: list[tuple[int, int]], value: int) -> None:
        """Lower `found` (one number per item) to `value` where an item holds a word of these ranges."""
        for other, field in enumerate(self._fields):
            if ranges:
                items = np.concatenate([field.of(start, stop) for start, stop in ranges])
                found[items] = np.minimum(found[items], value + other)

    def _spelled(self, word: str) -> NDArray[np.uint8]:
        """How well each item holds the word as it was typed: `WHOLE`, `BEGINNING`, `PART` or `MISSING`."""
        found = np.full(self._size, MISSING, np.uint8)
        start = bisect_left(self._words, word)
        stop = bisect_left(self._words, word + LAST)
        if len(word) > (2 if word.isascii() else 1):
            self._put(found, self._holding(word), PART)
        self._put(found, [(start, stop)], BEGINNING)
        if start < stop and self._words[start] == word:
            self._put(found, [(start, start + 1)], WHOLE)
        return found

    def _holding(self, part: str) -> list[tuple[int, int]]:
        """The words that hold this part, each as a range of its own."""
        hits, at = [], self._joined.find(part)
        while at >= 0:
            hits.append(at)
            at = self._joined.find(part, self._joined.find("\n", at))
        numbers = np.searchsorted(self._places, hits, side="right") - 1
        return [(number, number + 1) for number in numbers.tolist()]

    def _mistyped(self, word: str, known: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """`known`, and `TYPO` where an item holds only a word that differs by the allowed number of letters."""
        most, found = allowed(word), known.copy()
        first, last = np.searchsorted(self._lengths, [len(word) - most, len(word) + most + 1])
        apart = np.bitwise_count(self._letters[first:last] ^ _letters(word))
        near = self._by_length[first:last][apart <= 2 * most]
        if most and len(near):
            words = [self._words[n] for n in near]
            away = cdist([word], words, scorer=OSA.distance, score_cutoff=most)[0]
            self._put(found, [(n, n + 1) for n in near[away <= most].tolist()], TYPO)
        return found

    def _ordered(self, found: list[NDArray[np.uint8]], text: str, limit: int) -> list[int]:
        table = np.stack(found)
        items = np.flatnonzero(table.max(axis=0) < MISSING)
        worst, total = table[:, items].max(axis=0), table[:, items].sum(axis=0, dtype=np.int64)
        titled = np.full(self._size, 2, np.uint8)
        start, stop = bisect_left(self._titles, (text, -1)), bisect_left(self._titles, (text + LAST, -1))
        for title, item in self._titles[start:stop]:
            titled[item] = 0 if title == text else 1
        order = np.lexsort((items, total, worst, titled[items]))[:limit]
        return [int(item) for item in items[order]]
