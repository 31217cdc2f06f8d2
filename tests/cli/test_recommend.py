"""`star recommend`: whom it answers, in which form, and who answers."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import reading
import toys

from star import ROOT
from star.annotation.workflow.systems import at_hand, open_systems
from star.cli import app as cli
from star.data.catalog import Catalog
from star.display import clean, isolated
from star.evidence.claims import Claim
from star.mars.recommender import Teacher
from star.methods.answering import load_recommender
from star.recommend.readable import readable
from star.recommend.recommendation import CheckedClaim, Query, Recommendation, Recommended, StepView
from star.recommend.recommender import Star, answer
from star.settings import Settings
from star.student import checkpoint as fingerprint
from star.ui.offered import Offered
from star.ui.views import cards as views

DATA = reading.dataset()
READERS = [DATA.interactions.users[row] for row in reading.parts().test[:3]]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data sets as an import leaves them: `reading`, whose signals are kept here by the first answer."""
    folder = tmp_path_factory.mktemp("imported")
    DATA.save(folder / "reading")
    return folder


@pytest.fixture(autouse=True)
def home(imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`reading` as an imported data set."""
    monkeypatch.setenv("STAR_DATA", str(imported))
    monkeypatch.setattr(fingerprint, "RUNS", tmp_path / "runs")
    return tmp_path


@pytest.fixture
def tiny(home: Path) -> Path:
    return toys.save_checkpoint(home / "tiny")


def star(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run `star recommend --dataset reading` in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", ["star", "recommend", "--dataset", "reading", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        cli.main()
    return int(done.value.code or 0)


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    document["timing"] |= {"first_token_s": None, "total_s": None}
    for step in document["trace"]["steps"]:
        step["seconds"] = None
    return document


def test_the_student_answers_for_an_imported_data_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert star(monkeypatch, "--user", READERS[0], "--json") == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["checkpoint"] == "star" and len(document["items"]) == 5 and err == ""
    own = [claim for claim in document["claims"] if claim["author"] == "model"]
    assert any(claim["kind"] == "over" for claim in own)
    assert {item["id"] for item in document["items"]} <= {claim["subject"] for claim in own}


def test_the_teacher_by_name_answers_on_every_data_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(load_recommender("reading"), Star)
    assert isinstance(load_recommender("reading", "mars"), Teacher)
    capsys.readouterr()
    assert star(monkeypatch, "--user", READERS[0], "--json", "--model", "mars") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["checkpoint"] == "mars" and err == ""


def test_an_unknown_model_stays_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert star(monkeypatch, "--user", READERS[0], "--model", "nowhere") == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "no checkpoint 'nowhere'" in err


def test_the_page_opens_with_the_student() -> None:
    offered = Offered.of(Settings(dataset="reading"))
    loader = offered.loader(offered.home)
    loader.start()
    ready = loader.recommender(30)
    assert isinstance(ready, Star)
    assert "<b>" in views.loaded(ready.dataset, ready.checkpoint)
    (*_, last) = ready.stream(Query(tuple(DATA.interactions.history(0).tolist()), 0))
    assert last.finished and last.items


def test_a_campaign_takes_the_student_also_where_the_page_answers_with_the_teacher(tiny: Path) -> None:
    ready = load_recommender("reading", "mars")
    assert at_hand(None, ready) == ("star", "mars") == at_hand("mars")
    assert at_hand("nowhere", ready) == ("mars",)
    opened = open_systems(("star", f"star={tiny}", "mars"), DATA, "mars", ready)
    assert [each.checkpoint for each in opened.recommenders.values()] == ["star", "tiny", "mars"]
    assert len({system.hash for system in opened.systems}) == 3


def test_sentences_are_for_people_and_the_words_of_the_grammar_are_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert star(monkeypatch, "--user", READERS[0]) == 0
    shown = capsys.readouterr().out
    (done,) = [
        answer(load_recommender("reading"), Query(history(READERS[0]), DATA.interactions.row(READERS[0])))
    ]
    for claim in done.claims:
        assert claim.text[1:] in shown
    assert "Reflection\n" in shown and "tool_response:" not in shown and "the graph supports" in shown
    assert star(monkeypatch, "--user", READERS[0], "--raw") == 0
    raw = capsys.readouterr().out
    for step in done.steps:
        assert f"{step.type}: {' '.join(step.text.split())}" in raw
    assert star(monkeypatch, "--user", READERS[0], "--raw", "--json") == 2


def history(user: str) -> tuple[int, ...]:
    return tuple(DATA.interactions.history(DATA.interactions.row(user)).tolist())


def test_many_readers_are_answered_as_one_by_one(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tiny.parent / "users.txt"
    file.write_text("\ufeff" + "\r\n\r\n".join(READERS) + "\n", "utf-8")
    for model in (str(tiny), "mars"):
        more = ("--json", "--model", model, "--seed", "3")
        assert star(monkeypatch, "--users", file, *more) == 0
        out, err = capsys.readouterr()
        lines = out.splitlines()
        assert "recommending" in err and "3/3" in err
        for user, line in zip(READERS, lines, strict=True):
            assert star(monkeypatch, "--user", user, *more) == 0
            alone = json.loads(capsys.readouterr().out)
            assert alone["timing"]["first_token_s"] is not None, "one alone knows when its first word came"
            assert json.dumps(without_times(json.loads(line))) == json.dumps(without_times(alone))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(READERS[1].encode())))
    assert star(monkeypatch, "--users", "-", "--model", "mars") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Reader {READERS[1]}\n") and "1. Book" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{READERS[0]}\n\nnobody\n", "line 3 of"),
        ("\n \n", "holds no id"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_file_of_readers_is_read_before_anything_is_computed(
    home: Path,
    content: str | bytes | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("star.methods.answering.recommender_for", lambda *_: pytest.fail("computed"))
    file = home / "users.txt"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    assert star(monkeypatch, "--users", file) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err


@pytest.mark.parametrize("given", [(), ("--user", "u1", "--users", "f"), ("--user", "u1", "--shelf", "b1")])
def test_exactly_one_says_whom_to_recommend_to(
    given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert star(monkeypatch, *given) == 2
    assert "--users FILE" in capsys.readouterr().err


def test_titles_command_no_terminal_and_turn_no_neighbours() -> None:
    assert clean("a\x1b[31m\x07b\u202ec\td\x9b1m") == "abc d"
    assert isolated("דיונה") == "\u2068דיונה\u2069" and isolated("Dune") == "Dune"
    title = "\x1b]0;x\x07דיונה\u202e"
    items = list(DATA.catalog)
    items[3] = replace(items[3], title=title, creators=("\x1bAnn",))
    catalog = Catalog(tuple(items))
    text = f"5 of the 9 readers of Book 1 also read {title}, 2 times what chance would give"
    claim = Claim("co_read", 3, 1, {"both": 5, "of": 9, "lift": 2})
    found = {"both": 7.0, "of": 9.0, "lift": 2.8}
    checked = CheckedClaim(claim, text, found, (), "model", "unsupported")
    shown = readable(
        Recommendation(
            "reading",
            "toy",
            Query((1,)),
            (3,),
            steps=(StepView("plan", "look\x1b[2J"), StepView("reflection", "", claims=(0,))),
            claims=(checked,),
            items=(Recommended(1, 3, 0.5, text),),
            finished=True,
        ),
        catalog,
    )
    assert not set("\x1b\x07\u202e") & set(shown) and shown.count("\u2068דיונה\u2069") == 3
    assert (
        "✗ 5 of the 9 readers" in shown
        and "the graph has readers of both books: 7, times chance: 2.8" in shown
    )


UNUSED = (
    "gradio", "transformers", "peft", "accelerate", "polars", "pandas", "sklearn", "scipy.stats", "scipy.optimize",
    "sympy", "torch._dynamo", "torch.distributed.tensor", "sqlalchemy", "pydantic_settings", "fastapi",
)  # fmt: skip


@pytest.mark.checkpoint
def test_one_answer_imports_what_it_needs(fitted_demo: None, kept_fits: Path) -> None:
    """Seconds differ from machine to machine; what takes them does not."""

    def kept() -> list[tuple[str, int]]:
        return sorted((file.name, file.stat().st_mtime_ns) for file in (kept_fits / ".cache").glob("*demo-*"))

    code = (
        "import sys, json\nfrom star.cli.app import app\n"
        "app(['recommend', '--dataset', 'demo', '--user', 'r0008', '--json'], standalone_mode=False)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    environment = os.environ | {"STAR_DATA": str(kept_fits), "PYTHONPATH": str(ROOT)}
    before = kept()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    modules = json.loads(done.stdout.splitlines()[-1])
    assert [name for name in UNUSED if name in modules] == []
    assert "torch" in modules
    assert kept() == before, "the demo's readers were simulated and its signals fitted before, and kept"
    assert [name.partition("-")[0] for name, _ in before] == ["demo", "signals"]


def test_the_page_on_own_data_names_commands_that_exist() -> None:
    text = (ROOT / "docs" / "own-data.md").read_text("utf-8")
    there = {command.name for command in cli.app.registered_commands}
    named = set(re.findall(r"`star (\w+)", text))
    assert {"import", "serve", "recommend", "evaluate"} <= named <= there
    assert "training/run.sh" in text and (ROOT / "training" / "run.sh").is_file()
