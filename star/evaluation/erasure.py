"""Comprehensiveness and sufficiency of cited evidence (ERASER, DeYoung et al. 2020, arXiv 1911.03429).

An arm is one choice of lines to erase from the tools' answers:
`cited`           comprehensiveness: the lines about the first choice that the reflection quotes
`random`          control: as many lines of each tool, drawn among all lines
`others`          control: as many lines of each tool, drawn among lines about other candidates
`kept`            sufficiency: all lines that the reflection does not quote
`kept at random`  control: as many lines of each tool stay as in `kept`, drawn among all lines

Every arm is measured in two readings, which have these keys in the report:
`anew`    Regenerated: the tools answer without the erased lines, and the model writes its whole trace again.
`forced`  Teacher-forced: the model reads its own trace without the erased lines, and writes the ranking alone. In all arms
          the reflection also lacks remarks that name a book, which would reveal the answer, and lines that quote no tool.

Measured where the ranking begins: the first choice's log-probability among the candidates, in nats (natural logarithm), and
its rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from star.evaluation.answers import AnsweredTask
from star.evaluation.metrics import bootstrap_pair
from star.evaluation.pooling import rounded
from star.evaluation.trace_quality import Progress
from star.evidence.tools import ToolResponse, Tools
from star.methods.student import generate
from star.recommend.recommendation import Query
from star.recommend.recommender import Star
from star.student.decoding import GenerationState
from star.trace.citation import Unit, unit_found, unit_of
from star.trace.grammar import TOOLS

COMPREHENSIVENESS, SUFFICIENCY = ("cited", "random", "others"), ("kept", "kept at random")


@dataclass(frozen=True)
class Erasure:
    """These units are erased, or, with `keep`, all others."""

    units: frozenset[Unit]
    keep: bool = False

    @classmethod
    def about(cls, item: int) -> Erasure:
        """Erasure of all that the tools say of one candidate."""
        return cls(frozenset((tool, item) for tool in TOOLS))

    def spares(self, unit: Unit | None) -> bool:
        return (unit in self.units) == self.keep


class Erased(Tools):
    """The same tools without the erased lines in any answer."""

    def __init__(self, tools: Tools, erasure: Erasure):
        self.__dict__.update(tools.__dict__)
        self.erasure = erasure

    def call(self, name: str, arguments: Sequence[int]) -> ToolResponse:
        found = super().call(name, arguments)
        lines = tuple(line for line in found.lines if self.erasure.spares(unit_found(name, line)))
        return ToolResponse(name, found.arguments, lines)


def resting(star: Star, query: Query, first: int) -> dict[str, float]:
    """Comprehensiveness of the evidence about the first choice of one answer, regenerated.

    Returns:
        `erasure`: fall of its probability when the tools say nothing of it; `erasure, control`: the same for the next
        candidate in the list, as a control.
    """
    tools = star.serving.tools(query, star.known)
    candidates = tools.candidates.tolist()
    other = candidates[(candidates.index(first) + 1) % len(candidates)]
    before = star.weights(tools, query.seed)[first]
    return {
        name: before - star.weights(Erased(tools, Erasure.about(item)), query.seed)[first]
        for name, item in (("erasure", first), ("erasure, control", other))
    }


def without(answer: AnsweredTask, erasure: Erasure) -> list[str]:
    """The words of the trace up to the ranking, without the erased lines and without conclusions."""
    said = answer.citations
    words: list[str] = []
    for place, step in enumerate(answer.trace.steps[:-1]):
        inside = list(step.words)
        if step.type == "tool_response":
            lines = [s for s in said.heard if s.step == place and erasure.spares(unit_of(s))]
            inside = [word for s in lines for word in (*s.words, ";")] or ["nothing", ";"]
        elif step.type == "reflection":
            quoting = zip(said.written, said.quoted, strict=True)
            spared = [
                s.words
                for s, quoted in quoting
                if s.step == place
                and (
                    not s.names_a_book and s.about is None
                    if quoted is None
                    else erasure.spares(unit_of(said.heard[quoted]))
                )
            ]
            inside = [word for line in spared for word in (*line, ";")]
            if not inside:
                continue
        words += [f"<{step.type}>", *inside, f"</{step.type}>"]
    return [*words, "<recommend>"]


def erasures(answer: AnsweredTask, rng: np.random.Generator) -> dict[str, Erasure] | None:
    """The erasure of every arm. None: the reflection quotes nothing about the first choice, or the tools say too little
    about others for a control."""
    units, first = answer.citations.units, answer.first
    cited = [unit for unit in answer.citations.cited if unit[1] == first]
    rest = [unit for unit in units if unit[1] != first]
    others = drawn(cited, rest, rng)
    if not cited or others is None:
        return None
    at_random, kept = drawn(cited, units, rng), answer.citations.cited
    return {
        "cited": Erasure(frozenset(cited)),
        "random": Erasure(at_random or frozenset()),
        "others": Erasure(others),
        "kept": Erasure(frozenset(kept), keep=True),
        "kept at random": Erasure(drawn(kept, units, rng) or frozenset(), keep=True),
    }


def drawn(like: Sequence[Unit], pool: Sequence[Unit], rng: np.random.Generator) -> frozenset[Unit] | None:
    """Random units of the pool, as many of each tool as in `like`; None: the pool has too few."""
    found: set[Unit] = set()
    for tool, number in sorted(Counter(tool for tool, _ in like).items()):
        there = [unit for unit in pool if unit[0] == tool]
        if len(there) < number:
            return None
        found |= {there[place] for place in rng.choice(len(there), number, replace=False)}
    return frozenset(found)


def erasure_test(
    given: Sequence[AnsweredTask], seed: int = 0, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Every arm in both readings, and cited erasures against their controls (readers resampled).

    Returns:
        n; left_out (answers without arms, see `erasures`); units (mean number of erased units), all_there_is (share of
        answers that cite everything the tools said of the first choice), units_kept (mean number kept for sufficiency).
        Per reading and arm: `drop` (mean nats that the first choice loses), `moved` (mean absolute value of the same),
        `places` (ranks lost), `first` (share in which it stays first). Per reading: `intact` (share in which it is first
        with nothing erased) and `pairs`.
    """
    rng = np.random.default_rng(seed)
    planned = [(answer, plan) for answer in given if (plan := erasures(answer, rng)) is not None]
    if not planned:
        return {"n": 0, "left_out": len(given)}
    readers = np.array([answer.task.reader for answer, _ in planned])
    report: dict[str, Any] = {
        "n": len(planned),
        "left_out": len(given) - len(planned),
        "units": rounded(np.mean([len(plan["cited"].units) for _, plan in planned])),
        "all_there_is": rounded(np.mean([_is_all(answer, plan["cited"]) for answer, plan in planned])),
        "units_kept": rounded(np.mean([len(plan["kept"].units) for _, plan in planned])),
    }
    for reading in ("anew", "forced"):
        before = _standings([a.writer for a, _ in planned], planned)
        if reading == "forced":
            before = _standings(generate([_forced(a, Erasure(frozenset())) for a, _ in planned]), planned)
        after = {}
        for done, arm in enumerate((*COMPREHENSIVENESS, *SUFFICIENCY)):
            progress(f"erasure, {reading}", done, len(COMPREHENSIVENESS) + len(SUFFICIENCY))
            make = _anew if reading == "anew" else _forced
            after[arm] = _standings(generate([make(a, plan[arm]) for a, plan in planned]), planned)
        report[reading] = _reading(before, after, readers, seed)
        report[reading]["intact"] = rounded((before[1] == 1).mean())
    return report


def _is_all(answer: AnsweredTask, erasure: Erasure) -> bool:
    return all(unit in erasure.units for unit in answer.citations.units if unit[1] == answer.first)


def _anew(answer: AnsweredTask, erasure: Erasure) -> GenerationState:
    w = answer.writer
    return GenerationState(w.checkpoint, w.items, Erased(w.tools, erasure), k=w.k)


def _forced(answer: AnsweredTask, erasure: Erasure) -> GenerationState:
    w = answer.writer
    return GenerationState(w.checkpoint, w.items, w.tools, k=1, words=without(answer, erasure))


def _standings(writers: Sequence[GenerationState], planned: Sequence[tuple[AnsweredTask, Any]]) -> np.ndarray:
    """The first choice's log-probability and rank (from 1), (2, n); nan: no ranking began."""
    return np.array(
        [standing(w, a.first) for w, (a, _) in zip(writers, planned, strict=True)], dtype=np.float64
    ).T


def standing(writer: GenerationState, item: int) -> tuple[float, float]:
    """Log-probability of a candidate where the ranking begins, and its rank (from 1)."""
    if writer.scores is None:
        return np.nan, np.nan
    own = writer.scores[writer.candidates.tolist().index(item)]
    return float(np.log(max(own, np.finfo(np.float32).tiny))), 1.0 + float((writer.scores > own).sum())


def _reading(
    before: np.ndarray, after: dict[str, np.ndarray], readers: np.ndarray, seed: int
) -> dict[str, Any]:
    """All arms, over the answers that have a ranking in every arm."""
    begun = np.isfinite(np.stack([before, *after.values()])).all(axis=(0, 1))
    drop = {arm: (before - found)[0, begun] for arm, found in after.items()}
    places = {arm: (found - before)[1, begun] for arm, found in after.items()}
    arms = {
        arm: {
            "drop": rounded(drop[arm].mean()),
            "moved": rounded(np.abs(drop[arm]).mean()),
            "places": rounded(places[arm].mean()),
            "first": rounded((found[1, begun] == 1).mean()),
        }
        for arm, found in after.items()
    }
    pairs = [
        _pair(one, two, drop, places, readers[begun], seed)
        for one, two in (("cited", "random"), ("cited", "others"), ("kept", "kept at random"))
    ]
    return {"n": int(begun.sum()), "arms": arms, "pairs": pairs}


def _pair(
    one: str,
    two: str,
    drop: dict[str, np.ndarray],
    places: dict[str, np.ndarray],
    readers: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """Mean of one arm minus that of the other, and the ratio of their mean absolute changes, with intervals."""
    moved = bootstrap_pair(np.abs(drop[one]), np.abs(drop[two]), readers, seed)
    still = np.abs(drop[two]).mean()
    return {
        "arm": one,
        "against": two,
        **{
            name: {
                "difference": rounded(values[one].mean() - values[two].mean()),
                "ci": rounded(*bootstrap_pair(values[one], values[two], readers, seed)["difference"]),
            }
            for name, values in (("drop", drop), ("places", places))
        },
        "moved": {
            "difference": rounded(np.abs(drop[one]).mean() - still),
            "ratio": rounded(np.abs(drop[one]).mean() / still) if still else None,
            "ci": {name: rounded(*span) for name, span in moved.items()},
        },
    }
