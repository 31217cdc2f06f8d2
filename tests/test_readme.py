"""README says what is: its tables and its tree come from their sources, and every command it names exists."""

from __future__ import annotations

import copy
import dataclasses
import re

import pytest
from typer.testing import CliRunner

from star.cli import app
from star.fingerprint import fingerprint
from star.settings import ROOT
from training import tables
from training.cards import cards
from training.preference import load_config
from training.tables import README, documents, rendered


def test_tables_and_tree_are_their_sources() -> None:
    text = README.read_text("utf-8")
    assert rendered(text) == text, "README differs from its sources; run python -m training.tables"


def test_a_number_changed_in_a_document_of_preferences_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    text, made = README.read_text("utf-8"), copy.deepcopy(documents())
    made[0]["unseen"]["hr_mean"]["after"] += 0.002
    monkeypatch.setattr(tables, "documents", lambda: made)
    assert rendered(text) != text


def test_preferences_moved_the_shipped_checkpoint_their_way_and_it_still_ranks() -> None:
    """The bar of the annotation workbench, on what `training.simulated_raters` measured last."""
    made = {document["taste"]: document for document in documents()}
    assert made.keys() >= {"short", "recent"}
    for taste, document in made.items():
        config = load_config(str(ROOT / document["command"].split()[4]))
        where = {"data": f"{config.data}-{taste}", "out": f"{config.out}-{taste}"}
        assert document["config"] == dataclasses.asdict(config) | where and document["split"] == "test"
        assert document["fingerprint"] == fingerprint(document["checkpoint"]), (
            f"measured on other weights than those shipped; run again: {document['command']}"
        )
        measured = document["unseen"]
        assert measured[taste]["ci"][0] > 0, f"{taste}: not moved their way"
        assert measured["hr_mean"]["ci"][1] >= 0, f"{taste}: ranks worse than before"
        assert measured["readable"]["after"] >= measured["readable"]["before_ci"][0], (
            f"{taste}: broken traces"
        )


def test_model_cards_are_their_sources() -> None:
    made = cards()
    assert {file.parent.name for file in made} >= {"demo", "goodbooks"}
    for file, text in made.items():
        assert file.read_text("utf-8") == text, (
            f"{file} differs from its sources; run python -m training.tables"
        )


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    text = README.read_text("utf-8")
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    commands = {command.name or "" for command in app.registered_commands} | set(groups)
    documented = set(re.findall(r"`star (\w+)", text))
    assert documented == commands
    for command in commands:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
    for name, group in groups.items():
        below = {command.name or command.callback.__name__ for command in group.registered_commands}
        named = re.findall(rf"`star {name} ([\w|\\]+)", text)
        assert {word for words in named for word in words.replace("\\", "").split("|")} == below
        for command in below:
            assert CliRunner().invoke(app, [name, command, "--help"]).exit_code == 0


def test_it_begins_with_the_two_commands_and_a_picture_that_is_there() -> None:
    text = README.read_text("utf-8")
    assert text.index("make demo") < text.index("make test") < 300
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert pictures and all((ROOT / picture).is_file() for picture in pictures)
