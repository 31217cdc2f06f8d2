"""Whatever the graph and the query: an answer that is right, or one plain line, by the student and by the teacher."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reading
import toys
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from star.cli.app import app
from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.errors import UserError
from star.evidence.hygiene import Hygiene
from star.evidence.tools import Tools
from star.mars.recommender import Teacher
from star.mars.run import run
from star.recommend.assembly import Draft, read_draft
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import Star, answer
from star.recommend.serving import ServingContext
from star.trace.grammar import response_words

CATALOG = toys.hand_catalog()
PLAIN = Catalog(tuple(replace(item, genres=()) for item in CATALOG))


def dataset(histories: list[list[int]], catalog: Catalog = CATALOG) -> Dataset:
    return Dataset("hand", catalog, Interactions.from_histories(histories, len(catalog)), {"name": "hand"})


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with reading.quick():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toys.save_checkpoint(tmp_path_factory.mktemp("models") / "hand")


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Star:
    return Star(dataset(toys.BY_HAND), str(folder))


def over(loaded: Star, data: Dataset) -> Star:
    """The same student over another data set."""
    loaded._serving = ServingContext(data)
    return loaded


def calls(done: Recommendation) -> list[str]:
    return [
        json.dumps([s.name, s.arguments]) for s in done.steps if s.type == "tool_call" and s.name is not None
    ]


@st.composite
def questions(draw: st.DrawFn) -> tuple[Dataset, Query]:
    items = draw(st.integers(1, 8))
    catalog = Catalog(draw(st.sampled_from([CATALOG, PLAIN])).items[:items])
    item = st.integers(0, items - 1)
    histories = draw(st.lists(st.lists(item, min_size=1, max_size=8, unique=True), min_size=1, max_size=25))
    reader = draw(st.none() | st.integers(0, len(histories) - 1))
    shelf = histories[reader] if reader is not None else draw(st.lists(item, max_size=10))
    candidates = draw(st.none() | st.lists(item, max_size=6).map(tuple))
    return dataset(histories, catalog), Query(
        tuple(shelf), reader, candidates, draw(st.integers(1, 10)), draw(st.integers(0, 3))
    )


@given(questions(), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_answer_or_one_line(loaded: Star, question: tuple[Dataset, Query], student: bool) -> None:
    data, query = question
    free = set(range(len(data.catalog))) - set(query.history)
    retrieved = set(Hygiene.of(data.catalog).admissible(query.history, free)[0])
    could = retrieved if query.candidates is None else free & set(query.candidates)
    recommender = over(loaded, data) if student else Teacher(data)
    if not query.history or not could:
        with pytest.raises(UserError) as caught:
            answer(recommender, query)
        assert "\n" not in str(caught.value) and ("train" not in str(caught.value))
        return
    done = answer(recommender, query)
    ranked = [r.item for r in done.items]
    assert len(ranked) == len(set(ranked)) == min(query.k, len(could)) and set(ranked) <= could
    assert set(done.candidates) == could and all(
        r.score is not None and np.isfinite(r.score) for r in done.items
    )
    assert all(c.verdict != "unsupported" for c in done.claims if c.author == "tool")
    assert max(Counter(calls(done)).values(), default=1) == 1, "a call is made once"
    assert not any("not readable" in step.text for step in done.steps if step.type == "tool_response")
    json.dumps(done.to_json(data.catalog), allow_nan=False)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (Query(tuple(range(8))), "holds all 8 items of the catalogue, so nothing is left"),
        (Query((7, 6, 5, 4, 3, 2, 1, 0, 0), k=3), "nothing is left"),
        (Query((0, 1), candidates=(1, 0, 1)), "all 2 candidates are on the shelf"),
        (Query((0,), candidates=()), "the list of candidates is empty"),
    ],
)
def test_nothing_to_recommend_is_said_plainly(loaded: Star, query: Query, said: str) -> None:
    data = dataset(toys.BY_HAND)
    for recommender in (over(loaded, data), Teacher(data)):
        with pytest.raises(UserError, match=said):
            answer(recommender, query)


def test_all_but_one(loaded: Star) -> None:
    data = dataset(toys.BY_HAND)
    for recommender in (over(loaded, data), Teacher(data)):
        done = answer(recommender, Query(tuple(range(7)), k=10))
        assert [r.item for r in done.items] == [7]
        done = answer(recommender, Query((0,), candidates=(0, 4, 0)))
        assert [r.item for r in done.items] == [4], "a book of the shelf is never recommended"


def test_a_reader_of_everything_in_the_terminal(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    dataset([list(range(8)), [0, 1], [2]] * 4).save(tmp_path / "hand")
    result = CliRunner().invoke(
        app, ["recommend", "--dataset", "hand", "--model", str(folder), "--user", "u1"]
    )
    assert isinstance(result.exception, UserError) or result.exit_code == 2
    assert "nothing is left to recommend" in str(result.exception or result.output)


# no genres


def bare(tools: Tools) -> Tools:
    return Tools(tools.graph, PLAIN, tools.attributes, tools.history, tools.candidates, tools.reader)


def test_of_a_shelf_without_genres_the_teacher_asks_no_genre_tool() -> None:
    tools = toys.hand_tools([5, 3, 0], [1, 2, 4, 6])
    for seed in range(20):
        names = [m.response.name for m in run(bare(tools), seed).log if m.response is not None]
        assert not {"profile", "recent"} & set(names) and {"user_cf", "item_cf"} <= set(names)
    assert any(m.response is not None and m.response.name == "profile" for m in run(tools, 0).log) or any(
        m.response is not None and m.response.name == "profile" for m in run(tools, 1).log
    )


def test_a_tool_without_an_answer_says_of_what() -> None:
    tools = toys.hand_tools([7], [1, 2])
    words = ["<plan>", "</plan>"]
    for name, arguments in (("user_cf", (30,)), ("item_cf", (5,))):
        words += ["<tool_call>", name, str(arguments[0]), "</tool_call>"]
        words += response_words(tools.call(name, arguments))
    steps, stated = read_draft(Draft(words, [True] * len(words), [0.0] * len(words)), tools)
    said = [s.text for s in steps if s.type == "tool_response"]
    assert said == [
        "nothing: similar readers read none of the candidates",
        "nothing: these last books lead to none of the candidates asked about",
    ]
    assert [each.claim.label for each in stated] == said
