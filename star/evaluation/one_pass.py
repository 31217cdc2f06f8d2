"""Cost of one generation per agent turn against STAR's single pass, both through the same compact model.

Each turn is one call, as with a chat endpoint: the agent reads the log and generates one step. Both ways write messages of
the same length, so they differ only in the cost of reading the log again for every call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from star.data.tasks import Task
from star.methods.student import StarRanker
from star.student.decoding import GenerationState, choose, fresh_cache, write


@dataclass(frozen=True)
class Cost:
    """Cost of one answer. `prefilled`: tokens read before the first generated one, summed over calls; `generated`: tokens
    that the model chose; `put_in`: tokens of tool answers that a running pass read in place."""

    seconds: float
    calls: int
    prefilled: int
    generated: int
    put_in: int


@torch.inference_mode()
def by_turns(writer: GenerationState) -> Cost:
    """Generate a whole trace; a new call with an empty cache begins after every closed step."""
    began = time.perf_counter()
    model, prompt = writer.checkpoint.model, writer.start()
    calls = prefilled = 0
    while not writer.finished:
        cache, pending = fresh_cache(writer.checkpoint.model), [*prompt, *writer.encode(writer.words)]
        calls += 1
        prefilled += len(pending)
        turn = True
        while turn and not writer.finished:
            output = model(
                input_ids=torch.tensor([pending]), past_key_values=cache, use_cache=True, logits_to_keep=1
            )
            if not writer.words:
                writer.begin(output.logits[0, -1])
            token = choose(writer, output.logits[0, -1], None, 0.0)
            put_in = writer.advance(token)
            pending = [token, *put_in]
            turn = not put_in and not writer.word(token).startswith("</")
    return Cost(time.perf_counter() - began, calls, prefilled, sum(writer.own), 0)


def in_one_pass(writer: GenerationState) -> Cost:
    """Generate the same trace in one call, as the page does."""
    began = time.perf_counter()
    prompt = len(writer.start())
    for _ in write(writer):
        pass
    own = sum(writer.own)
    return Cost(time.perf_counter() - began, 1, prompt, own, len(writer.own) - own)


def compare(
    ranker: StarRanker, tasks: Sequence[Task], progress: Callable[[str, int, int], None] = lambda *_: None
) -> dict[str, Any]:
    """STAR and MARS through the same compact model on the same tasks, one query after the other.

    Returns:
        n; `same`: share of tasks with the same words both ways; per way the means of `Cost`; `time_ratio`: median over tasks
        of MARS's seconds divided by STAR's.
    """
    ways: dict[str, Callable[[GenerationState], Cost]] = {"star": in_one_pass, "mars:compact": by_turns}
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    same = []
    for way in ways.values():  # warm up
        way(ranker.states(tasks[:1])[0])
    for done, task in enumerate(tasks):
        progress("one pass against turns", done, len(tasks))
        said = []
        for name in list(ways)[
            :: 1 if done % 2 else -1
        ]:  # alternate, so that neither always profits from warm caches
            writer = ranker.states([task])[0]
            costs[name].append(ways[name](writer))
            said.append(writer.words)
        same.append(said[0] == said[1])
    report: dict[str, Any] = {"n": len(tasks), "same": float(np.mean(same))}
    for name, found in costs.items():
        report[name] = {
            key: float(np.mean([getattr(cost, key) for cost in found]))
            for key in ("seconds", "calls", "prefilled", "generated", "put_in")
        }
    ratios = [m.seconds / s.seconds for m, s in zip(costs["mars:compact"], costs["star"], strict=True)]
    return report | {"time_ratio": float(np.median(ratios))}
