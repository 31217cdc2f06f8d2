"""The `star` command: a thin list of commands; each lives in a small module that imports lazily."""

from __future__ import annotations

import sys

import typer

from star import (
    cli_annotations,
    cli_annotators,
    cli_data,
    cli_evaluate,
    cli_ratings,
    cli_recommend,
    cli_serve,
)
from star.errors import UserError

app = typer.Typer(
    name="star",
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

annotations = typer.Typer(
    help="Campaigns: make them, see how far they are, take ratings out.", no_args_is_help=True
)
annotations.command("create")(cli_annotations.create)
annotations.command("status")(cli_annotations.status)
annotations.command("add")(cli_annotations.add)
annotations.command("withdraw")(cli_annotations.withdraw)
annotations.command("export")(cli_ratings.export)
annotations.command("import")(cli_ratings.import_)
annotations.command("agreement")(cli_ratings.agreement)
annotations.command("adjudicate")(cli_ratings.adjudicate)
annotations.command("backup")(cli_annotations.backup)
annotations.command("restore")(cli_annotations.restore)
annotations.command("rubric")(cli_annotations.rubric)
app.add_typer(annotations, name="annotations")

annotators = typer.Typer(help="Accounts of annotators, for star serve --auth.", no_args_is_help=True)
annotators.command("add")(cli_annotators.add)
annotators.command("password")(cli_annotators.password)
annotators.command("list")(cli_annotators.list_)
app.add_typer(annotators, name="annotators")
# Modules import torch, gradio and the like inside the function, so that `star --help` stays quick.


def main() -> None:
    """Run the command line; a UserError is one line on stderr and exit status 2."""
    try:
        app()
    except UserError as error:
        print(f"star: {error}", file=sys.stderr)
        sys.exit(2)
