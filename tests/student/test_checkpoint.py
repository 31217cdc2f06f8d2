"""Fingerprint: the weights count and nothing else does, and a campaign stores this hash; checkpoints of earlier versions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import reading
import toys

from star.annotation.workflow.systems import open_systems
from star.errors import UserError
from star.student.checkpoint import SHIPPED, fingerprint, read_about


def test_the_weights_count_and_the_card_does_not(tmp_path: Path) -> None:
    folder = toys.save_checkpoint(tmp_path / "model")
    before = fingerprint(str(folder))
    assert len(before) == 16 and int(before, 16) >= 0
    (folder / "README.md").write_text("a card")
    about = json.loads((folder / "star.json").read_text())
    (folder / "star.json").write_text(json.dumps(about | {"stages": {"sft": {}}}))
    assert fingerprint(str(folder)) == before
    toys.save_checkpoint(folder, seed=1)
    assert fingerprint(str(folder)) != before
    with pytest.raises(UserError, match="no checkpoint"):
        fingerprint(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"items": ["b1"], "titles": "ab12"}, "of an earlier version"),
        ({"adapter_of": "demo"}, "of an earlier version"),
        ([], "expected an object"),
        ({"form": "slots", "stages": 3}, "stages is no object"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, about: object, said: str) -> None:
    (tmp_path / "star.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=said) as raised:
        read_about(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.checkpoint
def test_a_campaign_stores_it() -> None:
    opened = open_systems(("star", "mars"), reading.dataset())
    assert [system.hash for system in opened.systems] == [fingerprint(SHIPPED), ""]
