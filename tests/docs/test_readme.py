"""README and docs/ say what is: generated parts equal their sources, and every command, option and module is documented."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperOption
from typer.testing import CliRunner

from docs import build as tables
from docs import reference
from docs.build import README, pages, rendered
from docs.cards import cards
from star import ROOT
from star.cli.app import app
from star.student.checkpoint import SHIPPED

DOCS = ROOT / "docs"


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_generated_parts_are_their_sources(page: Path) -> None:
    text = page.read_text("utf-8")
    assert rendered(text) == text, f"{page} differs from its sources; run python -m docs.build"


def test_every_evaluation_and_every_reference_is_on_a_page() -> None:
    """Nothing measured is left out, and no block lost its markers."""
    names = {found["name"] for page in pages() for found in tables.BLOCK.finditer(page.read_text("utf-8"))}
    measured = {file.stem for file in tables.EVALUATIONS.glob("*.json")}
    told = {"trace-demo": "trace"}
    assert names == {told.get(name, name) for name in measured} | tables.BLOCKS.keys()


def test_a_number_changed_in_an_evaluation_is_noticed_in_readme(monkeypatch: pytest.MonkeyPatch) -> None:
    text, real = read("README.md"), tables.evaluation

    def changed(name: str) -> dict[str, Any]:
        document = copy.deepcopy(real(name))
        for row in document["rows"]:
            row["mean"] += 0.002
        return document

    monkeypatch.setattr(tables, "evaluation", changed)
    assert rendered(text) != text


def test_the_trace_in_readme_was_written_by_the_shipped_checkpoint() -> None:
    """An excerpt of a real answer, with its real marks: every line is in the document that the command printed."""
    document = json.loads((tables.EVALUATIONS / "trace-demo.json").read_text("utf-8"))
    assert document["checkpoint"].split()[0] in {file.parent.name for file in cards()}
    verdicts = {claim["text"]: claim["verdict"] for claim in document["claims"] if claim["author"] == "model"}
    shown = re.findall(r"^\| reflection \| (.+?) \| (?:✓ |✗ )?(\w+) \|$", read("README.md"), re.MULTILINE)
    assert len(shown) == 3 and all(verdicts[text] == verdict for text, verdict in shown)


def test_model_cards_are_their_sources() -> None:
    made = cards()
    assert {file.parent.name for file in made} == {SHIPPED}
    for file, text in made.items():
        assert file.read_text("utf-8") == text, f"{file} differs from its sources; run python -m docs.build"


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    commands = {command.name or "" for command in app.registered_commands} | set(groups)
    assert set(re.findall(r"`star (\w+)", read("README.md"))) == commands
    text = read("docs/commands.md")
    assert set(re.findall(r"^### `star (\w+)", text, re.MULTILINE)) == commands
    for command in commands:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
    for name, group in groups.items():
        below = {command.name or command.callback.__name__ for command in group.registered_commands}
        assert set(re.findall(rf"^### `star {name} ([\w-]+)", text, re.MULTILINE)) == below
        for command in below:
            assert CliRunner().invoke(app, [name, command, "--help"]).exit_code == 0


def test_every_page_names_only_commands_that_exist() -> None:
    known = {name for name, _ in reference.commands(app)}
    known |= {" ".join(name.split()[:2]) for name in known}  # a group by itself
    for page in [*pages(), ROOT / "SECURITY.md"]:
        for words in re.findall(r"`star ((?:annotations|annotators|\w+)(?: \w+)?)", page.read_text("utf-8")):
            first, *_ = words.split()
            name = f"star {words}" if first in ("annotations", "annotators") else f"star {first}"
            assert name in known, f"{page.name} names {name!r}, which is no command"


def test_every_option_is_documented_with_its_meaning() -> None:
    text = read("docs/commands.md")
    sections = dict(
        re.findall(r"^### `(star [a-z -]*[a-z])[^`]*`\n(.*?)(?=^### |\Z)", text, re.DOTALL | re.MULTILINE)
    )
    seen = 0
    for name, command in reference.commands(app):
        for parameter in command.params:
            if isinstance(parameter, TyperOption) and parameter.name != "help":
                for option in (*parameter.opts, *parameter.secondary_opts):
                    row = next(line for line in sections[name].splitlines() if f"`{option}`" in line)
                    assert len(row.split(" | ")[-1].strip(" |")) > 3, f"{name} {option} has no help"
                    seen += 1
    assert seen > 60


def test_every_training_command_and_every_field_of_a_config_is_documented() -> None:
    text = read("docs/reproduce.md")
    sections = dict(
        re.findall(r"^### `python -m training\.([\w.]+)`\n(.*?)(?=^##|\Z)", text, re.DOTALL | re.MULTILINE)
    )
    files = [file for file in (ROOT / "training").rglob("*.py") if "__main__" in file.read_text("utf-8")]
    runs = {".".join(file.relative_to(ROOT / "training").with_suffix("").parts) for file in files}
    assert sections.keys() == runs
    for line in re.findall(r"^\| `.*$", text, re.MULTILINE):
        assert line.rstrip(" |").split(" | ")[-1].strip("` |"), f"nothing is said about {line}"
    for file, kind in (("lib/config", "Config"), ("preference", "PreferenceConfig")):
        for name, _, meaning in reference.fields(ROOT / "training" / f"{file}.py", kind):
            assert meaning, f"{kind}.{name} has no meaning"
            assert f"| `{name}` |" in text
    for config in (ROOT / "training" / "configs").glob("*.yaml"):
        assert f"`{config.name}`" in text, f"{config.name} is not documented"


def test_a_modules_phrase_says_more_than_its_name() -> None:
    """`Adjudication` beside `adjudication.py` tells nobody anything."""
    for files in reference.modules().values():
        for file in files:
            assert len(reference.says(file)) >= 3, f"{file}: {reference.phrase(file)!r} only repeats the name"


@pytest.mark.parametrize(
    ("name", "docstring", "words"),
    [
        ("adjudication.py", "Adjudication.", 0),
        ("adjudication.py", "Adjudication: the adjudications.", 0),
        ("people.py", "People: what people there are.", 0),
        ("people.py", "People: names, roles, passwords.", 3),
    ],
)
def test_what_counts_as_repeating_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, docstring: str, words: int
) -> None:
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    (tmp_path / name).write_text(f'"""{docstring}"""\n', "utf-8")
    assert len(reference.says(tmp_path / name)) == words


def test_every_module_is_listed() -> None:
    text = read("docs/modules.md")
    tracked = {file for files in reference.modules().values() for file in files}
    assert {file.name for file in tracked} == set(re.findall(r"^\| `([\w.]+\.py)`", text, re.MULTILINE))
    quiet = [
        file
        for folder in ("star", "training", "docs")
        for file in (ROOT / folder).rglob("*.py")
        if file.name != "__init__.py" and not reference.docstring(file)
    ]
    assert not quiet, f"without a docstring: {quiet}"


def test_it_begins_with_the_two_commands_and_a_picture_that_is_there() -> None:
    text = README.read_text("utf-8")
    assert text.index("make demo") < text.index("make test") < 300
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert pictures and all((ROOT / picture).is_file() for picture in pictures)


def test_readme_is_one_page() -> None:
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 120
    tree = re.findall(r"^(\w+(?:/\w+)*/) ", text.split("## Where things are")[1].split("##")[0], re.MULTILINE)
    folders = {line.split("/")[0] for line in _tracked() if "/" in line and not line.startswith(".")}
    assert {path.split("/")[0] for path in tree} == folders
    assert all((ROOT / path).is_dir() for path in tree)


def _tracked() -> list[str]:
    return subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_every_link_leads_somewhere() -> None:
    for page in [*pages(), ROOT / "SECURITY.md", ROOT / "data" / "README.md"]:
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links to {link}, which is not there"


def test_every_file_that_a_page_names_is_there() -> None:
    """A page that names a file by its path or by its name alone; `NEW` stands for one that a reader would add."""
    there = {Path(line).name for line in _tracked()}
    for page in [*pages(), ROOT / "SECURITY.md", ROOT / "data" / "README.md"]:
        for named in re.findall(r"`([\w/-]+\.(?:py|sh|yaml))`", page.read_text("utf-8")):
            known = (ROOT / named).is_file() if named.startswith(("star/", "training/", "tests/", "docs/")) else (
                Path(named).name in there
            )
            assert known or Path(named).stem == "NEW", f"{page.name} names {named}, which is not there"


def test_every_page_of_docs_is_reached_from_readme() -> None:
    reached = set(re.findall(r"\]\(([^)#\s]+)\)", read("README.md")))
    reached |= {
        f"docs/results/{name}" for name in re.findall(r"\]\(([\w-]+\.md)\)", read("docs/results/README.md"))
    }
    assert {page.relative_to(ROOT).as_posix() for page in DOCS.rglob("*.md")} <= reached


# The field's words for what this project once named in its own, and terms of the paper and the field in the code.
TERMS = """
distillation teacher; soft labels; slot; paragraph; shortlist; second reading; decisive; universe;
constrained decoding; unconstrained decoding; supported; GenerationState; ServingContext; shelf;
co-reading similarity; neighbourhood size; blackboard; dialogue state; auth;
session middleware; fair lock; pairwise preference; annotator quality; gold item; CampaignRequest; import_campaign;
from_json; STAR; MARS; trace; trajectory; claim; evidence; verdict; lift; strength; HR@k; NDCG@k; negatives; scenario;
LoRA; SFT; GRPO; DPO; KTO; EASE; ALS; LightGCN; SASRec; fusion; oracle; Krippendorff's α; Bradley–Terry
"""


def test_the_glossary_has_each_term_once_with_its_source() -> None:
    rows = [
        line.strip("| ").split(" | ")
        for line in read("docs/glossary.md").splitlines()
        if line.startswith("| ")
    ]
    rows = [[cell.strip(" |") for cell in row] for row in rows if row[0] != "term"]
    terms = [row[0].strip("`") for row in rows]
    assert not {term for term in terms if terms.count(term) > 1}
    earlier = [word.strip("` ") for row in rows if len(row) > 3 for word in row[3].split(",") if word.strip()]
    assert not {word for word in earlier if earlier.count(word) > 1}, "an earlier word stands for two terms"
    for row in rows:
        assert len(row) >= 3 and row[1] and row[2], f"{row[0]} lacks a meaning or a source"
    assert {" ".join(term.split()) for term in TERMS.split(";")} <= set(terms)


PROSE = [page for page in [*pages(), ROOT / "SECURITY.md"] if page.name != "glossary.md"]


def prose(page: Path) -> str:
    """What a person wrote: without generated blocks and code."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", tables.BLOCK.sub("", page.read_text("utf-8")), flags=re.DOTALL)


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_result_is_typed_by_hand(page: Path) -> None:
    """Figures come from documents; what is left are versions, arXiv numbers and the 95 % of intervals."""
    text = re.sub(
        r"arXiv \d{4}\.\d{5}|Python 3\.\d+|95 %|CC BY-SA 4\.0|Apache-2\.0|127\.0\.0\.1", "", prose(page)
    )
    assert not re.findall(r"\d*\.\d+|\d+ ?%", text)


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_is_plain(page: Path) -> None:
    """The field's words, and sentences that can be read aloud."""
    text = prose(page)
    private = r"by heart|\banew\b|borne out|\bmended\b|\bguide\b|\bthaw|\bso many\b|\bgolden\b|\bexchanged\b|own traces"
    assert not re.findall(private, text)
    for paragraph in re.split(r"\n\s*\n|\n(?=[*|#]|\d\. )", text):
        if not paragraph.lstrip().startswith(("|", "#", "[", "!")):
            for sentence in re.split(r"(?<=[.:;?!])\s+", " ".join(paragraph.split())):
                assert len(sentence.split()) <= 25, sentence
