"""Frozen recommendations as annotators see them, blinded, and gold items that join two of them.

A run is one recommendation as the JSON document of `star recommend --json` (star/recommend/recommendation.py). Its field
`titles` (item id → title) keeps it readable after data set and checkpoint have changed. `blinded` removes what reveals the
recommender. `mismatched` makes a gold item: the evidence of one run with the conclusion of another.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from star.annotation.storage.models import Choice
from star.errors import UserError
from star.evidence.subgraph import LIMIT

RunJson = dict[str, Any]

BETRAYING = ("checkpoint", "timing", "seed", "measures")
DESERVED = {"faithful": 1, "ranking": 1}
"""Criterion → the right rating of a `mismatched` run; other criteria have none."""


@dataclass(frozen=True)
class GoldAnswer:
    """The right answer to a gold item: ratings by some criteria, or the better side."""

    ratings: Mapping[str, int] = field(default_factory=dict)
    choice: Choice | None = None


@dataclass(frozen=True)
class Sample:
    """A record before it is stored: one run, or two for the same reader, in the order of `systems`."""

    systems: tuple[str, ...]
    runs: tuple[RunJson, ...]
    scenario: str | None = None
    difficulty: str | None = None
    gold: GoldAnswer | None = None


def blinded(run: RunJson) -> RunJson:
    """A run without what reveals its system: checkpoint, seed, times, counts of tokens, scores."""
    shown = {key: value for key, value in run.items() if key not in BETRAYING}
    steps = [{k: v for k, v in s.items() if k not in ("seconds", "tokens")} for s in run["trace"]["steps"]]
    items = [{k: v for k, v in item.items() if k != "score"} for item in run["items"]]
    return shown | {"trace": run["trace"] | {"steps": steps}, "items": items}


def mismatched(run: RunJson, other: RunJson) -> RunJson:
    """A gold item: the evidence of `run`, then the closing reflection and ranking of another reader's run.

    A reader sees that the conclusion does not rest on the evidence (`DESERVED`). In all else it looks like any run. The
    borrowed statements keep their verdicts and paths, and the borrowed books are recommended everywhere. Both runs are
    over one data set.
    """
    made, lent = copy.deepcopy(run), copy.deepcopy(other)
    kept, borrowed = made["trace"]["steps"], lent["trace"]["steps"]
    steps = kept[: _closing(kept)] + borrowed[_closing(borrowed) :]
    claims: list[dict[str, Any]] = []
    for source, part in ((made, kept[: _closing(kept)]), (lent, borrowed[_closing(borrowed) :])):
        edges = (source.get("graph") or {}).get("edges", ())
        for step in part:
            own = [source["claims"][number] for number in step["claims"]]
            step["claims"] = list(range(len(claims), len(claims) + len(own)))
            claims += [claim | {"edges": [edges[n] for n in claim.get("edges", ())]} for claim in own]
    made["items"] = _ranked(lent["items"], made["items"], claims)
    for step in steps:
        if step["type"] == "recommend" and made["items"] != lent["items"]:
            step["text"] = " ".join(f"“{item['title']}”" for item in made["items"])
    made["trace"] = {"text": "", "steps": steps}
    for about in ("titles", "books"):
        made[about] = {**lent.get(about, {}), **made.get(about, {})}
    made["graph"] = _joined(made, lent, claims)
    made["claims"] = claims
    return made


def _ranked(
    lent: list[dict[str, Any]], own: list[dict[str, Any]], claims: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The borrowed books that some claim is about, then the run's own: in every record, claims mention each recommended
    book. If no claim is about the borrowed ones, the borrowed ranking stays whole, or nothing would be mismatched."""
    said = {claim.get(end) for claim in claims for end in ("subject", "anchor")}
    first = [item for item in lent if item["id"] in said]
    if not first or len(first) == len(lent):
        return lent
    there = {item["id"] for item in first}
    rest = [item for item in own if item["id"] not in there and item["id"] in said]
    chosen = [*first, *rest][: len(lent)]
    return [item | {"rank": number} for number, item in enumerate(chosen, 1)]


def _closing(steps: Sequence[Mapping[str, Any]]) -> int:
    """Number of the first step of the conclusion, after the last tool's answer."""
    found = [n for n, step in enumerate(steps) if step["type"] not in ("reflection", "recommend")]
    return found[-1] + 1 if found else 0


def _joined(made: RunJson, lent: RunJson, claims: list[dict[str, Any]]) -> dict[str, Any]:
    """The graph that these claims cite, as `subgraph.build` cuts it; their edges become numbers in it.

    Args:
        claims: with whole edges; a path for which the graph has no room is left out.
    """
    known = {
        node["id"]: node for source in (lent, made) for node in (source.get("graph") or {}).get("nodes", ())
    }
    ranking = [item["id"] for item in made["items"]]
    named = {node.get("item"): id for id, node in known.items() if id.startswith("i:")}
    ids = dict.fromkeys(["user"] * ("user" in known) + [named[id] for id in ranking if id in named])
    place: dict[tuple[str, str, str], int] = {}
    edges: list[dict[str, Any]] = []

    def put(edge: dict[str, Any]) -> int:
        key = (edge["source"], edge["target"], edge["kind"])
        if key not in place:
            place[key] = len(edges)
            edges.append(edge)
        return place[key]

    def weight(number: int) -> tuple[bool, bool]:
        return claims[number]["author"] != "model", claims[number].get("subject") not in ranking

    for number in sorted(range(len(claims)), key=weight):
        claim, path = claims[number], claims[number]["edges"]
        shown = not all(weight(number)) or claim["kind"] in ("co_read", "genre")
        ends = dict.fromkeys(end for edge in path for end in (edge["source"], edge["target"]))
        if not shown or len(ids.keys() | ends.keys()) > LIMIT:
            claim["edges"] = []
            continue
        ids |= ends
        claim["edges"] = sorted(put(edge) for edge in path)
    shelf = set(made.get("shelf", ()))
    nodes = [known[id] | {"kind": _kind(known[id], ranking, shelf)} for id in ids if id in known]
    for node in nodes:
        if node["kind"] == "history":
            put({"source": "user", "target": node["id"], "kind": "read", "weight": 1.0})
    return {"nodes": nodes, "edges": edges}


def _kind(node: Mapping[str, Any], ranking: Sequence[str], shelf: set[str]) -> str:
    if not node["id"].startswith("i:"):
        return str(node["kind"])
    id = node.get("item")
    return "recommended" if id in ranking else "history" if id in shelf else "candidate"


def deserved(criteria: Sequence[str]) -> GoldAnswer:
    """The right answer to a `mismatched` run by these criteria, as far as one is known.

    Raises:
        UserError: none of them has one.
    """
    known = {key: score for key, score in DESERVED.items() if key in criteria}
    if not known:
        raise UserError(
            f"the rubric asks {', '.join(criteria)}; gold items are known by {' and '.join(DESERVED)} alone: take a share "
            "of gold items of 0, or a rubric with one of the two"
        )
    return GoldAnswer(known)


def checksum(runs: Sequence[RunJson]) -> str:
    """SHA-256 of runs as canonical JSON.

    Raises:
        UserError: a value is not JSON.
    """
    try:
        text = json.dumps(runs, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"a run cannot be written as JSON ({error}); expected star recommend --json"
        ) from None
    return hashlib.sha256(text.encode()).hexdigest()
