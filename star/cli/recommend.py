"""`star recommend`: one recommendation or many, with trace, claims and subgraph, in the terminal or as JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from star.data.words import capital
from star.display import document, isolated
from star.errors import UserError

if TYPE_CHECKING:
    from star.data.dataset import Dataset


def recommend(
    dataset: Annotated[str, typer.Option(help="Data set: demo, or an imported one.")] = "demo",
    user: Annotated[str | None, typer.Option(help="A reader's id.")] = None,
    shelf: Annotated[str | None, typer.Option(help="Item ids, oldest first, separated by commas.")] = None,
    users: Annotated[
        str | None, typer.Option(help="File of readers' ids, one a line; - for standard input.")
    ] = None,
    k: Annotated[int, typer.Option(help="How many items.")] = 5,
    seed: Annotated[
        int, typer.Option(min=0, help="0: the likeliest words; any other number draws the wording.")
    ] = 0,
    model: Annotated[
        str | None,
        typer.Option(help="Checkpoint: a folder, or a name under assets/models; mars: the teacher."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON document on standard output; with --users one on each line."),
    ] = False,
    as_written: Annotated[
        bool, typer.Option("--raw", help="The trace in the grammar's words, as the model wrote it.")
    ] = False,
) -> None:
    """Recommend items to a reader, to a shelf, or to many readers."""
    if sum(given is not None for given in (user, shelf, users)) != 1:
        raise UserError(
            "give --user ID, --shelf ID,ID,… or --users FILE; exactly one of them says whom to recommend to"
        )
    if as_json and as_written:
        raise UserError("give --json or --raw, not both; the JSON document holds the trace's words anyhow")
    from tqdm import tqdm

    from star.data.loading import load_dataset
    from star.methods.answering import recommender_for
    from star.recommend.readable import raw, readable
    from star.recommend.recommendation import Query
    from star.recommend.recommender import answers

    data = load_dataset(dataset)
    queries = [
        Query(history, reader, k=k, seed=seed)
        for reader, history in histories(data, user, shelf, users)
    ]
    star = recommender_for(data, model)
    bar = tqdm(answers(star, queries), "recommending", len(queries), file=sys.stderr, disable=users is None)
    for query, done in zip(queries, bar, strict=True):
        id = None if query.reader is None else data.interactions.users[query.reader]
        if as_json:
            text = document(done.to_json(data.catalog, id))
        else:
            text = (raw if as_written else readable)(done, data.catalog)
            text = text if users is None else f"{capital(data.catalog.words.user)} {isolated(id)}\n\n{text}\n"
        tqdm.write(text, file=sys.stdout)  # above the bar, where both go to one terminal
        sys.stdout.flush()


def histories(
    data: Dataset, user: str | None, shelf: str | None, users: str | None
) -> list[tuple[int | None, tuple[int, ...]]]:
    """Row and history of each reader that the one given option names; a shelf has no row."""
    if shelf is not None:
        ids = [part.strip() for part in shelf.split(",") if part.strip()]
        return [(None, tuple(data.catalog.index(id) for id in ids))]
    readers = [data.interactions.row(user)] if user is not None else rows(data, str(users))
    return [(row, tuple(data.interactions.history(row).tolist())) for row in readers]


def rows(data: Dataset, users: str) -> list[int]:
    """Rows of the readers whose ids stand in a file, one a line, in its order; empty lines count for nothing.

    Args:
        users: the file, `-` for standard input.

    Raises:
        UserError: it cannot be read, holds no id, or one that is no reader's; the line is named.
    """
    name = "standard input" if users == "-" else users
    try:
        content = sys.stdin.buffer.read() if users == "-" else Path(users).read_bytes()
        lines = content.decode("utf-8-sig").split("\n")
    except OSError as error:
        raise UserError(
            f"users {name} cannot be read ({error.strerror}); give a file with one reader's id a line"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"users {name} is not UTF-8 text; save it as such, one reader's id a line") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(data.interactions.row(line.strip()))
        except UserError as error:
            raise UserError(f"line {number} of {name}: {error}") from None
    if not found:
        raise UserError(f"users {name} holds no id; write one reader's id a line")
    return found
