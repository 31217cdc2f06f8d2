"""Nothing half-made: exports, backups, restores and campaigns that a full disk, a kill or Ctrl-C cuts short."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import annotating
import pytest
from test_annotations import Run, run, small  # noqa: F401  fixtures

from star import ROOT
from star.annotation.exchange import collect, tables
from star.annotation.storage import backup, store
from star.annotation.storage.database import Database
from star.annotation.storage.migrate import open_database
from star.annotation.workflow import campaigns, people, queue
from star.errors import UserError


def rate(database: Database) -> None:
    number = annotating.campaign(database, 3, 1, overlap=1, gold_share=0.25)
    ann = people.enter(database, "Ann")
    while (given := queue.claim(database, ann, number)) is not None:
        store.submit(database, ann, given.uuid, 1, annotating.full(3))


@pytest.fixture
def rated(small: Database) -> Database:  # noqa: F811
    rate(small)
    return small


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of such a database."""
    folder = tmp_path_factory.mktemp("dump")
    with annotating.ready("sqlite", folder) as database:
        rate(database)
        backup.backup(database, folder / "all.jsonl")
    return folder / "all.jsonl"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def no_space(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("fails", ["records", "answers", "manifest"])
def test_an_export_onto_a_full_disk(
    rated: Database, tmp_path: Path, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "to" / "out"
    collect.export(rated, 1, out)
    before = contents(tmp_path / "to")
    keep = tables.write_rows

    def save(rows: Any, kind: type, path: Path) -> None:
        no_space() if fails in path.name else keep(rows, kind, path)

    monkeypatch.setattr(tables, "write_rows", save)
    if fails == "manifest":
        monkeypatch.setattr(Path, "write_text", no_space)
    with pytest.raises(UserError, match=r"cannot be written .No space left"):
        collect.export(rated, 1, out)
    assert contents(tmp_path / "to") == before, "the earlier export stands, and nothing lies beside it"
    with pytest.raises(UserError, match="cannot be written"):
        collect.export(rated, 1, tmp_path / "to" / "new")
    assert not (tmp_path / "to" / "new").exists() and contents(tmp_path / "to") == before


def test_an_export_killed_while_it_takes_its_place_is_no_export(
    rated: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    collect.export(rated, 1, out)
    keep, moved = Path.replace, []

    def replace(path: Path, to: Path) -> Path:
        if to.parent == out:
            moved.append(to.name)
            if len(moved) == 3:
                raise KeyboardInterrupt
        return keep(path, to)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        collect.export(rated, 1, out)
    monkeypatch.undo()
    assert "campaign.json" not in contents(out) and "manifest.json" not in contents(out)


@pytest.mark.parametrize("name", ["all.sqlite", "all.jsonl"])
def test_a_backup_onto_a_full_disk(rated: Database, tmp_path: Path, name: str) -> None:
    """In a process of its own that may not write files of more than 100 kB."""
    folder = tmp_path / "kept"
    folder.mkdir()
    annotating.campaign(rated, 60, name="large")
    rated.close()
    words = ["star", "annotations", "backup", str(folder / name)]
    code = f"from star.cli.app import main; import sys; sys.argv = {words!r}; main()"

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=limited, cwd=ROOT,
        env=os.environ | {"STAR_DATABASE_URL": str(rated.file), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "backup" in done.stderr, (
        done.stderr
    )
    assert contents(folder) == {}
    backup.backup(rated, folder / name)
    assert set(contents(folder)) == {name}, "no journal is left beside a backup"


def test_a_restore_leaves_no_journal_beside_the_backup(rated: Database, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    backup.backup(rated, folder / "all.sqlite")
    other = open_database(tmp_path / "other.sqlite")
    backup.restore(other, folder / "all.sqlite")
    assert set(contents(folder)) == {"all.sqlite"} and campaigns.names(other) == {1: "first"}


def damaged(lines: list[str], what: str) -> list[str]:
    head, *rows, last = lines
    at = next(n for n, line in enumerate(rows) if '"campaigns"' in line)
    row = json.loads(rows[at])
    match what:
        case "no migration":
            head = json.dumps({"format": backup.FORMAT})
        case "a migration that is a path":
            head = json.dumps({"format": backup.FORMAT, "migration": "../../x"})
        case "an unknown migration":
            head = json.dumps({"format": backup.FORMAT, "migration": "v9999"})
        case "another column":
            row["row"]["x"] = 1
        case "a column less":
            del row["row"]["overlap"]
        case "no row":
            del row["row"]
        case "a text for a number":
            row["row"]["overlap"] = "three"
        case "a number too large":
            row["row"]["overlap"] = 2**63
        case "an overlap of 0":
            row["row"]["overlap"] = 0
        case "a list for a name":
            row["row"]["name"] = []
        case "a table that is a list":
            row["table"] = []
        case "deep":
            return [head, "[" * 100_000, *rows, last]
    rows[at] = json.dumps(row)
    return [head, *rows, last]


DAMAGE = (
    "no migration", "a migration that is a path", "an unknown migration", "another column", "a column less", "no row",
    "a text for a number", "a number too large", "an overlap of 0", "a list for a name", "a table that is a list", "deep",
)  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_backup_is_one_line_and_restores_nothing(dump: Path, tmp_path: Path, what: str) -> None:
    lines = dump.read_text("utf-8").splitlines()
    (tmp_path / "bad.jsonl").write_text("\n".join(damaged(lines, what)) + "\n", "utf-8")
    with annotating.ready("sqlite", tmp_path) as other:
        with pytest.raises(UserError) as refused:
            backup.restore(other, tmp_path / "bad.jsonl")
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 700
        backup.restore(other, dump)
        assert campaigns.names(other) == {1: "first"}


def test_a_line_without_an_end_stops_at_a_stated_size(
    rated: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "LINE", 10_000)
    (tmp_path / "bomb.jsonl").write_text(
        json.dumps({"format": backup.FORMAT, "migration": "x"}) + " " * 100_000
    )
    with pytest.raises(UserError, match="more than 10,000 bytes"):
        backup.restore(open_database(tmp_path / "other.sqlite"), tmp_path / "bomb.jsonl")


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_an_import_that_unpacks_to_too_much_stops_at_a_stated_size(
    rated: Database, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from star.annotation.exchange.importing import import_campaign

    collect.export(rated, 1, tmp_path / "out", format)
    monkeypatch.setattr(tables, "SIZE", 3_000)
    with pytest.raises(UserError, match="unpacks to more than 3,000 characters"):
        import_campaign(rated, annotating.lead(rated), tmp_path / "out", "again")


def test_nothing_to_train_on_is_said(small: Database, run: Run, tmp_path: Path) -> None:  # noqa: F811
    annotating.campaign(small, 1)
    with pytest.raises(UserError, match="nothing to train on yet") as refused:
        run("annotations", "export", "first", str(tmp_path / "trl"), "--format", "trl")
    assert "\n" not in str(refused.value) and not (tmp_path / "trl").exists()


def test_ctrl_c_keeps_the_records_made(
    small: Database,  # noqa: F811
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from star.annotation.workflow import making

    keep = making._measured

    def measured(sample: Any, *given: Any) -> Any:
        measured.seen += 1  # type: ignore[attr-defined]
        if measured.seen == 2:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGINT)
        return keep(sample, *given)

    measured.seen = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(making, "_measured", measured)
    before = signal.getsignal(signal.SIGINT)
    words = ("create", "cut", "--system", "mars", "--records", "4", "--gold-share", "0.3", "--overlap", "1")
    made = run("annotations", *words, "--json")
    assert (made["records"], made["asked"]) == (2, 6) and signal.getsignal(signal.SIGINT) is before
    [one] = campaigns.campaigns(small)
    assert one.plan.gold_share == 0.0 and one.plan.name == "cut"
    ann, seen = people.enter(small, "Ann"), 0
    while (given := queue.claim(small, ann, one.id)) is not None:
        store.submit(small, ann, given.uuid, 1, annotating.full(3))
        seen += 1
    assert seen == 2


def test_a_broken_source_restores_nothing(rated: Database, tmp_path: Path) -> None:
    backup.backup(rated, tmp_path / "all.sqlite")
    shutil.copy(tmp_path / "all.sqlite", tmp_path / "bad.sqlite")
    with sqlite3.connect(tmp_path / "bad.sqlite") as connection:
        connection.execute("DROP TABLE alembic_version")
    other = open_database(tmp_path / "other.sqlite")
    with pytest.raises(UserError, match="no annotation database"):
        backup.restore(other, tmp_path / "bad.sqlite")
    assert campaigns.names(other) == {}
