"""`star serve`: the page, from the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from star.settings import Settings


def serve(
    dataset: Annotated[
        str | None, typer.Option(help="Data set to explore: demo, or an imported one.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Checkpoint: a folder, or a name under assets/models.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="First port to try; the next free one is taken.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all networks.")] = None,
) -> None:
    """Serve the page. Options left out come from the environment (STAR_DATASET, …)."""
    given = {"dataset": dataset, "model": model, "port": port, "host": host}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    check(settings)
    from star.ui.loader import Loader  # gradio takes two seconds to import: not for other commands
    from star.ui.server import launch

    launch(Loader.of(settings), settings.host, settings.port)


def check(settings: Settings) -> None:
    """End a typing mistake here and not on the page.

    Raises:
        UserError: no data set of this name.
    """
    from star.dataset import Dataset, names

    if settings.dataset not in names():
        Dataset.load(settings.dataset)
