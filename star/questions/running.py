"""One run of a recommender under edits: the whole answer, or only the order of the candidates where many runs are made."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from star.data.catalog import Catalog
from star.display import quoted
from star.errors import UserError
from star.evidence.tools import Tools
from star.questions.edits import Edit, Edited, applied, of_tools
from star.recommend.assembly import Draft, assemble
from star.recommend.recommendation import Query, Recommendation, Timing
from star.recommend.recommender import Recommender, Star, answer
from star.recommend.serving import RANKED_AT_MOST, ServingContext


class EditedContext(ServingContext):
    """A serving context whose tools are edited; graph, retrieval and signals are those of the other."""

    def __init__(self, context: ServingContext, edits: Sequence[Edit]):
        self.__dict__.update(context.__dict__)
        self.edits = tuple(edits)

    def tools(self, query: Query) -> Tools:
        return Edited(super().tools(query), self.edits)


@dataclass(frozen=True)
class Ranking:
    """Candidates as one run ranks them.

    Attributes:
        order: item rows, best first; an item that the recommender does not rank is not there.
        scores: item row → probability among the candidates; an item without one counts as 0.
    """

    order: tuple[int, ...]
    scores: dict[int, float]

    def place(self, item: int) -> int | None:
        """Place of an item, from 1; None: it is not ranked."""
        return self.order.index(item) + 1 if item in self.order else None

    def leads(self, one: int, other: int) -> bool:
        """Whether the first item stands before the second; an item that is not ranked stands behind all that are."""
        mine, theirs = self.place(one), self.place(other)
        return mine is not None and (theirs is None or mine < theirs)

    def lead(self, one: int, other: int) -> float:
        """Score of the first item minus that of the second, -1 to 1."""
        return self.scores.get(one, 0.0) - self.scores.get(other, 0.0)


def context_of(recommender: Recommender) -> ServingContext:
    """The serving context of a recommender.

    Raises:
        UserError: it has none, so that its tools cannot be edited.
    """
    # Student and teacher keep it under the same name; the protocol does not show it, since nobody else needs it.
    context = vars(recommender).get("_serving")
    if not isinstance(context, ServingContext):
        shelf = recommender.dataset.catalog.words.shelf
        raise UserError(f"{recommender.checkpoint} shows no tools, so only the {shelf} can be changed")
    return context


def edited(recommender: Recommender, edits: Sequence[Edit]) -> Recommender:
    """The same recommender with edited tools; the given one stays as it is.

    Raises:
        UserError: as `context_of`, and as `of_tools`.
    """
    cuts = of_tools(edits, recommender.dataset.catalog)
    if not cuts:
        return recommender
    made = copy.copy(recommender)
    vars(made)["_serving"] = EditedContext(context_of(recommender), cuts)
    return made


def rerun(recommender: Recommender, query: Query, edits: Sequence[Edit] = ()) -> Recommendation:
    """The finished answer under these edits; it equals the last snapshot of `stream`, times aside.

    Raises:
        UserError: as `Recommender.stream`, `applied` and `edited`.
    """
    asked = applied(query, edits, recommender.dataset.catalog)
    made = edited(recommender, edits)
    if not isinstance(made, Star):
        return answer(made, asked)
    start = time.perf_counter()
    state = made.written(asked)
    now = time.perf_counter() - start
    draft = Draft(state.words, state.own, [now] * len(state.words))
    done = Recommendation(made.dataset.name, made.checkpoint, asked, tuple(state.candidates))
    done = assemble(done, draft, state.tools, state.order[: state.k], state.scores)
    total = time.perf_counter() - start
    return replace(done, timing=Timing(None, total, state.generated, state.calls))


def ranking(recommender: Recommender, query: Query, edits: Sequence[Edit] = ()) -> Ranking:
    """The order of the candidates under these edits, without words: cheaper than `rerun` by the reading of the trace.

    The student ranks what it discusses. Of other recommenders the first `RANKED_AT_MOST` are seen.

    Raises:
        UserError: as `rerun`.
    """
    asked = applied(query, edits, recommender.dataset.catalog)
    made = edited(recommender, edits)
    if isinstance(made, Star):
        state = made.written(asked)
        return Ranking(tuple(state.order), dict(state.scores))
    done = answer(made, replace(asked, k=RANKED_AT_MOST))
    return Ranking(tuple(r.item for r in done.items), {r.item: r.score or 0.0 for r in done.items})


def fixed(query: Query, candidates: Sequence[int]) -> Query:
    """The query with these candidates instead of retrieved ones, so that only an edit can change the answer."""
    return replace(query, candidates=tuple(candidates))


def title(catalog: Catalog, item: int) -> str:
    """An item's title, as sentences quote it."""
    return quoted(catalog[item].title)
