"""Trajectories of a few demo readers of two folds, and a config for a quick run."""

from __future__ import annotations

from pathlib import Path

from star.data import tasks as T
from star.data.loading import load_dataset
from star.evidence.graph import crossfit
from training.lib.config import Config, save_config
from training.trajectories import fold_rows, shard_of, write_shard


def make(runs: Path, readers: int = 12) -> Config:
    """Write the trajectories under `runs` and return the config that reads them."""
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
        grpo_tasks=2,
        grpo_group=4,
        grpo_batch=8,
        compile=False,
    )
    data = load_dataset("demo")
    split = T.split(data.interactions)
    (runs / "trajectories").mkdir()
    for fold, (inside, graph) in zip(
        range(2), crossfit(data.interactions, split.train, split.folds), strict=False
    ):
        assert not set(inside) & set(graph.rows), "a reader's own fold is in the graph"
        rows = fold_rows(data.interactions, inside[:readers], graph, data.catalog, config, fold)
        write_shard(rows, shard_of(runs / "trajectories", fold))
    return config


def written(config: Config) -> Path:
    """The config as a file."""
    return save_config(config, Path(config.runs) / "config.yaml")
