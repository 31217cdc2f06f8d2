"""What a recommender is asked (`Query`) and what it answers (`Recommendation`), as data the page and commands show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from star.data.catalog import Catalog
from star.evidence.behind import Behind
from star.evidence.claims import Claim, Edge, Verdict, bounds, stated
from star.evidence.subgraph import Node
from star.trace.grammar import StepType


@dataclass(frozen=True)
class Feedback:
    """What a visitor said of a recommended item. `do`: `read` it before, `no` (not for me), `more` like this."""

    do: Literal["read", "no", "more"]
    item: int


@dataclass(frozen=True)
class Query:
    """One question. `history`: item indices, oldest first. `reader`: row in the data set's interactions when a known
    reader is picked (that row is then left out of every look-up), None for a shelf composed on the page.
    `candidates` None means: retrieve from the whole catalogue. `feedback`: on earlier answers; the history has it already,
    see `with_feedback`.
    """

    history: tuple[int, ...]
    reader: int | None = None
    candidates: tuple[int, ...] | None = None
    k: int = 5
    seed: int = 0
    feedback: tuple[Feedback, ...] = ()

    @property
    def left_out(self) -> tuple[int, ...]:
        """Items that are never candidates, since they are not for whoever asks."""
        return tuple(each.item for each in self.feedback if each.do == "no")


def with_feedback(query: Query, feedback: Sequence[Feedback]) -> Query:
    """The query after feedback. What was read before stands in front of the latest item of the shelf, what is liked becomes
    the latest, and what is not liked is no candidate. Feedback on an item of the shelf counts for nothing."""
    given = tuple({each.item: each for each in feedback if each.item not in query.history}.values())
    read = [each.item for each in given if each.do == "read"]
    more = [each.item for each in given if each.do == "more"]
    history = (*query.history[:-1], *read, *query.history[-1:], *more)
    return replace(query, history=history, feedback=given)


@dataclass(frozen=True)
class StepView:
    """One step of a trace as shown. `text`: what was written, items as `<i7>` tokens already replaced by titles.

    `claims`: indices into `Recommendation.claims`. `name`, `arguments`: tool steps only.
    """

    type: StepType
    text: str
    seconds: float = 0.0
    tokens: int = 0
    claims: tuple[int, ...] = ()
    name: str | None = None
    arguments: dict[str, Any] | None = None
    finished: bool = True

    def to_json(self) -> dict[str, Any]:
        """The step in `Recommendation.to_json`."""
        said = {
            "type": self.type,
            "text": self.text,
            "seconds": self.seconds,
            "tokens": self.tokens,
            "claims": list(self.claims),
        }
        return said | ({"name": self.name, "arguments": self.arguments} if self.name else {})


@dataclass(frozen=True)
class CheckedClaim:
    """A claim with what the graph says. `edges`: indices into `Recommendation.edges` (its path).

    `behind`: what its number counts or sums, as `star.evidence.behind` has it, where it was looked up.
    """

    claim: Claim
    text: str
    found: dict[str, float]
    edges: tuple[int, ...]
    author: Literal["model", "tool"]
    verdict: Verdict
    behind: Behind = ()

    def to_json(self, catalog: Catalog) -> dict[str, Any]:
        """The claim in `Recommendation.to_json`; items by id."""
        subject, anchor = self.claim.subject, self.claim.anchor
        return {
            "text": self.text,
            "kind": self.claim.kind,
            "subject": None if subject is None else catalog[subject].id,
            "anchor": None if anchor is None else catalog[anchor].id,
            "label": self.claim.label,
            "stated": stated(self.claim) | bounds(self.claim, self.found),
            "found": self.found,
            "edges": list(self.edges),
            "author": self.author,
            "verdict": self.verdict,
        } | ({"behind": [_behind(node, amount, catalog) for node, amount in self.behind]} if self.behind else {})


def _behind(node: str, amount: float, catalog: Catalog) -> dict[str, Any]:
    item = {"item": catalog[int(node[2:])].id} if node.startswith("i:") else {}
    return {"node": node, "amount": amount} | item


@dataclass(frozen=True)
class Recommended:
    """One recommended item. `score`: the model's probability among the candidates, None where it is kept from whoever
    looks (blinded records). `reason`: one line."""

    rank: int
    item: int
    score: float | None
    reason: str


@dataclass(frozen=True)
class Timing:
    """Seconds since the query was asked: to the first word, and so far (in the end, to the whole answer)."""

    first_token_s: float | None = None
    total_s: float | None = None
    generated_tokens: int = 0
    tool_calls: int = 0


@dataclass(frozen=True)
class Recommendation:
    """A complete answer, or (while `finished` is false) a snapshot of one under way: steps grow, items come last."""

    dataset: str
    checkpoint: str
    query: Query
    candidates: tuple[int, ...]
    text: str = ""
    steps: tuple[StepView, ...] = ()
    claims: tuple[CheckedClaim, ...] = ()
    items: tuple[Recommended, ...] = ()
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    timing: Timing = Timing()
    finished: bool = False

    @property
    def unsupported(self) -> tuple[int, ...]:
        """Indices of the claims that the model wrote and the graph does not bear out."""
        return tuple(i for i, c in enumerate(self.claims) if c.author == "model" and c.verdict == "unsupported")

    def to_json(self, catalog: Catalog, user: str | None = None) -> dict[str, Any]:
        """The document of `star recommend --json`. Nodes and claims name items by id, so that it can be read back
        without the catalogue's order (`annotation/frozen.py`)."""
        given = [{"do": each.do, "item": catalog[each.item].id} for each in self.query.feedback]
        return {
            "dataset": self.dataset,
            "checkpoint": self.checkpoint,
            "user": user,
            "seed": self.query.seed,
            "shelf": [catalog[i].id for i in self.query.history],
            **({"feedback": given} if given else {}),
            "candidates": [catalog[i].id for i in self.candidates],
            "items": [
                {
                    "rank": r.rank,
                    "id": catalog[r.item].id,
                    "title": catalog[r.item].title,
                    "score": r.score,
                    "reason": r.reason,
                }
                for r in self.items
            ],
            "trace": {
                "text": self.text,
                "steps": [step.to_json() for step in self.steps],
            },
            "claims": [claim.to_json(catalog) for claim in self.claims],
            "graph": {
                "nodes": [
                    {"id": n.id, "kind": n.kind, "label": n.label}
                    | ({"item": catalog[int(n.id[2:])].id} if n.id.startswith("i:") else {})
                    for n in self.nodes
                ],
                "edges": [
                    {"source": e.source, "target": e.target, "kind": e.kind, "weight": e.weight}
                    for e in self.edges
                ],
            },
            "timing": {
                "first_token_s": self.timing.first_token_s,
                "total_s": self.timing.total_s,
                "generated_tokens": self.timing.generated_tokens,
                "tool_calls": self.timing.tool_calls,
            },
        }


def names_in(answer: Recommendation, catalog: Catalog) -> set[str]:
    """The titles and genres that the sentences of an answer may name."""
    said = {i for c in answer.claims for i in (c.claim.subject, c.claim.anchor) if i is not None}
    items = [catalog[i] for i in {*answer.query.history, *answer.candidates, *said}]
    labels = {c.claim.label for c in answer.claims if c.claim.kind == "genre" and c.claim.label}
    return {item.title for item in items} | {genre for item in items for genre in item.genres} | labels
