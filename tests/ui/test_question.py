"""The Question tab on the server: what the browser sends is checked, answers are those of the library, views are text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import answering
import pytest
import toy
from test_views import Tags

from star.data.catalog import Catalog
from star.data.words import FILM
from star.errors import UserError
from star.questions.carried_by import carried_by
from star.questions.edits import Add, Silence, TakeOff
from star.questions.evidence_lines import lines
from star.questions.what_if import WhatIf, compared, control, possible, what_if
from star.questions.why_not import WhyNot, why_not
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import answer
from star.ui.duel import Duel, drawn
from star.ui.loader import Loader
from star.ui.runs import Runs
from star.ui.tabs import explore, question
from star.ui.views import question_view as views
from star.ui.views import what_if_view as changes
from star.ui.views.question_form import edit_words, offer, template

TEACHER = answering.recommender("teacher")
CATALOG = TEACHER.dataset.catalog
RUN = "0" * 32


def loader() -> Loader:
    made = Loader(lambda: TEACHER)
    made.start()
    assert made.recommender(10) is not None
    return made


@pytest.fixture(scope="module")
def before() -> Recommendation:
    return answer(TEACHER, answering.query(0))


def kept(before: Recommendation) -> Runs:
    runs = Runs()
    runs.keep(RUN, before, CATALOG)
    return runs


def text(blocks: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", block["html"]) for block in blocks)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "no longer kept"),
        ({"run": "1" * 32, "kind": "what_if"}, "no longer kept"),
        ({"run": 7}, "no longer kept"),
        ({"run": RUN, "kind": "shell"}, "no such question"),
        ({"run": RUN, "kind": "carried"}, "Choose a book"),
        ({"run": RUN, "kind": "why_not", "one": 1, "other": "2"}, "Choose two books"),
        ({"run": RUN, "kind": "why_not", "one": 1, "other": True}, "Choose two books"),
        ({"run": RUN, "kind": "why_not", "one": 1, "other": 120}, "Choose two books"),
        ({"run": RUN, "kind": "what_if", "edits": "all"}, "At most"),
        ({"run": RUN, "kind": "what_if", "edits": [{"do": "add", "at": 1}] * 13}, "At most"),
        ({"run": RUN, "kind": "what_if", "edits": [{"do": "add", "at": -1}]}, "is not offered"),
        ({"run": RUN, "kind": "what_if", "edits": [{"do": "tools", "at": 99}]}, "is not offered"),
        ({"run": RUN, "kind": "what_if", "edits": [["drop"]]}, "is not offered"),
    ],
)
def test_what_the_browser_sends_is_checked(before: Recommendation, value: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        question.read(value, kept(before), CATALOG)


def test_positions_are_those_of_the_answer(before: Recommendation) -> None:
    offered = possible(before)
    sent = [
        {"do": "take_off", "at": before.query.history[0]},
        {"do": "add", "at": 119},
        {"do": "tools", "at": 1},
        {"do": "sentences", "at": 2},
        {"do": "edges", "at": 3},
    ]
    found = question.read({"run": RUN, "kind": "what_if", "edits": sent}, kept(before), CATALOG)
    assert found.edits == (
        TakeOff(before.query.history[0]),
        Add(119),
        Silence(offered.tools[1]),
        offered.sentences[2],
        offered.edges[3],
    )
    shown = offer(before, CATALOG, RUN)
    assert {row["at"] for row in shown["sentences"]} == set(range(len(offered.sentences)))
    assert {row["at"] for row in shown["edges"]} == set(range(len(offered.edges)))
    assert [row["id"] for row in shown["shelf"]] == list(before.query.history)[::-1], "as Explore has it, newest first"


def kept_run(blocks: Any) -> str:
    found = re.search('data-kept="([0-9a-f]{32})"', "".join(block["html"] for block in blocks))
    assert found is not None
    return found[1]


def test_an_answer_after_a_change_is_kept_with_the_change(before: Recommendation) -> None:
    runs, book = kept(before), before.query.history[-1]
    title = CATALOG[book].title
    value: dict[str, Any] = {"run": RUN, "kind": "what_if", "edits": [{"do": "take_off", "at": book}]}
    *_, shown, _ = question.asked(loader(), runs, "s", value, Duel())
    run = kept_run(shown[1])
    found = runs.get(run)
    direct = what_if(TEACHER, before.query, [TakeOff(book)], before).after
    assert found is not None and answering.meaning(found.answer) == answering.meaning(direct)
    assert found.changes == ({"do": "take_off", "item": CATALOG[book].id, "words": found.changed[0]},)
    assert runs.headings([run])[run].changed == found.changed and title in found.changed[0]
    status, *_ = explore.restored(runs, {"run": run}, CATALOG.words)
    assert f"What if: “{title}” is taken off the shelf" in " ".join(text(status).split())
    assert "What if" not in text(explore.restored(runs, {"run": RUN}, CATALOG.words)[0])
    # A change after the change is kept with both.
    value = {"run": run, "kind": "what_if", "edits": [{"do": "tools", "at": 0}]}
    *_, shown, _ = question.asked(loader(), runs, "s", value, Duel())
    both = runs.get(kept_run(shown[1]))
    assert both is not None and [each["do"] for each in both.changes] == ["take_off", "silence"]
    # The graph says something else than cut evidence, so that answer is not questioned further.
    with pytest.raises(UserError, match="Evidence was cut"):
        question.read(value | {"run": kept_run(shown[1])}, runs, CATALOG)
    runs.show("s", kept_run(shown[1]))
    (refused,) = question.begun(loader(), runs, "s", None, Duel())
    assert "Evidence was cut" in text(refused[2])


def test_answers_are_those_of_the_library(before: Recommendation) -> None:
    book = before.query.history[-1]
    value = {"run": RUN, "kind": "what_if", "edits": [{"do": "take_off", "at": book}]}
    *_, shown, end = question.asked(loader(), kept(before), "s", value, Duel())
    direct = what_if(TEACHER, before.query, [TakeOff(book)], before)
    other = control(TEACHER, before, [TakeOff(book)], 1)
    run = kept_run(shown[1])
    assert shown[1] == changes.what_if(direct, other, CATALOG, run) and "Done" in text(end[0])
    one, two = before.items[0].item, before.items[1].item
    value = {"run": RUN, "kind": "why_not", "one": one, "other": two}
    *_, shown, end = question.asked(loader(), kept(before), "s", value, Duel())
    assert shown[1] == views.why_not(why_not(TEACHER, before.query, one, two, before), CATALOG)
    value = {"run": RUN, "kind": "carried", "one": one}
    *_, shown, end = question.asked(loader(), kept(before), "s", value, Duel())
    *_, direct_too = carried_by(TEACHER, before.query, one, before)
    assert shown[1] == views.carried(direct_too, CATALOG) and "Stop" not in text(end[0])


def test_a_question_ends_when_it_is_stopped_and_errors_are_one_line(before: Recommendation) -> None:
    runs = kept(before)
    going = question.asked(
        loader(), runs, "s", {"run": RUN, "kind": "carried", "one": before.items[0].item}, Duel()
    )
    next(going), next(going)
    runs.stop("s question")
    (last,) = list(going)
    assert "Stopped" in text(last[0])
    other = next(item for item in before.candidates if item not in {r.item for r in before.items})
    searched = {"run": RUN, "kind": "why_not", "one": before.items[0].item, "other": other}
    going = question.asked(loader(), runs, "s", searched, Duel())
    *_, shown = (next(going) for _ in range(3))
    assert "Looking for" in text(shown[1])
    runs.stop("s question")
    (last,) = list(going)
    assert "Stopped" in text(last[0]) and "Looking for" not in text(last[1]), "nothing is looked for any more"
    (_, refused) = question.asked(loader(), runs, "s", {"run": "x"}, Duel())
    assert "no longer kept" in text(refused[0]) and "error" in refused[0][0]["html"]


def test_it_begins_with_the_last_answer_or_with_a_shelf(before: Recommendation) -> None:
    runs = Runs()
    (nothing,) = question.begun(loader(), runs, "s", None, Duel())
    assert "There is no answer yet" in text(nothing[2])
    run = runs.begin("s")
    runs.keep(run, before, CATALOG)
    (found,) = question.begun(loader(), runs, "s", None, Duel())
    assert found[0]["run"] == run and found[0]["ranked"] == len(before.items)
    (other,) = question.begun(loader(), runs, "another visitor", None, Duel())
    assert "There is no answer yet" in text(other[2])
    _, own = question.begun(loader(), runs, "s", {"mode": "shelf", "shelf": [1, 2]}, Duel())
    assert [row["id"] for row in own[0]["shelf"]] == [2, 1]
    question_about = {"run": own[0]["run"], "kind": "what_if", "edits": []}
    *_, shown, _ = question.asked(loader(), runs, "s", question_about, Duel())
    assert "No change is in force" in text(shown[1])
    assert runs.last("s") == run  # Explore's answer is still the last one
    _, wrong = question.begun(loader(), runs, "s", {"mode": "shelf", "shelf": []}, Duel())
    assert "shelf is empty" in text(wrong[2])


def every_view(catalog: Catalog, before: Recommendation, after: Recommendation, found: WhyNot) -> str:
    edits = (TakeOff(before.query.history[0]), Add(5), Silence("user_cf"), possible(before).edges[0])
    changed = compared(before, after, edits)
    *_, last = carried_by(TEACHER, answering.query(0), before.items[0].item, before, most=3)
    blocks = [
        *changes.what_if(changed, changed, catalog),
        *changes.what_if(changed, "title", catalog),
        *views.why_not(found, catalog),
        *views.why_not(replace(found, change=None), catalog),
        *views.why_not(replace(found, change=None, finished=False, parts=None), catalog),
        *views.carried(last, catalog),
    ]
    return "".join(block["html"] for block in blocks)


def test_names_are_hidden_until_the_vote_and_each_comparison_takes_one(before: Recommendation) -> None:
    student = answering.recommender("student")
    ready, duel, runs = Loader(lambda: student), Duel(), Runs()
    ready.start()
    assert ready.recommender(10) is not None
    runs.keep(RUN, answer(student, before.query), CATALOG)
    value: dict[str, Any] = {"run": RUN, "kind": "left"}
    *_, refused = question.asked(ready, runs, "s", value, duel)
    assert "nothing to vote on" in text(refused[0])
    *_, shown, _ = question.asked(ready, runs, "s", {"run": RUN, "kind": "duel"}, duel)
    assert (
        "Left" in text(shown[1]) and "mars" not in text(shown[1]) and student.checkpoint not in text(shown[1])
    )
    *_, shown, _ = question.asked(ready, runs, "s", value, duel)
    told = text(shown[1])
    assert "mars" in told and "You chose" in told and "1 vote so far" in told
    Tags("".join(block["html"] for block in shown[1]))
    *_, again = question.asked(ready, runs, "s", value, duel)
    assert "nothing to vote on" in text(again[0])
    query = drawn(student.dataset)
    assert query.reader in student.dataset.held_out or not student.dataset.held_out
    *_, alone = question.asked(loader(), kept(before), "s", {"run": RUN, "kind": "duel"}, duel)
    assert "serve a student" in text(alone[0])


def test_two_systems_are_watched_and_compared(before: Recommendation) -> None:
    student = answering.recommender("student")
    ready, duel, runs = Loader(lambda: student), Duel(), Runs()
    ready.start()
    assert ready.recommender(10) is not None
    runs.keep(RUN, answer(student, before.query), CATALOG)
    value: dict[str, Any] = {"run": RUN, "kind": "compare"}
    _, *going, last, _ = question.asked(ready, runs, "s", value, duel)
    assert len(going) > 15 and "has not begun" in text(going[0][1]) and "planner" in text(going[-1][1])
    told = text(last[1])
    assert "They part" in told and "You chose" not in told and "MARS" in told and "one pass" in told
    assert "similar readers" in told and "user_cf" not in told
    for state in (going[0], going[-1], last):
        Tags("".join(block["html"] for block in state[1]))
    for pair in (("own", "own"), ("own", "checkpoint ../../etc"), ("own", 7)):
        *_, refused = question.asked(ready, runs, "s", value | dict(zip(("first", "second"), pair, strict=True)), duel)
        assert "error" in refused[0][0]["html"]
    *_, shown, _ = question.asked(ready, runs, "s", value | {"first": "itemknn", "second": "ease"}, duel)
    assert "item-kNN" in text(shown[1]) and "EASE" in text(shown[1])
    offered = offer(runs.get(RUN)[0], CATALOG, RUN, duel.rivals(ready).offered)["systems"]  # type: ignore[index]
    assert [row["id"] for row in offered][:6] == ["own", "slots", "seed", "mars", "itemknn", "ease"]


@pytest.fixture(scope="module")
def seen(before: Recommendation) -> tuple[WhatIf, WhyNot]:
    changed = what_if(TEACHER, before.query, [TakeOff(before.query.history[0])], before)
    return changed, why_not(TEACHER, before.query, before.items[0].item, before.items[1].item, before)


def test_views_are_well_formed_and_tell_what_changed(
    before: Recommendation, seen: tuple[WhatIf, WhyNot]
) -> None:
    Tags(every_view(CATALOG, before, seen[0].after, seen[1]))
    shown = text(changes.what_if(seen[0], None, CATALOG))
    assert "is taken off the shelf" in shown and "runs for comparison" in shown
    for move in seen[0].moves:
        assert CATALOG[move.item].title in shown
    assert "smallest change found" in text(views.why_not(seen[1], CATALOG))


@pytest.mark.parametrize("title", [toy.HOSTILE, "</script><script>hacked()</script>", toy.HEBREW])
def test_hostile_titles_are_text(before: Recommendation, seen: tuple[WhatIf, WhyNot], title: str) -> None:
    items = tuple(replace(i, title=title, creators=(title,), series=title, genres=(title,)) for i in CATALOG)
    catalog = Catalog(items)
    found = Tags(every_view(catalog, before, seen[0].after, seen[1]))
    assert not {"img", "script", "svg"} & set(found.tags)
    assert not [name for name in found.attributes if name.startswith("on")]


def test_films_are_called_films(before: Recommendation, seen: tuple[WhatIf, WhyNot]) -> None:
    films = Catalog(tuple(replace(i, title=f"Film {n}") for n, i in enumerate(CATALOG)), FILM)
    of_books = re.compile(r"\b(books?|readers?|shelf|author)\b", re.IGNORECASE)
    ours = re.sub(r'class="[^"]*"|data-[\w-]+(?:="[^"]*")?', "", template(FILM))
    assert not of_books.search(ours), of_books.search(ours)
    for edit in (TakeOff(1), Add(2), Silence("item_cf"), Silence("whole_shelf"), possible(before).edges[0]):
        assert not of_books.search(edit_words(edit, before, films))
    again = lines(before, seen[1].one, seen[1].other, films)
    found = replace(seen[1], words=(), lines=again, parts=again[0])
    shown = text(views.why_not(found, films)) + text(changes.what_if(compared(before, before), None, films))
    assert not of_books.search(shown), of_books.search(shown)


def test_a_recommender_without_tools_says_so() -> None:
    made = toy.ToyRecommender(delay=0)
    done = answer(made, Query((3, 0)))
    runs = Runs()
    runs.keep(RUN, done, made.dataset.catalog)
    ready = Loader(lambda: made)
    ready.start()
    assert ready.recommender(10) is not None
    value: dict[str, Any] = {"run": RUN, "kind": "what_if", "edits": [{"do": "tools", "at": 0}]}
    *_, end = question.asked(ready, runs, "s", value, Duel())
    assert "only the shelf can be changed" in text(end[0])
    value["edits"] = [{"do": "take_off", "at": 0}]
    *_, shown, _ = question.asked(ready, runs, "s", value, Duel())
    assert "is taken off the shelf" in text(shown[1])
