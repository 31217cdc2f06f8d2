"""Trajectories on a small made-up data set: the same however they are made, whole or not at all, and counted."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import reading
import small_runs

from star.data.dataset import home
from star.data.loading import load_dataset
from star.data.tasks import split
from star.errors import UserError
from star.student.vocabulary import words_of
from training import trajectories
from training.lib import corpus, manifest
from training.lib.config import Config


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAR_DATA", str(tmp_path_factory.mktemp("sets")))
        reading.dataset().save(home() / "reading")
        yield home()


def config_for(runs: Path, **fields: Any) -> Config:
    runs.mkdir(parents=True)
    return Config(
        dataset="reading",
        runs=str(runs),
        out=str(runs / "out"),
        per_reader=2,
        guide_lists=60,
        latent_epochs=1,
        **fields,
    )


FOLDS = "0,1,2"  # of ten, for speed


def make(config: Config, *options: str) -> dict[str, Any]:
    options = ("--folds", FOLDS, *options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["trajectories", "--config", str(small_runs.written(config)), *options])
        trajectories.main()
    return json.loads((config.trajectory_folder / "manifest.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def whole(sets: Path, tmp_path_factory: pytest.TempPathFactory) -> Config:
    config = config_for(tmp_path_factory.mktemp("whole") / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trajectories, "GROUP", 25)
        make(config)
    return config


def rows(config: Config) -> pl.DataFrame:
    return corpus.load_trajectories(config.trajectory_folder)


def test_files_are_written_and_read_group_by_group(whole: Config) -> None:
    folder = Path(whole.runs) / "trajectories"
    assert not list(folder.glob("*.part"))
    for shard in corpus.shards(folder):
        file = pq.ParquetFile(shard)
        assert file.metadata.num_row_groups == -(-file.metadata.num_rows // 25) > 1
    frame = rows(whole)
    assert frame.schema == trajectories.SCHEMA
    parts = list(corpus.read_batches(folder, ("reader", "trace"), 20))
    assert max(map(len, parts)) == 20 and pl.concat(parts).equals(frame.select("reader", "trace"))


def test_two_processes_write_the_same(whole: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # two processes on two cores: more threads wait for each other
    config = config_for(tmp_path / "runs")
    report = make(config, "--processes", "2", "--folds", "0,1")
    of_folds = rows(config)
    assert of_folds.equals(rows(whole).head(len(of_folds))) and 0 < len(of_folds) < len(rows(whole))
    assert report["rows"] == len(of_folds)


def test_the_next_config_of_a_chain_takes_them_as_they_are(whole: Config, tmp_path: Path) -> None:
    stand = {file: file.stat().st_mtime_ns for file in whole.trajectory_folder.rglob("fold*")}
    later = config_for(tmp_path / "runs", trajectories=str(whole.trajectory_folder))
    assert make(later)["rows"] == len(rows(later)) == len(rows(whole))
    assert {f: f.stat().st_mtime_ns for f in whole.trajectory_folder.rglob("fold*")} == stand
    assert not (tmp_path / "runs" / "trajectories").exists()
    with pytest.raises(UserError, match=r"per_reader 2 \(now 3\)"):
        make(dataclasses.replace(later, per_reader=3))


def test_a_stop_within_a_fold_costs_that_fold(
    whole: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = config_for(tmp_path / "runs"), tmp_path / "runs" / "trajectories"
    real = trajectories.fold_rows

    def stopped(*args: Any) -> Iterator[dict[str, object]]:
        for n, row in enumerate(real(*args)):
            if args[5] == 1 and n == 30:
                raise KeyboardInterrupt
            yield row

    with monkeypatch.context() as patch:
        patch.setattr(trajectories, "fold_rows", stopped)
        patch.setattr(trajectories, "GROUP", 10)
        with pytest.raises(KeyboardInterrupt):
            make(config)
    assert [p.name for p in corpus.shards(folder)] == ["fold0.parquet"]
    assert len(list(folder.glob("fold1.*.part"))) == 1
    (folder / "fold1.1.part").write_bytes(b"left by a process that was killed")
    stands = corpus.shards(folder)[0].stat().st_mtime_ns
    make(config)
    assert rows(config).equals(rows(whole)) and not list(folder.glob("*.part"))
    assert corpus.shards(folder)[0].stat().st_mtime_ns == stands, "a fold that stood was made again"


def test_the_manifest_counts_what_stands(whole: Config) -> None:
    folder = Path(whole.runs) / "trajectories"
    report, frame = json.loads((folder / "manifest.json").read_text("utf-8")), rows(whole)
    data = load_dataset("reading")
    assert report["made_with"]["checksum"] == data.manifest["checksum"]
    assert report["made_with"]["per_reader"] == 2 and report["code"]["version"]
    assert report["rows"] == len(frame) and report["kept"] == frame["kept"].sum()
    for kind in ("by_negatives", "by_scenario", "by_difficulty", "by_teacher"):
        assert sum(part["rows"] for part in report[kind].values()) == len(frame)
        assert sum(part["kept"] for part in report[kind].values()) == frame["kept"].sum()
    assert {"classic", "user_cold_start"} <= set(report["by_scenario"])
    assert report["by_teacher"]["easy"]["kept_share"] == 1 and report["by_teacher"]["hard"]["kept"] == 0
    hardest = [
        row
        for row in frame.iter_rows(named=True)
        if sorted(row["guide"], reverse=True)[4]
        > row["guide"][row["prompt"].split()[-20:].index(f"<i{row['target']}>")]
    ]
    assert report["by_difficulty"]["hard"]["rows"] == len(hardest) > 0


@pytest.mark.parametrize(
    ("readers", "shelf", "at", "scenario"),
    [
        (2, 9, 9, "classic"),
        (3, 9, 9, "item_cold_start"),
        (10, 2, 2, "item_cold_start"),
        (11, 3, 3, "user_cold_start"),
        (11, 3, 9, "user_cold_start"),
        (11, 4, 9, "short_term"),
        (11, 9, 9, "classic"),
    ],
)
def test_scenarios(readers: int, shelf: int, at: int, scenario: str) -> None:
    assert manifest._scenario({"shelf": shelf, "at": at}, readers) == scenario


def test_rows_of_other_settings_are_not_mixed_in(whole: Config, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"per_reader 2 \(now 3\)"):
        make(dataclasses.replace(whole, per_reader=3))
    old = tmp_path / "runs" / "trajectories"
    config = config_for(tmp_path / "runs")
    old.mkdir()
    rows(whole).head(40).write_parquet(old / "fold0.parquet")
    (old / "manifest.json").write_text('{"dataset": "reading", "rows": 40}', "utf-8")
    manifest.begin(old, dataclasses.replace(config, per_reader=3), load_dataset("reading"))
    assert rows(config).equals(rows(whole).head(40)), "written before there were such manifests"
    data = load_dataset("reading")
    report = manifest.finish(old, data, split(data.interactions))
    assert report["rows"] == 40 and report["made_with"] is None
    for options in (("--processes", "0"), ("--folds", "11")):
        with pytest.raises(UserError, match="expected at least one process"):
            make(config, *options)


def test_a_corpus_holds_what_was_found_and_gives_other_counts_anew(whole: Config) -> None:
    frame = rows(whole)
    vocabulary = {word: n for n, word in enumerate(words_of(load_dataset("reading").catalog, 300))}
    fold_of = {reader: n % 3 for n, reader in enumerate(sorted(frame["reader"].unique()))}
    config = dataclasses.replace(whole, sft_folds=(0,), renumbered=0.5, renamed=0.0)
    read, check = corpus.read_corpus(config, vocabulary, fold_of, 300, looked_at=10)

    def encoded(row: dict[str, Any], trace: str) -> corpus.Sequence:
        return corpus.encode(row["prompt"], trace, vocabulary, row["guide"], row["target"])

    learned = [row for row in frame.iter_rows(named=True) if fold_of[row["reader"]]]
    others = [row for row in frame.iter_rows(named=True) if not fold_of[row["reader"]]]
    assert len(read.sequences) == len(learned) > 20
    other_counts = 0
    for n, row in enumerate(learned):
        one, other = read.sequences[n], encoded(row, row["trace"])
        assert (one.tokens == other.tokens).all() and (one.roles == other.roles).all()
        assert one.fold == fold_of[row["reader"]]
        drawn, again = read.draw(n, np.random.default_rng(n)), np.random.default_rng(n)
        assert drawn.counted == (again.random() >= 0.5) and drawn.fold == one.fold
        if not drawn.counted:
            other = encoded(row, corpus.perturb_counts(row["trace"], 300, again))
            other_counts += 1
        assert (drawn.tokens == other.tokens).all()
    assert 0 < other_counts < len(learned)
    plain = dataclasses.replace(read, renumbered=0.0)
    assert plain.draw(0, np.random.default_rng(0)).real
    for shares, same in (((1.0, 0.0), False), ((0.0, 1.0), True)):
        drawn = dataclasses.replace(plain, others=shares).draw(0, np.random.default_rng(0))
        was = read.sequences[0]
        assert not drawn.real and (drawn.tokens != was.tokens).any()
        assert (set(drawn.candidates.tolist()) == set(was.candidates.tolist())) == same
    assert len(check) == 10
    for one, row in zip(check, others[:: len(others) // 10], strict=False):
        assert (one.tokens == encoded(row, row["trace"]).tokens).all()
