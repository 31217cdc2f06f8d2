"""Which systems can stand beside each other over one data set, and the turns that each takes.

Only what can answer here is offered: the page's own recommender, the student with other slots or another seed, the teacher,
two baselines with reasons, and further checkpoints on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import cached_property

from star.errors import UserError
from star.mars.recommender import Teacher
from star.methods.answering import recommender_for
from star.methods.single_signal import NAMES, SingleSignal
from star.questions.running import context_of
from star.recommend.assembly import Draft, assemble
from star.recommend.recommendation import Query, Recommendation, Timing
from star.recommend.recommender import TEACHER, Recommender, Star
from star.recommend.serving import ServingContext
from star.student.checkpoint import checkpoints
from star.trace.grammar import OPENING, StepType, response_words

OWN, SLOTS, SEED = "own", "slots", "seed"
CHECKPOINT = "checkpoint "
STUDENT = "the student"


@dataclass(frozen=True)
class Turn:
    """One turn of a run.

    Attributes:
        who: the agent that speaks; of a system that writes alone, that system.
        kind: type of the step; tool: the tool that it calls; count: of latest items or similar users that it asks about,
            None: not said.
        words: that it writes; heard: words of the tool's answer.
    """

    who: str
    kind: StepType
    tool: str | None
    words: int
    heard: int
    seconds: float
    count: int | None = None


@dataclass(frozen=True)
class Contestant:
    """A system as it is compared. `seed`: in place of the query's; None: the query's."""

    name: str
    recommender: Recommender
    seed: int | None = None

    def turns(self, query: Query) -> Generator[Turn, None, Recommendation]:
        """Each turn as soon as it is over; returns the finished answer."""
        query = query if self.seed is None else replace(query, seed=self.seed)
        if isinstance(self.recommender, Teacher):
            return (yield from _agents(self.recommender, query))
        if isinstance(self.recommender, Star):
            return (yield from _single_pass(self.recommender, query))
        *_, done = self.recommender.stream(query)
        yield from _afterwards(self.name, done)
        return done


def _agents(teacher: Teacher, query: Query) -> Generator[Turn, None, Recommendation]:
    speaking = teacher.turns(query)
    while True:
        try:
            message = next(speaking)
        except StopIteration as end:
            done: Recommendation = end.value
            return done
        response, kind = message.response, message.type
        heard = 0 if response is None else len(response_words(response)) - 1
        tool = None if response is None else response.name
        words = len(message.words) if response is None else 1 + len(response.arguments)
        count = response.arguments[0] if response is not None and response.arguments else None
        yield Turn(message.agent, kind, tool, words, heard, message.seconds, count)  # type: ignore[arg-type]


def _single_pass(student: Star, query: Query) -> Generator[Turn, None, Recommendation]:
    """As `running.rerun` answers, step by step; the time of whoever listens is not counted."""
    from star.student.generation import write

    start = time.perf_counter()
    state = student.unwritten(query)
    spent, seen, kind = 0.0, 0, "plan"
    for _ in write(state, query.seed or None):
        seconds = time.perf_counter() - start
        spent += seconds
        new, own = state.words[seen:], state.own[seen:]
        seen = len(state.words)
        kind = next((word[1:-1] for word in new if word in OPENING), kind)
        tool = new[1] if kind == "tool_call" else None
        count = int(new[2]) if tool is not None and new[2].isdecimal() else None
        yield Turn(STUDENT, kind, tool, sum(own), len(own) - sum(own), seconds, count)  # type: ignore[arg-type]
        start = time.perf_counter()
    draft = Draft(state.words, state.own, [spent] * len(state.words))
    done = Recommendation(student.dataset.name, student.checkpoint, query, tuple(state.candidates))
    done = assemble(done, draft, state.tools, state.order[: state.k], state.scores)
    total = spent + time.perf_counter() - start
    return replace(done, timing=Timing(None, total, state.generated, state.calls))


def _afterwards(name: str, done: Recommendation) -> Generator[Turn, None, None]:
    """The steps of an answer that came all at once."""
    for step in done.steps:
        if step.type == "tool_response":
            continue
        yield Turn(name, step.type, step.name, step.tokens, 0, step.seconds)


class Rivals:
    """The systems that can be compared over the data set of a recommender.

    Args:
        teacher: makes the teacher over the same data set, or returns the recommender if it is the teacher.
    """

    def __init__(self, recommender: Recommender, teacher: Callable[[], Recommender]) -> None:
        self._own, self._teacher = recommender, teacher
        self._loaded: dict[str, Recommender] = {}

    @cached_property
    def offered(self) -> dict[str, str]:
        """Key → name of every system that can answer here."""
        own = self._own.checkpoint
        found = {OWN: own}
        if isinstance(self._own, Star):
            found[OWN] = f"{own} (the student)"
            found |= {SLOTS: f"{own}, slots drawn again", SEED: f"{own}, shortlist drawn"}
        if own != TEACHER:
            found[TEACHER] = "MARS (the teacher)"
        found |= {str(key): name for key, name in NAMES.items()}
        return found | {f"{CHECKPOINT}{name}": name for name in checkpoints() if name != own}

    def get(self, key: str) -> Contestant:
        """
        Raises:
            UserError: the system is not offered, or its checkpoint cannot be loaded.
        """
        name = self.offered.get(key)
        if name is None:
            raise UserError("This system cannot answer here; choose one from the list.")
        match key:
            case "slots":
                assert isinstance(self._own, Star)
                return Contestant(name, self._own.redrawn(1))
            case "seed":
                return Contestant(name, self._own, seed=1)
            case "itemknn" | "ease":
                return Contestant(name, SingleSignal(key, self._context))
            case "own":
                return Contestant(name, self._own)
            case "mars":
                return Contestant(name, self._teacher())
        return Contestant(name, self._further(key.removeprefix(CHECKPOINT)))

    @property
    def _context(self) -> ServingContext:
        try:
            return context_of(self._own)
        except UserError:
            return context_of(self._teacher())

    def _further(self, name: str) -> Recommender:
        if name not in self._loaded:
            self._loaded[name] = recommender_for(self._own.dataset, name)
        return self._loaded[name]
