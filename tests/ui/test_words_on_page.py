"""Films are called films wherever an answer is shown: on the page, in the terminal, in downloads and in records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from films import write_films

from star.annotation.storage.schema import RunDocument
from star.annotation.workflow.documents import blinded
from star.annotation.workflow.frozen import from_json
from star.annotation.workflow.sampling import run_of
from star.data.catalog import Catalog
from star.data.importers import import_dataset
from star.data.loading import load_dataset
from star.data.words import BOOK, DOMAINS, FILM, PRODUCT, Words
from star.errors import UserError
from star.mars.recommender import Teacher
from star.recommend.assembly import silent
from star.recommend.readable import raw, readable
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import answer
from star.trace.grammar import FITTED_TOOLS, PLANS, REMARKS, TOOLS, spoken
from star.ui import picker
from star.ui.page import header
from star.ui.tabs import annotate, lead
from star.ui.views import cards
from star.ui.views.evidence_view import edge_table, evidence
from star.ui.views.graph_view import payload
from star.ui.views.record_view import side
from star.ui.views.report import report
from star.ui.views.trace_view import trace

OF_BOOKS = re.compile(r"\b(books?|readers?|shelf|author)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teacher]:
    folder = tmp_path_factory.mktemp("films")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAR_DATA", str(folder / "sets"))
        import_dataset("movielens", write_films(folder / "in"), "films")
        yield Teacher(load_dataset("films"))


@pytest.fixture(scope="module")
def done(teacher: Teacher) -> Recommendation:
    reader = min(teacher.dataset.held_out)
    return answer(teacher, Query(tuple(map(int, teacher.dataset.interactions.history(reader))), reader))


def said(html: str) -> list[str]:
    """What a view shows: its text, and the attributes that are read out or shown."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.DOTALL)
    shown = re.findall(r'(?:aria-label|title|placeholder|data-latest|data-there|data-nobody)="([^"]*)"', text)
    return [re.sub(r"<[^>]*>", " ", text), *shown]


def test_an_answer_about_films_names_no_book(teacher: Teacher, done: Recommendation) -> None:
    catalog = teacher.dataset.catalog
    assert catalog.words == FILM and done.items and done.claims
    blocks = [*trace(done, catalog), *evidence(done, catalog), *edge_table(done, catalog)]
    shown = [
        *(text for block in blocks for text in said(block["html"])),
        *said(cards.cards(done, catalog)),
        *said(cards.empty(FILM)),
        *said(cards.finished(done, FILM)),
        *said(cards.loaded(teacher.dataset, "x")),
        *said(report(done, catalog, 0.0)),
        readable(done, catalog),
        json.dumps(payload(done, catalog)["words"]),
        *payload(done, catalog)["nodeKinds"].values(),
        *payload(done, catalog)["edgeKinds"].values(),
        *(node["title"] for node in payload(done, catalog)["nodes"]),
        *(edge["title"] for edge in payload(done, catalog)["edges"]),
        *(item.reason for item in done.items),
    ]
    assert [text for text in shown if OF_BOOKS.search(text)] == []
    assert not re.search(r"\b(books?|readers?)\b", raw(done, catalog))  # tools keep their names: whole_shelf
    everything = " ".join(shown)
    for words in (
        "viewers of",
        "also watched",
        "similar viewers",
        "the viewer or watch list",
        "films looked at",
    ):
        assert words in everything, words


def test_the_page_around_it_names_no_book(teacher: Teacher) -> None:
    frames = [header(FILM), picker.template(FILM), annotate.frame(FILM), lead.frame(FILM)]
    assert [text for frame in frames for text in said(frame) if OF_BOOKS.search(text)] == []
    data = teacher.dataset
    rows = [
        *picker.find_readers(data, ""),
        *picker.find_readers(data, "viewer 7"),
        picker.reader_detail(data, 3),
    ]
    assert {row["label"].split()[0] for row in rows} == {"Viewer"} and "14 films" in rows[-1]["note"]
    wrong: list[object] = [{}, {"reader": 10**6}, {"mode": "shelf"}, {"mode": "shelf", "shelf": [-1]}]
    for value in wrong:
        with pytest.raises(UserError) as found:
            picker.query(value, data)
        assert not OF_BOOKS.search(str(found.value))
    for query in (
        Query(()),
        Query((1,), k=99),
        Query((1,), candidates=(1,)),
        Query(tuple(range(len(data.catalog)))),
    ):
        with pytest.raises(UserError) as found:
            answer(teacher, query)
        assert not OF_BOOKS.search(str(found.value)), found.value


@pytest.mark.parametrize("words", [words for words in DOMAINS.values() if words != BOOK])
def test_plans_and_silent_tools_are_said_in_the_domain(words: Words) -> None:
    catalog = Catalog((), words)
    lines = [line.format(n=20) for line in PLANS]
    for line in [*lines, *REMARKS]:
        assert spoken(line.split(), Catalog(())) == line.replace("_", "-")
        for length in range(len(line.split())):  # a line that still grows
            assert not OF_BOOKS.search(spoken(line.split()[: length + 1], catalog)), line
    every = " ; ".join(lines) + " ;"
    assert spoken(every.split(), catalog) == "; ".join(spoken(line.split(), catalog) for line in lines) + ";"
    for tool in (*TOOLS, *FITTED_TOOLS):
        assert not OF_BOOKS.search(silent(tool, words))


def test_plans_in_the_words_of_films() -> None:
    films = Catalog((), FILM)
    plan = "know the shelf first ; look back 10 books ; ask 50 readers ; trust co_reading first ;"
    assert spoken(plan.split(), films) == (
        "know the watch list first; look back 10 films; ask 50 viewers; trust co-watching first;"
    )
    assert (
        spoken(["author_2"], Catalog((), PRODUCT)) == "maker 2"
        and spoken(["author_2"], Catalog(())) == "author 2"
    )


def test_a_record_keeps_its_words(teacher: Teacher, done: Recommendation) -> None:
    run = json.loads(json.dumps(blinded(run_of(teacher, done.query, "7"))))
    RunDocument.model_validate(run)
    assert from_json(run)[1].words == FILM
    made = side(run)
    assert made["heading"] == "The viewer's watch list: 14 films, latest first"
    blocks = [*made["trace"], *made["evidence"], *made["edges"]]
    shown = [
        made["heading"],
        *said(made["cards"]),
        *(text for block in blocks for text in said(block["html"])),
    ]
    assert [text for text in shown if OF_BOOKS.search(text)] == []
    books = replace(teacher.dataset, catalog=Catalog(teacher.dataset.catalog.items))
    assert "words" not in run_of(Teacher(books), done.query, "7")
    for odd in ({"item": "<b>"}, {"item": "a\nb"}):
        with pytest.raises(ValueError, match="cannot be the word for item"):
            RunDocument.model_validate(run | {"words": odd})


def test_the_documents_keys_and_the_words_of_the_model_are_those_of_books(
    teacher: Teacher, done: Recommendation
) -> None:
    books = Teacher(replace(teacher.dataset, catalog=Catalog(teacher.dataset.catalog.items)))
    same = answer(books, done.query)
    ours, theirs = (a.to_json(books.dataset.catalog) for a in (done, same))
    assert ours["trace"]["text"] == theirs["trace"]["text"] and "books" in ours["trace"]["text"]

    def keys(value: object) -> object:
        if isinstance(value, dict):
            return {key: keys(inside) for key, inside in value.items()}
        return [keys(inside) for inside in value] if isinstance(value, list) else None

    assert keys(ours) == keys(theirs)
    assert {step["arguments"]["readers"] for step in ours["trace"]["steps"] if step.get("name") == "user_cf"}
