"""STAR over a random checkpoint and over the one that ships: the stream, the answer, its JSON, what cannot be answered."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reading
import toys

from star.errors import UserError
from star.evidence.claims import WITHHELD
from star.recommend import recommender
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import Star, answer, answers
from star.recommend.serving import CANDIDATES

DATA = reading.dataset()


def shelf(place: int, length: int = 8) -> tuple[int, ...]:
    reader = int(reading.parts().test[place])
    return tuple(DATA.interactions.history(reader)[:length].tolist())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toys.save_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def star(folder: Path) -> Star:
    """Over random weights, which write what nobody said."""
    return Star(DATA, str(folder))


@pytest.fixture(scope="module")
def fluent() -> Star:
    """Over the checkpoint that ships."""
    return Star(DATA)


def meaning(done: Recommendation) -> Any:
    """All but the clock."""
    steps = tuple(dataclasses.replace(s, seconds=0.0) for s in done.steps)
    return dataclasses.replace(
        done, timing=dataclasses.replace(done.timing, first_token_s=None, total_s=None), steps=steps
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("which", ["star", "fluent"])
def test_k_distinct_new_books(which: str, k: int, seed: int, request: pytest.FixtureRequest) -> None:
    done = answer(request.getfixturevalue(which), Query(shelf(seed), k=k, seed=seed))
    items = [r.item for r in done.items]
    assert len(set(items)) == k and [r.rank for r in done.items] == list(range(1, k + 1))
    assert set(items) <= set(done.candidates) and not set(items) & set(shelf(seed))
    assert len(done.candidates) == len(set(done.candidates)) == CANDIDATES
    assert all(0 <= r.score <= 1 and r.reason for r in done.items)
    assert done.items[0].score == max(r.score for r in done.items)


def test_snapshots_are_made_now_and_then(fluent: Star, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the answer does not depend on how many there are."""
    found = []
    for every, most in ((0.0, 1_000), (1e9, 1)):
        monkeypatch.setattr(recommender, "EVERY", every)
        *growing, last = fluent.stream(Query(shelf(1)))
        assert 1 <= len(growing) <= most
        found.append((last.text, last.claims, last.items, last.edges, [step.text for step in last.steps]))
    assert found[0] == found[1]


@pytest.mark.parametrize("which", ["star", "fluent"])
def test_only_the_last_snapshot_is_finished(
    which: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommender, "EVERY", 0.0)
    snapshots = list(request.getfixturevalue(which).stream(Query(shelf(1))))
    *growing, last = snapshots
    assert len(growing) > 5 and last.finished
    for before, after in pairwise(growing):
        assert not before.finished and not before.items and not before.nodes and not before.edges
        assert after.text.startswith(before.text) and len(after.text) > len(before.text)
        assert len(before.steps) <= len(after.steps) and len(before.claims) <= len(after.claims)
        assert [s.type for s in after.steps[: len(before.steps)]] == [s.type for s in before.steps]
    assert last.items and last.nodes and last.text.startswith(growing[-1].text)


def test_a_whole_trace(fluent: Star) -> None:
    done = answer(fluent, Query(shelf(2)))
    kinds = [s.type for s in done.steps]
    calls = [s for s in done.steps if s.type == "tool_call"]
    assert kinds[0] == "plan" and kinds[-1] == "recommend" and kinds[-3:-1] == ["reflection", "reflection"]
    assert kinds[1:-3] == ["tool_call", "tool_response"] * len(calls) and len(calls) > 3
    assert all(s.finished for s in done.steps) and done.timing.tool_calls == len(calls)
    titles = [f"“{DATA.catalog[r.item].title}”" for r in done.items]
    assert done.steps[-1].text == " ".join(titles)
    assert 0 < (done.timing.first_token_s or 0) <= (done.timing.total_s or 0)
    heard = [done.claims[n] for s in done.steps if s.type == "tool_response" for n in s.claims]
    own = [done.claims[n] for n in done.steps[-2].claims]
    assert len(heard) > 5 and {c.author for c in heard} == {"tool"}
    # A tool that finds nothing says so; that states nothing to be checked.
    assert {c.verdict for c in heard if not c.text.startswith("nothing: ")} == {"supported"}
    assert len(own) > 5 and {c.author for c in own} == {"model"} and {c.verdict for c in own} == {"supported"}
    assert {r.item for r in done.items} <= {c.claim.subject for c in own}, "what is recommended is discussed"
    assert [n for s in done.steps for n in s.claims] == list(range(len(done.claims)))
    for claim in own:
        ends = {end for n in claim.edges for end in (done.edges[n].source, done.edges[n].target)}
        assert not ends or f"i:{claim.claim.subject}" in ends, "a path leads to what the claim is about"
    assert any(c.edges for c in own)
    nodes = {n.id: n.kind for n in done.nodes}
    assert all(e.source in nodes and e.target in nodes for e in done.edges)
    assert {n for n, kind in nodes.items() if kind == "recommended"} == {f"i:{r.item}" for r in done.items}


def test_counts_under_five_are_not_shown(fluent: Star) -> None:
    for done in answers(fluent, [Query(shelf(place, 3 + place)) for place in range(6)]):
        for claim in done.claims:
            assert (
                claim.claim.numbers.get("both", WITHHELD) >= WITHHELD
                and claim.found.get("both", WITHHELD) >= WITHHELD
            )
        assert all(e.weight >= WITHHELD for e in done.edges if e.kind in ("co_read", "read_next"))


def test_json(fluent: Star) -> None:
    """The document of DESIGN, key by key."""
    done = answer(fluent, Query(shelf(0), seed=3))
    document = json.loads(json.dumps(done.to_json(DATA.catalog, "u1")))
    assert list(document) == ["dataset", "checkpoint", "user", "seed", "shelf", "candidates", "items",
    "trace", "claims",
                              "graph", "timing"]  # fmt: skip
    assert (document["dataset"], document["checkpoint"], document["user"], document["seed"]) == (
        "reading",
        "star",
        "u1",
        3,
    )
    assert document["shelf"] == [f"b{i}" for i in shelf(0)]
    assert set(document["candidates"]) >= {item["id"] for item in document["items"]}
    assert all(set(item) == {"rank", "id", "title", "score", "reason"} for item in document["items"])
    assert set(document["trace"]) == {"text", "steps"} and document["trace"]["text"].endswith("</recommend>")
    for step in document["trace"]["steps"]:
        extra = {"name", "arguments"} if step["type"].startswith("tool") else set()
        assert set(step) == {"type", "text", "seconds", "tokens", "claims"} | extra
    for claim in document["claims"]:
        assert set(claim) - {"behind"} == {
            *("text", "kind", "subject", "anchor", "label", "stated", "found", "edges", "author", "verdict"),
        }
        assert {claim["subject"], claim["anchor"]} <= {None, *(item.id for item in DATA.catalog)}
        assert all(0 <= n < len(document["graph"]["edges"]) for n in claim["edges"])
        for each in claim.get("behind", ()):
            assert set(each) in ({"node", "amount"}, {"node", "amount", "item"})
    for node in document["graph"]["nodes"]:
        book = {"item"} if node["id"].startswith("i:") else set()
        assert set(node) == {"id", "kind", "label"} | book
    assert all(set(e) == {"source", "target", "kind", "weight"} for e in document["graph"]["edges"])
    assert set(document["timing"]) == {"first_token_s", "total_s", "generated_tokens", "tool_calls"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (Query(()), "shelf is empty"),
        (Query((1, 120)), "item row 120 is outside"),
        (Query((-1,)), "item row -1"),
        (Query((1,), candidates=(2, 500)), "item row 500"),
        (Query((1,), k=0), "0 books were asked for"),
        (Query((1,), k=-2), "-2 books"),
        (Query((1,), k=11), "11 books"),
    ],
)
def test_what_cannot_be_answered(star: Star, query: Query, message: str) -> None:
    with pytest.raises(UserError, match=message):
        next(iter(star.stream(query)))


@pytest.mark.parametrize("seed", [0, 5])
def test_same_seed_same_answer(star: Star, seed: int) -> None:
    query = Query(shelf(3), seed=seed)
    one, two = answer(star, query), answer(star, query)
    assert meaning(one) == meaning(two)
    assert answer(star, dataclasses.replace(query, seed=seed + 1)).text != one.text


def test_two_streams_do_not_disturb_each_other(star: Star) -> None:
    queries = [Query(shelf(0), seed=4), Query(shelf(1, 3), k=3, seed=9)]
    alone = [answer(star, q) for q in queries]
    streams = [star.stream(q) for q in queries]
    last: list[Recommendation | None] = [None, None]
    going = [0, 1]
    while going:
        for n in list(going):
            snapshot = next(streams[n], None)
            if snapshot is None:
                going.remove(n)
            else:
                last[n] = snapshot
    assert [meaning(r) for r in last if r] == [meaning(r) for r in alone]


def test_a_stream_left_behind_leaves_nothing(star: Star) -> None:
    query = Query(shelf(0), seed=4)
    before = answer(star, query)
    stream = star.stream(Query(shelf(2)))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert meaning(answer(star, query)) == meaning(before)


def test_given_candidates_stand_in_their_order(fluent: Star) -> None:
    candidates = (40, 7, 99, 3)
    done = answer(fluent, Query(shelf(0, 3), candidates=candidates))
    assert done.candidates == candidates and sorted(r.item for r in done.items) == sorted(candidates)


def test_a_book_twice_on_the_shelf_counts_once(fluent: Star) -> None:
    once, twice = (answer(fluent, Query(h, candidates=(40, 7, 99, 3))) for h in ((10, 11), (10, 11, 10)))
    assert once.text == twice.text


def test_a_known_reader_is_left_out_of_the_evidence(fluent: Star) -> None:
    reader = int(reading.parts().train[0])
    history = DATA.interactions.history(reader)
    known = tuple(history[:-1].tolist())
    candidates = (int(history[-1]), *[i for i in range(reading.BOOKS) if i not in history][:9])
    own = answer(fluent, Query(known, reader, candidates))
    stranger = answer(fluent, Query(known, None, candidates))
    assert own.text != stranger.text
    parts, graph = reading.parts(), fluent.serving.graph
    assert graph.n_readers == len(parts.train) and graph.position(reader) is not None
    tools = fluent.serving.tools(Query(known, reader, candidates))
    for claim in own.claims:
        if claim.claim.kind == "co_read" and "both" in claim.claim.numbers:
            anchor, subject = np.array([claim.claim.anchor]), np.array([claim.claim.subject])
            both = graph.both(anchor, subject)[0, 0] - (claim.claim.subject == history[-1])
            assert claim.claim.numbers["both"] == both
            assert both == tools.readers_of_both(int(claim.claim.anchor or 0), int(claim.claim.subject or 0))


@pytest.mark.parametrize("candidates", [(), (5, 5, 6), (70, 71), (3,)])
def test_odd_candidates(star: Star, candidates: tuple[int, ...]) -> None:
    """An answer over those that can be ranked, or one line that says what is wrong."""
    could = set(candidates) - {3}
    if could:
        assert {r.item for r in answer(star, Query((3,), candidates=candidates)).items} == could
    else:
        with pytest.raises(UserError, match="give others, or none to have them retrieved"):
            answer(star, Query((3,), candidates=candidates))


def test_answers_written_together_are_those_written_alone(fluent: Star) -> None:
    queries = [Query(shelf(n, 3 + 2 * n), k=1 + n, seed=n % 3) for n in range(5)]
    for query, done in zip(queries, answers(fluent, queries), strict=True):
        assert meaning(done) == meaning(answer(fluent, query))


def test_the_shelf_that_serves_is_blind_to_test_readers(star: Star) -> None:
    assert not set(star.serving.graph.rows.tolist()) & set(
        np.concatenate([reading.parts().test, reading.parts().valid]).tolist()
    )
