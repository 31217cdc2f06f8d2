"""The rooms of `star/`: imports go down only, late ones too, and few modules stand outside a room."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from star import ROOT

STAR = ROOT / "star"
# From the ground up. A room may import from itself and from those before it.
ROOMS = (
    "errors", "plain_text", "display", "settings", "data", "ranking", "evidence", "trace", "student", "recommend", "mars",
    "methods", "evaluation", "questions", "annotation", "ui", "cli",
)  # fmt: skip
# display is below errors, since errors are printed by it.
LEVEL = {room: level for level, room in enumerate(ROOMS)} | {"display": 0, "plain_text": 0, "errors": 1}


def imports() -> Iterator[tuple[str, str]]:
    """(module, what it imports) for every import of `star` within `star/`."""
    for file in sorted(STAR.rglob("*.py")):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "star":
                names = [f"star.{alias.name}" for alias in node.names]
                yield from (
                    (module, name) for name in ([node.module or ""] if node.module != "star" else names)
                )
            elif isinstance(node, ast.Import):
                yield from ((module, a.name) for a in node.names if a.name.split(".")[0] == "star")


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_imports_go_down() -> None:
    found = [(a, b) for a, b in imports() if room(b) in LEVEL and room(a)]
    assert len(found) > 400
    assert [f"{a} imports {b}" for a, b in found if LEVEL[room(b)] > LEVEL[room(a)]] == []


def test_every_module_has_its_room() -> None:
    rooms = {path.name for path in STAR.iterdir() if (path / "__init__.py").exists()}
    modules = {path.stem for path in STAR.glob("*.py")} - {"__init__"}
    assert rooms | modules == set(ROOMS), "put new rooms into ROOMS, at the level where they belong"
    assert len(modules) <= 5


def test_gradio_stays_in_its_room_and_transformers_outside() -> None:
    for file in STAR.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                where = file.relative_to(STAR).parts[0]
                assert name.split(".")[0] != "gradio" or where == "ui", file
                assert name.split(".")[0] not in ("transformers", "peft", "trl"), file
