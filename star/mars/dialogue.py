"""MARS with a language model as voice: the agents take turns, and each message is checked.

Order as in `run.py`: planner, four analysts, reflector, ranker. The reflector may send the
recent-interest analyst back, `LOOKS` times at most, and then sums up again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from star.data.dataset import Dataset
from star.data.tasks import Task
from star.errors import UserError
from star.evidence.graph import Graph
from star.evidence.tools import Attributes, Tools
from star.mars import agents
from star.mars.judgement import draw, weights_for
from star.mars.run import Run
from star.mars.voices import Silent, View, Voice
from star.ranking import Ranked
from star.trace.grammar import RANKED, CallContext, TraceError, item_rows, read_call
from star.trace.steps import read_step

LOOKS = 1
TRIES = 2  # attempts of a voice at one message before the rules speak instead


@dataclass(frozen=True)
class Spoken(Run):
    """A run through a voice. `asked`: messages requested from the voice; `ruled`: those that the rules replaced."""

    asked: int = 0
    ruled: int = 0


@dataclass
class DialogueState:
    """The run in progress: blackboard, voice, view and counts (dialogue state: Young et al. 2013, Proc. IEEE 101)."""

    board: agents.Blackboard
    voice: Voice
    view: View
    asked: int = 0
    ruled: int = 0

    def log(self) -> list[str]:
        return Run(tuple(self.board.log), (), {}, 0, 0.0).words()

    def ask(self, agent: str, kind: str, check: Callable[[list[str]], None]) -> list[str] | None:
        """A message that passes `check`, or None after `TRIES`."""
        view = self.view
        for _ in range(TRIES):
            self.asked += 1
            try:
                words = self.voice.speak(agent, kind, self.log(), view)
                check(words)
                return words
            except (Silent, TraceError, ValueError) as error:
                view = replace(view, complaint=str(error))
        self.ruled += 1
        return None

    def step(self, agent: str, kind: str, otherwise: Callable[[], object]) -> list[str] | None:
        """Log a plan or reflection, by the rules if the voice has none. Returns the voice's words."""

        def check(words: list[str]) -> None:
            if not words:
                raise TraceError("the message is empty")
            shelf, last = len(self.board.tools.history), self.board.found("user_cf")
            context = CallContext(shelf, asked=last[-1].arguments[0] if last else 0)
            read_step(kind, tuple(words), context)  # type: ignore[arg-type]
            self.named(words)

        words = self.ask(agent, kind, check)
        if words is None:
            otherwise()
            return None
        self.board.say(agent, kind, words)
        return words

    def named(self, words: Sequence[str]) -> list[int]:
        """Items in a message, each of the shelf or a candidate.

        Raises:
            TraceError: it names other items.
        """
        items = item_rows(words)
        strangers = set(items) - set(self.view.candidates) - set(self.view.history)
        if strangers:
            raise TraceError(f"{len(strangers)} items are neither candidates nor on the shelf")
        return items

    def call(self, agent: str, tools: Sequence[str], otherwise: Callable[[], object]) -> None:
        """Log a tool call with its answer."""

        def check(words: list[str]) -> None:
            name, arguments = read_call(words)
            if name not in tools:
                raise TraceError(f"{agent} calls {' or '.join(tools)}, not {name}")
            self.board.tools.call(name, arguments)

        words = self.ask(agent, "tool_call", check)
        if words is None:
            otherwise()
        else:
            name, arguments = read_call(words)
            self.board.call(agent, name, *arguments)


def converse(tools: Tools, voice: Voice, seed: int | Sequence[int] = 0, dataset: str = "goodbooks") -> Spoken:
    """One run of MARS through a voice.

    Args:
        tools: bound to the query.
        voice: speaks for every agent.
        seed: of the rules, where they replace the voice.
        dataset: name, for the weights of these rules.
    """
    began, rng = time.perf_counter(), np.random.default_rng(seed)
    board = agents.Blackboard(tools, draw(rng, weights_for(dataset)), rng)
    view = View(tools.catalog, tuple(tools.history.tolist()), tuple(tools.candidates.tolist()))
    state = DialogueState(board, voice, view)
    state.step("planner", "plan", lambda: agents.plan(board))
    state.call("user profile", ("profile",), lambda: agents.user_profile(board))
    state.call("historical interest", ("user_cf",), lambda: agents.historical_interest(board))
    state.call("recent interest", ("item_cf", "recent"), lambda: agents.recent_interest(board))
    if not board.found("item_cf"):
        agents.recent_interest(board)
    words = state.step("reflector", "reflection", lambda: agents.reflect(board))
    for _ in range(LOOKS):
        if words is None or "look again at" not in " ".join(words):
            break
        state.call("recent interest", ("item_cf",), lambda: None)
        words = state.step("reflector", "reflection", lambda: agents.reflect(board))

    def five(words: list[str]) -> None:
        items, wanted = state.named(words), min(RANKED, len(view.candidates))
        if len(items) != len(words) or len(set(items)) != wanted or len(items) != wanted:
            raise TraceError(
                f"expected {wanted} different candidates and nothing else, got {len(words)} words"
            )
        if not set(items) <= set(view.candidates):
            raise TraceError("books of the shelf are ranked")

    ranked = state.ask("ranker", "recommend", five)
    by_rules = agents.order(board)
    order = by_rules
    if ranked is None:
        agents.rank(board)
    else:
        board.say("ranker", "recommend", ranked)
        first = state.named(ranked)
        order = [*first, *(c for c in by_rules if c not in first)]
    return Spoken(
        tuple(board.log),
        tuple(order),
        agents.weigh(board),
        len({m.agent for m in board.log}),
        time.perf_counter() - began,
        state.asked,
        state.ruled,
    )


class ChatRanker:
    """MARS through a chat endpoint as a `Ranker`; address and model come from the settings `STAR_CHAT_URL` and
    `STAR_CHAT_MODEL`."""

    name = "mars:chat"

    def __init__(self, dataset: Dataset, graph: Graph, voice: Voice):
        self.dataset, self.graph, self.voice = dataset, graph, voice
        self.attributes = Attributes.of(dataset.catalog)

    def rank(self, tasks: Sequence[Task]) -> list[Ranked]:
        out = []
        for task in tasks:
            tools = Tools(
                self.graph, self.dataset.catalog, self.attributes, task.history, task.candidates, task.reader
            )
            seed = [len(task.history), *sorted(task.candidates)]
            done = converse(tools, self.voice, seed, self.dataset.name)
            if done.asked == TRIES * done.ruled:
                raise UserError(
                    f"voice {self.voice.name!r} gave no usable message in a whole run; check its address and model"
                )
            written = sum(len(m.words) for m in done.log)
            out.append(Ranked(done.order, done.seconds, written, done.asked))
        return out
