"""Look-up of a checkpoint's folder, its `star.json`, and the fingerprint of its weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from star import ROOT
from star.errors import UserError

MODELS = ROOT / "assets" / "models"
RUNS = ROOT / "runs"
SHIPPED = "star"
"""The checkpoint under `assets/models`, which answers for every data set."""
FORM = "slots"
"""What `star.json` says under `form`. Checkpoints of other forms are of earlier versions."""
AGAIN = "copy the whole folder again, or train it again"


def find_checkpoint(model: str) -> Path | None:
    """Folder of a checkpoint; None where no such folder holds a `star.json`.

    All code finds checkpoints by this function. It tries a path, then a name under `assets/models`, then
    `runs/NAME/checkpoint`, where `training/run.sh` writes.
    """
    folders = (Path(model), MODELS / model, RUNS / model / "checkpoint")
    return next((folder for folder in folders if (folder / "star.json").is_file()), None)


def checkpoints() -> list[str]:
    """Names of all checkpoints on this machine that `find_checkpoint` finds, those that ship first."""
    shipped = sorted(file.parent.name for file in MODELS.glob("*/star.json"))
    trained = sorted(file.parents[1].name for file in RUNS.glob("*/checkpoint/star.json"))
    return list(dict.fromkeys([*shipped, *trained]))


def checkpoint_folder(model: str) -> Path:
    """The folder that `find_checkpoint` finds.

    Raises:
        UserError: no such checkpoint.
    """
    if (folder := find_checkpoint(model)) is not None:
        return folder
    have = ", ".join(sorted(p.parent.name for p in MODELS.glob("*/star.json"))) or "none"
    raise UserError(
        f"no checkpoint {model!r}: neither a folder with star.json nor one of those shipped ({have}); "
        "train one with training/run.sh"
    )


def read_about(folder: Path) -> dict[str, Any]:
    """The `star.json` of a checkpoint.

    Raises:
        UserError: the file is damaged, or a value has the wrong form.
    """
    file = folder / "star.json"
    try:
        about = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged ({error}); {AGAIN}") from error
    if problem := _problem(about):
        raise UserError(f"{file}: {problem}; {AGAIN}")
    return dict(about)


def _problem(about: Any) -> str | None:
    """The first value of a `star.json` with a wrong form; None if all fit."""
    if not isinstance(about, dict):
        return f"expected an object, got {type(about).__name__}"
    if not isinstance(about.get("stages", {}), dict):
        return "stages is no object"
    if about.get("form") != FORM:
        return "it is of an earlier version, whose checkpoints no longer answer; train it again with training/run.sh"
    return None


def fingerprint(model: str) -> str:
    """The first 16 hex digits of SHA-256 over the weights that answer under this name.

    Raises:
        UserError: no such checkpoint.
    """
    weights = checkpoint_folder(model) / "model.safetensors"
    total = hashlib.sha256()
    if weights.is_file():
        total.update(weights.name.encode() + weights.read_bytes())
    return total.hexdigest()[:16]
