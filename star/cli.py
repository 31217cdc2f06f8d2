"""The `star` command: a thin list of commands; each lives in a small module that imports lazily."""

from __future__ import annotations

import sys

import typer

from star import cli_annotations, cli_data, cli_evaluate, cli_recommend, cli_serve
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
app.add_typer(cli_annotations.app, name="annotations")
app.add_typer(cli_annotations.people_app, name="annotators")
# Modules import torch, gradio and the like inside the function, so that `star --help` stays quick.


def main() -> None:
    """Run the command line; a UserError is one line on stderr and exit status 2."""
    try:
        app()
    except UserError as error:
        print(f"star: {error}", file=sys.stderr)
        sys.exit(2)
