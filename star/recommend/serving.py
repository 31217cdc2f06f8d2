"""Shelf: what every recommender needs around its voice: the serving graph, retrieval, and words turned into views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from star.data import tasks
from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.errors import UserError
from star.evidence.claims import WITHHELD, Claim, Edge, sentence
from star.evidence.graph import Graph
from star.evidence.retrieval import Retriever
from star.evidence.subgraph import build
from star.evidence.tools import Attributes, Tools
from star.evidence.verification import Finding
from star.recommend.recommendation import CheckedClaim, Query, Recommendation, Recommended, StepView
from star.trace.grammar import Context, TraceError, spoken
from star.trace.steps import read_step, steps_of

CANDIDATES = 20
RANKED_AT_MOST = 10
NOTHING = ("nothing", ";")  # all that a tool answers when it has found nothing
SILENT = {
    "profile": "nothing: no book of the shelf has a genre",
    "recent": "nothing: none of these last books has a genre",
    "user_cf": "nothing: similar readers read none of the candidates",
    "item_cf": "nothing: these last books lead to none of the candidates asked about",
}


@dataclass(frozen=True)
class Draft:
    """How far the words of an answer have come: all words, for each whether the model wrote it, seconds at each."""

    words: list[str]
    own: list[bool]
    at: list[float]


class Shelf:
    """What every recommender needs around its voice: the serving graph, retrieval, views. Read-only once made."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset
        self.split = tasks.split(dataset.interactions)
        self.graph = Graph.build(dataset.interactions, self.split.train)
        self.attributes = Attributes.of(dataset.catalog)
        self.retriever = Retriever(self.graph, self.attributes)

    def tools(self, query: Query, known: np.ndarray | None = None) -> Tools:
        """The tools bound to this query, candidates retrieved and shuffled if it names none.

        Args:
            known: bool (I,), items that may be candidates; None: all.

        Raises:
            UserError: the query cannot be answered.
        """
        size = len(self.dataset.catalog)
        if not query.history:
            raise UserError("the shelf is empty; put at least one book on it")
        if bad := [i for i in (*query.history, *(query.candidates or ())) if not 0 <= i < size]:
            raise UserError(
                f"item row {bad[0]} is outside the catalogue of {size} items; pick from the catalogue"
            )
        if not 1 <= query.k <= RANKED_AT_MOST:
            raise UserError(f"{query.k} books were asked for; choose from 1 to {RANKED_AT_MOST}")
        history = np.array(list(dict.fromkeys(query.history)), dtype=np.int64)
        candidates = self._candidates(query, history, np.ones(size, dtype=bool) if known is None else known)
        return Tools(
            self.graph,
            self.dataset.catalog,
            self.attributes,
            history.tolist(),
            candidates.tolist(),
            query.reader,
        )

    def _candidates(self, query: Query, history: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Item rows to rank, (C,): those that the query names, in its order, or retrieved and shuffled; none of the shelf.

        Raises:
            UserError: there is none, and why.
        """
        free = np.ones(len(known), dtype=bool)
        free[history] = False
        if query.candidates is not None:
            given = np.array(list(dict.fromkeys(query.candidates)), dtype=np.int64)
            if len(given) and not free[given].any():
                raise UserError(
                    f"all {len(given)} candidates are on the shelf; give others, or none to have them retrieved"
                )
            candidates = given[free[given] & known[given]]
            if not len(candidates):
                raise UserError(
                    "none of the candidates is a book that the model knows; give others, or none to have them retrieved"
                )
            return candidates
        if not free.any():
            raise UserError(
                f"the shelf holds all {len(free)} items of the catalogue, so nothing is left to recommend; take some "
                "off, or choose another reader"
            )
        if not (free & known).any():
            raise UserError(
                f"the model knows none of the {int(free.sum())} items that are not on the shelf; train it on this catalogue "
                "with training/run.sh, or take some off"
            )
        found = self.retriever(history, 3 * CANDIDATES, query.reader)
        if known[found].sum() < min(CANDIDATES, int((free & known).sum())):
            found = self.retriever(history, len(free), query.reader)
        found = found[known[found]]
        return np.random.default_rng([query.seed, len(history)]).permutation(found[:CANDIDATES])

    def view(
        self, draft: Draft, tools: Tools, asked_at: float
    ) -> tuple[tuple[StepView, ...], list[tuple[Claim, bool, int]]]:
        """Steps so far, and the claims of the closed ones: (claim, written by the model, number of the step)."""
        context, place = Context(len(tools.history)), 0
        steps: list[StepView] = []
        claims: list[tuple[Claim, bool, int]] = []
        try:
            for number, (kind, inside, closed) in enumerate(steps_of(draft.words)):
                length = len(inside) + 1 + closed
                began = draft.at[place - 1] if place else asked_at
                seconds = draft.at[place + length - 1] - began
                first = len(claims)
                name, arguments = None, None
                text = spoken(inside, self.dataset.catalog)
                if closed:
                    try:
                        step = read_step(kind, inside, context)
                        if kind == "tool_response" and steps and steps[-1].name and inside == NOTHING:
                            said = SILENT[str(steps[-1].name)]
                            text, step = said, replace(step, claims=(Claim("opinion", label=said),))
                        claims += [(claim, kind != "tool_response", number) for claim in step.claims]
                        name = step.name
                        arguments = (
                            None
                            if step.arguments is None
                            else _named(step.name or "", step.arguments, self.dataset)
                        )
                    except TraceError as error:
                        text += f" [not readable: {error}]"
                if kind == "tool_response" and steps and steps[-1].name:
                    name, arguments = steps[-1].name, steps[-1].arguments
                own = kind != "tool_response"
                tokens = sum(draft.own[place : place + length]) if own else length
                steps.append(
                    StepView(
                        kind, text, seconds, tokens, tuple(range(first, len(claims))), name, arguments, closed
                    )
                )
                place += length
        except TraceError as error:
            steps.append(StepView("reflection", f"[not readable: {error}]"))
        return tuple(steps), claims

    def checked(
        self, claims: Sequence[tuple[Claim, bool, int]], findings: Sequence[Finding]
    ) -> tuple[CheckedClaim, ...]:
        """Claims as shown while the trace is written, without their paths."""
        catalog = self.dataset.catalog
        return tuple(
            CheckedClaim(
                claim,
                _text(claim, finding, catalog) + _how_sure(finding),
                finding.found,
                (),
                "model" if own else "tool",
                finding.verdict,
            )
            for (claim, own, _), finding in zip(claims, findings, strict=True)
        )

    def finish(
        self,
        so_far: Recommendation,
        claims: Sequence[tuple[Claim, bool, int]],
        findings: Sequence[Finding],
        tools: Tools,
        ranking: list[int],
        scores: list[float],
    ) -> Recommendation:
        """The complete answer: subgraph cut out, paths of the claims, reasons."""
        catalog = self.dataset.catalog

        def weight(number: int) -> tuple[bool, bool]:
            claim, own, _ = claims[number]
            return (not own, claim.subject not in ranking)

        shown = [
            n
            for n in sorted(range(len(claims)), key=weight)
            if claims[n][1] or claims[n][0].subject in ranking or claims[n][0].kind in ("co_read", "genre")
        ]
        nodes, edges = build(tools.history.tolist(), ranking, [findings[n].edges for n in shown], catalog)
        place = {(e.source, e.target, e.kind): n for n, e in enumerate(edges)}

        def path(found: tuple[Edge, ...]) -> tuple[int, ...]:
            return tuple(sorted({place[k] for e in found if (k := (e.source, e.target, e.kind)) in place}))

        checked = tuple(
            replace(claim, edges=path(finding.edges))
            for claim, finding in zip(self.checked(claims, findings), findings, strict=True)
        )
        items = tuple(
            Recommended(n + 1, item, scores[n], _reason(item, checked)) for n, item in enumerate(ranking)
        )
        return replace(so_far, claims=checked, items=items, nodes=nodes, edges=edges, finished=True)


def _text(claim: Claim, finding: Finding, catalog: Catalog) -> str:
    """The claim as people read it; only remarks are made of words of the grammar, titles stay as they are."""
    if claim.kind == "opinion":
        return spoken((claim.label or "").split(), catalog)
    return sentence(claim, catalog, finding.found)


def _how_sure(finding: Finding) -> str:
    """The interval of a lift that is borne out, and whether it may be chance; how many similar readers there are, where
    they are fewer than were asked."""
    if finding.heard is not None:
        few = "fewer than five" if finding.heard < WITHHELD else f"only {finding.heard}"
        return f" ({few} readers share a book with the shelf)"
    if finding.interval is None or finding.verdict != "supported":
        return ""
    low, high = finding.interval
    return f" (95 % interval {low:.1f} to {high:.1f}{': may be chance' if low < 1 else ''})"


def _named(name: str, arguments: tuple[int, ...], dataset: Dataset) -> dict[str, object]:
    """Arguments by name, candidates as item ids."""
    names = {"recent": "window", "user_cf": "readers", "item_cf": "window"}
    named: dict[str, object] = {names[name]: arguments[0]} if arguments and name in names else {}
    if len(arguments) > 1:
        named["candidates"] = [dataset.catalog[i].id for i in arguments[1:]]
    return named


def _reason(item: int, claims: tuple[CheckedClaim, ...]) -> str:
    """One line: what the model itself said of the item and the graph bears out, else what a tool found."""
    kinds = ("series", "co_read", "similar", "author", "read_next", "pull")
    about = [
        c for c in claims if c.claim.subject == item and c.verdict == "supported" and c.claim.kind in kinds
    ]
    about.sort(
        key=lambda c: (
            c.author != "model",
            c.claim.kind == "co_read" and "both" not in c.claim.numbers,
            kinds.index(c.claim.kind),
        )
    )
    return (
        about[0].text[:1].upper() + about[0].text[1:]
        if about
        else "The graph says nothing of it; the model ranked it all the same."
    )
