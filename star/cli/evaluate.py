"""Command `star evaluate`: the table of methods × scenarios × negatives."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from star.display import document as as_document
from star.display import echo, isolated, line
from star.errors import UserError

if TYPE_CHECKING:
    from star.evaluation.lineup import Progress

TRACES = "Measure the words of this many of STAR's answers too: valid, true, followed by the ranking"
FULL = "Rank the whole catalogue too; STAR, MARS and fusion reorder this many retrieved (up to 100)"

RAY = "Ray cluster that shares the work instead: HOST:PORT, or auto for the one of this machine"


def evaluate(
    dataset: Annotated[str, typer.Option(help="Name of the data set; star datasets lists them")] = "demo",
    methods: Annotated[
        str | None, typer.Option(help="Methods, with commas; without it all that can run")
    ] = None,
    scenarios: Annotated[
        str, typer.Option(help="classic, user_cold_start, item_cold_start, long_term, short_term")
    ] = "classic,user_cold_start,item_cold_start,long_term,short_term",
    negatives: Annotated[str, typer.Option(help="uniform, matched, retrieved")] = "uniform,matched,retrieved",
    tasks: Annotated[int, typer.Option(help="Tasks per scenario and kind of negatives, at most")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Draws of negatives, ties and bootstrap")] = 0,
    split: Annotated[str, typer.Option(help="test, or valid: the readers on whom choices are made")] = "test",
    test_users: Annotated[
        Path | None, typer.Option(help="CSV user_id,book_id of unseen readers, rows in reading order")
    ] = None,
    tasks_from: Annotated[
        Path | None, typer.Option(help="Folder of tasks in AgentRecBench's files, instead of our own")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Checkpoint: a folder, or a name under assets/models")
    ] = None,
    json_out: Annotated[
        str | None,
        typer.Option("--json", metavar="OUT", help="Write the document here; - is standard output"),
    ] = None,
    traces: Annotated[int, typer.Option(min=0, help=TRACES)] = 0,
    full: Annotated[int, typer.Option(min=0, help=FULL)] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Number of processes that share the work")] = 1,
    ray: Annotated[str | None, typer.Option(help=RAY)] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown")] = False,
) -> None:
    """Compare methods on readers that nothing was fitted on: 1 + 19 candidates, intervals over readers."""
    from star.data.loading import load_dataset
    from star.evaluation.evaluate import evaluate as run
    from star.methods.registry import default_methods

    _writable(json_out)  # before hours of work
    data = load_dataset(dataset)
    names = _names(methods) if methods is not None else default_methods(data)
    with _bar() as progress:
        document = run(
            data,
            names,
            _names(scenarios),
            _names(negatives),
            tasks,
            seed=seed,
            split_name=split,
            test_users=test_users,
            model=model,
            progress=progress,
            traces=traces,
            tasks_from=tasks_from,
            full=full,
            processes=processes,
            ray=ray,
        )
    _write({"command": _command(locals()), **document}, json_out, markdown)


def _write(document: dict[str, Any], json_out: str | None, markdown: bool) -> None:
    """The document to a file or standard output, or else its tables; counts of a file of readers to standard error."""
    if (counted := document["test_users"] or document["tasks_from"]) is not None:
        counts = ", ".join(f"{key.replace('_', ' ')} {n}" for key, n in counted.items())
        echo(f"star: {counts}", err=True)
    if (target := _writable(json_out)) is not None:
        target.write_text(_json(document), "utf-8")
    if json_out == "-":
        sys.stdout.write(_json(document))
    else:
        _show(document, markdown)


def tasks(
    out: Annotated[Path, typer.Argument(help="A new folder")],
    dataset: Annotated[str, typer.Option(help="Name of the data set")] = "demo",
    scenario: Annotated[str, typer.Option(help="One of those of star evaluate")] = "classic",
    negatives: Annotated[str, typer.Option(help="uniform, matched or retrieved")] = "uniform",
    number: Annotated[int, typer.Option("--tasks", min=1, help="Tasks at most")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Draws of negatives")] = 0,
    split: Annotated[str, typer.Option(help="test, or valid")] = "test",
) -> None:
    """Write tasks in AgentRecBench's files, with the data to answer them from."""
    from star.data.loading import load_dataset
    from star.data.tasks import split as split_of
    from star.evaluation.agentrecbench import write_tasks
    from star.evaluation.evaluate import questions
    from star.evidence.graph import Graph
    from star.evidence.retrieval import Retriever
    from star.evidence.tools import Attributes

    data = load_dataset(dataset)
    parts = split_of(data.interactions)
    graph = Graph.build(data.interactions, parts.train)
    retriever = Retriever(graph, Attributes.of(data.catalog))
    made = questions(data, parts, graph, retriever, [scenario], [negatives], number, seed, split)
    together = [task for cell in made.values() for task in cell]
    written = write_tasks(together, data, parts, out)
    left = f"; a reader has one task, so {len(together) - written} more were left out" if written < len(together) else ""
    echo(f"{written} tasks of {isolated(dataset)} ({scenario}, {negatives}) are in {out}{left}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _writable(out: str | None) -> Path | None:
    """The file to write; None for standard output.

    Raises:
        UserError: a folder, or a file that cannot be written.
    """
    if out is None or out == "-":
        return None
    path = Path(out)
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise UserError(
            f"--json {out} cannot be written: it is a folder, or its folder does not exist; name a file"
        )
    if (there := path.exists()) and not path.is_file():
        return path  # a pipe: whoever reads it would take a trial for the end
    try:
        path.open("ab").close()
    except OSError as error:
        raise UserError(f"--json {out} cannot be written ({error.strerror}); name another file") from None
    if not there:
        path.unlink()
    return path


def _command(given: dict[str, Any]) -> str:
    """The command that reproduces this document, files by their names alone."""
    parts = ["star evaluate --dataset", given["dataset"], "--methods", ",".join(given["names"])]
    for name in (
        "scenarios",
        "negatives",
        "tasks",
        "seed",
        "split",
        *(name for name in ("traces", "full") if given[name]),
    ):
        parts += [f"--{name}", str(given[name])]
    for name, value in (
        ("test-users", given["test_users"]),
        ("tasks-from", given["tasks_from"]),
        ("model", given["model"]),
    ):
        parts += [f"--{name}", Path(value).name] if value is not None else []
    return " ".join(parts)


def _json(document: dict[str, Any]) -> str:
    return as_document(document, indent=1, allow_nan=False) + "\n"


@contextmanager
def _bar() -> Iterator[Progress]:
    """A progress bar on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def _show(document: dict[str, Any], as_markdown: bool) -> None:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from star.evaluation.report import tables
    from star.evaluation.tabular import markdown

    shown = tables(document)
    if as_markdown:
        echo(*markdown(shown).splitlines())
        return
    console = Console(width=None if sys.stdout.isatty() else 160)
    for each in shown:
        # As text: rich would read [words in brackets] as markup.
        heads = (Column(Text(line(head))) for head in each.heads)
        table = Table(*heads, title=Text(line(each.caption)), title_justify="left", title_style="")
        for row in each.rows:
            table.add_row(*(Text(line(cell)) for cell in row))
        console.print(table)
