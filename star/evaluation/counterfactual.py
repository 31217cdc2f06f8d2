"""Candidate swaps and cut reflections: whether the ranking follows from the evidence and from the reflection.

If the ranking follows from the trace, swapping candidates in the tools' answers must swap them in the ranking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from star.data.tasks import Task
from star.evaluation.answers import AnsweredTask, read_trace
from star.evaluation.metrics import bootstrap_mean, bootstrap_pair, mean_hit_rate
from star.evaluation.pooling import rounded
from star.evidence.claims import Claim
from star.evidence.tools import ToolResponse, Tools
from star.methods.student import BATCH, StarRanker, generate, order
from star.student.decoding import GenerationState, write_many
from star.trace.citation import citations


class Permuted(Tools):
    """Tools that state one candidate's evidence about another.

    Args:
        tools: the tools whose shelf, candidates and graph are used.
        to: candidate → the candidate that gets its evidence; a permutation of the candidates.
        only: name of the one tool whose answers change; None: all tools.
    """

    def __init__(self, tools: Tools, to: dict[int, int], only: str | None = None):
        super().__init__(
            tools.graph,
            tools.catalog,
            tools.attributes,
            tools.history.tolist(),
            tools.candidates.tolist(),
            tools.reader,
        )
        self.to = to
        self.only = only
        self.back = {new: old for old, new in to.items()}

    def call(self, name: str, arguments: Sequence[int]) -> ToolResponse:
        if self.only not in (None, name):
            return super().call(name, arguments)
        asked = [*arguments[:1], *(self.back.get(item, item) for item in arguments[1:])]
        found = super().call(name, asked)
        place = {int(item): at for at, item in enumerate(self.candidates)}
        lines = [
            tuple(replace(e, claim=replace(e.claim, subject=self.to.get(_item(e)))) for e in line)
            for line in found.lines
        ]
        if name in ("user_cf", "item_cf"):
            lines.sort(key=lambda line: place[_item(line[0])])  # tools answer in the order of the candidates
        return ToolResponse(name, tuple(arguments), tuple(lines))


def _item(evidence: Any) -> int:
    subject = evidence.claim.subject
    return -1 if subject is None else int(subject)


def swapped_answers(
    ranker: StarRanker, tasks: Sequence[Task], seed: int = 0
) -> Iterator[tuple[Task, GenerationState, GenerationState, dict[int, int]]]:
    """(Task, answer before, answer after a candidate swap, permutation `Permuted.to`) for each task."""
    rng = np.random.default_rng(seed)
    for start in range(0, len(tasks), BATCH):
        part = tasks[start : start + BATCH]
        before = ranker.states(part)
        write_many(before)
        maps = [dict(zip(t.candidates, _cycle(t.candidates, rng).tolist(), strict=True)) for t in part]
        after = [
            GenerationState(w.checkpoint, w.items, Permuted(w.tools, to), k=w.k)
            for w, to in zip(before, maps, strict=True)
        ]
        write_many(after)
        yield from zip(part, before, after, maps, strict=True)


def permutation_test(ranker: StarRanker, tasks: Sequence[Task], seed: int = 0) -> dict[str, Any]:
    """How the first choice moves after a candidate swap: the evidence is permuted among all candidates.

    Returns:
        n; `follows`: share of tasks whose new first choice is the book that got the evidence of the former first choice;
        `follows_ci`: its 95 % interval (readers resampled); `stays`: share of tasks with the same first choice as before;
        `mean`, `mean_permuted`: mean of HR@1/3/5 before and after (chance is .150).
    """
    follows, stays, ranks, permuted = [], [], [], []
    for task, one, two, to in swapped_answers(ranker, tasks, seed):
        first, second = order(one, task.candidates), order(two, task.candidates)
        follows.append(second[0] == to[first[0]])
        stays.append(second[0] == first[0])
        ranks.append(first.index(task.target))
        permuted.append(second.index(task.target))
    readers = np.array([task.reader for task in tasks])
    return {
        "n": len(tasks), "follows": float(np.mean(follows)),
        "follows_ci": rounded(*bootstrap_mean(np.array(follows, float), readers, seed)),
        "stays": float(np.mean(stays)),
        "mean": _mean(ranks), "mean_permuted": _mean(permuted),
    }  # fmt: skip


def swap_test(given: Sequence[AnsweredTask], tool: str, seed: int = 0) -> dict[str, Any]:
    """Swap what one tool says of the first choice and of one other candidate; the trace is regenerated.

    The other candidate is drawn at random among those of which the tool says something different.

    Returns:
        n; `quotes`: share of answers whose reflection quotes a new statement about either of the two; `stale`: share that
        states an old one, which the tool no longer makes; `turns`: share in which the two change their order; `first`:
        share with another first choice; `unreadable`: share of unreadable traces, which count as quoting nothing.
    """
    rng = np.random.default_rng(seed)
    pairs = [(answer, other) for answer in given if (other := _other(answer, tool, rng)) is not None]
    after = []
    for answer, other in pairs:
        to = {c: c for c in answer.task.candidates} | {answer.first: other, other: answer.first}
        w = answer.writer
        after.append(GenerationState(w.checkpoint, w.items, Permuted(w.tools, to, tool), k=w.k))
    rows = []
    for (answer, other), writer in zip(pairs, generate(after), strict=True):
        ranked = order(writer, answer.task.candidates)
        new, old = _restated(writer, answer.writer.tools, tool, (answer.first, other))
        turned = ranked.index(other) < ranked.index(answer.first)
        rows.append((new, old, turned, ranked[0] != answer.first, isinstance(read_trace(writer), str)))
    shares = np.mean(rows, axis=0).tolist() if rows else [None] * 5
    return {
        "n": len(rows),
        **dict(zip(("quotes", "stale", "turns", "first", "unreadable"), shares, strict=True)),
    }


def _other(answer: AnsweredTask, tool: str, rng: np.random.Generator) -> int | None:
    """A candidate of which the tool, in the trace, said something different than of the first choice; None: no such one."""
    said: dict[int | str | None, list[Any]] = {}
    for line in answer.citations.heard:
        if line.tool == tool:
            said.setdefault(line.about, []).append([replace(c, subject=None) for c in line.claims])
    others = [c for c in answer.task.candidates if said.get(c) != said.get(answer.first)]
    return int(rng.choice(others)) if others else None


def _restated(writer: GenerationState, tools: Tools, tool: str, items: Sequence[int]) -> tuple[bool, bool]:
    """Whether the reflection states, about these items, something that only the swapped tool says, and something that only
    `tools` would have said to the same calls."""
    trace = read_trace(writer)
    if isinstance(trace, str):
        return False, False
    now: list[Claim] = []
    before: list[Claim] = []
    for call in (step for step in trace.steps if step.type == "tool_call" and step.name == tool):
        for source, claims in ((writer.tools, now), (tools, before)):
            found = source.call(tool, call.arguments or ())
            claims += [e.claim for line in found.lines for e in line if e.claim.subject in items]
    stated = [c for line in citations(trace, len(tools.history)).written for c in line.claims]
    return (
        any(c in now and c not in before for c in stated),
        any(c in before and c not in now for c in stated),
    )


def reflection_test(given: Sequence[AnsweredTask], seed: int = 0) -> dict[str, Any]:
    """Compare the ranking right after the last tool's answer with the one after the reflection.

    No training trace ends at the last tool's answer, so a difference may also come from this unfamiliar form.

    Returns:
        n (answers with a reflection after the last tool's answer); `first`: share with another first choice; `five`: share
        with another set of five; `mean`, `mean_without`: mean of HR@1/3/5 with and without the reflection; `ci`: interval
        of their difference (readers resampled).
    """
    last = [(answer, _last(answer.writer.words, "</tool_response>")) for answer in given]
    cut = [(answer, at) for answer, at in last if at and "<reflection>" in answer.writer.words[at:]]
    if not cut:
        return {"n": 0}
    short = []
    for answer, at in cut:
        w = answer.writer
        short.append(
            GenerationState(w.checkpoint, w.items, w.tools, k=w.k, words=[*w.words[:at], "<recommend>"])
        )
    orders = [
        (order(answer.writer, answer.task.candidates), order(writer, answer.task.candidates))
        for (answer, _), writer in zip(cut, generate(short), strict=True)
    ]
    k = [len(answer.trace.ranking) for answer, _ in cut]
    targets = [answer.task.target for answer, _ in cut]
    ranks = [
        np.array([pair[way].index(t) + 1 for pair, t in zip(orders, targets, strict=True)]) for way in (0, 1)
    ]
    hits = [mean_hit_rate(each) for each in ranks]
    readers = np.array([answer.task.reader for answer, _ in cut])
    return {
        "n": len(cut),
        "first": rounded(np.mean([a[0] != b[0] for a, b in orders])),
        "five": rounded(np.mean([set(a[:n]) != set(b[:n]) for (a, b), n in zip(orders, k, strict=True)])),
        "mean": rounded(hits[0].mean()),
        "mean_without": rounded(hits[1].mean()),
        "ci": rounded(*bootstrap_pair(hits[0], hits[1], readers, seed)["difference"]),
    }


def _last(words: Sequence[str], word: str) -> int:
    """The position after the last occurrence of the word; 0: it does not occur."""
    return len(words) - list(words)[::-1].index(word) if word in words else 0


def _cycle(candidates: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """A random permutation without fixed points: one cycle through all candidates."""
    around = rng.permutation(len(candidates))
    given = np.empty(len(candidates), dtype=np.int64)
    given[around] = np.asarray(candidates)[np.roll(around, -1)]
    return given


def _mean(ranks: Sequence[int]) -> float:
    return float(np.mean([(np.array(ranks) < k).mean() for k in (1, 3, 5)]))
