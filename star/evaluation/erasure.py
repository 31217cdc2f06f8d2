"""Erasure (ERASER, DeYoung et al. 2020, arXiv 1911.03429): does the evidence that a trace cites carry its first choice?

Comprehensiveness: what the tools say of the first choice and the reflection quotes is taken out of their answers.
Sufficiency: nothing is left in them but what the reflection quotes. Beside each an erasure as large, tool by tool, of units
drawn at random, and for the first also one of units about other candidates alone. Read in two ways:

`anew`    the tools answer without the erased lines and the model writes its trace again, reflection and all;
`forced`  the same trace is read again with the lines missing from the tools' answers and from the reflection, and only the
          ranking is the model's. Remarks that name a book are conclusions, no evidence, and would give the answer away: they
          are left out in every arm, the intact one too, and so is a line that quotes no tool.

Measured where the ranking begins: the first choice's log-probability among the candidates (nats) and its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from star.evaluation.answers import Answer
from star.evaluation.metrics import bootstrap_pair
from star.evaluation.pooling import rounded
from star.evaluation.trace_quality import Progress
from star.evidence.tools import Response, Tools
from star.methods.student import written
from star.recommend.recommendation import Query
from star.recommend.recommender import Star
from star.student.decoding import Writer
from star.trace.citation import Unit, unit_found, unit_of
from star.trace.grammar import TOOLS

COMPREHENSIVENESS, SUFFICIENCY = ("cited", "random", "others"), ("kept", "kept at random")


@dataclass(frozen=True)
class Erasure:
    """These units are taken away, or, with `keep`, all but these."""

    units: frozenset[Unit]
    keep: bool = False

    @classmethod
    def about(cls, item: int) -> Erasure:
        """All that the tools say of one candidate."""
        return cls(frozenset((tool, item) for tool in TOOLS))

    def spares(self, unit: Unit | None) -> bool:
        return (unit in self.units) == self.keep


class Erased(Tools):
    """The same tools with nothing to say of what was erased, whatever call asks for it."""

    def __init__(self, tools: Tools, erasure: Erasure):
        self.__dict__.update(tools.__dict__)
        self.erasure = erasure

    def call(self, name: str, arguments: Sequence[int]) -> Response:
        found = super().call(name, arguments)
        lines = tuple(line for line in found.lines if self.erasure.spares(unit_found(name, line)))
        return Response(name, found.arguments, lines)


def resting(star: Star, query: Query, first: int) -> dict[str, float]:
    """How far the first choice of one answer rests on what the tools say of it (comprehensiveness, read `anew`).

    Returns:
        `erasure`: by how much its probability falls when the tools say nothing of it; `erasure, control`: the same where
        they say nothing of another candidate, the next in the list, in its place.
    """
    tools = star.shelf.tools(query, star.known)
    candidates = tools.candidates.tolist()
    other = candidates[(candidates.index(first) + 1) % len(candidates)]
    before = star.weights(tools, query.seed)[first]
    return {
        name: before - star.weights(Erased(tools, Erasure.about(item)), query.seed)[first]
        for name, item in (("erasure", first), ("erasure, control", other))
    }


def without(answer: Answer, erasure: Erasure) -> list[str]:
    """The words of the trace up to the ranking, erased lines and all conclusions left out."""
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


def erasures(answer: Answer, rng: np.random.Generator) -> dict[str, Erasure] | None:
    """The erasure of every arm; None where the reflection quotes nothing about the first choice, or where nothing as large
    can be erased about others."""
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
    """As many units of each tool from the pool as there are in `like`; None if it has not so many."""
    found: set[Unit] = set()
    for tool, number in sorted(Counter(tool for tool, _ in like).items()):
        there = [unit for unit in pool if unit[0] == tool]
        if len(there) < number:
            return None
        found |= {there[place] for place in rng.choice(len(there), number, replace=False)}
    return frozenset(found)


def erasure_test(
    given: Sequence[Answer], seed: int = 0, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Every arm of both readings, and the cited erasure against those at random, readers resampled.

    Returns:
        n; left_out (answers that quote nothing of their first choice, or too little else is there to erase); units (mean
        number taken away), all_there_is (share of answers where the tools said no more of the first choice), units_kept
        (mean number left where all but the cited is taken); per reading and arm `drop` (nats lost by the first choice,
        mean), `moved` (the same without its sign), `places` lost, `first` (share where it is the first choice); per reading
        `intact` (share where it is the first choice with nothing erased) and `pairs`.
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
            before = _standings(written([_forced(a, Erasure(frozenset())) for a, _ in planned]), planned)
        after = {}
        for done, arm in enumerate((*COMPREHENSIVENESS, *SUFFICIENCY)):
            progress(f"erasure, {reading}", done, len(COMPREHENSIVENESS) + len(SUFFICIENCY))
            make = _anew if reading == "anew" else _forced
            after[arm] = _standings(written([make(a, plan[arm]) for a, plan in planned]), planned)
        report[reading] = _reading(before, after, readers, seed)
        report[reading]["intact"] = rounded((before[1] == 1).mean())
    return report


def _is_all(answer: Answer, erasure: Erasure) -> bool:
    return all(unit in erasure.units for unit in answer.citations.units if unit[1] == answer.first)


def _anew(answer: Answer, erasure: Erasure) -> Writer:
    w = answer.writer
    return Writer(w.checkpoint, w.items, Erased(w.tools, erasure), k=w.k)


def _forced(answer: Answer, erasure: Erasure) -> Writer:
    w = answer.writer
    return Writer(w.checkpoint, w.items, w.tools, k=1, words=without(answer, erasure))


def _standings(writers: Sequence[Writer], planned: Sequence[tuple[Answer, Any]]) -> np.ndarray:
    """The first choice's log-probability and place (from 1), (2, n); nan where no ranking was begun."""
    return np.array(
        [standing(w, a.first) for w, (a, _) in zip(writers, planned, strict=True)], dtype=np.float64
    ).T


def standing(writer: Writer, item: int) -> tuple[float, float]:
    """Log-probability of a candidate where the ranking began, and its place by it (from 1)."""
    if writer.scores is None:
        return np.nan, np.nan
    own = writer.scores[writer.candidates.tolist().index(item)]
    return float(np.log(max(own, np.finfo(np.float32).tiny))), 1.0 + float((writer.scores > own).sum())


def _reading(
    before: np.ndarray, after: dict[str, np.ndarray], readers: np.ndarray, seed: int
) -> dict[str, Any]:
    """All arms over the answers that began a ranking in every one of them."""
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
    """Mean of one arm minus that of the other, and how many times as far the first choice moved, with intervals."""
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
