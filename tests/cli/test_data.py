"""`star import` and `star datasets`: streams, exit status, and no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from small_sources import GOODBOOKS, RATINGS, write
from test_dataset import make

from star.cli import app as cli


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("STAR_DATA", str(tmp_path / "sets"))
    # The embedded data set has tests of its own; here it only has to be listed.
    demo = make("demo")
    demo.manifest["licence"] = "x"
    simulator = SimpleNamespace(load_demo=lambda: demo)
    monkeypatch.setitem(sys.modules, "star.data.simulator", simulator)
    return tmp_path / "sets"


def star(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run `star` in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", ["star", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        cli.main()
    return int(done.value.code or 0)


ONE = ("--min-item-readers", 1, "--min-reader-items", 1)


def test_import_then_datasets(tmp_path, monkeypatch, capsys):
    folder = write(tmp_path / "in", GOODBOOKS)
    assert star(monkeypatch, "import", "goodbooks", folder, "--name", "small", *ONE) == 0
    out, err = capsys.readouterr()
    assert out == "" and "small: 2 readers, 3 items, 5 interactions" in err
    assert star(monkeypatch, "datasets", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ["demo", "small"]
    assert rows[1] == {
        "name": "small",
        "title": "goodbooks-10k",
        "readers": 2,
        "items": 3,
        "interactions": 5,
        "licence": "CC BY-SA 4.0",
    }
    assert star(monkeypatch, "datasets") == 0
    assert "small: goodbooks-10k; 2 readers, 3 items, 5 interactions; CC BY-SA 4.0" in capsys.readouterr().out


def test_import_of_a_table_with_a_mapping(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "in", {"log.csv": RATINGS}) / "log.csv"
    columns = ("--column", "user=user_id", "--column", "item=book_id")
    assert star(monkeypatch, "import", "table", path, "--name", "log", *columns, *ONE) == 0
    assert "log: 2 users, 3 items, 5 interactions" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("import", "goodbooks", "/nowhere", "--name", "x"), "/nowhere does not exist"),
        (("import", "goodbooks", "/", "--name", "demo"), "'demo' is taken"),
        (("import", "netflix", "/", "--name", "x"), "no format 'netflix'"),
        (("import", "table", "/", "--name", "x", "--column", "user"), "'user' is not FIELD=COLUMN"),
        (("import", "goodbooks", "/", "--name", "x", "--licence", "y"), "belong to recbole and table"),
    ],
)
def test_user_error_is_one_line_and_status_2(monkeypatch, capsys, arguments, message):
    assert star(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    last = err.rstrip("\n").splitlines()[-1]
    assert out == "" and last.startswith("star: ") and message in last and "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [("nope",), ("import", "goodbooks"), ("import", "a", "b", "--name", "c", "--min-item-readers", "0")],
)
def test_usage_error_is_status_2(monkeypatch, capsys, arguments):
    assert star(monkeypatch, *arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_damaged_manifest(home, monkeypatch, capsys):
    make("toy").save(home / "toy")
    (home / "toy" / "manifest.json").write_text("{")
    assert star(monkeypatch, "datasets") == 2
    assert "import toy again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "broken",
    [
        b"{",
        b"\xff\xfe",
        b"[1]",
        b"null",
        b"{}",
        b'{"title": "x", "licence": "y", "counts": 3}',
        b'{"title": "x", "licence": "y", "counts": {"readers": "many", "items": 1, "interactions": 1}}',
        b'{"title": "x", "licence": "y", "counts": {"readers": Infinity, "items": 1, "interactions": 1}}',
        b"[" * 100_000,
        None,
    ],
)
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_broken_manifest_does_not_hide_the_other_data_sets(home, tmp_path, monkeypatch, capsys, broken, form):
    folder = write(tmp_path / "in", GOODBOOKS)
    assert star(monkeypatch, "import", "goodbooks", folder, "--name", "zebra", *ONE) == 0
    manifest = home / "ant" / "manifest.json"
    manifest.parent.mkdir()
    if broken is None:
        manifest.mkdir()
    else:
        manifest.write_bytes(broken)
    capsys.readouterr()
    assert star(monkeypatch, "datasets", *form) == 2
    out, err = capsys.readouterr()
    assert "demo" in out and "zebra" in out and "ant" not in [line.split(":")[0] for line in out.splitlines()]
    assert err.count("star: ") == 1 and "import ant again" in err and len(err.splitlines()) == 1


def test_titles_of_data_sets_have_no_control_characters(home, monkeypatch, capsys):
    make("toy").save(home / "toy")
    counts = {"readers": 2, "items": 2, "interactions": 3}
    manifest = {"title": "\x1b[31mToy\x00\nbox\ud83d", "licence": "x", "counts": counts}
    (home / "toy" / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    kept = r'"title": "\u001b[31mToy\u0000\nbox\ud83d"'
    for form, expected in (((), "toy: Toy box\ufffd; 2 users"), (("--json",), kept)):
        assert star(monkeypatch, "datasets", *form) == 0
        assert expected in capsys.readouterr().out


def test_help_loads_nothing_heavy():
    heavy = {"torch", "gradio", "polars", "transformers"}
    code = f"import sys, star.cli.app; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
