"""Trajectories as token arrays, with the role of every token, ready for pretraining and SFT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from star.errors import UserError
from star.student.vocabulary import EOS
from star.trace import item_word

PROMPT, TOOL, WRITTEN, RANK = (
    0,
    1,
    2,
    3,
)  # roles: RANK is the first recommended item, WRITTEN all else the student writes

TEMPERATURE = (
    1.4  # points per unit of log-odds: makes the softmax of the teacher's points about as sure as it is right
)


@dataclass(frozen=True)
class Sequence:
    """tokens int32 (L,), roles uint8 (L,), candidates int32 (C,) tokens, soft float32 (C,): the teacher's points as
    probabilities."""

    tokens: np.ndarray
    roles: np.ndarray
    candidates: np.ndarray
    soft: np.ndarray


def load_trajectories(folder: Path) -> pl.DataFrame:
    """All shards.

    Raises:
        UserError: none there yet.
    """
    shards = sorted(folder.glob("fold*.parquet"))
    if not shards:
        raise UserError(
            f"no trajectories in {folder}; run python -m training.trajectories with the same config first"
        )
    return pl.concat([pl.read_parquet(shard) for shard in shards])


def encode(
    prompt: str, trace: str, vocabulary: dict[str, int], points: list[float], target: int | None = None
) -> Sequence:
    """One trajectory as tokens.

    Args:
        points: of the candidates, from the teacher's ranker.
        target: if given, this item is put first in the ranking (pretraining on what was really read); the teacher's
            own order follows.
    """
    before, after = prompt.split(), trace.split()
    start = after.index("<recommend>") + 1
    if target is not None:
        ranked = after[start:-1]
        after[start:-1] = [item_word(target), *(w for w in ranked if w != item_word(target))][: len(ranked)]
    roles = np.full(len(before) + len(after) + 1, WRITTEN, dtype=np.uint8)
    roles[: len(before)] = PROMPT
    inside = False
    for place, word in enumerate(after, len(before)):
        if word == "<tool_response>":
            inside = True
        if inside:
            roles[place] = TOOL
        if word == "</tool_response>":
            inside = False
    roles[len(before) + start] = RANK
    tokens = np.array([vocabulary[w] for w in (*before, *after, EOS)], dtype=np.int32)
    soft = np.exp((np.array(points) - max(points)) / TEMPERATURE)
    return Sequence(
        tokens, roles, tokens[len(before) - len(points) : len(before)], (soft / soft.sum()).astype(np.float32)
    )
