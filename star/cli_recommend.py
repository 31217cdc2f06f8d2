"""`star recommend`: one recommendation with trace, claims and subgraph, in the terminal or as JSON."""

from __future__ import annotations

from typing import Annotated

import typer

from star.display import document, echo, isolated, isolating
from star.errors import UserError


def recommend(
    dataset: Annotated[str, typer.Option(help="Data set: demo, or an imported one.")] = "demo",
    user: Annotated[str | None, typer.Option(help="A reader's id.")] = None,
    shelf: Annotated[str | None, typer.Option(help="Item ids, oldest first, separated by commas.")] = None,
    k: Annotated[int, typer.Option(help="How many books.")] = 5,
    seed: Annotated[
        int, typer.Option(help="0: the likeliest words; any other number draws the wording.")
    ] = 0,
    model: Annotated[
        str | None, typer.Option(help="Checkpoint: a folder, or a name under assets/models.")
    ] = None,
    adapter: Annotated[
        bool, typer.Option(help="Without: the model as it was before GRPO or annotators' preferences.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Recommend books to a reader, or to a shelf."""
    if (user is None) == (shelf is None):
        raise UserError(
            "give either --user ID or --shelf ID,ID,…; exactly one of them says whom to recommend to"
        )
    from star.dataset import Dataset
    from star.recommendation import Query, names_in
    from star.recommender import Star, answer

    data = Dataset.load(dataset)
    if user is not None:
        reader = data.interactions.row(user)
        query = Query(
            tuple(data.interactions.history(reader).tolist()), reader, k=k, seed=seed, adapter=adapter
        )
    else:
        ids = [part.strip() for part in str(shelf).split(",") if part.strip()]
        query = Query(tuple(data.catalog.index(id) for id in ids), k=k, seed=seed, adapter=adapter)
    star = Star(data, model)
    done = answer(star, query)
    if star.without_token:
        echo(
            f"{star.without_token} of {len(data.catalog)} items have no token in checkpoint {star.checkpoint} "
            "and are not recommended",
            err=True,
        )
    if as_json:
        print(document(done.to_json(data.catalog, user)))
        return
    named = isolating(names_in(done, data.catalog))
    for step in done.steps:
        echo(f"{step.type}: {named(step.text)}")
    echo("")
    for item in done.items:
        book = data.catalog[item.item]
        by = f" ({', '.join(map(isolated, book.creators))})" if book.creators else ""
        echo(f"{item.rank}. {isolated(book.title)}{by}: {named(item.reason)}")
    verdicts = [c.verdict for c in done.claims if c.author == "model"]
    echo(
        "",
        f"of {len(verdicts)} statements the model wrote, the graph bears out {verdicts.count('supported')}, "
        f"{verdicts.count('unsupported')} not, {verdicts.count('opinion')} are opinions",
    )
