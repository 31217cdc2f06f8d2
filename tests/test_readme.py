"""README says what is: its tables and its tree come from their sources, and every command it names exists."""

from __future__ import annotations

import re

from typer.testing import CliRunner

from star.cli import app
from star.settings import ROOT
from training.cards import cards
from training.tables import README, rendered


def test_tables_and_tree_are_their_sources() -> None:
    text = README.read_text("utf-8")
    assert rendered(text) == text, "README differs from its sources; run python -m training.tables"


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
