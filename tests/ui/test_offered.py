"""What the settings offer, and the pickers that show it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import toy

from star.data.words import FILM
from star.settings import Settings
from star.student import checkpoint
from star.ui.offered import Choice, Offered
from star.ui.views.choices import choices


@pytest.mark.parametrize(
    ("given", "served"),
    [
        ({}, ("demo",)),
        ({"dataset": "a"}, ("a",)),
        ({"datasets": "b, a,b"}, ("b", "a")),
        ({"dataset": "a", "datasets": "b,a"}, ("a", "b")),
    ],
)
def test_the_first_data_set_is_the_one_that_is_named_alone(given: dict[str, str], served: tuple[str, ...]) -> None:
    assert Settings(**given).served == served  # type: ignore[arg-type]


def test_every_checkpoint_and_the_teacher_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("runs/mine", "models/star"):
        folder = tmp_path / name / ("checkpoint" if name.startswith("runs") else "")
        folder.mkdir(parents=True)
        (folder / "star.json").write_text("{}")
    monkeypatch.setattr(checkpoint, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(checkpoint, "MODELS", tmp_path / "models")
    assert Offered.of(Settings()).models == {"star": None, "mine": "mine", "mars": "mars"}
    assert Offered.of(Settings(model="mars")).home == Choice("demo", "mars")
    given = str(tmp_path / "other run" / "checkpoint")
    assert next(iter(Offered.of(Settings(model=given)).models.items())) == ("other-run", given)


def test_a_data_set_in_memory_brings_its_own_words_and_title() -> None:
    offered = Offered(("demo",), {"mars": "mars"})
    assert choices(offered, offered.home) == ""
    data = toy.dataset()
    data = replace(data, name=offered.free("upload"), catalog=type(data.catalog)(data.catalog.items, FILM))
    offered.add(data, toy.HOSTILE)
    assert offered.free("upload") == "upload-2" and offered.in_memory_alone("upload-1")
    loader = offered.loader(Choice("upload-1", "mars"))
    assert loader.words == FILM
    shown = choices(offered, Choice("upload-1", "mars"))
    assert 'value="upload-1" selected' in shown and "<img" not in shown and "data-upload" not in shown
    assert "data-upload" in choices(offered, offered.home, uploads=True)
