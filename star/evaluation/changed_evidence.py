"""What the student writes and recommends when a tool says something else: lines swapped between two items, lines erased.

`swapped`: what a signal says of the first two recommended items is swapped, where the reflection quotes it and differs.
`decisive`: of these, those where boosted trees over the same evidence, which preferred the first, then prefer the second.
`erased`: what the reflection quotes of the first item is erased from the tools' answers; as a control, as many lines that it
does not quote (ERASER, DeYoung et al. 2020, arXiv 1911.03429).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from star.data.tasks import Task
from star.evaluation.metrics import bootstrap_pair
from star.evaluation.pooling import rounded
from star.evidence.claims import COMPARED, Claim
from star.evidence.tools import ToolResponse, Tools
from star.methods.fusion import Scorer, features, signal_columns
from star.methods.student import StarRanker
from star.recommend.recommendation import Query
from star.recommend.recommender import Star
from star.student.generation import TOGETHER, GenerationState, write_all
from star.student.vocabulary import UNREAD, VOCABULARY, Tokens, word_of

Change = Callable[[Claim], Claim | None]
Progress = Callable[[str, int, int], None]
COLUMNS: dict[str, tuple[str, ...]] = {
    "pull": ("pull5", "pull10", "pull20"),
    "read_next": ("next5", "next10", "next20"),
    "similar": ("similar30", "similar50"),
    "whole": ("whole",),
    "latest": ("whole3",),
    "last": ("whole1",),
    "after": ("after",),
}
"""Kind of claim → columns of the trees that hold its signal."""


class ChangedTools(Tools):
    """The same tools, whose claims are changed on the way; None takes a claim out."""

    def __init__(self, tools: Tools, change: Change):
        self.__dict__.update(tools.__dict__)
        self.change = change

    def call(self, name: str, arguments: Sequence[int]) -> ToolResponse:
        found = super().call(name, arguments)
        lines = []
        for line in found.lines:
            changed = [(e, claim) for e in line if (claim := self.change(e.claim)) is not None]
            if changed:
                lines.append(tuple(replace(e, claim=claim) for e, claim in changed))
        return ToolResponse(name, found.arguments, tuple(lines))


def swap(kind: str, one: int, other: int) -> Change:
    """Claims of this kind about either item speak of the other one."""
    turned = {one: other, other: one}

    def change(claim: Claim) -> Claim:
        if claim.kind != kind or claim.subject not in turned:
            return claim
        return replace(claim, subject=turned[claim.subject])

    return change


def erase(gone: frozenset[tuple[int, int]]) -> Change:
    """Claims whose (subject, word) is among these are taken out."""
    return lambda claim: None if (claim.subject, word_of(claim)) in gone else claim


def resting(star: Star, query: Query, first: int) -> dict[str, float]:
    """How far the first choice of one answer rests on what the tools say of it.

    Returns:
        `erasure`: fall of its probability when the tools say nothing of it; `erasure, control`: the same for the next
        candidate in the list, as a control.
    """
    tools = star.serving.tools(query)
    candidates = tools.candidates.tolist()
    other = candidates[(candidates.index(first) + 1) % len(candidates)]
    before = star.written(query, tools).scores[first]
    return {
        name: before - star.written(query, ChangedTools(tools, silence(item))).scores[first]
        for name, item in (("erasure", first), ("erasure, control", other))
    }


def silence(item: int) -> Change:
    """Nothing is said about this item."""
    return lambda claim: None if claim.subject == item else claim


@dataclass(frozen=True)
class Changed:
    """One task with changed evidence: `kind` swapped between the first two, or `arm` erased."""

    task: int
    state: GenerationState
    kind: str | None = None
    arm: str | None = None
    decisive: bool = False


def changed_evidence(
    ranker: StarRanker,
    tasks: Sequence[Task],
    given: Sequence[GenerationState],
    trees: Scorer | None = None,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """
    Args:
        given: the answers to these tasks as they are.
        trees: over the same signals; None: nothing is known to be decisive.

    Returns:
        swapped: kind → n, `said`: share in which the own words of that kind about the two change, `turned`: share in
        which the second then stands above the first, and the same of the `decisive` ones (n, turned). erased: n, mean fall
        of the first choice's probability when what is `cited` and when `random` lines are erased; ratio of the mean sizes
        of both changes and its 95 % interval, readers resampled; places that it falls.
    """
    swapped: dict[str, list[tuple[bool, bool, bool]]] = {kind: [] for kind in COMPARED}
    falls: list[dict[str, tuple[float, float]]] = []
    readers: list[int] = []
    for start in range(0, len(tasks), TOGETHER):
        progress("changed evidence", start, len(tasks))
        some, answers = tasks[start : start + TOGETHER], given[start : start + TOGETHER]
        rng = np.random.default_rng([seed, start])
        changed = [
            each
            for n, (task, state) in enumerate(zip(some, answers, strict=True))
            for each in _changes(ranker, n, task, state, trees, rng)
        ]
        write_all([each.state for each in changed])
        arms: dict[int, dict[str, tuple[float, float]]] = {}
        for each in changed:
            before, after = answers[each.task], each.state
            one = before.order[0]
            if each.kind is not None:
                other = before.order[1]
                said = _own(before, each.kind, one, other) != _own(after, each.kind, one, other)
                turned = _place(after, other) < _place(after, one)
                swapped[each.kind].append((said, turned, each.decisive))
            elif each.arm is not None:
                fall = (before.scores[one] - after.scores[one], float(_place(after, one)))
                arms.setdefault(each.task, {})[each.arm] = fall
        falls += arms.values()
        readers += [some[n].reader for n in arms]
    return {
        "n": len(tasks),
        "swapped": {kind: _shares(rows) for kind, rows in swapped.items()},
        "erased": _erased(falls, readers, seed),
    }


def _changes(
    ranker: StarRanker,
    number: int,
    task: Task,
    state: GenerationState,
    trees: Scorer | None,
    rng: np.random.Generator,
) -> Iterator[Changed]:
    """All changes of one answer, not yet answered."""

    def with_(change: Change) -> GenerationState:
        return GenerationState(ranker.checkpoint, ChangedTools(state.tools, change))

    heard = {(c.subject, word) for c in state.said if (word := word_of(c)) is not None}
    if len(state.order) > 1:
        one, other = state.order[:2]
        turning = None if trees is None else _Turning(ranker, task, trees, one, other)
        for kind in COMPARED:
            mine, theirs = _own(state, kind, one, other)
            if mine != theirs:
                decisive = turning is not None and turning.by(kind)
                yield Changed(number, with_(swap(kind, one, other)), kind, None, decisive)
    first = state.order[0]
    paragraph = state.paragraphs[state.slot_of[first]]
    cited = frozenset((first, word) for word in _stated(paragraph) if (first, word) in heard)
    rest = sorted(heard - cited)
    if cited and len(rest) >= len(cited):
        drawn = frozenset(rest[n] for n in rng.choice(len(rest), len(cited), replace=False))
        yield Changed(number, with_(erase(cited)), None, "cited")
        yield Changed(number, with_(erase(drawn)), None, "random")


class _Turning:
    """Whether trees that prefer `one` prefer `other` once a signal of the two is swapped."""

    def __init__(self, ranker: StarRanker, task: Task, trees: Scorer, one: int, other: int):
        context = (ranker.graph, ranker.dataset, trees._attributes, task)
        self.names = list(signal_columns(*context, trees.signals))
        rows = [task.candidates.index(one), task.candidates.index(other)]
        self.trees, self.pair = trees, features(*context, trees.signals)[rows]

    def _prefers_first(self, pair: np.ndarray) -> bool:
        first, second = self.trees.trees.decision_function(pair[:, self.trees.columns(pair.shape[1])])
        return bool(first > second)

    def by(self, kind: str) -> bool:
        at = [self.names.index(name) for name in COLUMNS[kind]]
        columns = [part * len(self.names) + n for part in range(3) for n in at]
        turned = self.pair.copy()
        turned[:, columns] = self.pair[::-1][:, columns]
        return self._prefers_first(self.pair) and not self._prefers_first(turned)


def _kind(word: int) -> str:
    name = VOCABULARY.words[word].split(":")[0]
    return "about" if name == UNREAD else name


def _stated(paragraph: Tokens) -> list[int]:
    """What a paragraph states of its item, up to the comparison."""
    v = VOCABULARY
    return [w for w in paragraph.words if v.signals <= w < v.on or v.related <= w < v.calls]


def _own(state: GenerationState, kind: str, *items: int) -> list[set[int]]:
    """The words of a kind that the student wrote of each item."""
    return [
        {w for w in _stated(state.paragraphs.get(state.slot_of[item], Tokens())) if _kind(w) == kind}
        for item in items
    ]


def _place(state: GenerationState, item: int) -> int:
    """Place in the ranking, from 0; items without a paragraph stand behind, as the first look has them."""
    rest = [c for c in sorted(state.heard, key=lambda c: -state.heard[c]) if c not in state.order]
    return [*state.order, *rest].index(item)


def _shares(rows: list[tuple[bool, bool, bool]]) -> dict[str, Any]:
    decisive = [turned for _, turned, so in rows if so]
    return {
        "n": len(rows),
        "said": _mean([said for said, _, _ in rows]),
        "turned": _mean([turned for _, turned, _ in rows]),
        "decisive": {"n": len(decisive), "turned": _mean(decisive)},
    }


def _mean(values: Sequence[bool | float]) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _erased(
    falls: list[dict[str, tuple[float, float]]], readers: list[int], seed: int
) -> dict[str, Any]:
    if not falls:
        return {"n": 0}
    cited, random = (np.array([fall[arm] for fall in falls]) for arm in ("cited", "random"))
    moved, by_chance = np.abs(cited[:, 0]), np.abs(random[:, 0])
    pair = bootstrap_pair(moved, by_chance, np.array(readers), seed)
    return {
        "n": len(falls),
        "cited": rounded(cited[:, 0].mean()),
        "random": rounded(random[:, 0].mean()),
        "ratio": rounded(moved.mean() / by_chance.mean()) if by_chance.any() else None,
        "ratio_ci": rounded(*pair["ratio"]),
        "places": {"cited": rounded(cited[:, 1].mean()), "random": rounded(random[:, 1].mean())},
    }
