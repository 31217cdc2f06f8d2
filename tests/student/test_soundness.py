"""A damaged checkpoint is refused in one line, before anything of the size that it names is made; none is unpickled."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toys
from safetensors.torch import load_file, save_file

from star.errors import UserError
from star.student.network import Checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toys.save_checkpoint(tmp_path / "model")


def refused(folder: Path, said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        Checkpoint.load(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("damage", ["weights", "config", "size", "nan", "layers", "eps", "integers"])
def test_a_damaged_checkpoint_is_refused(folder: Path, damage: str) -> None:
    weights, config = folder / "model.safetensors", folder / "config.json"
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:200])
    elif damage == "config":
        config.write_text(json.dumps({"hidden_size": 32}))
    elif damage in ("layers", "eps"):
        wrong = {"num_hidden_layers": 10**12} if damage == "layers" else {"rms_norm_eps": "small"}
        config.write_text(json.dumps(json.loads(config.read_text()) | wrong))
    else:
        tensors = load_file(weights)
        changed = {"size": lambda t: t[:5], "nan": lambda t: t * np.nan, "integers": lambda t: t.long()}
        tensors["table"] = changed[damage](tensors["table"])
        save_file(tensors, weights)
    refused(folder, "copy the whole folder again")


def test_no_pickle_is_opened(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(folder / "sprung").write_text, ("x",))

    (folder / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", "model.safetensors"):
        (folder / name).write_bytes(pickle.dumps({"w": Trap()}))
        refused(folder, "model.safetensors")
    assert not (folder / "sprung").exists()
