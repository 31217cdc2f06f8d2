"""The reference parts of docs/, read from the code itself: modules, commands with their options, training, configs.

Nothing here is run but `star --help`'s own data; the training commands are read without importing torch.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from star import ROOT

SHORT = 45  # characters
FILLER = frozenset(
    "a an and are as at be by for from in into is its of on or that the there to was were what which with".split()
)


def row(*cells: str) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def docstring(file: Path) -> str:
    return ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""


def phrase(file: Path) -> str:
    """What a module holds: the first sentence of its docstring, without the name it begins with; the next one too where the
    first is short."""
    paragraph = " ".join(docstring(file).split("\n\n")[0].split())
    label, colon, rest = paragraph.partition(": ")
    if colon and rest and not _roots(label) - _roots(f"{file.stem} {file.parent.name}"):
        paragraph = rest[:1].upper() + rest[1:]
    first, *more = re.split(r"(?<!al)\.\s", paragraph)  # `et al.` ends no sentence
    return (f"{first}. {more[0]}" if more and len(first) < SHORT else first).rstrip(".:")


def says(file: Path) -> set[str]:
    """The words of a module's phrase that its path does not say already."""
    return _roots(phrase(file)) - _roots(" ".join(file.relative_to(ROOT).with_suffix("").parts))


def _roots(text: str) -> set[str]:
    """Words by their first five letters, without endings: `campaign` and `campaigns` are one."""
    words = re.findall(r"[a-z]+", text.lower().replace("_", " "))
    return {re.sub(r"(ing|es|s|e)$", "", word)[:5] for word in words if word not in FILLER and len(word) > 1}


def modules() -> dict[str, list[Path]]:
    """Folder → its Python modules, packages' own files left out."""
    files = [
        ROOT / "app.py",
        *sorted((ROOT / "star").rglob("*.py")),
        *sorted((ROOT / "training").rglob("*.py")),
        *sorted((ROOT / "docs").rglob("*.py")),
    ]
    made: dict[str, list[Path]] = {}
    for file in files:
        if file.name != "__init__.py" and docstring(file):
            made.setdefault(file.parent.relative_to(ROOT).as_posix(), []).append(file)
    return made


def module_tables() -> str:
    """A table per folder: file and phrase."""
    parts = []
    for folder, files in modules().items():
        lines = [row(f"`{file.name}`", phrase(file)) for file in files]
        title = "The checkout" if folder == "." else f"`{folder}/`"
        parts.append("\n".join([f"### {title}\n", row("file", "what it holds"), "|---|---|", *lines]))
    return "\n\n".join(parts)


def commands(app: typer.Typer) -> Iterator[tuple[str, TyperCommand]]:
    """Every command by its full name (`star annotations create`); groups are no commands."""

    def below(command: TyperCommand | TyperGroup, name: str) -> Iterator[tuple[str, TyperCommand]]:
        if isinstance(command, TyperGroup):
            for inner in command.commands.values():
                yield from below(inner, f"{name} {inner.name}")
        else:
            yield name, command

    yield from below(typer.main.get_command(app), "star")


def command_tables(app: typer.Typer) -> str:
    """Every command of `star`: what it does, its arguments, its options with their defaults."""
    parts = []
    for name, command in commands(app):
        about = " ".join((command.help or "").split("\n\n")[0].split())
        shown = [parameter for parameter in command.params if parameter.name != "help"]
        usage = " ".join(
            [name, *(_metavar(parameter) for parameter in shown if isinstance(parameter, TyperArgument))]
        )
        lines = [row(*_parameter(parameter)) for parameter in shown]
        head = [row("argument or option", "default", "meaning"), "|---|---|---|"] if lines else []
        parts.append("\n".join([f"### `{usage}`\n", about, *([""] if lines else []), *head, *lines]))
    return "\n\n".join(parts)


def _metavar(argument: TyperArgument) -> str:
    name = str(argument.name).upper()
    return name if argument.required else f"[{name}]"


def _parameter(parameter: TyperArgument | TyperOption) -> tuple[str, str, str]:
    if isinstance(parameter, TyperArgument):
        names = [str(parameter.name).upper()]
    else:
        names = [*parameter.opts, *parameter.secondary_opts]
    default = "required" if parameter.required else _plain(str(parameter.default))
    return ", ".join(f"`{name}`" for name in names), default, " ".join((parameter.help or "").split())


def dotted(file: Path) -> str:
    """A module by the name that Python imports it by."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def training_tables() -> str:
    """Every module that is run as `python -m training.X`: what it does, how it is called, its options."""
    parts = []
    for file in (file for folder, files in modules().items() if folder.startswith("training") for file in files):
        tree = ast.parse(file.read_text("utf-8"))
        if not any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body):
            continue
        calls = re.findall(
            r"^    (?:\S+=\S+ )?((?:python|star|training/run.sh) .+)$", docstring(file), re.MULTILINE
        )
        lines = [row(*option) for option in _options(tree)]
        head = [row("option", "default", "meaning"), "|---|---|---|"] if lines else []
        shown = ["", "```", *(re.sub(r" {3,}.*", "", call) for call in calls), "```"] if calls else []
        table = ["", *head, *lines] if lines else []
        parts.append(
            "\n".join([f"### `python -m {dotted(file)}`\n", f"{phrase(file)}.", *shown, *table])
        )
    return "\n\n".join(parts)


def _options(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """The `add_argument` calls of a module: name, default, help."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            default = "required" if given.get("required") == "True" else _plain(given.get("default", ""))
            yield f"`{ast.literal_eval(node.args[0])}`", default, _text(node)


def _plain(default: str) -> str:
    text = re.sub(r"^'(.*)'$", r"\1", default)
    return "" if text in ("", "None", "False", "[]") else f"`{text}`"


def _text(node: ast.Call) -> str:
    """The help of an option."""
    said = [ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg == "help"]
    return str(said[0]) if said else ""


def fields(file: Path, kind: str) -> Iterable[tuple[str, str, str]]:
    """Name, default and documentation of the fields of a dataclass, as its source has them."""
    found = next(
        node
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == kind
    )
    for field, after in zip(found.body, [*found.body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign):
            about = after.value if isinstance(after, ast.Expr) else None
            text = str(about.value) if isinstance(about, ast.Constant) else ""
            yield (
                ast.unparse(field.target),
                "required" if field.value is None else ast.unparse(field.value),
                text,
            )


def field_table(file: Path, kind: str) -> str:
    """The fields of a config as a table."""
    lines = [
        row(f"`{name}`", default if default == "required" else f"`{default}`", " ".join(text.split()))
        for name, default, text in fields(file, kind)
    ]
    return "\n".join([row("field", "default", "meaning"), "|---|---|---|", *lines])
