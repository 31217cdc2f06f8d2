"""The annotators' and leads' API over raw HTTP: access by role, refused requests, and the answers to a save."""

from __future__ import annotations

import io
import json
import threading
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import annotating
import pytest
import toy
import uvicorn
from fastapi.responses import PlainTextResponse
from fastapi.testclient import TestClient
from page_client import config
from starlette.requests import HTTPConnection

from star import ROOT
from star.annotation.exchange import collect
from star.annotation.exchange.importing import import_campaign
from star.annotation.storage.database import Database
from star.annotation.storage.feedback import keep
from star.annotation.workflow import campaigns, people, rubric
from star.annotation.workflow.documents import Sample
from star.annotation.workflow.frozen import kept_document
from star.annotation.workflow.sampling import run_of
from star.display import clean
from star.errors import UserError
from star.recommend.recommendation import Query
from star.recommend.recommender import answer
from star.ui.api import annotate_api
from star.ui.loader import Loader
from star.ui.security.address import address, believed
from star.ui.security.auth import COOKIE
from star.ui.server import application

HERE = "http://127.0.0.1"
OURS = {"X-Star": "1"}
SECRET = "correct horse"
HOSTILE = (
    '<img src=x onerror="window.hacked=1">\u202egnp![](http://evil.example/x.png)<script>hacked()</script>'
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The database file of all tests here, so that they share applications. None keeps what it showed of a record, since
    the next test has another of that number."""
    with annotating.ready("sqlite", tmp_path_factory.mktemp("shared")) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(annotate_api, "KEPT", 0)
        yield made


@pytest.fixture
def database(place: Database) -> Database:
    """As the migrations leave it."""
    annotating.renew(place)
    return place


@cache
def serve(database: Database | None, auth: bool = False) -> Any:
    """An application that has kept nothing: the loader has not begun, and what people do is in the database alone."""
    return started(database, auth)


def started(database: Database | None, auth: bool = False) -> Any:
    """An application of its own, where a test starts its loader or it is about another one."""
    return application(Loader(lambda: toy.ToyRecommender(delay=0), toy.dataset), database, auth)


def client(app: Any, **headers: str) -> TestClient:
    return TestClient(app, HERE, headers=OURS | headers, raise_server_exceptions=False)


def entered(app: Any, name: str, role: str = "annotator") -> TestClient:
    made = client(app)
    reply = made.post("/star-door/enter", json={"name": name, "role": role})
    assert reply.status_code == 200, reply.text
    return made


def signed_in(app: Any, name: str) -> TestClient:
    made = client(app)
    assert made.post("/star-door/sign-in", json={"name": name, "password": SECRET}).status_code == 200
    return made


def begun(ann: TestClient, number: int = 1) -> dict[str, Any]:
    reply = ann.post("/star-annotate/next", json={"campaign": number, "uuid": str(uuid.uuid4())})
    assert reply.status_code == 200, reply.text
    return dict(reply.json()["record"])


def draft(record: dict[str, Any], revision: int = 1, to: str = "draft", **answer: Any) -> dict[str, Any]:
    return {"uuid": record["uuid"], "revision": revision, "to": to, "answer": answer}


# Of Gradio's routes without parameters; the others are closed (star/ui/security/guard.py).
USED = ("/", "/theme.css", "/favicon.ico")


def routes(app: Any) -> list[tuple[str, str]]:
    """(method, address) of every route, also of Gradio's, with values for its parameters."""
    found = []
    for route in app.routes:
        if hasattr(route, "methods"):
            path = "/".join("1" if part.startswith("{") else part for part in route.path.split("/"))
            found += [(method, path) for method in route.methods or () if method not in ("HEAD", "OPTIONS")]
        elif hasattr(route, "original_router"):
            found += routes(route.original_router)
        elif hasattr(route, "routes"):
            found += routes(route)
    return sorted(set(found))


def test_our_routes_refuse_who_has_no_role(database: Database) -> None:
    annotating.campaign(database, 1)
    app = serve(database)
    nobody, ann = client(app), entered(app, "Ann")
    people.add(database, "Judge", "adjudicator")
    judge = entered(app, "Judge")
    ours = [
        (m, p) for m, p in routes(app) if p.startswith(("/star-annotate", "/star-adjudicate", "/star-lead"))
    ]
    assert len(ours) >= 18
    for method, path in ours:
        body = {} if method == "POST" else None
        assert nobody.request(method, path, json=body).status_code == 401, path
        if not path.startswith("/star-annotate"):
            assert ann.request(method, path, json=body).status_code == 403, path
        if path.startswith("/star-lead"):
            assert judge.request(method, path, json=body).status_code == 403, path
        if method == "POST":
            bare = TestClient(app, HERE, cookies=dict(ann.cookies))
            assert bare.post(path, json=body).status_code == 403, f"{path} without our header"
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example:7860"}):
            assert entered(app, "Eve").request(method, path, json=body, headers=headers).status_code == 403


def test_with_accounts_nothing_is_open_but_the_login(database: Database) -> None:
    people.add(database, "Lea", "lead", SECRET)
    app = serve(database, auth=True)
    nobody = client(app)
    every = routes(app)
    assert any(path.startswith("/gradio_api") for _, path in every) and len(every) > 60
    for method, path in every:
        if path.startswith(("/star-door", "/star-assets")):
            continue
        reply = nobody.request(method, path, json={} if method == "POST" else None, follow_redirects=False)
        expected = (401,) if path in USED or path.startswith(("/star-", "/assets/", "/static/")) else (400, 404, 405)
        assert reply.status_code in expected, (method, path, reply.status_code)
    page = nobody.get("/", headers={"Accept": "text/html"}, follow_redirects=False)
    assert page.status_code == 303 and page.headers["location"] == "star-door/login"
    login = nobody.get("/star-door/login")
    assert login.status_code == 200 and "Content-Security-Policy" in login.headers
    assert nobody.post("/star-door/enter", json={"name": "Lea", "role": "lead"}).status_code == 403
    assert nobody.get("/star-door/me").json() == {"auth": True, "person": None, "people": []}
    lea = signed_in(app, "lea")
    assert lea.get("/theme.css").status_code == 200
    assert lea.get("/star-lead/overview").status_code == 200


def test_login_locks_after_five_failures_and_sessions_survive_a_restart(database: Database) -> None:
    people.add(database, "Ann", "annotator", SECRET)
    app = serve(database, auth=True)
    kept = signed_in(app, "Ann")
    reply = kept.post("/star-door/sign-in", json={"name": "Ann", "password": SECRET})
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and SECRET not in cookie
    wrong = client(app)
    for _ in range(5):
        assert wrong.post("/star-door/sign-in", json={"name": "Ann", "password": "no"}).status_code == 403
    locked = wrong.post("/star-door/sign-in", json={"name": "Ann", "password": SECRET})
    assert locked.status_code == 429 and "locked" in locked.json()["error"]
    assert 0 < int(locked.headers["retry-after"]) <= 15 * 60
    again = client(started(database, auth=True))
    again.cookies.set(COOKIE, kept.cookies[COOKIE])
    assert again.get("/star-annotate/campaigns").status_code == 200
    again.post("/star-door/sign-out", json={})
    assert kept.get("/star-annotate/campaigns").status_code == 401, "signing out ends every session"
    forged = client(app)
    forged.cookies.set(COOKIE, kept.cookies[COOKIE][:-2] + "xx")
    assert forged.get("/star-annotate/campaigns").status_code == 401


def test_a_cookie_of_open_mode_means_nothing_with_accounts_and_the_other_way_round(
    database: Database,
) -> None:
    people.add(database, "Ann", "annotator", SECRET)
    for auth in (False, True):
        first, other = serve(database, auth), client(serve(database, not auth))
        cookies = (signed_in(first, "Ann") if auth else entered(first, "Lea", "lead")).cookies
        other.cookies.set(COOKIE, cookies[COOKIE])
        assert other.get("/star-door/me").json()["person"] is None
        assert other.get("/star-annotate/campaigns").status_code == 401
        assert other.get("/theme.css").status_code == (200 if auth else 401)


def test_leaving_ends_the_session_here_and_there(database: Database) -> None:
    app = serve(database)
    ann = entered(app, "Ann")
    kept = client(app)
    kept.cookies.set(COOKIE, ann.cookies[COOKIE])
    assert ann.post("/star-door/sign-out", json={}).status_code == 200
    assert kept.get("/star-annotate/campaigns").status_code == 401


def test_sign_ins_are_counted_by_where_they_come_from(database: Database) -> None:
    people.add(database, "Lea", "lead", SECRET)
    app = serve(database, auth=True)

    def tried(host: str, password: str, **headers: str) -> int:
        page = TestClient(app, HERE, headers=OURS | headers, client=(host, 5))
        return page.post("/star-door/sign-in", json={"name": "Lea", "password": password}).status_code

    codes = [tried("198.51.100.7", "no", **{"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(7)]
    assert codes == [403] * 5 + [429] * 2, "what a stranger says of their address is not believed"
    assert tried("198.51.100.7", SECRET) == 429 and tried("192.0.2.1", SECRET) == 200
    assert [tried(f"2001:db8::{n}", "no") for n in range(6)] == [403] * 5 + [429], "one network of IPv6"
    assert tried("2001:db8:0:1::1", SECRET) == 200
    assert tried("::ffff:198.51.100.7", SECRET) == 429


def test_a_proxy_is_believed_where_it_is_named() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        response = PlainTextResponse(f"{address(HTTPConnection(scope))} {scope['scheme']}")
        await response(scope, receive, send)

    def seen(proxies: str | None, host: str = "127.0.0.1") -> str:
        config = uvicorn.Config(app, lifespan="off", **believed(proxies))
        config.load()
        forwarded = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7, 10.0.0.2", "X-Forwarded-Proto": "https"}
        return TestClient(config.loaded_app, HERE, headers=forwarded, client=(host, 5)).get("/").text

    assert seen(None) == "127.0.0.1 http", "not even on this machine"
    assert seen("127.0.0.1, 10.0.0.0/24") == "198.51.100.7 https", "what the client wrote in front is not"
    assert seen("127.0.0.1", "192.0.2.8") == "192.0.2.8 http"
    for wrong in ("*", "proxy.example", "", "10.0.0.2,", "0.0.0.0/0", "::/0", "10.0.0.300"):
        with pytest.raises(UserError, match="is not an address; expected"):
            believed(wrong)


def test_the_cookie_stays_on_tls_behind_a_proxy_too(database: Database) -> None:
    page = client(serve(database), Origin="https://127.0.0.1")
    reply = page.post("/star-door/enter", json={"name": "Ann"})
    assert reply.status_code == 200 and "secure" in reply.headers["set-cookie"].lower()
    assert (
        "secure"
        not in client(serve(database))
        .post("/star-door/enter", json={"name": "Ann"})
        .headers["set-cookie"]
        .lower()
    )


def test_a_name_that_rates_does_not_lead(database: Database) -> None:
    app = serve(database)
    entered(app, "Ann")
    reply = client(app).post("/star-door/enter", json={"name": "ann", "role": "lead"})
    assert reply.status_code == 403 and "choose another name" in reply.json()["error"]
    assert entered(app, "Lea", "lead").get("/star-lead/overview").status_code == 200


def test_without_a_database_there_is_nothing_to_annotate() -> None:
    app = serve(None)
    assert not [path for _, path in routes(app) if path.startswith(("/star-annotate", "/star-lead"))]
    labels = [part["props"].get("label") for part in config(client(app))["components"]]
    assert "Explore" in labels and "Annotate" not in labels and "Lead" not in labels


def test_a_record_is_shown_without_who_wrote_it(database: Database) -> None:
    annotating.campaign(database, 1, pair=True)
    record = begun(entered(serve(database), "Ann"))
    text = json.dumps(record)
    for betrays in ("mars", "assets/models", "0" * 64, "checkpoint", '"seed"', "first_token"):
        assert betrays not in text, betrays
    assert [side["steps"][0]["text"] for side in record["sides"]] == ["know shelf 0 first"] * 2
    assert record["kind"] == "pair" and record["rubric"]["label"] == "trace@1"


def test_the_same_save_three_times_at_once_is_one(database: Database) -> None:
    annotating.campaign(database, 1)
    app = serve(database)
    ann = entered(app, "Ann")
    record = begun(ann)
    body = draft(record, ratings={"faithful": 4}, note="so", seconds=3.5)
    replies: list[Any] = []

    def send() -> None:
        mine = client(app)
        mine.cookies.set(COOKIE, ann.cookies[COOKIE])
        replies.append(mine.post("/star-annotate/save", json=body))

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply.status_code for reply in replies] == [200] * 3
    assert [reply.json() for reply in replies] == [replies[0].json()] * 3
    assert replies[0].json()["revision"] == 1
    stale = ann.post("/star-annotate/save", json=draft(record, ratings={"faithful": 1}))
    assert stale.status_code == 409 and stale.json()["revision"] == 1
    there = ann.get(f"/star-annotate/record/{record['uuid']}").json()
    assert there["answer"]["ratings"] == {"faithful": 4} and there["revision"] == 1


def test_submit_skip_recent_and_progress(database: Database) -> None:
    annotating.campaign(database, 3, overlap=1)
    app = serve(database)
    ann, bob = entered(app, "Ann"), entered(app, "Bob")
    first = begun(ann)
    whole = dict.fromkeys(annotating.KEYS, 4)
    few = ann.post("/star-annotate/save", json=draft(first, to="submitted", ratings={"plan": 2}))
    assert few.status_code == 400 and "not yet rated" in few.json()["error"]
    done = ann.post("/star-annotate/save", json=draft(first, to="submitted", ratings=whole))
    assert done.json()["state"] == "submitted"
    second = begun(ann)
    assert ann.post("/star-annotate/save", json=draft(second, to="skipped", reason="")).status_code == 400
    assert ann.post("/star-annotate/save", json=draft(second, to="skipped", reason="odd")).status_code == 200
    shown = ann.get("/star-annotate/recent/1").json()
    assert [row["state"] for row in shown["recent"]] == ["skipped", "submitted"]
    assert shown["progress"] | {"seconds": None} == {
        "submitted": 1, "skipped": 1, "seconds": None, "last_hour": 1, "team": 1, "share": 0.3,
    }  # fmt: skip
    theirs = begun(bob)
    assert theirs["uuid"] not in (first["uuid"], second["uuid"])
    stolen = bob.post("/star-annotate/save", json=draft(first, 2, ratings=whole))
    assert stolen.status_code == 400 and "assigned to you" in stolen.json()["error"]
    assert bob.get(f"/star-annotate/record/{first['uuid']}").status_code == 400


class Live(HTMLParser):
    """Active tags, and attributes with active content."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "iframe", "link", "object"):
            self.bad.append(tag)
        self.bad += [name for name, _ in attrs if name.startswith("on")]


def test_hostile_text_is_text_everywhere(database: Database) -> None:
    lead = annotating.lead(database)
    form = rubric.publish(database, lead, rubric.default())
    run = run_of(toy.ToyRecommender(delay=0), Query((28, 29)))
    for part in (run["trace"]["steps"], run["claims"]):
        for piece in part:
            piece["text"] = HOSTILE + piece["text"]
    for node in run["graph"]["nodes"]:
        node["label"] = HOSTILE
    for book in (*run["books"].values(), *run["items"]):
        book["title"] = HOSTILE
    plan = campaigns.Plan(HOSTILE[:60], "toy", annotating.systems("star"), form.id, overlap=1, threshold=0)
    campaigns.create(database, lead, plan, [Sample(("star",), (run,))])
    app = serve(database)
    ann = entered(app, HOSTILE[:70])
    record = begun(ann)
    [side] = record["sides"]
    blocks = [side["cards"], *(b["html"] for b in side["trace"] + side["evidence"] + side["edges"])]
    assert sum(map(len, blocks)) > 10_000
    for html in blocks:
        assert Live(html).bad == []
    long = HOSTILE + "x" * 9_000 + "\x00"
    flag = {"step": 0, "reason": HOSTILE, "claim": None, "start": 0, "end": len(HOSTILE)}
    body = draft(record, to="submitted", ratings=dict.fromkeys(annotating.KEYS, 1), note=long, flags=[flag])
    assert ann.post("/star-annotate/save", json=body).status_code == 200
    there = ann.get(f"/star-annotate/record/{record['uuid']}").json()["answer"]
    assert there["note"] == long.replace("\x00", "") and there["flags"][0]["text"] == HOSTILE
    lea = entered(app, "Lea", "lead")
    assert Live(lea.get("/star-lead/figures/1").json()["html"]).bad == []
    reply = lea.get("/star-lead/export/1/csv")
    names = zipfile.ZipFile(io.BytesIO(reply.content)).namelist()
    assert {name.split("/")[1] for name in names} >= {"ratings.csv", "answers.csv", "records.csv"}
    assert reply.headers["content-disposition"].startswith("attachment")


FIXED = (
    "type",
    "kind",
    "author",
    "verdict",
    "id",
    "item",
    "source",
    "target",
    "subject",
    "anchor",
    "shelf",
    "candidates",
)


def planted(value: Any, key: str = "") -> Any:
    """A run with a script and U+202E before every text, except for words of the schema and ids."""
    if isinstance(value, dict):
        return {name: planted(inside, name) for name, inside in value.items()}
    if isinstance(value, list):
        return [planted(inside, key) for inside in value]
    return HOSTILE + value if isinstance(value, str) and key not in FIXED else value


def test_every_text_of_an_imported_record_is_text(database: Database, tmp_path: Path) -> None:
    lead = annotating.lead(database)
    ships = rubric.default()
    asked = rubric.parse(planted(json.loads(json.dumps(asdict(ships)))) | {"name": "trace", "criteria": [
        planted(asdict(c)) | {"key": c.key, "examples": []} for c in ships.criteria
    ]})  # fmt: skip
    form = rubric.publish(database, lead, asked)
    run = planted(json.loads(json.dumps(run_of(toy.ToyRecommender(delay=0), Query((28, 29))))))
    plan = campaigns.Plan(HOSTILE[:60], "toy", annotating.systems("star"), form.id, overlap=1, threshold=0)
    campaigns.create(database, lead, plan, [Sample(("star",), (run,))])
    collect.export(database, 1, tmp_path / "out")
    number = import_campaign(database, lead, tmp_path / "out", HOSTILE[:50] + "2").campaign
    app = serve(database)
    ann, lea = entered(app, HOSTILE[:70]), entered(app, "Lea", "lead")
    record = begun(ann, number)
    body = draft(record, to="submitted", ratings=dict.fromkeys(ships.keys, 1), note=HOSTILE)
    assert ann.post("/star-annotate/save", json=body).status_code == 200
    for path in (f"star-annotate/record/{record['uuid']}", f"star-adjudicate/case/{record['record']}"):
        [side] = (ann if "annotate" in path else lea).get(f"/{path}").json()["sides"]
        blocks = [side["cards"], *(b["html"] for b in side["trace"] + side["evidence"] + side["edges"])]
        for html in blocks:
            assert Live(html).bad == [] and "<img" not in html and "<script" not in html
        assert HOSTILE in side["shelf"][0]["title"] and clean(HOSTILE) in side["graph"]["nodes"][1]["label"]
    figures = lea.get(f"/star-lead/figures/{number}").json()["html"]
    assert Live(figures).bad == [] and "<img" not in figures
    assert figures.count("\u202e") == figures.count("<bdi>&lt;img"), "every name is of its own direction"
    for path in (
        f"star-lead/status/{number}",
        "star-lead/overview",
        f"star-annotate/recent/{number}",
        "star-door/me",
    ):
        assert lea.get(f"/{path}").headers["content-type"] == "application/json"


def test_html_is_put_into_the_page_at_one_place_alone() -> None:
    sinks = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "createContextualFragment",
        "DOMParser",
    )
    found = [
        (file.name, sink)
        for file in sorted((ROOT / "assets" / "js").glob("*.js"))
        for sink in sinks
        if sink in file.read_text("utf-8") and not file.name.startswith("vis-")
    ]
    assert found == [("star.js", "innerHTML")], "what Python's views escaped, and nothing else"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"uuid": "x", "revision": True, "to": "draft", "answer": {}}, 422),
        ({"uuid": "x", "revision": 1, "to": "deleted", "answer": {}}, 422),
        ({"uuid": "x", "revision": 1, "to": "draft", "answer": {}, "annotator": 2}, 422),
        ({"uuid": "x", "revision": 1, "to": "draft", "answer": {"flags": "all"}}, 422),
        ({"uuid": "x", "revision": 1, "to": "draft", "answer": {}}, 400),
        ({"uuid": "x", "revision": 1, "to": "draft", "answer": {"note": "x" * 990_000}}, 400),
        ({"uuid": "x", "revision": 1, "to": "draft", "answer": {"note": "x" * 1_000_000}}, 413),
    ],
)  # fmt: skip
def test_bodies_that_do_not_fit(database: Database, body: dict[str, Any], status: int) -> None:
    annotating.campaign(database, 1)
    ann = entered(serve(database), "Ann")
    record = begun(ann)
    body = body | {"uuid": record["uuid"]} if len(str(body)) > 900_000 else body
    reply = ann.post("/star-annotate/save", json=body)
    assert reply.status_code == status, reply.text[:300]
    assert len(reply.text) < 600 and set(reply.json()) == {"error"}


def test_lead_sees_status_agreement_conflicts_and_decides(database: Database) -> None:
    annotating.campaign(database, 2, overlap=2, threshold=1)
    app = serve(database)
    for name, score in (("Ann", 5), ("Bob <b>", 2)):
        rater = entered(app, name)
        for _ in range(2):
            ratings = dict.fromkeys(annotating.KEYS, score)
            rater.post("/star-annotate/save", json=draft(begun(rater), to="submitted", ratings=ratings))
    lea = entered(app, "Lea", "lead")
    assert lea.get("/star-lead/status/1").json()["conflicts"] == 2
    report = lea.get("/star-lead/agreement/1").json()
    assert report["ratings"] == 28 and report["criteria"][0]["alpha"] is not None
    html = lea.get("/star-lead/figures/1").json()["html"]
    assert "Faithful to the evidence" in html and "Bob &lt;b&gt;" in html and "<svg" in html
    waiting = lea.get("/star-adjudicate/conflicts/1").json()["conflicts"]
    case = lea.get(f"/star-adjudicate/case/{waiting[0]['record']}").json()
    assert [a["who"] for a in case["answers"]] == ["Rater 1", "Rater 2"] and "Bob" not in json.dumps(case)
    decision = {
        "record": case["record"], "after": 0, "uuid": str(uuid.uuid4()),
        "answer": {"ratings": dict.fromkeys(annotating.KEYS, 3), "note": "between the two"},
    }  # fmt: skip
    for _ in range(2):  # a repeated request is the same decision
        assert lea.post("/star-adjudicate/decide", json=decision).json() == {"number": 1}
    assert lea.post("/star-adjudicate/decide", json=decision | {"uuid": str(uuid.uuid4())}).status_code == 400
    assert len(lea.get("/star-adjudicate/conflicts/1").json()["conflicts"]) == 1
    bob = next(p for p in lea.get("/star-lead/overview").json()["people"] if p["name"].startswith("Bob"))
    assert lea.post("/star-lead/withdraw", json={"id": bob["id"]}).status_code == 200
    assert lea.get("/star-lead/status/1").json()["done"] == 2


def test_a_lead_takes_votes_out(database: Database) -> None:
    loader = Loader(lambda: toy.ToyRecommender(delay=0), toy.dataset)
    loader.start()
    assert loader.dataset(10).name == "toy"
    app = application(loader, database)
    lea = entered(app, "Lea", "lead")
    assert lea.get("/star-lead/overview").json()["votes"] == 0
    assert lea.get("/star-lead/votes/jsonl").status_code == 400
    annotating.vote(database)
    assert lea.get("/star-lead/overview").json()["votes"] == 1
    reply = lea.get("/star-lead/votes/csv")
    names = zipfile.ZipFile(io.BytesIO(reply.content)).namelist()
    assert {name.split("/")[1] for name in names} == {"comparisons.csv", "ratings.csv", "traces.csv", "manifest.json"}
    assert entered(app, "Ann").get("/star-lead/votes/csv").status_code == 403


def test_a_lead_takes_feedback_out(database: Database) -> None:
    loader = Loader(lambda: toy.ToyRecommender(delay=0), toy.dataset)
    loader.start()
    data = loader.dataset(10)
    app = application(loader, database)
    lea = entered(app, "Lea", "lead")
    assert lea.get("/star-lead/overview").json()["feedback"] == 0
    assert lea.get("/star-lead/feedback/jsonl").status_code == 400
    answered = answer(toy.ToyRecommender(data, 0), Query(tuple(map(int, data.interactions.history(3)))))
    document = kept_document(answered, data.catalog)
    keep(database, "1" * 32, "a" * 32, document, document["items"][0]["id"], "more")
    assert lea.get("/star-lead/overview").json()["feedback"] == 1
    reply = lea.get("/star-lead/feedback/csv")
    names = zipfile.ZipFile(io.BytesIO(reply.content)).namelist()
    assert {name.split("/")[1] for name in names} == {"feedback.csv", "traces.csv", "manifest.json"}
    assert entered(app, "Ann").get("/star-lead/feedback/csv").status_code == 403


def test_rubric_is_shown_and_published(database: Database) -> None:
    app = serve(database)
    lea = entered(app, "Lea", "lead")
    ships = lea.get("/star-lead/rubric/0").json()["document"]
    assert lea.post("/star-lead/rubric", json={"document": ships}).json()["label"] == "trace@1"
    text = lea.get("/star-lead/rubric/1").json()["document"]
    assert rubric.parse(text) == rubric.default()
    changed = text.replace("Understandable", "Clear")
    assert lea.post("/star-lead/rubric", json={"document": changed}).json()["label"] == "trace@2"
    wrong = lea.post("/star-lead/rubric", json={"document": "name: x"})
    assert wrong.status_code == 400 and "rubric" in wrong.json()["error"]


def test_a_campaign_that_cannot_be_made_says_why(database: Database) -> None:
    with client(started(database)) as lea:  # starts the loader
        lea.post("/star-door/enter", json={"name": "Lea", "role": "lead"})
        order = {
            "name": "x", "systems": ["star"], "kind": "pair", "records": 3, "overlap": 1, "gold_share": 0, "threshold": 2,
            "scenarios": ["classic"], "mix": {"easy": 1}, "seed": 0,
        }  # fmt: skip
        refused = lea.post("/star-lead/campaign", json=order)
        assert refused.status_code == 400 and "pairs need two" in refused.json()["error"]
        order |= {"kind": "single", "systems": ["star=nowhere"]}
        assert lea.post("/star-lead/campaign", json=order).status_code == 200
        for _ in range(200):
            state = lea.get("/star-lead/job").json()
            if not state["running"]:
                break
            threading.Event().wait(0.05)
        assert "nowhere" in state["problem"] and state["campaign"] is None
