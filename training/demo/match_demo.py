"""Maps books of the embedded catalogue to goodbooks-10k by normalised title and first author."""

from __future__ import annotations

import re

import numpy as np

from star.data.catalog import Catalog, Item, fold
from star.data.dataset import Dataset
from star.data.simulator import read_catalog
from star.data.tasks import split
from star.errors import UserError

Histories = list[np.ndarray]

CUTS = (": ", " - ", " or, ", ", or ", "; or ")


def _plain(title: str) -> str:
    """Folded title without apostrophes and leading article; '&' becomes 'and', 'Volume One' 'Vol. 1'."""
    title = title.removesuffix(" Board Book")
    text = fold(re.sub("['’]", "", title).replace("&", " and "))
    for word, number in (("one", "1"), ("two", "2"), ("three", "3")):
        text = re.sub(rf"\bvolume {word}\b", f"vol {number}", text)
    return re.sub(r"^(the|a|an) ", "", text)


def keys(title: str) -> set[str]:
    """Normalised forms under which a title is looked up.

    The whole title; without a final "(Series, #n)"; without a subtitle after ': ', ' - ' or ', or'; and the part after the
    last ':', for volumes of a comic ("The Sandman, Vol. 6: Fables and Reflections").
    """
    bare = re.sub(r"\s*\([^()]*\)\s*$", "", title)
    forms = {title, bare}
    for form in (title, bare):
        forms |= {form.split(cut)[0] for cut in CUTS}
        if ":" in form:
            forms.add(form.rsplit(":", 1)[1])
    return {key for key in map(_plain, forms) if key}


def _surnames(item: Item) -> set[str]:
    """Words of the first creator in any order ("Cixin Liu" equals "Liu Cixin"), without initials."""
    return {word for word in fold(item.creators[0]).split() if len(word) > 1} if item.creators else set()


def match(demo: Catalog, other: Catalog, readers: np.ndarray) -> np.ndarray:
    """Row of `other` for every book of `demo`, int64 (I,); -1: no match.

    Among several matches, equal titles come first, then the row with most readers. A row matches one book only.

    Args:
        readers: readers of each item of `other`.
    """
    rows: dict[str, list[int]] = {}
    for row, item in enumerate(other):
        for key in keys(item.title):
            rows.setdefault(key, []).append(row)
    claims = []
    for index, item in enumerate(demo):
        whole = _plain(item.title)
        for row in {row for key in keys(item.title) for row in rows.get(key, ())}:
            words = {word for name in other[row].creators for word in fold(name).split()}
            if _surnames(item) & words:
                equal = _plain(other[row].title) == whole or whole in keys(other[row].title)
                claims.append((-int(equal), -int(readers[row]), index, row))
    result = np.full(len(demo), -1, dtype=np.int64)
    taken: set[int] = set()
    for _, _, index, row in sorted(claims):
        if result[index] < 0 and row not in taken:
            result[index] = row
            taken.add(row)
    return result


def real_histories(dataset: Dataset) -> tuple[np.ndarray, dict[str, Histories]]:
    """Readers of goodbooks over the embedded catalogue, by part of the fixed split.

    Returns:
        row of goodbooks for each demo book (I,), -1: no match;
        `train`, `valid`, `test` → histories (demo rows, oldest first).

    Raises:
        UserError: the data set is simulated.
    """
    if dataset.manifest.get("simulated"):
        raise UserError(f"data set {dataset.name!r} is simulated; give --dataset an import of goodbooks-10k")
    catalog = read_catalog()
    counts = np.bincount(dataset.interactions.items, minlength=len(dataset.catalog))
    rows = match(catalog, dataset.catalog, counts)
    back = np.full(len(dataset.catalog), -1, dtype=np.int64)
    back[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    parts = split(dataset.interactions)
    result = {}
    for name, readers in (("train", parts.train), ("valid", parts.valid), ("test", parts.test)):
        mapped = [back[dataset.interactions.history(int(reader))] for reader in readers]
        result[name] = [history[history >= 0] for history in mapped]
    return rows, result
