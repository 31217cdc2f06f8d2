"""Fitted signals: each score is a sum over the shelf, readers left out of a fit are out exactly, strengths are quantiles."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import reading
from hypothesis import given, settings
from hypothesis import strategies as st

from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.data.simulator import load_demo
from star.data.tasks import split
from star.evidence import fitting
from star.evidence import signals as S
from star.evidence.claims import STRENGTHS, sentence
from star.evidence.fitting import calibrated, fit_signals, from_arrays, to_arrays
from star.evidence.graph import Graph
from star.evidence.tools import ASKED, FITTED, WINDOWS, Attributes, Tools, levels, strength
from star.evidence.verification import check
from star.trace import grammar
from star.trace.grammar import CallContext, read_line

KINDS = tuple(FITTED.values())


@cache
def fitted() -> S.Signals:
    return fit_signals(reading.graph(), reading.dataset().catalog, Attributes.of(reading.dataset().catalog))


def tools_of(shelf: list[int], candidates: list[int], reader: int | None = None) -> Tools:
    data = reading.dataset()
    return Tools(
        reading.graph(), data.catalog, Attributes.of(data.catalog), shelf, candidates, reader, fitted()
    )


@st.composite
def queries(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    size = reading.graph().n_items
    chosen = draw(st.lists(st.integers(0, size - 1), min_size=3, max_size=30, unique=True))
    cut = draw(st.integers(1, len(chosen) - 2))
    return chosen[:cut], chosen[cut:]


@settings(max_examples=60, deadline=None)
@given(queries())
def test_shares_sum_to_the_score_and_a_book_taken_away_takes_its_share(
    query: tuple[list[int], list[int]],
) -> None:
    shelf, items = (np.array(part) for part in query)
    for kind in KINDS:
        parts = fitted().parts(kind, shelf, items)
        assert parts.shape == (len(shelf), len(items))
        scores = fitted()[kind].scores(shelf[-S.LATEST.get(kind, len(shelf)) :])[items]
        np.testing.assert_allclose(parts.sum(0), scores, atol=1e-6)
        # Weights depend on a book's place from the end. Take the oldest away, and every other keeps its place.
        # The description is a mean over the shelf, and attention is shared among its books.
        if kind not in ("about", "after") and len(shelf) not in S.LATEST.values():
            rest = fitted().parts(kind, shelf[1:], items).sum(0)
            np.testing.assert_allclose(scores - rest, parts[0], atol=1e-6)


def test_whole_shelf_is_ease() -> None:
    graph = reading.graph()
    x = graph.matrix.toarray().astype(np.float64)
    p = np.linalg.inv(x.T @ x + S.RIDGE * np.eye(x.shape[1]))
    b = -p / np.diag(p)[None]
    np.fill_diagonal(b, 0)
    head = graph.most_read(S.HEAD)
    shelf = graph.interactions.history(0)[:12].astype(np.int64)
    expected = S.WholeShelf.weights(len(shelf)) @ b[shelf]
    np.testing.assert_allclose(fitted().whole.scores(shelf)[head], expected[head], atol=1e-4)


def test_readers_are_left_out_as_if_they_had_never_been_fitted() -> None:
    graph = reading.graph()
    out = np.array([0, 3, 5, 8])
    rest = Graph.build(graph.interactions, np.setdiff1d(np.arange(graph.n_readers), out))
    fresh, updated = S.WholeShelf.fit(rest), fitted().whole.without(graph.matrix[out])
    shelf, items = graph.interactions.history(3)[:8].astype(np.int64), np.arange(graph.n_items)
    known = fresh.column[items] >= 0
    np.testing.assert_allclose(
        updated.parts(shelf, items)[:, known], fresh.parts(shelf, items)[:, known], atol=1e-4
    )
    one = Graph.build(graph.interactions, np.setdiff1d(np.arange(graph.n_readers), [3]))
    own = fitted().whole.parts(shelf, items, graph.interactions.history(3))
    alone = S.WholeShelf.fit(one)
    known = alone.column[items] >= 0
    np.testing.assert_allclose(own[:, known], alone.parts(shelf, items)[:, known], atol=1e-4)


def test_items_outside_the_head_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S, "HEAD", 3)
    graph = Graph.build(
        Interactions.from_histories([[0, 1, 2, 3], [0, 1, 2], [0, 1], [2, 4]], 6), np.arange(4)
    )
    shelf, items = np.array([0, 3]), np.arange(6)
    signal = S.WholeShelf.fit(graph, 1.0)
    assert signal.head.tolist() == [0, 1, 2]
    parts = signal.parts(shelf, items)
    assert not parts[:, 3:].any() and not parts[1].any() and parts[0, 1] != 0


def test_description_ranks_an_item_that_nobody_read() -> None:
    data = reading.dataset()
    item = int(np.argmax(reading.graph().counts))
    histories = [h[h != item] for h in (reading.graph().interactions.history(u) for u in range(200))]
    graph = Graph.build(Interactions.from_histories(histories, len(data.catalog)), np.arange(200))
    about = S.Description.fit(graph, [S.words_of(i) for i in data.catalog])
    assert graph.counts[item] == 0 and np.abs(about.described[item]).sum() > 0
    readers = [u for u in range(200) if item in reading.graph().interactions.history(u)]
    shelves = [h[-10:].astype(np.int64) for h in histories]
    mine = np.mean([about.scores(shelves[u])[item] for u in readers if len(shelves[u])])
    rest = np.mean([about.scores(s)[item] for u, s in enumerate(shelves) if u not in readers and len(s)])
    assert mine > rest


@pytest.mark.parametrize("histories", [[[0]], [[0], [0], [0]], [[0, 1, 2]], [[], [], [1]], [[0, 1], [2]]])
def test_tiny_catalogues_give_numbers_or_silence(histories: list[list[int]]) -> None:
    data = reading.dataset()
    catalog = type(data.catalog)(data.catalog.items[:3])
    graph = Graph.build(Interactions.from_histories(histories, 3), np.arange(len(histories)))
    attributes = Attributes.of(catalog)
    signals = fit_signals(graph, catalog, attributes)
    tools = Tools(graph, catalog, attributes, [0], [1, 2], None, signals)
    for kind in KINDS:
        assert np.isfinite(signals[kind].scores(np.array([0]))).all()
        assert all(np.isfinite(e.claim.numbers.get("share", 0)) for line in tools.fitted(kind) for e in line)


def test_a_word_means_the_same_rarity() -> None:
    data, graph = reading.dataset(), reading.graph()
    bounds = calibrated(fitted(), graph, data.catalog, Attributes.of(data.catalog), seed=0).bounds
    assert set(bounds) == {"pull", "read_next", "similar", *KINDS}
    for values in bounds.values():
        assert len(values) == len(STRENGTHS) and (np.diff(values) >= 0).all() and (values > 0).all()


def test_what_the_tools_say_is_supported_and_a_changed_number_is_not() -> None:
    data = reading.dataset()
    seen = 0
    for reader in reading.parts().valid[:20].tolist():
        shelf = data.interactions.history(reader)[:-1].tolist()
        candidates = [i for i in range(60) if i not in shelf][:20]
        tools = tools_of(shelf, candidates)
        for call in FITTED:
            for line in tools.call(*call).lines:
                for evidence in line:
                    assert check(evidence.claim, tools).verdict == "supported"
                    assert check(evidence.claim, tools).edges == evidence.edges
                    for number, value in evidence.claim.numbers.items():
                        wrong = dict(evidence.claim.numbers) | {number: value + 1}
                        changed = type(evidence.claim)(
                            evidence.claim.kind,
                            evidence.claim.subject,
                            evidence.claim.anchor,
                            wrong,
                            evidence.claim.strength,
                            evidence.claim.label,
                        )
                        assert check(changed, tools).verdict == "unsupported"
                    seen += 1
    assert seen > 100


ALL_CALLS = [*(("item_cf", (w,)) for w in WINDOWS), *(("user_cf", (a,)) for a in ASKED), *FITTED]
LEAST = dict(
    zip(STRENGTHS, (0.0, 1.0, 1.25, 1.5, 2.0, 3.0), strict=True)
)  # lift that a word may stand beside


def words_and_lift(tools: Tools) -> list[tuple[int, int, float, float]]:
    """Column, level of co-reading and of read-next without regard to the lift, and the lift, of lines that state one."""
    _, _, pull, follow = tools.pulls(10)
    found = []
    for line in tools.item_cf(10):
        for claim in (e.claim for e in line):
            if claim.kind == "co_read" and "lift" in claim.numbers:
                column = tools.candidates.tolist().index(claim.subject)
                strengths = (
                    levels(v, tools.bounds[n])[column] for v, n in ((pull, "pull"), (follow, "read_next"))
                )
                found.append((column, *strengths, claim.numbers["lift"]))
    return found


@settings(max_examples=60, deadline=None)
@given(queries())
def test_a_word_of_strength_never_contradicts_the_lift_beside_it(query: tuple[list[int], list[int]]) -> None:
    tools = tools_of(*query)
    said = {line[0].claim.subject: [e.claim for e in line] for line in tools.item_cf(10)}
    for column, *uncapped_of, lift in words_and_lift(tools):
        claims = {c.kind: c for c in said[tools.candidates[column]]}
        for kind, uncapped in zip(("pull", "read_next"), uncapped_of, strict=True):
            if kind not in claims:
                assert uncapped == 0
                continue
            word = str(claims[kind].strength)
            assert LEAST[word] <= lift
            stronger = STRENGTHS[STRENGTHS.index(word) + 1 :][:1]  # the weaker of the two, and no weaker
            assert STRENGTHS.index(word) + 1 == uncapped or lift < LEAST[stronger[0]]


def test_where_every_signal_is_striking_the_lift_chooses_the_word() -> None:
    data, words = reading.dataset(), set()
    low = {"pull": np.full(6, 1e-9), "read_next": np.full(6, 1e-9)}
    signals = replace(fitted(), bounds=fitted().bounds | low)
    for reader in reading.parts().valid[:20].tolist():
        shelf = data.interactions.history(reader)[:-1].tolist()
        given = shelf, [i for i in range(120) if i not in shelf]
        attributes = Attributes.of(data.catalog)
        for evidence in Tools(reading.graph(), data.catalog, attributes, *given, None, signals).item_cf(10):
            claims = {e.claim.kind: e.claim for e in evidence}
            lift = claims["co_read"].numbers.get("lift", 99)
            word = max((w for w in STRENGTHS if LEAST[w] <= lift), key=STRENGTHS.index, default="faint")
            assert claims["pull"].strength == word
            assert "read_next" not in claims or claims["read_next"].strength == word
            words.add(word)
        plain = Tools(reading.graph(), data.catalog, attributes, *given)
        for evidence in plain.item_cf(10):
            claims = {e.claim.kind: e.claim for e in evidence}
            assert not any("rank" in claim.numbers for claim in claims.values())
            if "pull" in claims:  # as the shipped checkpoints know it, whatever the lift
                column = plain.candidates.tolist().index(claims["pull"].subject)
                assert claims["pull"].strength == strength(
                    levels(plain.pulls(10)[2], plain.bounds["pull"])[column]
                )
    assert len(words) >= 4


@settings(max_examples=30, deadline=None)
@given(queries())
def test_a_place_is_one_more_than_the_candidates_that_score_higher(
    query: tuple[list[int], list[int]],
) -> None:
    tools = tools_of(*query)
    values = {
        "pull": tools.pulls(10)[2],
        "read_next": tools.pulls(10)[3],
        "similar": tools.similar_share(50)[1],
    }
    values |= {kind: tools.parts(kind).sum(0) for kind in KINDS}
    for call in (("item_cf", (10,)), ("user_cf", (50,)), *FITTED):
        for line in tools.call(*call).lines:
            for claim in (e.claim for e in line):
                if claim.kind in values:
                    mine = values[claim.kind][tools.candidates.tolist().index(claim.subject)]
                    higher = sum(v > mine for v in values[claim.kind].tolist())
                    assert (claim.numbers["rank"], claim.numbers["among"]) == (higher + 1, len(query[1]))


def test_what_fitted_tools_say_reads_back_and_is_supported() -> None:
    data, kinds = reading.dataset(), set()
    for reader in reading.parts().valid[:10].tolist():
        shelf = data.interactions.history(reader)[:-1].tolist()
        tools = tools_of(shelf, [i for i in range(60, 120) if i not in shelf][:20])
        for name, arguments in ALL_CALLS:
            context = CallContext(len(shelf))
            context.heard(name, arguments)
            for evidence in tools.call(name, arguments).lines:
                claims = [e.claim for e in evidence]
                assert read_line(grammar.line(claims)[:-1], context) == claims
                assert all(check(claim, tools).verdict == "supported" for claim in claims)
                kinds |= {claim.kind for claim in claims}
                for claim in claims:
                    if "rank" in claim.numbers:
                        other = replace(
                            claim, numbers=dict(claim.numbers) | {"rank": claim.numbers["rank"] + 1}
                        )
                        assert check(other, tools).verdict == "unsupported"
                        said = sentence(claim, data.catalog)
                        assert re.search(r"(first|\d(st|nd|rd|th)) of 20 candidates", said)
    assert kinds >= {"pull", "read_next", "similar", "co_read", "whole", "latest", "last", "after", "carried"}


def test_kept_as_arrays_and_read_back() -> None:
    back = from_arrays(to_arrays(fitted()))
    shelf = np.array([1, 2, 3])
    for kind in KINDS:
        np.testing.assert_array_equal(back[kind].scores(shelf), fitted()[kind].scores(shelf))
    assert {k: v.tolist() for k, v in back.bounds.items()} == {
        k: v.tolist() for k, v in fitted().bounds.items()
    }


def test_kept_beside_the_data_and_made_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    made: list[int] = []
    monkeypatch.setattr(fitting, "fit_signals", lambda *given, after: made.append(1) or fitted())
    data, parts, graph = reading.dataset(), reading.parts(), reading.graph()

    def ask(data: Dataset) -> S.Signals:
        return fitting.kept_signals(data, parts, graph, Attributes.of(data.catalog))

    first, again = ask(data), ask(data)
    assert len(made) == 1 and isinstance(again.whole.p.base, np.memmap)
    np.testing.assert_array_equal(first.whole.p, again.whole.p)
    (folder,) = (tmp_path / ".cache").iterdir()
    (folder / "maps.npy").unlink()
    ask(data)
    assert len(made) == 2 and "is made again" in capsys.readouterr().err
    (folder / "maps.npy").write_bytes(b"cut short")
    ask(data)
    assert len(made) == 3 and "is made again" in capsys.readouterr().err
    items = (replace(data.catalog[0], title="Another title"), *data.catalog.items[1:])
    ask(replace(data, catalog=Catalog(items)))
    assert len(made) == 4
    (left,) = (tmp_path / ".cache").iterdir()
    assert left != folder, "what was fitted on the old titles is gone"


def test_the_demo_ships_with_what_comes_after(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If this fails, the demo or the fit was changed: run `python -m training.demo.fit_read_after`."""
    demo = load_demo()
    parts = split(demo.interactions)
    after = fitting.shipped(demo, parts)
    assert after is not None
    graph = Graph.build(demo.interactions, parts.train)
    ranks = []
    for reader in parts.test[:200].tolist():  # none of them was in the fit
        *shelf, wanted = demo.interactions.history(reader).tolist()
        scores = after.scores(np.array(shelf))
        ranks.append(int((scores > scores[wanted]).sum()))
    popular = np.argsort(np.argsort(-graph.counts))
    wanted = [int(demo.interactions.history(reader)[-1]) for reader in parts.test[:200].tolist()]
    assert np.median(ranks) < np.median(popular[wanted]) / 2
    signals = fitting.fit_signals(graph, demo.catalog, Attributes.of(demo.catalog), after=after)
    assert signals.after is after

    assert fitting.shipped(replace(demo, name="other"), parts) is None
    assert fitting.shipped(demo, replace(parts, train=parts.train[1:])) is None
    monkeypatch.setattr(fitting, "SHIPPED", tmp_path / "none.npz")
    assert fitting.shipped(demo, parts) is None
    fitting.SHIPPED.write_bytes(b"cut short")
    assert fitting.shipped(demo, parts) is None


def test_without_signals_the_tools_are_refused() -> None:
    data = reading.dataset()
    plain = Tools(reading.graph(), data.catalog, Attributes.of(data.catalog), [1], [2])
    with pytest.raises(ValueError, match="whole_shelf"):
        plain.call("whole_shelf", ())
    with pytest.raises(ValueError, match="have none"):
        plain.parts("whole")
