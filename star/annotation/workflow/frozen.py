"""A stored run as a `Recommendation` for the page's views.

`from_json` turns a document of `star recommend --json` back into a `Recommendation` over a catalogue of the books it names,
without the data set it came from. What a blinded document lacks (`documents.blinded`) stays empty: no checkpoint, no times,
no scores. `reopened` returns a run that the page kept (`kept_document`) as it was, over the catalogue it came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from star.data.catalog import Catalog, Item
from star.data.words import BOOK, words_of
from star.evidence.claims import STRENGTHS, Claim, Edge
from star.evidence.subgraph import Node
from star.recommend.recommendation import (
    CheckedClaim,
    Feedback,
    Query,
    Recommendation,
    Recommended,
    StepView,
    Timing,
)

FIELDS = ("creators", "year", "series", "number", "genres", "theme")


def shown(catalog: Catalog, row: int) -> dict[str, Any]:
    """The stored facts of a book: what the page shows, and its row, which the trace's words name (`<i7>`)."""
    item = asdict(catalog[row])
    others = {"contributors": item["contributors"]} if item["contributors"] else {}
    return {"row": row, "title": item["title"]} | {name: item[name] for name in FIELDS} | others


def from_json(document: Mapping[str, Any]) -> tuple[Recommendation, Catalog]:
    """A stored run, and the books it names as its catalogue; rows of items are positions in that catalogue.

    Documents of other tools may lack a graph, claims or facts about books; what they hold is shown.
    """
    given = document.get("words")
    catalog = Catalog(tuple(_books(document)), BOOK if given is None else words_of({"words": given}))
    row = {item.id: place for place, item in enumerate(catalog)}
    shelf = tuple(row[id] for id in document.get("shelf", ()))
    return _answer(document, row, Query(shelf, k=len(document["items"]))), catalog


def facts(answer: Recommendation, catalog: Catalog) -> dict[str, Any]:
    """What keeps a document readable without the data set: titles and facts of its items, and words that are not those of
    books."""
    claims = (check.claim for check in answer.claims)
    named = (row for claim in claims for row in (claim.subject, claim.anchor) if row is not None)
    rows = dict.fromkeys((*answer.query.history, *answer.candidates, *named))
    books = {catalog[row].id: shown(catalog, row) for row in rows}
    own = {} if catalog.words == BOOK else {"words": catalog.words.to_json()}
    return {"titles": {id: book["title"] for id, book in books.items()}, "books": books} | own


def kept_document(
    answer: Recommendation, catalog: Catalog, changes: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """A finished answer as a document of `star recommend --json` that also holds its question and the facts of its items.

    Args:
        changes: edits under which it was given (`edits.to_json`), each with its `words`.
    """
    asked = answer.query
    question = {"reader": asked.reader, "fixed": asked.candidates is not None, "k": asked.k}
    edited = {"changes": list(changes)} if changes else {}
    return answer.to_json(catalog) | facts(answer, catalog) | {"query": question} | edited


def reopened(document: Mapping[str, Any], catalog: Catalog) -> Recommendation:
    """The answer that `kept_document` turned into a document.

    Raises:
        UserError: the catalogue lacks an item of the answer.
    """
    drawn = (_item(node) for node in document["graph"]["nodes"] if node["id"].startswith("i:"))
    told = (each["item"] for each in document.get("feedback", ()))
    behind = (b["item"] for claim in document["claims"] for b in claim.get("behind", ()) if "item" in b)
    ids = {*document["books"], *document["shelf"], *document["candidates"], *drawn, *told, *behind}
    row = {id: catalog.index(id) for id in ids}
    asked, timing = document["query"], document["timing"]
    candidates = tuple(row[id] for id in document["candidates"])
    query = Query(
        tuple(row[id] for id in document["shelf"]),
        asked["reader"],
        candidates if asked["fixed"] else None,
        asked["k"],
        document["seed"],
        tuple(Feedback(each["do"], row[each["item"]]) for each in document.get("feedback", ())),
    )
    return replace(_answer(document, row, query), text=document["trace"]["text"], timing=Timing(**timing))


def _answer(document: Mapping[str, Any], row: Mapping[str, int], query: Query) -> Recommendation:
    """The answer of a document. `row`: item id → row of its catalogue."""
    graph = document.get("graph") or {}
    nodes, renamed = [], {}
    for node in graph.get("nodes", ()):
        renamed[node["id"]] = f"i:{row[_item(node)]}" if node["id"].startswith("i:") else node["id"]
        nodes.append(Node(renamed[node["id"]], node["kind"], node["label"]))
    edges = tuple(
        Edge(
            renamed.get(e["source"], e["source"]),
            renamed.get(e["target"], e["target"]),
            e["kind"],
            e["weight"],
        )
        for e in graph.get("edges", ())
    )
    return Recommendation(
        document.get("dataset", ""),
        document.get("checkpoint", ""),
        query,
        tuple(row[id] for id in document.get("candidates", ())),
        "",
        tuple(_step(step) for step in document["trace"]["steps"]),
        tuple(_claim(claim, row) for claim in document.get("claims", ())),
        tuple(
            Recommended(item["rank"], row[item["id"]], item.get("score"), item.get("reason", ""))
            for item in document["items"]
        ),
        tuple(nodes),
        edges,
        finished=True,
    )


def _item(node: Mapping[str, Any]) -> str:
    """Id of a node's item; documents of earlier versions name it only by its place."""
    return str(node.get("item") or node["id"])


def _books(document: Mapping[str, Any]) -> Iterator[Item]:
    facts = document.get("books") or {}
    titles = dict(document.get("titles") or {})
    for node in (document.get("graph") or {}).get("nodes", ()):
        if node["id"].startswith("i:"):
            titles.setdefault(_item(node), node["label"])
    titles |= {item["id"]: item["title"] for item in document["items"]}
    # Mentioned books come first, then those only asked about, each by id: otherwise their numbers on the page would show
    # where in a document a book occurs, and reveal the borrowed ranking of a gold item.
    mentioned = {item["id"] for item in document["items"]} | {
        _item(node) for node in (document.get("graph") or {}).get("nodes", ()) if node["id"].startswith("i:")
    }
    ids = dict.fromkeys(
        (*document.get("shelf", ()), *sorted(mentioned), *document.get("candidates", ()), *titles)
    )
    for id in ids:
        known = {name: facts.get(id, {}).get(name) for name in (*FIELDS, "contributors")}
        many = {name: tuple(known[name] or ()) for name in ("creators", "genres", "contributors")}
        yield Item(id=id, title=str(titles.get(id, id)), **known | many)


def _step(step: Mapping[str, Any]) -> StepView:
    return StepView(
        step["type"],
        step["text"],
        step.get("seconds", 0.0),
        step.get("tokens", 0),
        tuple(step.get("claims", ())),
        step.get("name"),
        step.get("arguments"),
    )


def _claim(claim: Mapping[str, Any], row: Mapping[str, int]) -> CheckedClaim:
    # Of a number that is stated as a bound, the page says so by itself (`evidence.bound`).
    numbers = {k: v for k, v in (claim.get("stated") or {}).items() if not k.endswith("_than")}
    level = numbers.pop("level", None)
    strength = None if level is None else STRENGTHS[int(level) - 1]
    subject, anchor = (row.get(claim.get(name) or "") for name in ("subject", "anchor"))
    return CheckedClaim(
        Claim(claim["kind"], subject, anchor, numbers, strength, claim.get("label")),
        claim["text"],
        claim.get("found") or {},
        tuple(claim.get("edges", ())),
        claim["author"],
        claim["verdict"],
        tuple((f"i:{row[b['item']]}" if "item" in b else b["node"], b["amount"]) for b in claim.get("behind", ())),
    )
