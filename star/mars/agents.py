"""Rule-based agents of MARS: planner, four analysts, reflector, ranker (arXiv 2602.09829, section 3.2).

An agent reads only the blackboard: the log and the tools' answers.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from star.evidence.claims import Claim
from star.evidence.tools import FITTED, WINDOWS, ToolResponse, Tools
from star.mars.judgement import LEVEL, Judgement, features
from star.trace.grammar import RANKED, item_word, line

QUOTED = 3  # lines quoted of each contender where there are fitted signals: those with the most points


@dataclass(frozen=True)
class Message:
    """One agent's words, in the trace grammar, or its tool call with the answer. `seconds`: since the message before."""

    agent: str
    type: str
    words: tuple[str, ...] = ()
    response: ToolResponse | None = None
    seconds: float = field(default=0.0, compare=False)


@dataclass
class Blackboard:
    """What the agents of one run share: tools, judgement, log (Hayes-Roth 1985, Artificial Intelligence 26)."""

    tools: Tools
    judgement: Judgement
    rng: np.random.Generator
    log: list[Message] = field(default_factory=list)
    heard: float = field(default_factory=time.perf_counter)
    """When the last message was written."""

    def __post_init__(self) -> None:
        if not self.tools.genres(
            len(self.tools.history)
        ):  # without genres, `profile` and `recent` have nothing to say
            self.judgement = replace(self.judgement, looks=())

    def say(self, agent: str, type: str, *parts: Sequence[str]) -> None:
        self._note(Message(agent, type, tuple(word for part in parts for word in part)))

    def call(self, agent: str, name: str, *arguments: int) -> ToolResponse:
        response = self.tools.call(name, arguments)
        self._note(Message(agent, "tool_call", (), response))
        return response

    def _note(self, message: Message) -> None:
        now = time.perf_counter()
        self.log.append(replace(message, seconds=now - self.heard))
        self.heard = now

    def found(self, name: str, arguments: tuple[int, ...] | None = None) -> list[ToolResponse]:
        """Answers of a tool so far, oldest first; only those to a call with these arguments, if they are given."""
        answers = [m.response for m in self.log if m.response is not None and m.response.name == name]
        return [a for a in answers if arguments is None or a.arguments == arguments]

    def all_found(self) -> list[list[ToolResponse]]:
        """Answers of each call whose lines stand for themselves: similar readers, and those with fitted signals."""
        return [self.found("user_cf"), *(self.found(*call) for call in FITTED)]


def plan(board: Blackboard) -> None:
    """Planner: how far to look back, how many readers to ask, what to trust first."""
    j = board.judgement
    back = ("look back {} books", "take the last {} books")[board.rng.integers(2)].format(j.window)
    ask = ("ask {} readers", "compare with {} readers")[board.rng.integers(2)].format(j.asked)
    shelf = ["know the shelf first"] if "profile" in j.looks else []
    parts = [*shelf, back, ask, f"trust {j.trust} first"]
    board.say("planner", "plan", *[[*part.split(), ";"] for part in parts])


def user_profile(board: Blackboard) -> None:
    """Analyst: the genres of the whole shelf."""
    if "profile" in board.judgement.looks:
        board.call("user profile", "profile")
    if board.tools.signals is not None and any(board.tools.little_read):
        board.call("user profile", "description")


def historical_interest(board: Blackboard) -> None:
    """Analyst: books of the readers with the most similar shelves."""
    board.call("historical interest", "user_cf", board.judgement.asked)
    if board.tools.signals is not None:
        board.call("historical interest", "whole_shelf")


def recent_interest(board: Blackboard) -> None:
    """Analyst: books co-read with the last books of the shelf."""
    if "recent" in board.judgement.looks and not board.found("recent"):
        board.call("recent interest", "recent", board.judgement.window)
    board.call("recent interest", "item_cf", board.judgement.window)
    if board.tools.signals is not None:
        board.call("recent interest", "whole_shelf", 3)
        board.call("recent interest", "whole_shelf", 1)
        board.call("recent interest", "read_after")


def interest_divergence(board: Blackboard) -> list[str]:
    """Analyst: whether the leading genre of the last books differs from that of the shelf."""
    whole, lately = (_leading(board.found(name)) for name in ("profile", "recent"))
    if whole is None or lately is None:
        return []
    if whole.label == lately.label:
        return ["interest", "is", "steady", ";"]
    return ["interest", "has", "moved", ";"]


def _leading(responses: list[ToolResponse]) -> Claim | None:
    return responses[-1].lines[0][0].claim if responses and responses[-1].lines else None


def claims_by_item(responses: Sequence[ToolResponse]) -> dict[int, list[Claim]]:
    """The last line said about each item."""
    return {
        evidence[0].claim.subject: [e.claim for e in evidence]
        for r in responses
        for evidence in r.lines
        if evidence[0].claim.subject is not None
    }


def points(claims: Sequence[Claim], j: Judgement) -> float:
    """Points of one line: a weighted sum of its strengths, where the lift only breaks ties; or, with learned weights, of all
    that it says."""
    if j.learned:
        return sum(j.learned[name] * value for name, value in features(claims).items())
    w, total = j.weights, 0.0
    for claim in claims:
        match claim.kind:
            case "pull":
                total += w.pull * LEVEL[str(claim.strength)]
            case "read_next":
                total += w.read_next * LEVEL[str(claim.strength)]
            case "similar":
                total += w.similar * LEVEL[str(claim.strength)]
            case "series":
                total += w.sequel if claim.label == "sequel" else w.series
            case "author":
                total += w.author * min(claim.numbers["books"], 3)
            case "co_read" if "lift" in claim.numbers:
                total += 0.1 * np.log(claim.numbers["lift"])
    return float(total)


def weigh(board: Blackboard) -> dict[int, float]:
    """Points of every candidate from all evidence so far; the tools' first and second answers count alike."""
    total: dict[int, float] = defaultdict(float)
    j = board.judgement
    for answers in board.all_found():
        for claims in claims_by_item(answers).values():
            total[claims[0].subject or 0] += points(claims, j)
    looks: dict[int, list[float]] = defaultdict(list)
    for response in board.found("item_cf"):
        said = claims_by_item([response])
        for item in response.arguments[1:] or board.tools.candidates.tolist():
            looks[item].append(points(said.get(item, ()), j))
    for item, seen in looks.items():
        total[item] += float(np.mean(seen))
    return total


def order(board: Blackboard) -> list[int]:
    """Candidates, best first; ties at random."""
    total, candidates = weigh(board), sorted(board.tools.candidates.tolist())
    noise = dict(
        zip(candidates, board.rng.random(len(candidates)), strict=True)
    )  # seeded by the item, not by its place in the list
    return sorted(candidates, key=lambda c: (-total[c], noise[c]))


def reflect(board: Blackboard) -> None:
    """Reflector: compares the analysts; if the first two are close, sends the recent-interest analyst back; sums up."""
    ranked, total = order(board), weigh(board)
    similar = {
        c: LEVEL[str(claims[0].strength)] for c, claims in claims_by_item(board.found("user_cf")).items()
    }
    favourite = max(similar, key=lambda c: (similar[c], total[c])) if similar else None
    words: list[str] = []
    if favourite is None:
        words += ["evidence", "is", "thin", ";"]
    elif favourite == ranked[0]:
        words += ["both", "point", "to", item_word(favourite), ";"]
    else:
        words += ["signals", "differ", "on", item_word(ranked[0]), item_word(favourite), ";"]
    if (
        len(ranked) > 1
        and total[ranked[0]] - total[ranked[1]] < board.judgement.close
        and len(board.tools.history) > min(WINDOWS)
    ):
        contenders = ranked[:3]
        board.say("reflector", "reflection", words, ["look", "again", "at", *map(item_word, contenders), ";"])
        other = [
            w
            for w in WINDOWS
            if w != board.judgement.window
            and min(w, len(board.tools.history)) != min(board.judgement.window, len(board.tools.history))
        ]
        board.call("recent interest", "item_cf", int(board.rng.choice(other)), *contenders)
        ranked = order(board)
        words = ["second", "look", "favours", item_word(ranked[0]), ";"]
    board.say("reflector", "reflection", interest_divergence(board), *_quotes(board, ranked), words)


def _quotes(board: Blackboard, ranked: Sequence[int]) -> list[list[str]]:
    """Quotations of the evidence for the ranking: lines about the shelf and about three contenders."""
    leading = _leading(board.found("recent")) or _leading(board.found("profile"))
    by_tool = [claims_by_item(answers) for answers in (board.found("item_cf"), *board.all_found())]
    quotes = [line([leading])] if leading else []
    for item in ranked[:3]:
        lines = [said[item] for said in by_tool if item in said]
        if board.judgement.learned:
            lines = sorted(lines, key=lambda claims: -points(claims, board.judgement))[:QUOTED]
        quotes += [line(claims, closing=False) for claims in lines]
    return quotes


def rank(board: Blackboard) -> list[int]:
    """Ranker: the final order, of which the first five are recommended."""
    ranked = order(board)
    board.say("ranker", "recommend", [item_word(c) for c in ranked[:RANKED]])
    return ranked
