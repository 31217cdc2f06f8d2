"""Completions for TRL from the page's decoder, the mask of their loss, and their rewards."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch

from star.data import tasks as T
from star.data.dataset import Dataset
from star.evaluation.answers import read_trace
from star.evidence.graph import Graph, crossfit
from star.evidence.tools import Attributes, Tools
from star.evidence.verification import check
from star.student.decoding import GenerationState, write_many
from star.student.model import Checkpoint
from star.trace.grammar import item_rows
from training.lib.config import Config
from training.lib.rewards import copied, format_reward, grounding_reward, outcome_reward, quotes


def drawn(writer: GenerationState) -> list[bool]:
    """For each word, whether it enters the loss: drawn by the model, and no argument of a call."""
    out, inside = [], False
    for before, own in zip(["", *writer.words], writer.own, strict=False):
        inside = (inside or before == "<tool_call>") and before != "</tool_call>"
        out.append(own and not (inside and before != "<tool_call>"))
    return out


def mask_ranking(
    logits: torch.Tensor, tokens: torch.Tensor, words: dict[str, int], items: torch.Tensor
) -> torch.Tensor:
    """Logits under the decoder's mask of the ranking: candidates not ranked yet, with their logits of the first place
    (Plackett–Luce).

    Args:
        logits: (B, n, V); `logits[:, j]` predicts `tokens[:, L - n + j]`.
        tokens: (B, L), prompt and completion.
        words: the vocabulary; items: bool (V,), tokens of items.
    """
    start = tokens.shape[1] - logits.shape[1]
    out = logits.clone()
    for row, sequence in enumerate(tokens):
        places = (sequence == words["<recommend>"]).nonzero()
        if not len(places):
            continue
        first = int((sequence == words["<candidates>"]).nonzero()[0, 0])
        plan = (
            int((sequence == words["<plan>"]).nonzero()[0, 0])
            if (sequence == words["<plan>"]).any()
            else first
        )
        allowed = torch.zeros_like(items)
        allowed[sequence[first + 1 : plan]] = True
        begin = at = int(places[0, 0]) + 1
        while at < len(sequence) and items[sequence[at]]:
            out[row, at - start] = logits[row, begin - start]
            out[row, at - start, ~allowed] = torch.finfo(out.dtype).min
            allowed[sequence[at]] = False
            at += 1
    return out


@dataclass
class Rollouts:
    """TRL's rollout function: completions of the page's decoder with rewards; adds shares to TRL's log.

    Args:
        tools: prompt → the tools of its task; target: prompt → the item really read next.
    """

    checkpoint: Checkpoint
    tools: dict[str, Tools]
    target: dict[str, int]
    temperature: float
    outcome: str
    rng: np.random.Generator

    def __call__(self, prompts: list[str], trainer: Any) -> dict[str, list[Any]]:
        model = trainer.accelerator.unwrap_model(trainer.model)
        training = model.training
        model.eval()
        checkpoint = Checkpoint("grpo", model, self.checkpoint.tokenizer, self.checkpoint.about)
        catalog = next(iter(self.tools.values())).catalog
        items = self.checkpoint.match(catalog)
        writers = [GenerationState(checkpoint, items, self.tools[p]) for p in prompts]
        seeds = self.rng.integers(2**31, size=len(writers)).tolist()
        write_many(writers, seeds, self.temperature, draw_ranking=True)
        model.train(training)
        out: dict[str, list[Any]] = defaultdict(list)
        watched: dict[str, list[float]] = defaultdict(list)
        for prompt, writer in zip(prompts, writers, strict=True):
            # The end token is not drawn by the model: a trace ends with its ranking.
            out["prompt_ids"].append(writer.start())
            out["completion_ids"].append([*writer.encode(writer.words), checkpoint.eos])
            out["env_mask"].append([*map(int, drawn(writer)), 0])
            trace = read_trace(writer)
            readable = None if isinstance(trace, str) else trace
            place = (
                readable.ranking.index(self.target[prompt])
                if readable and self.target[prompt] in readable.ranking
                else None
            )
            own = quotes(readable) if readable else []
            out["format"].append(format_reward(readable))
            out["outcome"].append(outcome_reward(place, self.outcome))
            out["grounding"].append(grounding_reward([check(claim, writer.tools).verdict for claim in own]))
            watched["readable"].append(readable is not None)
            if readable:
                watched["copied"].append(copied(readable.ranking, writer.candidates.tolist()))
                watched["first"].append(place == 0)
        for name, values in watched.items():
            trainer._metrics["train"][f"watch/{name}"].append(float(np.mean(values)))
        return {**out, "logprobs": None}  # type: ignore[dict-item]


def tools_of(config: Config, data: Dataset, frame: pl.DataFrame) -> dict[str, Tools]:
    """prompt → tools over the graph of the other folds, as in the trajectory."""
    split = T.split(data.interactions)
    attributes = Attributes.of(data.catalog)
    wanted = {split.fold_of[reader] for reader in frame["reader"].unique()}
    graphs: dict[int, Graph] = {
        number: graph
        for number, (_, graph) in enumerate(crossfit(data.interactions, split.train, split.folds))
        if number in wanted
    }
    return {
        row["prompt"]: Tools(
            graphs[split.fold_of[row["reader"]]],
            data.catalog,
            attributes,
            data.interactions.history(row["reader"])[row["at"] - row["shelf"] : row["at"]].tolist(),
            item_rows(row["prompt"].split("<candidates>")[1].split()),
            row["reader"],
        )
        for row in frame.iter_rows(named=True)
    }
