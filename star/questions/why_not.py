"""Why this and not that: the evidence about two items side by side, and the smallest change of shelf that turns them.

The search tries single changes first, removals before additions, in the order of a guess from the graph. Then it joins the
best single change with each other one. It ends with the first change that puts the other item ahead, or with its budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from star.data.catalog import Catalog, fold
from star.errors import UserError
from star.evidence.claims import WITHHELD
from star.evidence.tools import FITTED
from star.questions.edits import Add, Shelf, TakeOff
from star.questions.evidence_lines import Line, lines, parting, said_of
from star.questions.running import Ranking, context_of, fixed, ranking, rerun, title
from star.recommend.recommendation import CheckedClaim, Query, Recommendation
from star.recommend.recommender import Recommender, answer
from star.recommend.serving import CANDIDATES

BUDGET = 40
"""Runs of the model that one search may take."""
REMOVALS, ADDITIONS = 10, 8
"""Single changes that are tried, at most."""


@dataclass(frozen=True)
class Change:
    """A change of shelf that puts the other item ahead.

    Attributes:
        edits: removals and additions; an added item becomes the latest.
        lead: by how much of the model's probability it then leads, 0 to 1.
        place: its place then, from 1; first: item that is first then.
    """

    edits: tuple[Shelf, ...]
    lead: float
    place: int
    first: int


@dataclass(frozen=True)
class WhyNot:
    """Two items of one answer, and how far the search for a change is.

    Attributes:
        answer: the answer that both are candidates of.
        one, other: item rows; the question is why `one` and not `other`.
        ranks: the order of the candidates before any change.
        put_in: which of the two retrieval had not found; left_out: candidates that made room for them.
        lines: the evidence, signal by signal; parts: the line that parts the two most.
        words: what the model itself wrote of either.
        change: None: none found so far, or none needed.
        runs, budget: runs of the model that the search took, and may take.
        finished: whether the search is over.
    """

    answer: Recommendation
    one: int
    other: int
    ranks: Ranking
    put_in: tuple[int, ...]
    left_out: tuple[int, ...]
    lines: tuple[Line, ...]
    parts: Line | None
    words: tuple[CheckedClaim, ...]
    change: Change | None = None
    runs: int = 0
    budget: int = BUDGET
    finished: bool = False

    @property
    def turned(self) -> bool:
        """Whether the other item is ahead already, so that no change is needed."""
        return self.ranks.leads(self.other, self.one)


def why_not(
    recommender: Recommender,
    query: Query,
    one: int,
    other: int,
    before: Recommendation | None = None,
    budget: int = BUDGET,
) -> WhyNot:
    """The finished comparison; see `search`."""
    *_, last = search(recommender, query, one, other, before, budget)
    return last


def search(
    recommender: Recommender,
    query: Query,
    one: int,
    other: int,
    before: Recommendation | None = None,
    budget: int = BUDGET,
) -> Iterator[WhyNot]:
    """The comparison first, then a snapshot after each run of the search; close the generator to stop.

    An item that retrieval did not find takes the place of the candidate that the tools favour least. The candidates are
    kept from then on.

    Args:
        one, other: item rows of the catalogue, ranked or not.
        before: the answer to `query`, where it is at hand.
        budget: runs of the model for the search, beyond those for the comparison.

    Raises:
        UserError: an unknown item, one of the shelf, the same item twice, or as `star.questions.running.rerun`.
    """
    catalog = recommender.dataset.catalog
    _check(query, one, other, catalog)
    before = answer(recommender, query) if before is None else before
    candidates, put_in, left_out = with_both(before, one, other, catalog)
    query = fixed(query, candidates)
    done = rerun(recommender, query) if put_in else before
    if lost := [item for item in (one, other) if item not in done.candidates]:
        raise UserError(
            f"{title(catalog, lost[0])} is unknown to this model; choose another {catalog.words.item}"
        )
    ranks, found = ranking(recommender, query), lines(done, one, other, catalog)
    words = tuple(c for c in done.claims if c.author == "model" and c.claim.subject in (one, other))
    parts = parting(found, not ranks.leads(other, one))
    state = WhyNot(done, one, other, ranks, put_in, left_out, found, parts, words, budget=budget)
    if state.turned:
        yield replace(state, finished=True)
        return
    yield state
    yield from _searched(recommender, query, state)


def _check(query: Query, one: int, other: int, catalog: Catalog) -> None:
    w = catalog.words
    for item in (one, other):
        if not 0 <= item < len(catalog):
            raise UserError(f"item row {item} is outside the catalogue of {len(catalog)} items")
        if item in query.history:
            raise UserError(
                f"{title(catalog, item)} is {w.on_shelf}, and is not recommended; choose another {w.item}"
            )
    if one == other:
        raise UserError(f"{title(catalog, one)} was given twice; choose two {w.items}")


def with_both(
    before: Recommendation, one: int, other: int, catalog: Catalog
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Candidates with both items, which of the two were put in, and which candidates made room.

    The list gets no longer than `CANDIDATES`, which is what the models were trained on. Who makes room is recommended
    nowhere and has the lowest sum of 1 / place over all signals; ties go to the later row.
    """
    put_in = tuple(item for item in (one, other) if item not in before.candidates)
    room = CANDIDATES - len(before.candidates)
    named = {one, other, *(r.item for r in before.items)}
    free = [item for item in before.candidates if item not in named]

    def favour(item: int) -> tuple[float, int]:
        return sum(1 / said.place for said in said_of(before, item, catalog).values() if said.place), -item

    left_out = tuple(sorted(free, key=favour)[: max(len(put_in) - room, 0)])
    return (*(item for item in before.candidates if item not in left_out), *put_in), put_in, left_out


def _searched(recommender: Recommender, query: Query, state: WhyNot) -> Iterator[WhyNot]:
    """Single changes, then pairs of the best single change with each other one."""
    tried: list[tuple[float, Shelf]] = []

    def run(edits: tuple[Shelf, ...]) -> Ranking:
        nonlocal state
        now = ranking(recommender, query, edits)
        change = None
        if (place := now.place(state.other)) is not None and now.leads(state.other, state.one):
            change = Change(edits, now.lead(state.other, state.one), place, now.order[0])
        state = replace(state, runs=state.runs + 1, change=change, finished=change is not None)
        return now

    for edit in singles(recommender, query, state.one, state.other):
        if state.runs >= state.budget:
            break
        now = run((edit,))
        tried.append((now.lead(state.other, state.one), edit))
        yield state
        if state.change is not None:
            return
    tried.sort(key=lambda pair: -pair[0])
    shelf = len(query.history)
    for _, edit in tried[1:]:
        best = tried[0][1]
        if state.runs >= state.budget:
            break
        if shelf <= 2 and isinstance(best, TakeOff) and isinstance(edit, TakeOff):
            continue  # an empty shelf cannot be answered
        run((best, edit))
        yield state
        if state.change is not None:
            return
    yield replace(state, finished=True)


def singles(recommender: Recommender, query: Query, one: int, other: int) -> list[Shelf]:
    """Single changes in the order of a guess: books of the shelf that carry the first item and not the other, then items
    that readers of the other have and readers of the first have not.

    Candidates are never added, since the list of candidates stays.
    """
    found: list[Shelf] = []
    if len(query.history) > 1:
        carries = _carries(recommender, query, one, other)
        order = sorted(carries, key=lambda book: -carries[book])
        found += [TakeOff(book) for book in order[:REMOVALS]]
    return found + [Add(item) for item in _tied(recommender, query, one, other)]


def _carries(recommender: Recommender, query: Query, one: int, other: int) -> dict[int, float]:
    """Book of the shelf → its share of the first item's evidence minus that of the other's, over all signals that are
    sums over the shelf, and over co-reading.
    """
    tools = context_of(recommender).tools(fixed(query, (one, other)))
    shelf = tools.history.tolist()
    both = tools.graph.both(tools.history, tools.candidates, query.reader).astype(float)
    parts = [both / np.sqrt(np.maximum(tools.graph.counts[tools.candidates], 1))]
    if tools.signals is not None:
        parts += [np.maximum(tools.parts(kind), 0) for kind in FITTED.values()]
    shares = sum(part / max(float(part.sum()), 1e-9) for part in parts)
    return dict(zip(shelf, (shares[:, 0] - shares[:, 1]).tolist(), strict=True))


def _tied(recommender: Recommender, query: Query, one: int, other: int) -> list[int]:
    """Items that co-reading ties to the other more than to the first, the strongest tie first. Ties of fewer than five
    readers are left out, and so are candidates, the shelf, and other editions and volumes of either."""
    context, catalog = context_of(recommender), recommender.dataset.catalog
    graph = context.graph
    weights = np.zeros((graph.n_items, 2), np.float32)
    weights[other, 0] = weights[one, 1] = 1
    both = graph.co_reading(weights, query.reader)
    counts = np.maximum(graph.without(query.reader), 1)
    tie = both / np.sqrt(counts[:, None] * counts[[other, one]][None])
    names = {fold(catalog[item].title) for item in (one, other)}
    kept = both[:, 0] >= WITHHELD
    kept[[*query.history, *(query.candidates or ()), one, other]] = False
    order = np.argsort(-np.where(kept, tie[:, 0] - tie[:, 1], -np.inf), kind="stable")
    near = [int(item) for item in order[: 4 * ADDITIONS] if kept[item]]
    series = {catalog[item].series for item in (one, other)} - {None, ""}
    return [i for i in near if fold(catalog[i].title) not in names and catalog[i].series not in series][:ADDITIONS]


def said_change(edits: Sequence[Shelf], catalog: Catalog) -> str:
    """A change of shelf in plain words: `add “Dune”`, `take off “Emma” and add “Dune”`."""
    words = [
        f"{'take off' if isinstance(edit, TakeOff) else 'add'} {title(catalog, edit.item)}" for edit in edits
    ]
    return " and ".join(words)
