"""Examples on the page: answered before anybody asks, never dropped, and shown as text."""

from __future__ import annotations

import toy

from star.recommend.examples import examples
from star.recommend.recommendation import Query
from star.recommend.recommender import answer
from star.ui.loader import Loader
from star.ui.runs import Runs
from star.ui.starters import Starters
from star.ui.views.start_view import start

DATA = toy.dataset()


def ready(data: object = DATA) -> Loader:
    loader = Loader(lambda: toy.ToyRecommender(data, 0))  # type: ignore[arg-type]
    loader.start()
    return loader


def test_every_example_has_an_answer_that_is_kept() -> None:
    runs = Runs(limit=1)
    starters = Starters(ready(), runs)
    starters._run()
    found = starters.wait(0)
    assert found and len({run for _, run in found}) == len(found)
    for example, run in found:
        runs.keep("other", answer(toy.ToyRecommender(DATA, 0), Query((3,))), DATA.catalog)
        made = runs.get(run)
        assert made is not None and made[0].finished and made[0].query == example.query


def test_an_example_that_is_not_answered_yet_is_answered_when_it_is_pressed() -> None:
    runs = Runs()
    starters = Starters(ready(), runs)
    starters._found = {"a" * 32: (example := examples(DATA)[0])}
    starters._listed.set()  # or a run that is none of them would be waited for
    starters.bring("b" * 32)
    assert runs.get("b" * 32) is None and runs.get("a" * 32) is None
    starters.bring("a" * 32)
    first = runs.get("a" * 32)
    assert first is not None and first[0].query == example.query
    starters.bring("a" * 32)
    assert runs.get("a" * 32) is first, "it is answered once"


def test_the_tab_that_shows_an_example_can_ask_about_it() -> None:
    runs = Runs()
    starters = Starters(ready(), runs)
    starters._run()
    (_, run), *_ = starters.wait(0)
    assert runs.last("tab") is None
    runs.show("tab", "0" * 32)
    assert runs.last("tab") is None
    runs.show("tab", run)
    assert runs.last("tab") == run


def test_names_of_a_data_set_become_no_markup() -> None:
    data = toy.hostile()
    html = start([(each, "") for each in examples(data)], data.catalog.words)
    assert "<script" not in html and "<svg" not in html and "<img" not in html
