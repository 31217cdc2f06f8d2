"""`star serve`: the page, from the command line."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Annotated, Any

import typer

from star.errors import UserError

if TYPE_CHECKING:
    from star.settings import Settings


def serve(
    dataset: Annotated[
        str | None, typer.Option(help="Data set to explore: demo, or an imported one.")
    ] = None,
    datasets: Annotated[
        str | None,
        typer.Option(help="Data sets to choose from on the page, separated by commas: demo,goodbooks"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Checkpoint: a folder, or a name under assets/models; mars: the teacher."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="First port to try; the next free one is taken.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all networks.")] = None,
    auth: Annotated[
        bool | None,
        typer.Option("--auth/--no-auth", help="People sign in; star annotators add makes their accounts."),
    ] = None,
    allowed_hosts: Annotated[
        str | None,
        typer.Option(help="Names that visitors know this server by, separated by commas: books.example.org"),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            help="Addresses of proxies in front, separated by commas: their X-Forwarded-For is believed."
        ),
    ] = None,
    uploads: Annotated[
        bool | None,
        typer.Option("--uploads", help="A CSV of one's own can be opened on the page; for this machine alone."),
    ] = None,
) -> None:
    """Serve the page. Options left out come from the environment (STAR_DATASET, …)."""
    chosen = settings(
        dataset=dataset,
        datasets=datasets,
        model=model,
        port=port,
        host=host,
        auth=auth,
        allowed_hosts=allowed_hosts,
        proxy=proxy,
        uploads=uploads,
    )
    gc.disable()  # nothing of the imports is garbage, and looking for it takes a fifth of the start; `launch` ends this
    try:
        from star.ui.offered import Offered  # gradio takes two seconds to import: not for other commands
        from star.ui.server import launch

        offered = Offered.of(chosen)
        launch(offered.loader(offered.home), chosen, offered)
    finally:
        gc.enable()


def settings(**given: Any) -> Settings:
    """Settings from the environment and from what was given here (None: left out), checked.

    Raises:
        UserError: a variable of the wrong form, or no data set of this name.
    """
    from pydantic import ValidationError

    from star.data.dataset import names
    from star.data.loading import load_dataset
    from star.settings import Settings

    try:
        chosen = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"])
        raise UserError(f"STAR_{name.upper()} is {first['input']!r}: {first['msg']}") from None
    for name in chosen.served:
        if name not in names():
            load_dataset(name)  # says which there are
    return chosen
