"""Numbers out of range, words that are nearly numbers, rubrics deep or huge: one line, from a shell and from the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import annotating
import pytest
import toy
from counting import at_most
from fastapi.testclient import TestClient
from test_annotations import Run, run, small  # noqa: F401  fixtures

from star.annotation.storage.database import Database
from star.annotation.workflow import campaigns, people, rubric
from star.annotation.workflow.making import CampaignRequest, check_request
from star.annotation.workflow.text import digits
from star.errors import UserError
from star.ui.loader import Loader
from star.ui.server import application

CALLS = 1_000_000  # of functions, while a rubric is read; the shipped one takes a tenth
HUGE = "9" * 5000


def one_line(error: Any) -> str:
    words = str(error.value)
    assert "\n" not in words and len(words) < 2_500
    return words


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("0", 0), ("²", None), ("٣", None), ("", None), ("-1", None), ("1_0", None), (" 1", None),
     (HUGE, None), ("2147483647", 2**31 - 1), ("2147483648", None)],
)  # fmt: skip
def test_digits_are_0_to_9_alone(text: str, number: int | None) -> None:
    assert digits(text) == number


WORDS = [
    ("status", "²"),
    ("status", HUGE),
    ("status", "9223372036854775808"),
    ("status", "#"),
    ("status", "#²"),
    ("export", "²", "out"),
    ("agreement", "²"),
    ("agreement", "first", "--seed", "-1"),
    ("agreement", "first", "--seed", "9223372036854775808"),
    ("adjudicate", "²"),
    ("adjudicate", "first", "9223372036854775808"),
    ("adjudicate", "first", "1", "--rating", "faithful=²"),
    ("adjudicate", "first", "1", "--rating", f"faithful={HUGE}"),
    ("add", "²", "1", "--known", "faithful=1"),
    ("add", "first", "1", "--known", "faithful=²"),
    ("add", "first", "1", "--known", f"faithful={HUGE}"),
    ("add", "first", "9223372036854775808", "--known", "faithful=1"),
    ("rubric", "--show", "9223372036854775808"),
    ("create", "x", "--rubric", "9223372036854775808"),
    ("create", "x", "--rubric", "-1"),
    ("create", "x", "--records", "1000000000000"),
    ("create", "x", "--records", "-3"),
    ("create", "x", "--overlap", "1000000000000"),
    ("create", "x", "--overlap", "-1"),
    ("create", "x", "--gold-share", "nan"),
    ("create", "x", "--gold-share", "1"),
    ("create", "x", "--gold-share", "-inf"),
    ("create", "x", "--threshold", "nan"),
    ("create", "x", "--threshold", "1e300"),
    ("create", "x", "--seed", "-1"),
    ("create", "x", "--seed", "9223372036854775808"),
    ("create", "x", "--difficulty", "hard=nan"),
    ("create", "x", "--difficulty", "hard=inf"),
    ("create", "x", "--system", "star@²"),
    ("create", "x", "--scenario", "classic", "--scenario", "classic"),
    ("create", " \u202e "),
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(words)[:40])
def test_the_command_line_refuses_in_one_line(
    small: Database,  # noqa: F811
    run: Run,  # noqa: F811
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    annotating.campaign(small, 1)
    monkeypatch.setattr("star.annotation.workflow.making.open_systems", lambda *_: pytest.fail("a model was loaded"))
    with pytest.raises(UserError) as refused:
        run("annotations", *words)
    one_line(refused)


ORDER: dict[str, Any] = {
    "name": "x", "systems": ["star"], "kind": "single", "records": 2, "overlap": 1, "gold_share": 0.0,
    "threshold": 2.0, "scenarios": ["classic"], "mix": {"easy": 1.0}, "seed": 0, "rubric": None,
}  # fmt: skip
WRONG: list[tuple[str, Any]] = [
    ("records", 10**12), ("records", 0), ("records", 2.0), ("records", True), ("overlap", 10**12), ("overlap", 0),
    ("overlap", 1.0), ("gold_share", float("nan")), ("gold_share", 1.0), ("gold_share", 0.6), ("gold_share", -0.1),
    ("threshold", float("nan")), ("threshold", float("inf")), ("threshold", 5.0), ("seed", -1), ("seed", 2**63),
    ("seed", 1.0), ("rubric", 2**63), ("rubric", -1), ("mix", {"easy": float("nan")}), ("mix", {"easy": 1e308}),
    ("mix", {"x" * 100_000: 1.0}), ("mix", {}), ("scenarios", ["classic"] * 3), ("scenarios", []),
    ("systems", ["star"] * 5_000), ("systems", ["s" * 100_000]), ("name", ""), ("name", "x" * 5_000),
]  # fmt: skip


@pytest.fixture(scope="module")
def leads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Database]]:
    """A lead on a page without campaigns; one for all orders that are refused."""
    with annotating.ready("sqlite", tmp_path_factory.mktemp("leads")) as database:
        app = application(Loader(lambda: toy.ToyRecommender(delay=0), toy.dataset), database)
        lead = TestClient(app, "http://127.0.0.1", headers={"X-Star": "1"}, raise_server_exceptions=False)
        lead.post("/star-door/enter", json={"name": "Lea", "role": "lead"})
        yield lead, database


@pytest.mark.parametrize(
    ("field", "value"), WRONG, ids=[f"{field}={str(value)[:20]}" for field, value in WRONG]
)
def test_the_leads_api_refuses_and_makes_nothing(
    field: str, value: Any, leads: tuple[TestClient, Database]
) -> None:
    lead, database = leads
    body = json.dumps(ORDER | {field: value})
    reply = lead.post("/star-lead/campaign", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 422), reply.text
    assert len(reply.json()["error"]) < 700 and "\n" not in reply.json()["error"]
    assert lead.get("/star-lead/job").json()["running"] is False
    assert campaigns.names(database) == {}


def test_numbers_of_rows_out_of_range_are_no_errors_of_the_server(tmp_path: Path) -> None:
    with annotating.ready("sqlite", tmp_path) as database:
        annotating.campaign(database, 1)
        app = application(Loader(lambda: toy.ToyRecommender(delay=0), toy.dataset), database)
        lead = TestClient(app, "http://127.0.0.1", headers={"X-Star": "1"}, raise_server_exceptions=False)
        lead.post("/star-door/enter", json={"name": "Lea", "role": "lead"})
        for number in (2**63, -1, 10**30, "²", "1.5", "nan"):
            for path in ("star-lead/status", "star-lead/agreement", "star-lead/figures", "star-lead/rubric",
                         "star-adjudicate/conflicts", "star-adjudicate/case", "star-annotate/recent"):  # fmt: skip
                assert lead.get(f"/{path}/{number}").status_code == (404 if number == "²" else 422), (path, number)
            assert lead.get(f"/star-lead/export/{number}/jsonl").status_code in (404, 422)
        uuid = "0b7e8f9a-0000-4000-8000-00000000000a"
        for number in (2**63, -1, 1.0, "1", None, True):
            answer = annotating.full(3, reason="x").to_json()
            for path, body in (
                ("star-annotate/next", {"campaign": number, "uuid": uuid}),
                ("star-lead/withdraw", {"id": number}),
                ("star-adjudicate/decide", {"record": number, "after": 0, "uuid": uuid, "answer": answer}),
            ):
                assert lead.post(f"/{path}", json=body).status_code in (400, 422), (path, number)


@pytest.mark.parametrize("field", ["overlap", "gold_share", "threshold", "seed"])
@pytest.mark.parametrize("value", [float("nan"), -1, 10**12, True, "3", None, float("inf")])
def test_a_plan_is_checked_like_an_order(field: str, value: Any, tmp_path: Path) -> None:
    with annotating.ready("sqlite", tmp_path) as database:
        with pytest.raises(UserError) as refused:
            annotating.campaign(database, 1, **{field: value})
        one_line(refused)
    with pytest.raises(UserError) as refused:
        check_request(CampaignRequest("x", **{field: value}))
    one_line(refused)


def bomb() -> str:
    """Nine lines of aliases that would unfold to a milliard strings."""
    lines = ['a0: &a0 ["x"]'] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines)


BASE = rubric.DEFAULT.read_text("utf-8")
RUBRICS = {
    "brackets": "[" * 199_000,
    "braces": "{a: " * 40_000,
    "blocks": "\n".join(f"{' ' * n}a:" for n in range(300)),
    "dashes": "- " * 50_000,
    "aliases": bomb(),
    "digits": f"name: {HUGE}",
    "a date that is none": BASE.replace("name: trace", "name: 2001-99-99"),
    "hexadecimal": "name: 0x" + "f" * 100_000,
    "an unknown field, long": "x" * 100_000 + ": 1",
    "an unknown field with an ANSI code": BASE + '\n"\\e[31mred": 1\n',
    "a truth value for a score": BASE.replace("score: 5", "score: true", 1),
    "a float for a score": BASE.replace("score: 5", "score: 5.0", 1),
    "a long key": BASE.replace("key: plan", f"key: {'p' * 81}"),
    "a long label": BASE.replace("label: The plan makes sense", f"label: {'p' * 201}"),
    "a long name": BASE.replace("name: trace", f"name: {'n' * 81}"),
    "no name": BASE.replace("name: trace", "name: ''"),
    "a tag": "!!python/object/apply:os.system ['true']",
}


@pytest.mark.parametrize("case", RUBRICS)
def test_deep_and_huge_rubrics_are_refused_at_once(case: str) -> None:
    with pytest.raises(UserError) as refused, at_most(CALLS):
        rubric.parse(RUBRICS[case])
    words = one_line(refused)
    assert len(words) < 700 and words.isprintable()


def test_a_rubric_has_so_many_questions_and_examples() -> None:
    from dataclasses import asdict

    ships = asdict(rubric.default())
    first = ships["criteria"][0]
    many = [first | {"key": f"k{n}", "examples": ()} for n in range(51)]
    with pytest.raises(UserError, match="51 questions"):
        rubric.parse(ships | {"criteria": many})
    assert len(rubric.parse(ships | {"criteria": many[:50]}).criteria) == 50
    example = {"score": 1, "text": "t", "why": "w"}
    with pytest.raises(UserError, match="51 examples"):
        rubric.parse(ships | {"criteria": [first | {"examples": [example] * 51}]})
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UserError, match="more than 12 deep"):
        rubric.parse(ships | {"title": deep})


def test_a_campaign_named_like_the_number_of_another(small: Database, run: Run) -> None:  # noqa: F811
    annotating.campaign(small, 1, name="2")
    annotating.campaign(small, 2, name="second")

    def records(word: str) -> int:
        [one] = run("annotations", "status", word, "--json")["campaigns"]
        return int(one["status"]["records"])

    assert (records("#1"), records("#2"), records("name:2"), records("1"), records("second")) == (
        1,
        2,
        1,
        1,
        2,
    )
    with pytest.raises(UserError, match=r"names 2 campaigns.*#1 for '2' or #2 for 'second'"):
        records("2")
    people.enter(small, "Ann")
    annotating.campaign(small, 3, name="3")
    assert records("3") == 3, "its own number and its own name are one campaign"


def test_a_record_of_another_campaign_is_not_decided(small: Database, run: Run) -> None:  # noqa: F811
    annotating.campaign(small, 1)
    annotating.campaign(small, 1, name="second")
    with pytest.raises(UserError, match="campaign 1 has no record number 2"):
        run("annotations", "adjudicate", "first", "2", "--rating", "faithful=2", "--reason", "so")
