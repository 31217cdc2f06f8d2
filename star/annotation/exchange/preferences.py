"""Training data for TRL from annotations: `preferences.jsonl` for DPO (`prompt`, `chosen`, `rejected`) and
`labels.jsonl` for KTO (`prompt`, `completion`, `label`)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from star.annotation.exchange import tables
from star.annotation.exchange.export import Export, TraceRow, read_manifest, traces, write


@dataclass(frozen=True)
class Preference:
    """A row for TRL's DPO. `record` and `rejected_record` differ where the pair joins two records of one query."""

    prompt: str
    chosen: str
    rejected: str
    dataset: str
    record: str
    rejected_record: str
    annotator: str
    rubric: str
    chosen_checkpoint: str
    rejected_checkpoint: str
    source: Literal["comparison", "gap"]


@dataclass(frozen=True)
class Label:
    """A row for TRL's KTO: whether an annotator found this completion desirable."""

    prompt: str
    completion: str
    label: bool
    dataset: str
    record: str
    annotator: str
    rubric: str
    checkpoint: str
    source: Literal["comparison", "rating", "feedback"]


def preferences(export: Export, gap: float = 1.0) -> list[Preference]:
    """Pairs for DPO: comparisons without ties, then pairs of traces of one query that one annotator rated at least `gap`
    apart by one rubric (mean over the criteria rated in both). Pairs of equal texts are dropped."""
    trace = traces(export, export.dataset)
    out = []
    for row in export.comparisons:
        pair = trace[row.record, row.left_system], trace[row.record, row.right_system]
        if row.choice != "tie" and pair[0].completion != pair[1].completion:
            better, worse = pair if row.choice == "left" else pair[::-1]
            out.append(_preference(better, worse, row.annotator, row.rubric, "comparison"))
    by_query: dict[tuple[str, str, str], dict[TraceRow, dict[str, int]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for rating in export.ratings:
        if rating.value is not None:
            about = trace[rating.record, rating.system]
            by_query[rating.annotator, rating.rubric, about.prompt][about][rating.criterion] = rating.value
    for (annotator, rubric, _), given in by_query.items():
        for one, two in combinations(given, 2):
            both = given[one].keys() & given[two].keys()
            if not both or one.completion == two.completion:
                continue
            difference = float(np.mean([given[one][c] - given[two][c] for c in sorted(both)]))
            if abs(difference) >= gap:
                better, worse = (one, two) if difference > 0 else (two, one)
                out.append(_preference(better, worse, annotator, rubric, "gap"))
    return out


def _preference(
    better: TraceRow, worse: TraceRow, annotator: str, rubric: str, source: Literal["comparison", "gap"]
) -> Preference:
    return Preference(
        better.prompt,
        better.completion,
        worse.completion,
        better.dataset,
        better.record,
        worse.record,
        annotator,
        rubric,
        better.checkpoint,
        worse.checkpoint,
        source,
    )


def labels(export: Export, good: float = 4.0, bad: float = 2.0) -> list[Label]:
    """Rows for KTO: both sides of comparisons without ties, and traces that one annotator rated at least `good` or at most
    `bad` on average."""
    trace = traces(export, export.dataset)
    out = []
    for row in export.comparisons:
        if row.choice != "tie":
            for system, side in ((row.left_system, "left"), (row.right_system, "right")):
                about = trace[row.record, system]
                out.append(_label(about, row.choice == side, row.annotator, row.rubric, "comparison"))
    given: dict[tuple[str, str, TraceRow], list[int]] = defaultdict(list)
    for rating in export.ratings:
        if rating.value is not None:
            given[rating.annotator, rating.rubric, trace[rating.record, rating.system]].append(rating.value)
    for (annotator, rubric, about), values in given.items():
        mean = float(np.mean(values))
        if mean >= good or mean <= bad:
            out.append(_label(about, mean >= good, annotator, rubric, "rating"))
    return out


def _label(
    about: TraceRow, label: bool, annotator: str, rubric: str, source: Literal["comparison", "rating"]
) -> Label:
    return Label(
        about.prompt,
        about.completion,
        label,
        about.dataset,
        about.record,
        annotator,
        rubric,
        about.checkpoint,
        source,
    )


# files


def save_trl(
    export: Export, folder: Path, gap: float = 1.0, good: float = 4.0, bad: float = 2.0
) -> list[Path]:
    """Write `preferences.jsonl` and `labels.jsonl`, which `load_dataset("json", data_files=…)` and TRL read directly.

    Raises:
        UserError: a rating of a missing trace, or a folder that cannot be written.
    """
    parts = (
        ("preferences", preferences(export, gap), Preference),
        ("labels", labels(export, good, bad), Label),
    )
    return write(folder, export, parts, "jsonl")


def load_preferences(folder: Path) -> list[Preference]:
    """The DPO rows of a TRL export.

    Raises:
        UserError: missing or damaged file.
    """
    read_manifest(folder)
    return tables.read_rows(folder / "preferences.jsonl", Preference)


def load_labels(folder: Path) -> list[Label]:
    """The KTO rows of a TRL export.

    Raises:
        UserError: missing or damaged file.
    """
    read_manifest(folder)
    return tables.read_rows(folder / "labels.jsonl", Label)
