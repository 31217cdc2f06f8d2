"""Gold items look like any record: what an annotator's browser receives of them has the same shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import annotating
import pytest
import reading

from star.annotation.storage import store
from star.annotation.storage.database import Database
from star.annotation.storage.schema import check_runs
from star.annotation.workflow import people, queue
from star.annotation.workflow.documents import Sample, blinded
from star.annotation.workflow.sampling import samples
from star.annotation.workflow.text import clean_document
from star.evidence.subgraph import LIMIT
from star.mars.recommender import Teacher
from star.recommend.recommendation import Query, Recommendation
from star.ui.views.record_view import sides

N = 24  # enough records that none of the rarer parts of a page is missing among the ordinary ones


class Remembering:
    """The teacher, who answers a query once and says the same again."""

    checkpoint = "mars"

    def __init__(self) -> None:
        self.dataset = reading.dataset()
        teacher = Teacher(self.dataset)
        self.known = cache(lambda query: tuple(teacher.stream(query)))

    def stream(self, query: Query) -> Iterator[Recommendation]:
        yield from self.known(query)


@pytest.fixture(scope="module")
def teacher() -> Remembering:
    return Remembering()


@pytest.fixture(scope="module", params=["single", "pair"])
def made(request: pytest.FixtureRequest, teacher: Remembering) -> list[Sample]:
    pair = request.param == "pair"
    both = {"mars": teacher, "other": teacher} if pair else {"mars": teacher}
    return list(samples(both, N, pair, 8, seeds=(0, 1)[: len(both)]))


@pytest.fixture(scope="module")
def stored(made: list[Sample]) -> list[list[Any]]:
    """The runs of each record as the database takes them."""
    return [[clean_document(run) for run in sample.runs] for sample in made]


@pytest.fixture(scope="module")
def shown(stored: list[list[Any]]) -> dict[int, list[dict[str, Any]]]:
    """What the browser receives of each record, by the record's place."""
    return {n: sides([blinded(run) for run in runs]) for n, runs in enumerate(stored)}


TAG = re.compile(r"<([a-z][a-z0-9]*)((?:\s+[\w:-]+(?:=(?:\"[^\"]*\"|'[^']*'))?)*)\s*/?>")
ATTRIBUTE = re.compile(r"([\w:-]+)(?:=(?:\"([^\"]*)\"|'([^']*)'))?")


def tags(html: str) -> set[str]:
    """Tags with their attributes' names and classes. The standard library's parser takes a minute for all records."""
    found = TAG.findall(html)
    assert html.count("<") == html.count("</") + len(found), "a tag that is not read"
    return {f"{tag} {' '.join(sorted(map(_attribute, ATTRIBUTE.finditer(inside))))}" for tag, inside in set(found)}


def _attribute(found: re.Match[str]) -> str:
    return f"class={found[2] or found[3]}" if found[1] == "class" else found[1]


def shape(value: Any) -> set[str]:
    """Paths of a JSON value with their types, numbers of list items left out; HTML by its tags."""
    found = set[str]()

    def look(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, inside in value.items():
                name = "*" if path.endswith(".about") or key.startswith(("i:", "r:", "g:")) else key
                look(inside, f"{path}.{name}")
        elif isinstance(value, list | tuple):
            for inside in value:
                look(inside, f"{path}[]")
        elif isinstance(value, str) and path.endswith(("html", "cards")):
            found.update(f"{path}: <{tag}>" for tag in tags(value))
        else:
            found.add(f"{path}: {type(value).__name__}")

    look(value, "")
    return found


def told(sample: Sample, shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a run of a record tells beyond its shape, as numbers and yes or no."""
    out = []
    for run, side in zip(sample.runs, shown, strict=True):
        steps = run["trace"]["steps"]
        graph, ranking = run["graph"], [item["id"] for item in run["items"]]
        cited = {edge for claim in run["claims"] for edge in claim["edges"]}
        kinds = {
            kind: [n for n in graph["nodes"] if n["kind"] == kind]
            for kind in ("recommended", "history", "candidate")
        }
        rows = [int(part.split('"')[0]) for part in side["cards"].split('data-item="')[1:]]
        mentioned = {n["item"] for n in graph["nodes"] if "item" in n} | set(ranking)
        out.append({
            "types": [s["type"] for s in steps[-2:]],
            "reflection has statements": bool(steps[-2]["claims"]),
            "statements by the model": any(c["author"] == "model" for c in run["claims"]),
            "claims in order": [n for s in steps for n in s["claims"]] == list(range(len(run["claims"]))),
            "recommended are drawn": sorted(n["item"] for n in kinds["recommended"]) == sorted(ranking),
            "history is on the shelf": {n["item"] for n in kinds["history"]} <= set(run["shelf"]),
            "the reader comes first": graph["nodes"][0]["id"] == "user",
            "edges are cited": all(n in cited for n, e in enumerate(graph["edges"]) if e["kind"] != "read"),
            "nodes": len(graph["nodes"]) <= LIMIT,
            "shelf tied to the reader": {n["id"] for n in kinds["history"]}
            == {e["target"] for e in graph["edges"] if e["source"] == "user" and e["kind"] == "read"},
            "every book is spoken of": all(
                any(item in (c["subject"], c["anchor"]) for c in run["claims"]) for item in ranking
            ),
            "the ranking is as the cards": [i["title"] in steps[-1]["text"] for i in run["items"]] == [True] * len(ranking),
            "cards' numbers": max(rows) < len(run["shelf"]) + len(mentioned),
            "cards": len(rows), "sides": len(sample.runs), "systems": sample.systems,
        })  # fmt: skip
    return out


def test_the_shape_is_that_of_any_record(made: list[Sample], shown: dict[int, list[dict[str, Any]]]) -> None:
    hidden = [shape(shown[n]) for n, s in enumerate(made) if s.gold is not None]
    assert len(hidden) == 8
    shapes = [shape(shown[n]) for n, s in enumerate(made) if s.gold is None]
    ordinary, every = set().union(*shapes), set.intersection(*shapes)
    for found in hidden:
        assert found <= ordinary, "something no ordinary record has"
        assert found >= every, "something every ordinary record has is missing"


def test_nothing_that_is_so_of_every_record_is_otherwise(
    made: list[Sample], stored: list[list[Any]], shown: dict[int, list[dict[str, Any]]]
) -> None:
    ordinary = [side for n, s in enumerate(made) if s.gold is None for side in told(s, shown[n])]
    hidden = [side for n, s in enumerate(made) if s.gold is not None for side in told(s, shown[n])]
    for fact in ordinary[0]:
        known = [side[fact] for side in ordinary]
        assert all(side[fact] in known for side in hidden), fact
    for runs in stored:
        check_runs(runs, "made")


def test_pairs_are_of_two_systems_and_either_side_is_broken(made: list[Sample]) -> None:
    hidden = [s for s in made if s.gold is not None]
    if len(hidden[0].runs) == 1:
        assert all(s.gold and s.gold.ratings == {"faithful": 1, "ranking": 1} for s in hidden)
        return
    assert {s.gold.choice for s in hidden if s.gold} == {"left", "right"}
    assert all(s.systems == ("mars", "other") for s in hidden)
    for sample in hidden:
        assert sample.gold is not None
        sound = sample.runs[0 if sample.gold.choice == "left" else 1]
        broken = sample.runs[1 if sample.gold.choice == "left" else 0]
        assert sound["shelf"] == broken["shelf"]
        assert {item["id"] for item in sound["items"]} <= set(sound["candidates"])


def test_progress_grows_alike_with_every_rating(tmp_path: Path) -> None:
    with annotating.ready("sqlite", tmp_path) as database:
        number = annotating.campaign(database, 8, 4, overlap=1, gold_share=0.33)
        shares = list(grown(database, number))
    steps = {round(after - before, 6) for before, after in pairwise(shares) if after < 1}
    assert len(steps) == 1 and shares[-1] > 0.9


def grown(database: Database, number: int) -> Iterator[float]:
    ann = people.enter(database, "Ann")
    while (given := queue.claim(database, ann, number)) is not None:
        store.submit(database, ann, given.uuid, 1, annotating.full(4))
        yield queue.progress(database, ann, number).share
