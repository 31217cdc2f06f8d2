"""A stand-in for the student: it calls two tools, quotes their lines about its favourites, and ranks by a known rule.

It replaces the network, so the right result of a counterfactual measurement is known.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import reading
import torch
import toys

from star.data import tasks as T
from star.evidence.claims import STRENGTHS
from star.methods.student import StarRanker
from star.student.model import Checkpoint
from star.trace.grammar import RANKED

BEGIN = "<plan> look back 10 books ; </plan> <tool_call> user_cf 50 </tool_call>".split()
AGAIN = "<tool_call> item_cf 10 </tool_call>".split()
FAVOURITES = 3

Points = Callable[["Heard"], dict[str, float]]
"""Evidence → points of candidates, by their words; candidates left out have none."""


@dataclasses.dataclass(frozen=True)
class Heard:
    """lines: (tool, words of the line without its `;`) of the tools' answers; reflected: words of the reflections."""

    candidates: list[str]
    lines: list[tuple[str, list[str]]]
    reflected: list[str]


def hear(words: Sequence[str]) -> Heard:
    start = list(words).index("<candidates>") + 1
    end = list(words).index("<plan>") if "<plan>" in words else len(words)
    lines, reflected, tool, inside, part = [], [], "", "", []
    for before, word in itertools.pairwise(words):
        tool = word if before == "<tool_call>" else tool
        if word in ("<tool_response>", "<reflection>"):
            inside, part = word, []
        elif word.startswith("</"):
            inside = ""
        elif inside == "<tool_response>" and word == ";":
            lines.append((tool, part))
            part = []
        elif inside == "<tool_response>":
            part = [*part, word]
        elif inside == "<reflection>":
            reflected.append(word)
    return Heard(list(words[start:end]), [line for line in lines if line[1] != ["nothing"]], reflected)


def level(line: Sequence[str]) -> float:
    """Sum of the strengths in a line, 1 to 6 each."""
    return sum(STRENGTHS.index(w.split("_")[-1]) + 1 for w in line if w.split("_")[-1] in STRENGTHS)


def by_evidence(heard: Heard, tools: Sequence[str] = ("user_cf", "item_cf")) -> dict[str, float]:
    """Points by the strengths that the tools state about a candidate; ties by its number."""
    points = {c: -int(c[2:-1]) / 1000 for c in heard.candidates}
    for tool, line in heard.lines:
        if tool in tools:
            points[line[0]] += level(line)
    return points


def by_item_cf(heard: Heard) -> dict[str, float]:
    return by_evidence(heard, ("item_cf",))


def by_nothing(heard: Heard) -> dict[str, float]:
    """Points that do not depend on the tools."""
    return {c: -int(c[2:-1]) / 100 for c in heard.candidates}


def by_reflection(heard: Heard) -> dict[str, float]:
    """Points for the weakest evidence, unless a reflection names books: then for the most often named."""
    if not heard.reflected:
        return {c: -p for c, p in by_evidence(heard).items()}
    return {c: float(heard.reflected.count(c)) - int(c[2:-1]) / 1000 for c in heard.candidates}


class Scribe:
    """Replaces the network; keeps the words of every row of the pass to which a cache belongs."""

    def __init__(self, checkpoint: Checkpoint, points: Points, quotes: Points = by_evidence) -> None:
        self.config, self.words, self.vocabulary = (
            checkpoint.model.config,
            checkpoint.words,
            checkpoint.vocabulary,
        )
        self.points, self.quotes = points, quotes
        self.device = torch.device("cpu")
        self.cache: object = None
        self.rows: list[list[str]] = []
        self.made: dict[tuple[str, ...], list[str]] = {}

    def __call__(self, input_ids: torch.Tensor, past_key_values: object, **_: Any) -> SimpleNamespace:
        if past_key_values is not self.cache:
            self.cache, self.rows = past_key_values, [[] for _ in input_ids]
        logits = torch.full((len(input_ids), 1, len(self.words)), -100.0)
        for row, tokens in enumerate(input_ids.tolist()):
            self.rows[row] += [self.words[token] for token in tokens]
            for word, value in self.following(self.rows[row]).items():
                logits[row, 0, self.vocabulary[word]] = value
        return SimpleNamespace(logits=logits)

    def following(self, words: list[str]) -> dict[str, float]:
        if "<recommend>" in words:
            ranked = words[words.index("<recommend>") + 1 :]
            points = {c: p for c, p in self.points(hear(words)).items() if c not in ranked}
            return points if len(ranked) < RANKED else {"</recommend>": 100.0}
        answered = words.count("</tool_response>")
        if "<plan>" not in words:
            return {"<plan>": 100.0}
        start = [words.index("<plan>"), *(n + 1 for n, w in enumerate(words) if w == "</tool_response>")][-1]
        script = (BEGIN, AGAIN)[answered] if answered < 2 else self.script(tuple(words[:start]))
        place = len(words) - start
        return {script[place] if place < len(script) else "<recommend>": 100.0}

    def script(self, words: tuple[str, ...]) -> list[str]:
        """The reflection that follows these words, made once."""
        if words not in self.made:
            self.made[words] = self.reflection(list(words))
        return self.made[words]

    def reflection(self, words: list[str]) -> list[str]:
        """Quotes every line about the favourites, then a conclusion."""
        heard = hear(words[: len(words) - words[::-1].index("</tool_response>")])
        points = self.quotes(heard)
        best = sorted(points, key=lambda c: -points[c])[:FAVOURITES]
        lines = [
            line[:-1] if line[-1] == c else line for c in best for _, line in heard.lines if line[0] == c
        ]
        quoted = [word for line in lines for word in (*line, ";")]
        return ["<reflection>", *quoted, "both", "point", "to", best[0], ";", "</reflection>"]


@cache
def _checkpoint() -> Checkpoint:
    with TemporaryDirectory() as folder:
        return Checkpoint.load(str(toys.save_checkpoint(Path(folder) / "tiny")))


def student(points: Points, quotes: Points = by_evidence) -> StarRanker:
    """A ranker over `reading` with a scribe as its network."""
    checkpoint = dataclasses.replace(_checkpoint(), model=Scribe(_checkpoint(), points, quotes))  # type: ignore[arg-type]
    return StarRanker(reading.dataset(), reading.graph(), checkpoint)


def tasks(limit: int = 12) -> list[T.Task]:
    """Tasks of the validation readers of `reading`."""
    data, parts = reading.dataset(), reading.parts()
    return T.make_tasks(
        data.interactions, parts.valid, "classic", "uniform", reading.graph().counts, limit=limit
    )
