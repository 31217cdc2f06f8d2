"""Training on a small data set: what enters the loss, what the stages may see, and that they go on after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from star import tasks as T
from star.dataset import Dataset
from star.errors import UserError
from star.graph import crossfit
from star.student.model import Checkpoint
from star.student.vocabulary import build_tokenizer, words_of
from star.trace import parse
from training import pretrain, sft
from training.config import Config, load_config
from training.corpus import PROMPT, RANK, TOOL, WRITTEN, encode, load_trajectories
from training.trajectories import fold_rows


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Trajectories of a few demo readers of two folds, in a folder of their own."""
    runs = tmp_path_factory.mktemp("runs")
    config = Config(
        dataset="demo",
        runs=str(runs),
        out=str(runs / "out"),
        per_reader=2,
        hidden=32,
        layers=1,
        heads=2,
        intermediate=64,
        pretrain_batch=4,
        sft_batch=4,
        sft_rows=24,
        sft_folds=(1,),
        compile=False,
    )
    data = Dataset.load("demo")
    split = T.split(data.interactions)
    (runs / "trajectories").mkdir()
    for fold, (inside, graph) in zip(
        range(2), crossfit(data.interactions, split.train, split.folds), strict=False
    ):
        assert not set(inside) & set(graph.rows), "a reader's own fold is in the graph"
        rows = fold_rows(data.interactions, inside[:12], graph, data.catalog, config, fold)
        pl.DataFrame(rows).write_parquet(runs / "trajectories" / f"fold{fold}.parquet")
    return config


def test_trajectories_parse_and_kept_means_first(config: Config) -> None:
    frame = load_trajectories(Path(config.runs) / "trajectories")
    data = Dataset.load("demo")
    held = data.held_out
    for row in frame.iter_rows(named=True):
        trace = parse(row["trace"].split(), row["shelf"])
        assert (trace.ranking[0] == row["target"]) == row["kept"]
        assert f"<i{row['target']}>" not in row["prompt"].split("<candidates>")[0].split()
        assert row["reader"] not in held
    assert 0.05 < frame["kept"].mean() < 0.95


def test_roles_cover_what_they_should(config: Config) -> None:
    words = words_of(Dataset.load("demo").catalog, 2000)
    vocabulary = {word: n for n, word in enumerate(words)}
    row = load_trajectories(Path(config.runs) / "trajectories").row(0, named=True)
    sequence = encode(row["prompt"], row["trace"], vocabulary, row["points"], row["target"])
    spelled = [words[t] for t in sequence.tokens]
    roles = sequence.roles
    assert (roles == PROMPT).sum() == len(row["prompt"].split())
    assert [spelled[n] for n in np.flatnonzero(roles == RANK)] == [f"<i{row['target']}>"]
    tool = [spelled[n] for n in np.flatnonzero(roles == TOOL)]
    assert (
        tool.count("<tool_response>")
        == tool.count("</tool_response>")
        == spelled.count("<tool_response>")
        > 0
    )
    written = [spelled[n] for n in np.flatnonzero(roles == WRITTEN)]
    assert "<plan>" in written and written[-1] == "<eos>" and not {"<tool_response>", "<history>"} & set(written)
    assert sequence.soft.sum() == pytest.approx(1, abs=1e-5) and len(sequence.candidates) == len(
        row["points"]
    )


def test_labels_of_a_real_batch_leave_out_prompt_and_tools(config: Config) -> None:
    words = words_of(Dataset.load("demo").catalog, 2000)
    tokenizer = build_tokenizer(words)
    rows, share = sft.kept_rows(config, tokenizer.get_vocab())
    assert rows and 0 < share < 1
    model = pretrain.new_model(words, 32, 1, 2, 64, None, 0)
    batch = next(iter(sft.trainer_for(config, model, tokenizer, rows, 2).get_train_dataloader()))
    inside = 0
    for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
        place = None
        for token, label in zip(ids, labels, strict=True):
            word = words[token]
            place = (
                "prompt"
                if word == "<history>"
                else None
                if word == "<plan>"
                else "tool"
                if word == "<tool_response>"
                else place
            )
            if place or word == "<pad>":
                assert label == sft.IGNORED, f"{word} ({place}) is in the loss"
                inside += 1
            else:
                assert label == token
            place = None if word == "</tool_response>" else place
    assert inside > 100


def test_pretraining_goes_on_after_a_stop_and_sft_writes_a_checkpoint(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "SAVE_EVERY", 0.0)
    before = torch.get_num_threads()
    pretrain.train(config, 0.05)
    state = torch.load(Path(config.runs) / "pretrain" / "state.pt", weights_only=True)
    pretrain.train(config, 0.1)
    later = torch.load(Path(config.runs) / "pretrain" / "state.pt", weights_only=True)
    assert later["step"] > state["step"] > 0
    assert later["optimizers"][1]["state"][0]["step"] == later["step"]
    monkeypatch.setattr("sys.argv", ["sft", "--config", str(_written(config)), "--max-steps", "2"])
    sft.main()
    torch.set_num_threads(before)
    done = Checkpoint.load(config.out)
    assert (
        done.about["stages"]["sft"]["steps"] == 2
        and done.about["stages"]["pretrain"]["steps"] == later["step"]
    )


def _written(config: Config) -> Path:
    import dataclasses

    import yaml

    file = Path(config.runs) / "config.yaml"
    fields = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()}
    file.write_text(yaml.safe_dump(fields), "utf-8")
    return file


def test_config_errors_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_config(str(tmp_path / "none.yaml"))
    (tmp_path / "odd.yaml").write_text("dataset: demo\nruns: r\nout: o\nlayerz: 3\n")
    with pytest.raises(UserError, match="layerz"):
        load_config(str(tmp_path / "odd.yaml"))
    with pytest.raises(UserError, match="no trajectories"):
        load_trajectories(tmp_path)
