"""Fingerprint: every file of weights and words counts, nothing else does, and a campaign stores this and no other hash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import toys

from star.annotation.workflow.systems import open_systems
from star.data.loading import load_dataset
from star.errors import UserError
from star.student.checkpoint import MODELS, fingerprint


def test_weights_words_and_adapters_count_and_the_card_does_not(tmp_path: Path) -> None:
    folder = toys.save_checkpoint(tmp_path / "model")
    seen = [fingerprint(str(folder))]
    assert len(seen[0]) == 16 and int(seen[0], 16) >= 0
    (folder / "README.md").write_text("a card")
    about = json.loads((folder / "star.json").read_text())
    (folder / "star.json").write_text(json.dumps(about | {"stages": {}}))
    assert fingerprint(str(folder)) == seen[0]
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
        seen.append(fingerprint(str(folder)))
    for name in ("adapter", "lora"):
        (folder / name).mkdir()
        (folder / name / "adapter_model.safetensors").write_bytes(b"1")
        seen.append(fingerprint(str(folder)))
    assert len(set(seen)) == len(seen)


def test_an_adapter_alone_is_known_by_its_own_weights_and_those_below(tmp_path: Path) -> None:
    base, own = toys.save_checkpoint(tmp_path / "base"), tmp_path / "adapter"
    own.mkdir()
    (own / "star.json").write_text(json.dumps({"adapter_of": str(base)}))
    (own / "adapter_model.safetensors").write_bytes(b"1")
    seen = [fingerprint(str(base)), fingerprint(str(own))]
    (own / "adapter_model.safetensors").write_bytes(b"2")
    seen.append(fingerprint(str(own)))
    toys.save_checkpoint(base, seed=1)
    seen.append(fingerprint(str(own)))
    assert len(set(seen)) == 4
    with pytest.raises(UserError, match="no checkpoint"):
        fingerprint(str(tmp_path / "none"))


@pytest.mark.checkpoint
def test_a_campaign_stores_it() -> None:
    if not (MODELS / "demo" / "star.json").is_file():
        pytest.skip("assets/models/demo is not there; train it with training/run.sh")
    opened = open_systems(("star", "mars"), load_dataset("demo"))
    assert [system.hash for system in opened.systems] == [fingerprint("demo"), ""]
