"""From readers' shelf names to about twenty clean genres."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

# Specific before generic: the order in which a book's genres are listed. A shelf votes for every genre whose
# pattern it holds; one such as "mystery-thriller" splits its vote.
GENRES: tuple[tuple[str, str], ...] = (
    ("comics", r"comics?|graphic-novels?|mangas?|manhwa"),
    ("poetry", r"poetry|poems"),
    ("biography and memoir", r"(auto-?)?biograph(y|ies)|memoirs?|bios?"),
    ("philosophy", r"philosophy"),
    ("religion", r"religion|religious|christian(ity)?|spirituality|theology"),
    ("psychology", r"psychology|self-help"),
    ("politics and business", r"politics|economics|business"),
    ("science", r"popular-science|non-?fiction-science|physics|biology"),
    ("history", r"history"),
    ("mythology and tales", r"mythology|fairy-tales|folklore"),
    ("paranormal", r"paranormal|urban|vampires?|supernatural|witch(es)?|ghosts?"),
    (
        "historical fiction",
        r"histor(ical|ic)-?(fiction|novels?|fic|mystery|romance|fantasy)|fiction-historical",
    ),
    ("science fiction", r"science-?fiction|sci-?fi|scifi|sf|cyberpunk|aliens?|space"),
    ("fantasy", r"fantasy|wizards?|dragons?"),
    ("horror", r"horror|gothic|creepy"),
    ("mystery", r"myster(y|ies)|detectives?|crime|noir"),
    ("thriller", r"thrillers?|suspense|spy"),
    ("romance", r"romances?|chick-lit|love-story|romantic"),
    ("children", r"children-?s?|children-?s?-?books?|middle-grades?|juvenile|junior"),
    ("young adult", r"young-adults?|ya|teens?"),
    ("classics", r"classics?"),
    ("literary fiction", r"literary|literature|modern-fiction|magical-realism|magic-realism"),
    ("contemporary", r"contemporary|contemp|realistic|women-?s-fiction|womens-fiction"),
    ("non-fiction", r"non-?fiction"),
    ("fiction", r"fiction"),
)
# Generic genres, which add little to a specific one.
GENERIC = ("non-fiction", "fiction")
# Readers shelve many novels as "history"; on a book that nobody calls non-fiction these are moods, not genres.
FACTUAL = ("biography and memoir", "philosophy", "psychology", "politics and business", "science", "history")
_RANK = {name: rank for rank, (name, _) in enumerate(GENRES)}
_PATTERNS = [(name, re.compile(rf"(?:^|-)(?:{pattern})(?=-|$)")) for name, pattern in GENRES]


@lru_cache(maxsize=100_000)
def votes(shelf: str) -> dict[str, float]:
    """Genres that one shelf name votes for, with weights that add up to 1; empty for any other shelf.

    >>> votes("mystery-thriller")
    {'mystery': 0.5, 'thriller': 0.5}
    """
    found = [name for name, pattern in _PATTERNS if pattern.search(shelf)]
    telling = [name for name in found if name not in GENERIC]
    if {"science fiction", "fantasy"} <= set(telling):
        # Every Harry Potter is shelved as "sci-fi-fantasy": one shelf for both tells nothing about either.
        return {}
    found = telling or found[:1]
    return {name: 1 / len(found) for name in found}


def clean_genres(shelves: Iterable[tuple[str, float]], limit: int = 4) -> tuple[str, ...]:
    """Up to `limit` genres of one book from its shelves and their weights, specific before generic.

    A genre stays when it has at least a sixth of the votes of the strongest; the generic ones (fiction,
    non-fiction) only serve a book that has no other.
    """
    total: dict[str, float] = {}
    for shelf, weight in shelves:
        for name, share in votes(shelf.strip().lower()).items():
            total[name] = total.get(name, 0.0) + weight * share
    if total.get("non-fiction", 0.0) * 2 < total.get("fiction", 0.0):
        for name in FACTUAL:
            total.pop(name, None)
    telling = {name: score for name, score in total.items() if name not in GENERIC} or total
    if not telling:
        return ()
    floor = max(telling.values()) / 6
    best = sorted((n for n in telling if telling[n] >= floor), key=lambda n: (-telling[n], _RANK[n]))
    return tuple(sorted(best[:limit], key=_RANK.__getitem__))
