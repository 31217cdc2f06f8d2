"""Settings, data checksum, code version and counts of a folder of trajectories (`manifest.json`).

Two runs with the same `made_with` write the same rows; one folder never holds rows of different settings.

`by_scenario` uses AgentRecBench's names (`star/data/tasks.py`); the first that fits is taken. `item_cold_start`: 3 to 10
readers of the other folds read the target. `user_cold_start`: up to three known books. `short_term`: a cut history. All
other rows are `classic`.
`by_difficulty` classes the rank that the distillation teacher gives the item really read next: first is easy, second to
fifth medium, else hard.
`by_teacher` classes its rank by MARS; GRPO draws its tasks from these classes.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from star import ROOT
from star.data.dataset import Dataset
from star.data.tasks import COLD_KNOWN, COLD_READERS, Split, difficulty
from star.errors import UserError
from training.lib.config import Config
from training.lib.corpus import read_batches

SETTINGS = ("dataset", "seed", "per_reader", "negatives", "guide_lists", "latent_epochs")
"""Fields of the config on which the rows depend."""
COLUMNS = ("reader", "at", "negatives", "shelf", "target", "rank", "kept", "guide", "prompt")


def made_with(config: Config, data: Dataset) -> dict[str, Any]:
    """Settings and data checksum on which the rows depend, as JSON."""
    settings = {name: asdict(config)[name] for name in SETTINGS}
    return json.loads(json.dumps({**settings, "checksum": data.manifest["checksum"]}))


def code() -> dict[str, str | None]:
    """Version of the package, and the commit if this is a git checkout."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return {"version": version("star-recommender"), "commit": found.stdout.strip() or None}


def noted(folder: Path) -> dict[str, Any] | None:
    """`made_with` of this folder; None in folders of old versions, which have no such entry."""
    file = folder / "manifest.json"
    return json.loads(file.read_text("utf-8")).get("made_with") if file.exists() else None


def begin(folder: Path, config: Config, data: Dataset) -> None:
    """Record `made_with` in this folder; folders without such an entry are accepted.

    Raises:
        UserError: the folder holds rows of other settings.
    """
    before, wanted = noted(folder), made_with(config, data)
    if before is not None and before != wanted:
        other = ", ".join(
            f"{k} {before.get(k)!r} (now {wanted[k]!r})" for k in wanted if before.get(k) != wanted[k]
        )
        raise UserError(
            f"{folder} holds trajectories made with {other}; delete them to make new ones, or give the config "
            "another folder in `runs` or `trajectories`"
        )
    if not any(folder.glob("fold*.parquet")):
        _write(folder / "manifest.json", {"made_with": wanted, "code": code(), "rows": 0})


def finish(folder: Path, data: Dataset, split: Split) -> dict[str, Any]:
    """Count the rows, in batches, write the manifest and return it."""
    groups: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    train = data.interactions.subset(split.train)
    whole = np.bincount(train.items, minlength=len(data.catalog))
    without = {
        fold: whole
        - np.bincount(
            data.interactions.subset(split.train[split.folds == fold]).items, minlength=len(data.catalog)
        )
        for fold in np.unique(split.folds).tolist()
    }
    total = [0, 0]
    for frame in read_batches(folder, COLUMNS):
        for row in frame.iter_rows(named=True):
            names = {
                "by_negatives": row["negatives"],
                "by_scenario": _scenario(row, int(without[split.fold_of[row["reader"]]][row["target"]])),
                "by_difficulty": difficulty(_guided(row)),
                "by_teacher": difficulty(row["rank"]),
            }
            for counted in (total, *(groups[kind][name] for kind, name in names.items())):
                counted[0] += 1
                counted[1] += row["kept"]
    report = {
        "made_with": noted(folder),
        "code": code(),
        "dataset": data.name,
        **_shares(total),
        **{kind: {name: _shares(pair) for name, pair in sorted(of.items())} for kind, of in groups.items()},
    }
    _write(folder / "manifest.json", report)
    return report


def _scenario(row: dict[str, Any], readers: int) -> str:
    if COLD_READERS[0] <= readers <= COLD_READERS[1]:
        return "item_cold_start"
    if row["shelf"] <= COLD_KNOWN:
        return "user_cold_start"
    return "short_term" if row["shelf"] < row["at"] else "classic"


def _guided(row: dict[str, Any]) -> int:
    """Rank, from 0, that the distillation teacher gives the item really read next."""
    candidates = row["prompt"].split()[-len(row["guide"]) :]
    own = row["guide"][candidates.index(f"<i{row['target']}>")]
    return sum(value > own for value in row["guide"])


def _shares(counted: list[int]) -> dict[str, Any]:
    rows, kept = counted
    return {"rows": rows, "kept": kept, "kept_share": round(kept / rows, 4) if rows else None}


def _write(file: Path, report: dict[str, Any]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    part.rename(file)
