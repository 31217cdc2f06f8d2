"""The `star` command: a thin list of commands; each lives in a small module that imports lazily."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from star.cli import annotations as cli_annotations
from star.cli import annotators as cli_annotators
from star.cli import data as cli_data
from star.cli import evaluate as cli_evaluate
from star.cli import ratings as cli_ratings
from star.cli import recommend as cli_recommend
from star.cli import serve as cli_serve
from star.display import line
from star.errors import command


class Commands(TyperGroup):
    """The commands. What typer says of a wrong option repeats it, so it is cleaned as every line is."""

    def make_context(self, *args: Any, **more: Any) -> Any:
        try:
            return super().make_context(*args, **more)
        except typer.TyperException as error:
            error.message = line(error.message)
            raise

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.TyperException as error:
            error.message = line(error.message)
            raise


app = typer.Typer(
    name="star",
    cls=Commands,
    help="STAR: an explainable recommender.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("import")(cli_data.import_)
app.command("datasets")(cli_data.datasets)
app.command("evaluate")(cli_evaluate.evaluate)
app.command("tasks")(cli_evaluate.tasks)
app.command("recommend")(cli_recommend.recommend)
app.command("serve")(cli_serve.serve)

campaigns = typer.Typer(
    help="Campaigns: make them, see how far they are, take ratings out.", no_args_is_help=True
)
campaigns.command("create")(cli_annotations.create)
campaigns.command("status")(cli_annotations.status)
campaigns.command("add")(cli_annotations.add)
campaigns.command("withdraw")(cli_annotations.withdraw)
campaigns.command("export")(cli_ratings.export)
campaigns.command("votes")(cli_ratings.votes)
campaigns.command("feedback")(cli_ratings.feedback)
campaigns.command("import")(cli_ratings.import_)
campaigns.command("agreement")(cli_ratings.agreement)
campaigns.command("adjudicate")(cli_ratings.adjudicate)
campaigns.command("backup")(cli_annotations.backup)
campaigns.command("restore")(cli_annotations.restore)
campaigns.command("rubric")(cli_annotations.rubric)
app.add_typer(campaigns, name="annotations")

people = typer.Typer(help="Accounts of annotators, for star serve --auth.", no_args_is_help=True)
people.command("add")(cli_annotators.add)
people.command("password")(cli_annotators.password)
people.command("unlock")(cli_annotators.unlock)
people.command("list")(cli_annotators.list_)
app.add_typer(people, name="annotators")
# Modules import torch, gradio and the like inside the function, so that `star --help` stays quick.


def main() -> None:
    """Run the command line."""
    command(app)
