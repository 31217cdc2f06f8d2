"""What people call the items, users and deeds of a data set: books that readers read, films that viewers watched.

Only what is shown to people uses these words. The words of a trace, which a model writes, are the same for every data set.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from star.errors import UserError

LONGEST = 30  # characters of one word


def _check(name: str, word: object) -> None:
    """Raise UserError unless a word is one short line of letters.

    Other signs are refused, since a word stands in HTML, in terminals and in templates of the page.
    """
    shown = repr(word)[: 2 * LONGEST]
    sound = isinstance(word, str) and 0 < len(word) <= LONGEST and word == word.strip()
    if not sound or not all(map(_plain, str(word))):
        raise UserError(
            f"{shown} cannot be the word for {name}; give 1 to {LONGEST} letters or digits that read from left to right, "
            "with spaces, hyphens or apostrophes only between them"
        )


def _plain(letter: str) -> bool:
    if unicodedata.bidirectional(letter) in ("R", "AL", "AN"):
        return False
    return letter in " -'’" or unicodedata.category(letter)[0] in "LMN"


@dataclass(frozen=True)
class Words:
    """The nouns and verbs of one domain, in lower case.

    `past`, `participle`, `gerund`: what users do with items, as in *also watched it*, *is watched soon after*,
    *co-watching*. `shelf`: the list of what a user has; `on`: its preposition. `volume`: one of a series.
    """

    item: str
    items: str
    user: str
    users: str
    past: str
    participle: str
    gerund: str
    shelf: str
    on: str
    creator: str
    series: str
    volume: str
    genre: str

    def __post_init__(self) -> None:
        for name, word in asdict(self).items():
            _check(name, word)

    @property
    def on_shelf(self) -> str:
        """`on the shelf`, `in the basket`."""
        return f"{self.on} the {self.shelf}"

    def to_json(self) -> dict[str, str]:
        """The words as a manifest keeps them."""
        return asdict(self)


BOOK = Words(
    item="book",
    items="books",
    user="reader",
    users="readers",
    past="read",
    participle="read",
    gerund="reading",
    shelf="shelf",
    on="on",
    creator="author",
    series="series",
    volume="volume",
    genre="genre",
)
FILM = replace(
    BOOK,
    item="film",
    items="films",
    user="viewer",
    users="viewers",
    past="watched",
    participle="watched",
    gerund="watching",
    shelf="watch list",
    creator="director",
    volume="part",
)
PRODUCT = Words(
    item="product",
    items="products",
    user="customer",
    users="customers",
    past="bought",
    participle="bought",
    gerund="buying",
    shelf="basket",
    on="in",
    creator="maker",
    series="series",
    volume="part",
    genre="category",
)
ITEM = replace(
    PRODUCT,
    item="item",
    items="items",
    user="user",
    users="users",
    past="chose",
    participle="chosen",
    gerund="choosing",
    shelf="list",
    on="on",
    creator="creator",
)
DOMAINS = {"book": BOOK, "film": FILM, "product": PRODUCT, "item": ITEM}
DOMAIN_OF = {"goodbooks": "book", "movielens": "film", "amazon": "product"}
"""Format of a source → its domain; any other format is `item`."""


def words_for(format: str | None, domain: str | None = None, own: Mapping[str, str] | None = None) -> Words:
    """The words of a data set to be imported.

    Args:
        format: of the source; it decides where no domain is given.
        own: field of `Words` → a word of one's own. A plural that is left out follows from its singular, a participle from
            the past.

    Raises:
        UserError: an unknown domain or field, or a word that cannot be shown.
    """
    domain = domain or DOMAIN_OF.get(str(format), "item")
    if domain not in DOMAINS:
        raise UserError(f"there is no domain {domain!r}; give one of {', '.join(DOMAINS)}")
    given = dict(own or {})
    known = [field.name for field in fields(Words)]
    if unknown := [name for name in given if name not in known]:
        raise UserError(f"there is no word {', '.join(unknown)}; these can be given: {', '.join(known)}")
    for name, word in given.items():
        _check(name, word)
    for one in ("item", "user"):
        if one in given:
            given.setdefault(one + "s", _plural(given[one]))
    if "past" in given:
        given.setdefault("participle", given["past"])
    return replace(DOMAINS[domain], **given)


def words_of(manifest: Mapping[str, Any]) -> Words:
    """The words of a manifest; where it has none, those of its format's domain.

    Raises:
        UserError: words that cannot be shown.
    """
    base, given = words_for(manifest.get("format")), manifest.get("words")
    if given is None:
        return base
    if not isinstance(given, Mapping):
        raise UserError(f"the words are a {type(given).__name__}, expected an object of words")
    return replace(base, **{name: given[name] for name in base.to_json() if name in given})


def a(noun: str) -> str:
    """The noun with its article: `a book`, `an item`, `a user`."""
    vowel = re.match(r"[aeio]|u(?!s|ni|ti)", noun) and not re.match(r"eu|one\b|once", noun)
    return f"{'an' if vowel else 'a'} {noun}"


def capital(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def _plural(noun: str) -> str:
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search(r"(s|x|z|ch|sh)$", noun) else "s")
