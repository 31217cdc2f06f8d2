"""Fingerprint: which weights wrote a trace, as a short hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from star.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "assets" / "models"
RUNS = ROOT / "runs"


def checkpoint_folder(model: str) -> Path:
    """Folder of a checkpoint or of an adapter beside one: a path, a name under `assets/models`, or the name of a data set
    of one's own for which `training/run.sh` made `runs/NAME/checkpoint`.

    Raises:
        UserError: nothing there.
    """
    for folder in (Path(model), MODELS / model, RUNS / model / "checkpoint"):
        if (folder / "star.json").is_file():
            return folder
    have = ", ".join(sorted(p.parent.name for p in MODELS.glob("*/star.json"))) or "none"
    raise UserError(
        f"no checkpoint {model!r}: neither a folder with star.json nor one of those shipped ({have}); "
        "train one with training/run.sh"
    )


def fingerprint(model: str) -> str:
    """The first 16 hex digits of SHA-256 over all weights that answer under this name, and the words they stand for:
    those of the checkpoint, of its adapter, and for an adapter by itself also of what it is an adapter of.

    Raises:
        UserError: no such checkpoint.
    """
    folder = checkpoint_folder(model)
    about = json.loads((folder / "star.json").read_text("utf-8"))
    total = hashlib.sha256()
    if "adapter_of" in about:
        total.update(fingerprint(about["adapter_of"]).encode())
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
