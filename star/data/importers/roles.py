"""Creators apart from editors, translators and others, where a source writes roles: `Ann Pen (Author), Bo Ink (Editor)`."""

from __future__ import annotations

import re
from dataclasses import replace

from star.data.catalog import Item

CREATORS = frozenset("artist author composer creator director writer".split())
OTHERS = frozenset(
    "actor adapter afterword compiler contributor editor foreword illustrator introduction narrator performer photographer "
    "preface translator".split()
)
_ROLE = re.compile(r"(.*\S)\s*\(([^()]+)\)\s*", re.DOTALL)


def role_of(name: str) -> tuple[str, frozenset[str]]:
    """A name without its roles, and its roles; any other words in parentheses belong to the name.

    >>> role_of("Bo Ink (Editor, Translator)")[0]
    'Bo Ink'
    """
    found = _ROLE.fullmatch(name)
    words = re.split(r"[,/&]|\band\b", found[2].lower()) if found else []
    roles = frozenset(word.strip() for word in words)
    if found is None or not roles <= CREATORS | OTHERS:
        return name, frozenset()
    return found[1], roles


def by_role(item: Item) -> Item:
    """The item with its creators alone as creators, without the word for it, and all others as contributors.

    The signal of a common creator reads creators only. An item of which the source names only an editor has none.
    """
    if not any(name.rstrip().endswith(")") for name in item.creators):
        return item
    creators, contributors = [], list(item.contributors)
    for given in item.creators:
        name, roles = role_of(given)
        if roles and not roles & CREATORS:
            contributors.append(f"{name} ({', '.join(sorted(roles))})")
        else:
            creators.append(name)
    return replace(
        item, creators=tuple(dict.fromkeys(creators)), contributors=tuple(dict.fromkeys(contributors))
    )
