"""Look-up of a checkpoint's folder, its `star.json`, and the fingerprint of its weights."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from star import ROOT
from star.data.catalog import MARK
from star.errors import UserError

MODELS = ROOT / "assets" / "models"
RUNS = ROOT / "runs"
ANY = "star"
"""The checkpoint under `assets/models` that answers for every data set without one of its own."""
SLOTS = "slots"  # the `form` of its kind in `star.json`
AGAIN = "copy the whole folder again, or train it again"


def find_checkpoint(model: str) -> Path | None:
    """Folder of a checkpoint, or of an adapter in a folder of its own; None where no such folder holds a `star.json`.

    The only look-up. It tries a path, then a name under `assets/models`, then an imported data set whose checkpoint
    `training/run.sh` wrote to `runs/NAME/checkpoint`.
    """
    folders = (Path(model), MODELS / model, RUNS / model / "checkpoint")
    return next((folder for folder in folders if (folder / "star.json").is_file()), None)


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


def serves_any(folder: Path) -> bool:
    """Whether the checkpoint in this folder is a slot student, which serves any catalogue.

    Raises:
        UserError: as `read_about`.
    """
    return (folder / "star.json").is_file() and read_about(folder).get("form") == SLOTS


def read_about(folder: Path) -> dict[str, Any]:
    """The `star.json` of a checkpoint or of an adapter in a folder of its own.

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
    if about.get("form") == SLOTS:
        return None
    if "adapter_of" in about:
        return None if isinstance(about["adapter_of"], str) else "adapter_of names no checkpoint"
    items, titles, prior = about.get("items"), about.get("titles"), about.get("prior", 0.0)
    if not isinstance(items, list) or not items or not all(isinstance(id, str) for id in items):
        return "items is no list of item ids"
    if len(set(items)) != len(items):
        return f"items holds {len(items) - len(set(items))} ids twice"
    if titles is not None and not (isinstance(titles, str) and len(titles) == MARK * len(items)):
        return f"titles is no text of {MARK} digits for each of {len(items)} items"
    if not isinstance(prior, int | float) or not math.isfinite(prior) or prior < 0:
        return f"prior is {prior!r}, expected a number from 0 on"
    return None if isinstance(about.get("base", ""), str) else "base names no model"


def base_named(folder: Path, about: dict[str, Any]) -> str:
    """The checkpoint that an adapter in a folder of its own belongs to.

    Raises:
        UserError: no such checkpoint, or it is an adapter itself.
    """
    name: str = about["adapter_of"]
    if "adapter_of" in read_about(checkpoint_folder(name)):
        raise UserError(f"adapter {folder} belongs to {name!r}, an adapter itself; expected a checkpoint")
    return name


def fingerprint(model: str) -> str:
    """The first 16 hex digits of SHA-256 over all weights that answer under this name, and over their vocabulary: the
    checkpoint's, its adapter's, and for an adapter in a folder of its own those of its checkpoint.

    Raises:
        UserError: no such checkpoint.
    """
    folder = checkpoint_folder(model)
    about = read_about(folder)
    total = hashlib.sha256()
    if "adapter_of" in about:
        total.update(fingerprint(base_named(folder, about)).encode())
    for name in (
        "tokenizer.json",
        "model.safetensors",
        "adapter/adapter_model.safetensors",
        "adapter_model.safetensors",
        "lora/adapter_model.safetensors",
    ):
        if (folder / name).is_file():
            total.update(name.encode() + (folder / name).read_bytes())
    return total.hexdigest()[:16]
