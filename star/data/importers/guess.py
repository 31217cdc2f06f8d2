"""Which column of a table holds what, by the names that people usually give."""

from __future__ import annotations

from collections.abc import Sequence

from star.display import isolated
from star.errors import UserError

USUAL = {
    "user": "user userid username reader readerid viewer viewerid customer customerid member memberid borrower reviewer",
    "item": "item itemid book bookid isbn movie movieid film filmid product productid asin parentasin track song game sku",
    "time": "time timestamp date datetime readat watchedat boughtat createdat",
    "title": "title itemtitle booktitle movietitle producttitle itemname productname",
    "creators": "creators creator author authors director directors artist artists maker brand",
    "year": "year published publicationyear releaseyear",
    "genres": "genres genre categories category tags",
    "series": "series",
    "number": "number volume",
}
"""Field of `read_table` → usual names, in lower case without other signs; an earlier name goes before a later one."""


def guessed(columns: Sequence[str]) -> dict[str, str]:
    """Field → column, for the fields whose usual names are there.

    Raises:
        UserError: no column of users or none of items; it says which columns there are.
    """
    plain = {"".join(filter(str.isalnum, column.lower())): column for column in reversed(columns)}
    found = {
        field: plain[name]
        for field, names in USUAL.items()
        if (name := next((name for name in names.split() if name in plain), None)) is not None
    }
    if "item" not in found and "title" in found:
        found["item"] = found["title"]  # a table may know its items by their titles alone
    missing = [field for field in ("user", "item") if field not in found]
    if missing:
        have = ", ".join(isolated(column[:40]) for column in columns[:20])
        raise UserError(
            f"no column is named {' or '.join(missing)}; the columns are: {have}; name one {' and one '.join(missing)}"
        )
    return found
