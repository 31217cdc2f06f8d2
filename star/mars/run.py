"""One run of MARS: the agents in turn, their log, and its serialisation into one trace."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from star.data.dataset import Dataset
from star.data.tasks import Task
from star.evidence.graph import Graph
from star.evidence.signals import Signals
from star.evidence.tools import Attributes, Tools
from star.mars import agents
from star.mars.judgement import TUNED, Weights, draw, draw_learned, steady, weights_for
from star.ranking import Ranked
from star.trace.grammar import call_words, response_words

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """A finished run: the log, all candidates in the ranker's order with their points, agents that spoke, seconds."""

    log: tuple[agents.Message, ...]
    order: tuple[int, ...]
    points: dict[int, float]
    turns: int
    seconds: float

    def words(self) -> list[str]:
        """The run as one linear trace (arXiv 2602.09829, section 3.3)."""
        words: list[str] = []
        for message in self.log:
            if message.response is not None:
                words += call_words(message.response.name, message.response.arguments) + response_words(
                    message.response
                )
            else:
                words += [f"<{message.type}>", *message.words, f"</{message.type}>"]
        return words


def run(
    tools: Tools, seed: int | Sequence[int], weights: Weights = TUNED["goodbooks"], various: bool = True
) -> Run:
    """Let the agents answer one query.

    Args:
        tools: bound to the reader's shelf and the candidates.
        seed: of judgement and wording; equal tools and seed give equal runs.
        weights: those of the data set, `weights_for`, for tools without fitted signals.
        various: with fitted signals, draw the judgement; False: always `steady`, which ranks best.
    """
    return ended(turns(tools, seed, weights, various))


def ended(speaking: Generator[object, None, T]) -> T:
    """What a generator returns, once it is run to its end."""
    while True:
        try:
            next(speaking)
        except StopIteration as end:
            found: T = end.value
            return found


def turns(
    tools: Tools, seed: int | Sequence[int], weights: Weights = TUNED["goodbooks"], various: bool = True
) -> Generator[agents.Message, None, Run]:
    """The same run, agent by agent: yields each message, and returns the run."""
    rng = np.random.default_rng(seed)
    if tools.signals is None:
        judgement = draw(rng, weights)
    else:
        judgement = draw_learned(rng, len(tools.history)) if various else steady(len(tools.history))
    board = agents.Blackboard(tools, judgement, rng)
    order = (agents.plan, agents.user_profile, agents.historical_interest, agents.recent_interest, agents.reflect)
    for speaks in order:
        said = len(board.log)
        speaks(board)
        yield from board.log[said:]
        board.heard = time.perf_counter()  # whoever listens took time too
    ranked = agents.rank(board)
    yield board.log[-1]
    return Run(
        tuple(board.log),
        tuple(ranked),
        agents.weigh(board),
        len({m.agent for m in board.log}),
        sum(message.seconds for message in board.log),
    )


class MarsRanker:
    """The teacher as a `Ranker`: one run per task, seeded by the task's shelf and candidates. With fitted signals its
    judgement is the steady one."""

    def __init__(
        self,
        dataset: Dataset,
        graph: Graph,
        seed: int = 0,
        weights: Weights | None = None,
        signals: Signals | None = None,
        name: str = "mars",
    ):
        self.name = name
        self.graph, self.catalog, self.seed, self.signals = graph, dataset.catalog, seed, signals
        self.weights = weights or weights_for(dataset.name)
        self.attributes = Attributes.of(dataset.catalog)

    def run(self, task: Task) -> Run:
        """The whole run, not only its ranking."""
        tools = Tools(
            self.graph,
            self.catalog,
            self.attributes,
            task.history,
            task.candidates,
            task.reader,
            self.signals,
        )
        seed = [self.seed, len(task.history), *sorted(task.candidates)]
        return run(tools, seed, self.weights, various=False)

    def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
        out = []
        for task in tasks:
            done = self.run(task)
            written = sum(len(m.words) for m in done.log)
            out.append(Ranked(done.order, done.seconds, generated_tokens=written, model_calls=0))
        return out
