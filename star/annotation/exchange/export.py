"""Export: ratings, comparisons and the traces they are about as files, and back.

A folder holds `manifest.json` (data set, its item ids) and `ratings`, `comparisons`, `traces` as JSONL, CSV or Parquet;
`preferences.py` adds data sets for TRL. Texts are the grammar's words, in which `<i7>` is the item in row 7 of the
manifest's list: a reader with another catalogue, or a checkpoint with other tokens, maps them by id (`in_items_of`).
Annotators are pseudonyms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from star.annotation.exchange import tables
from star.annotation.exchange.rows import Comparison, Rating
from star.annotation.storage.writing import folder_of
from star.errors import UserError
from star.evidence.tools import COUNTED
from star.trace import grammar
from star.trace.grammar import ITEM, item_word

VERSION = 1


@dataclass(frozen=True)
class Written:
    """One trace of a record, as it was frozen: what was asked and what was written, in the grammar's words.

    `checkpoint`: hash of the checkpoint; empty for a system that has none (rule-based MARS).
    """

    dataset: str
    record: str
    system: str
    checkpoint: str
    prompt: str
    completion: str


@dataclass(frozen=True)
class RatingRow:
    """A `Rating` with what it is about."""

    dataset: str
    record: str
    system: str
    checkpoint: str
    rubric: str
    annotator: str
    criterion: str
    value: int | None
    seconds: float
    gold: int | None


@dataclass(frozen=True)
class ComparisonRow:
    """A `Comparison` with what it is about."""

    dataset: str
    record: str
    left_system: str
    left_checkpoint: str
    right_system: str
    right_checkpoint: str
    rubric: str
    annotator: str
    choice: Literal["left", "right", "tie"]
    seconds: float


@dataclass(frozen=True)
class Export:
    """What a campaign brought. `items`: ids of the data set's catalogue, in its order."""

    dataset: str
    items: tuple[str, ...]
    written: tuple[Written, ...]
    ratings: tuple[Rating, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


def prompt_of(history: Sequence[int], candidates: Sequence[int], known: np.ndarray | None = None) -> str:
    """What a run was asked, in words, as the student reads it.

    Args:
        history, candidates: item rows of the catalogue.
        known: bool (I,), items the checkpoint has a token for; the others are counted but not named.
    """
    here = range(len(history)) if known is None else [n for n, item in enumerate(history) if known[item]]
    shown = [c for c in candidates if known is None or known[c]]
    words = grammar.prompt([history[n] for n in here], shown)
    words[1] = str(min(len(history), COUNTED))
    return " ".join(words)


def in_items_of(text: str, items: Sequence[str], place: Mapping[str, int], missing: str) -> str:
    """Words with items renumbered from rows of `items` to `place`, by id; `missing` where the id is not there.

    Raises:
        UserError: an item that is not in `items`.
    """
    out = []
    for word in text.split():
        if found := ITEM.match(word):
            row = int(found[1])
            if row >= len(items):
                raise UserError(
                    f"a text has {word}, but its manifest lists {len(items)} items; export it again"
                )
            there = place.get(items[row])
            word = missing if there is None else item_word(there)
        out.append(word)
    return " ".join(out)


# files


def save(export: Export, folder: Path, format: str = "jsonl") -> list[Path]:
    """Write ratings, comparisons and traces, and the manifest; all of them or none.

    Raises:
        UserError: another format, a rating of a trace that is not there, or a folder that cannot be written.
    """
    return write(folder, export, parts_of(export, str(folder), format), format)


def parts_of(export: Export, where: str, format: str) -> list[tuple[str, Sequence[object], type]]:
    """Names of files, their rows, the rows' dataclass.

    Raises:
        UserError: another format, or a rating of a trace that is not there.
    """
    if format not in tables.FORMATS:
        raise UserError(f"there is no format {format!r}; expected {', '.join(tables.FORMATS)} or trl")
    trace = traces(export, where)
    ratings = [
        RatingRow(
            export.dataset,
            r.record,
            r.system,
            trace[r.record, r.system].checkpoint,
            r.rubric,
            r.annotator,
            r.criterion,
            r.value,
            r.seconds,
            r.gold,
        )
        for r in export.ratings
    ]
    comparisons = [
        ComparisonRow(
            export.dataset,
            c.record,
            c.left_system,
            trace[c.record, c.left_system].checkpoint,
            c.right_system,
            trace[c.record, c.right_system].checkpoint,
            c.rubric,
            c.annotator,
            c.choice,
            c.seconds,
        )
        for c in export.comparisons
    ]
    return [
        ("ratings", ratings, RatingRow),
        ("comparisons", comparisons, ComparisonRow),
        ("traces", export.written, Written),
    ]


def write(
    folder: Path, export: Export, parts: Sequence[tuple[str, Sequence[object], type]], format: str
) -> list[Path]:
    """Write files of rows (name, rows, their dataclass), then the manifest.

    Raises:
        UserError: the folder cannot be written.
    """
    with folder_of(folder) as beside:
        names = write_into(beside, export, parts, format)
    return [folder / name for name in names]


def write_into(
    folder: Path, export: Export, parts: Sequence[tuple[str, Sequence[object], type]], format: str
) -> list[str]:
    """The same into a folder that is there; names of the files."""
    for name, rows, kind in parts:
        tables.save(rows, kind, folder / f"{name}.{format}")
    about = {"version": VERSION, "dataset": export.dataset, "items": list(export.items)}
    (folder / "manifest.json").write_text(json.dumps(about, ensure_ascii=False) + "\n", "utf-8")
    return [*(f"{name}.{format}" for name, _, _ in parts), "manifest.json"]


def read_manifest(folder: Path) -> tuple[str, tuple[str, ...]]:
    """Data set and item ids of an export.

    Raises:
        UserError: not an export, or one of another version.
    """
    file = folder / "manifest.json"
    if not file.is_file():
        raise UserError(
            f"{folder} has no manifest.json; expected a folder that star annotations export wrote"
        )
    try:
        about = json.loads(file.read_text("utf-8"))
        version, dataset, items = about["version"], about["dataset"], about["items"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged ({type(error).__name__}: {error}); export it again") from None
    if version != VERSION or not isinstance(dataset, str) or not all(isinstance(i, str) for i in items):
        raise UserError(f"{file} is of version {version!r}; expected {VERSION}; export it again")
    return dataset, tuple(items)


def load(folder: Path) -> Export:
    """Read what `save` wrote, in whichever format.

    Raises:
        UserError: a file that is missing, there twice, damaged, or speaks of traces that are not there.
    """
    dataset, items = read_manifest(folder)
    written = tables.load(_find(folder, "traces"), Written)
    ratings = [
        Rating(r.record, r.system, r.annotator, r.criterion, r.value, r.seconds, r.gold, r.rubric)
        for r in tables.load(_find(folder, "ratings"), RatingRow)
    ]
    comparisons = [
        Comparison(c.record, c.left_system, c.right_system, c.annotator, c.choice, c.seconds, c.rubric)
        for c in tables.load(_find(folder, "comparisons"), ComparisonRow)
    ]
    export = Export(dataset, items, tuple(written), tuple(ratings), tuple(comparisons))
    traces(export, str(folder))
    return export


def _find(folder: Path, name: str) -> Path:
    there = [folder / f"{name}.{format}" for format in tables.FORMATS]
    there = [file for file in there if file.is_file()]
    if len(there) != 1:
        found = ", ".join(file.name for file in there) or "none"
        raise UserError(
            f"{folder} should have {name} in one format ({', '.join(tables.FORMATS)}); found {found}"
        )
    return there[0]


def traces(export: Export, where: str) -> dict[tuple[str, str], Written]:
    """(record, system) → trace, once everything is known to be about a trace that is there."""
    trace = {(w.record, w.system): w for w in export.written}
    if len(trace) != len(export.written):
        raise UserError(f"{where}: a record has two traces of one system; each must be there once")
    asked = [(r.record, r.system) for r in export.ratings]
    asked += [(c.record, system) for c in export.comparisons for system in (c.left_system, c.right_system)]
    for record, system in asked:
        if (record, system) not in trace:
            raise UserError(f"{where}: record {record[:40]!r} was rated but has no trace of {system[:40]!r}")
    return trace
