"""Ratings, comparisons and their traces as files of a folder, and back.

A folder holds `manifest.json` (data set, its item ids) and `ratings`, `comparisons`, `traces` as JSONL, CSV or Parquet;
`preferences.py` adds data sets for TRL. Texts are in the grammar's words; `<i7>` is row 7 of the manifest's items.
`in_items_of` maps them by id to another catalogue, or to a checkpoint with other tokens. Annotators are pseudonyms.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from star.annotation.exchange import tables
from star.annotation.exchange.rows import Comparison, Rating
from star.annotation.storage.writing import folder_of
from star.errors import UserError
from star.evidence.tools import COUNTED
from star.trace import grammar
from star.trace.grammar import item_row, item_word

VERSION = 1


@dataclass(frozen=True)
class TraceRow:
    """One frozen trace of a record: prompt and completion in the grammar's words.

    `checkpoint`: hash of the checkpoint; empty for rule-based MARS, which has none.
    """

    dataset: str
    record: str
    system: str
    checkpoint: str
    prompt: str
    completion: str


@dataclass(frozen=True)
class RatingRow:
    """A `Rating` with its data set and checkpoint."""

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
    """A `Comparison` with its data set and checkpoints."""

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
    """Answers and traces of a campaign. `items`: item ids in the order of the rows that the traces name."""

    dataset: str
    items: tuple[str, ...]
    written: tuple[TraceRow, ...]
    ratings: tuple[Rating, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


def prompt_of(history: Sequence[int], candidates: Sequence[int]) -> str:
    """What a run was asked, in the grammar's words.

    Args:
        history, candidates: item rows of the catalogue.
    """
    words = grammar.prompt(list(history), list(candidates))
    words[1] = str(min(len(history), COUNTED))
    return " ".join(words)


def in_items_of(text: str, items: Sequence[str], place: Mapping[str, int], missing: str) -> str:
    """A text with its items mapped by id from rows of `items` to rows of `place`; `missing` replaces an id outside `place`.

    Raises:
        UserError: an item outside `items`.
    """
    out = []
    for word in text.split():
        if (row := item_row(word)) is not None:
            if row >= len(items):
                raise UserError(
                    f"a text has {word}, but its manifest lists {len(items)} items; export it again"
                )
            there = place.get(items[row])
            word = missing if there is None else item_word(there)
        out.append(word)
    return " ".join(out)


# files


def save_export(export: Export, folder: Path, format: str = "jsonl") -> list[Path]:
    """Write ratings, comparisons, traces and the manifest: all of them or none.

    Raises:
        UserError: another format, a rating of a missing trace, or a folder that cannot be written.
    """
    return write(folder, export, parts_of(export, str(folder), format), format)


def parts_of(export: Export, where: str, format: str) -> list[tuple[str, Sequence[object], type]]:
    """(File name, rows, their dataclass) of each table.

    Raises:
        UserError: another format, or a rating of a missing trace.
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
        ("traces", export.written, TraceRow),
    ]


def write(
    folder: Path, export: Export, parts: Sequence[tuple[str, Sequence[object], type]], format: str
) -> list[Path]:
    """Write the tables `parts` (file name, rows, their dataclass) and the manifest.

    Raises:
        UserError: the folder cannot be written.
    """
    with folder_of(folder) as beside:
        names = write_into(beside, export, parts, format)
    return [folder / name for name in names]


def write_into(
    folder: Path, export: Export, parts: Sequence[tuple[str, Sequence[object], type]], format: str
) -> list[str]:
    """`write` into an existing folder; returns the files' names."""
    for name, rows, kind in parts:
        tables.write_rows(rows, kind, folder / f"{name}.{format}")
    about = {"version": VERSION, "dataset": export.dataset, "items": list(export.items)}
    (folder / "manifest.json").write_text(json.dumps(about, ensure_ascii=False) + "\n", "utf-8")
    return [*(f"{name}.{format}" for name, _, _ in parts), "manifest.json"]


def read_manifest(folder: Path) -> tuple[str, tuple[str, ...]]:
    """Data set and item ids of an export.

    Raises:
        UserError: no export, or one of another version.
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


def load_export(folder: Path) -> Export:
    """Read what `save_export` wrote, in any format.

    Raises:
        UserError: a file is missing, present in two formats or damaged, or a rating has no trace.
    """
    dataset, items = read_manifest(folder)
    written = tables.read_rows(_find(folder, "traces"), TraceRow)
    ratings = [
        Rating(r.record, r.system, r.annotator, r.criterion, r.value, r.seconds, r.gold, r.rubric)
        for r in tables.read_rows(_find(folder, "ratings"), RatingRow)
    ]
    comparisons = [
        Comparison(c.record, c.left_system, c.right_system, c.annotator, c.choice, c.seconds, c.rubric)
        for c in tables.read_rows(_find(folder, "comparisons"), ComparisonRow)
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


def traces(export: Export, where: str) -> dict[tuple[str, str], TraceRow]:
    """(record, system) → trace.

    Raises:
        UserError: two traces of one system for a record, or a rating or comparison without its trace.
    """
    trace = {(w.record, w.system): w for w in export.written}
    if len(trace) != len(export.written):
        raise UserError(f"{where}: a record has two traces of one system; each must be there once")
    asked = [(r.record, r.system) for r in export.ratings]
    asked += [(c.record, system) for c in export.comparisons for system in (c.left_system, c.right_system)]
    for record, system in asked:
        if (record, system) not in trace:
            raise UserError(f"{where}: record {record[:40]!r} was rated but has no trace of {system[:40]!r}")
    return trace
