"""A damaged checkpoint, or one of another catalogue, is refused in one line before it answers."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import reading
import torch
import toys
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from star import ROOT
from star.data.catalog import Catalog, Item, marks_of, title_marks
from star.errors import UserError
from star.student.checkpoint import fingerprint
from star.student.model import Checkpoint
from star.student.vocabulary import build_tokenizer

MODELS = ROOT / "assets" / "models"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toys.save_checkpoint(tmp_path / "model", layers=2)


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        Checkpoint.load(str(folder))
    message = str(caught.value)
    assert "\n" not in message and len(message) < 700
    for word in (folder.name, *words):
        assert word in message, message


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), "utf-8")


Tensors = dict[str, torch.Tensor]
EMBEDDING = "model.embed_tokens.weight"
DOWN = "model.layers.1.mlp.down_proj.weight"


def poisoned(value: float) -> Callable[[Tensors], Tensors]:
    def change(tensors: Tensors) -> Tensors:
        tensors[DOWN][3, 5] = value
        return tensors

    return change


WEIGHTS: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "NaN": (poisoned(float("nan")), "NaN"),
    "inf": (poisoned(float("inf")), "infinite"),
    "-inf": (poisoned(float("-inf")), "infinite"),
    "missing": (lambda t: {k: v for k, v in t.items() if k != DOWN}, f"1 tensors missing, first {DOWN}"),
    "unexpected": (lambda t: t | {"model.layers.1.more": torch.zeros(2)}, "1 tensors unexpected"),
    "shape": (lambda t: t | {DOWN: t[DOWN][:, :-1].contiguous()}, "1 tensors mismatched"),
    "transposed": (lambda t: t | {DOWN: t[DOWN].T.contiguous()}, "1 tensors mismatched"),
    "rows": (lambda t: t | {EMBEDDING: t[EMBEDDING][:-1].contiguous()}, "config.json"),
    "no table": (lambda t: {k: v for k, v in t.items() if k != EMBEDDING}, "config.json"),
    "a layer more": (lambda t: t | {DOWN.replace("1", "2"): t[DOWN].clone()}, "config.json"),
    "whole numbers": (lambda t: t | {DOWN: t[DOWN].to(torch.int64)}, "expected floats"),
    "nothing": (lambda t: {}, "config.json"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(folder: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    change, said = WEIGHTS[name]
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})
    refused(folder, said)
    assert "LOAD REPORT" not in "".join(capfd.readouterr()), "the one line is all that is said"


@pytest.mark.parametrize("left", [0, 4, 8, 300, 5000])
def test_cut_off(folder: Path, left: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:left])
    refused(folder, "model.safetensors", "copy the whole folder again")


def test_no_pickle_is_opened(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(folder / "sprung").write_text, ("x",))

    (folder / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", "model.safetensors"):
        (folder / name).write_bytes(pickle.dumps({"w": Trap()}))
        refused(folder, "model.safetensors")
    assert not (folder / "sprung").exists()


CONFIGS: dict[str, dict[str, Any]] = {
    "vocabulary": {"vocab_size": 99},
    "width": {"hidden_size": 10**9},
    "layers": {"num_hidden_layers": 10**9},
    "fewer layers": {"num_hidden_layers": 1},
    "intermediate": {"intermediate_size": 63},
    "heads": {"num_attention_heads": 7},
    "text for a number": {"vocab_size": "many"},
    "architecture": {"model_type": "llama"},
    "code": {"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "mine.Model"}},
    "untied": {"tie_word_embeddings": False},
    "activation": {"hidden_act": "nonsense"},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_lies(folder: Path, name: str) -> None:
    edit(folder / "config.json", **CONFIGS[name])
    refused(folder)


@pytest.mark.parametrize("name", ["config.json", "star.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\x00\xff"])
def test_broken_json(folder: Path, name: str, text: str) -> None:
    (folder / name).write_bytes(text.encode("latin-1"))
    if name == "tokenizer_config.json" and text in ("null", "[]"):
        text = "{"  # transformers takes these for none
        (folder / name).write_text(text)
    refused(folder)


def words_without(word: str) -> list[str]:
    return [w if w != word else "gone" for w in toys.words()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (words_without("<recommend>"), "lacks 1 words of the grammar, first <recommend>"),
        (words_without("<i7>"), "first <i7>"),
        (words_without("striking"), "first striking"),
        (words_without("50"), "first 50"),
        (toys.words()[:-40], "lacks 40 words"),
        ([*toys.words(), "more"], "beyond"),
        (toys.words()[:5], "lacks"),
    ],
)
def test_another_tokenizer(folder: Path, words: list[str], said: str) -> None:
    build_tokenizer(words).save_pretrained(folder)
    refused(folder, "tokenizer", said)


@pytest.mark.parametrize(("token", "said"), [(7, "one token to several words"), (10**6, "beyond"), (-1, "")])
def test_tokens_that_are_none(folder: Path, token: int, said: str) -> None:
    document = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    document["model"]["vocab"]["weak"] = token
    (folder / "tokenizer.json").write_text(json.dumps(document), "utf-8")
    refused(folder, said)


@pytest.mark.parametrize(
    "changes",
    [
        {"items": None}, {"items": []}, {"items": "b0"}, {"items": [1, 2]}, {"items": ["b0", "b0"]},
        {"items": [f"b{n}" for n in range(500)], "titles": None}, {"titles": "12"}, {"titles": 3},
        {"stages": []}, {"prior": "much"}, {"prior": float("nan")}, {"prior": -1}, {"base": 3},
        {"base": "nowhere/nothing"}, {"adapter_of": 3}, {"adapter_of": "model"}, {"adapter_of": "nowhere"},
    ],
)  # fmt: skip
def test_what_it_says_of_itself(
    folder: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    edit(folder / "star.json", **changes)
    with pytest.raises(UserError) as caught:
        Checkpoint.load("model")
    assert "\n" not in str(caught.value)
    if "base" not in changes and "items" not in changes:
        with pytest.raises(UserError):
            fingerprint("model")


def adapter_beside(base: Path, own: Path) -> Path:
    settings = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(Checkpoint.load(str(base)).model, settings).save_pretrained(own)
    about = {"adapter_of": str(base), "fingerprint": fingerprint(str(base)), "stages": {"dpo": {}}}
    (own / "star.json").write_text(json.dumps(about), "utf-8")
    return own


ADAPTERS: dict[str, Callable[[Tensors], Tensors]] = {
    "NaN": lambda t: {k: v * (float("nan") if "lora_B" in k else 1) for k, v in t.items()},
    "missing": lambda t: dict(list(t.items())[:-1]),
    "unexpected": lambda t: t | {"base_model.model.other.lora_A.weight": torch.zeros(2, 2)},
    "shape": lambda t: {k: v[..., :1].contiguous() for k, v in t.items()},
    "nothing": lambda t: {},
}


@pytest.mark.parametrize("inside", [False, True])
def test_adapters(folder: Path, tmp_path: Path, inside: bool) -> None:
    """An adapter by itself, and one inside the checkpoint's folder (`adapter/`)."""
    own = adapter_beside(folder, folder / "adapter" if inside else tmp_path / "adapter")
    loaded = folder if inside else own
    assert Checkpoint.load(str(loaded)).adapter == ("grpo" if inside else "dpo")
    file = own / "adapter_model.safetensors"
    sound, config = load_file(file), (own / "adapter_config.json").read_text("utf-8")
    for change in ADAPTERS.values():
        save_file(change(dict(sound)), file, {"format": "pt"})
        refused(loaded)
    save_file(sound, file, {"format": "pt"})
    file.write_bytes(file.read_bytes()[:-9])
    refused(loaded, "cut off")
    file.unlink()
    (own / "adapter_model.bin").write_bytes(pickle.dumps(sound))
    refused(loaded, "safetensors alone")
    save_file(sound, file, {"format": "pt"})
    for text in ("", "{}", json.dumps(json.loads(config) | {"r": 3}), config.replace("LORA", "NONSENSE")):
        (own / "adapter_config.json").write_text(text, "utf-8")
        refused(loaded)


def test_an_adapter_of_itself(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "star.json").write_text(json.dumps({"adapter_of": str(own)}), "utf-8")
    for ask in (Checkpoint.load, fingerprint):
        with pytest.raises(UserError, match="an adapter itself"):
            ask(str(own))


# another catalogue


def renamed(catalog: Catalog, title: Callable[[int, Item], str], id: Callable[[int, Item], str]) -> Catalog:
    return Catalog(tuple(Item(id(n, item), title(n, item), item.creators) for n, item in enumerate(catalog)))


SAME: dict[str, Callable[[Catalog], Catalog]] = {
    "itself": lambda c: c,
    "some gone": lambda c: Catalog(c.items[::3]),
    "one left": lambda c: Catalog(c.items[4:5]),
    "some more": lambda c: Catalog((*(Item(f"n{n}", f"New {n}") for n in range(900)), *c.items)),
    "subtitles": lambda c: renamed(c, lambda n, i: f"{i.title}: A Novel", lambda n, i: i.id),
    "series": lambda c: renamed(c, lambda n, i: f"{i.title} (Saga, #{n})", lambda n, i: i.id),
    "capitals": lambda c: renamed(c, lambda n, i: i.title.upper() + "!", lambda n, i: i.id),
    "a third renamed": lambda c: renamed(c, lambda n, i: i.title if n % 3 else "Other", lambda n, i: i.id),
}
FOREIGN: dict[str, Callable[[Catalog], Catalog]] = {
    "ids counted alike": lambda c: renamed(c, lambda n, i: f"Mine {n}", lambda n, i: i.id),
    "shifted by one": lambda c: renamed(c, lambda n, i: c[(n + 1) % len(c)].title, lambda n, i: i.id),
    "other ids": lambda c: renamed(c, lambda n, i: i.title, lambda n, i: f"other{n}"),
    "no titles": lambda c: renamed(c, lambda n, i: "", lambda n, i: i.id),
    "ids for titles": lambda c: renamed(c, lambda n, i: i.id, lambda n, i: i.id),
}


@pytest.fixture(scope="module")
def books() -> Catalog:
    """Items counted from 1, as many data sets do, with titles of two words and an article."""
    first, second = (
        "silent winter broken crimson hollow golden".split(),
        "harbour mountain orchard letters".split(),
    )
    return Catalog(tuple(
        Item(str(n + 1), f"The {first[n % 6].title()}{n // 24} {second[n // 6 % 4].title()}{n}s") for n in range(120)
    ))  # fmt: skip


@pytest.fixture(scope="module")
def of_books(books: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = toys.save_checkpoint(tmp_path_factory.mktemp("models") / "books")
    edit(folder / "star.json", items=[item.id for item in books], titles=title_marks(books))
    return Checkpoint.load(str(folder))


@pytest.mark.parametrize("name", SAME)
def test_its_own_catalogue_come_what_may(of_books: Checkpoint, books: Catalog, name: str) -> None:
    catalog = SAME[name](books)
    items = of_books.match(catalog)
    assert items.known.sum() == len({i.id for i in catalog} & {i.id for i in books})


@pytest.mark.parametrize("name", FOREIGN)
def test_another_catalogue_is_refused(of_books: Checkpoint, books: Catalog, name: str) -> None:
    with pytest.raises(UserError, match="books was trained on another catalogue") as caught:
        of_books.match(FOREIGN[name](books))
    assert "train one for this" in str(caught.value) and "\n" not in str(caught.value)


def test_a_checkpoint_from_before_titles_were_kept_goes_by_ids(tmp_path: Path) -> None:
    folder = toys.save_checkpoint(tmp_path / "old")
    about = json.loads((folder / "star.json").read_text("utf-8"))
    del about["titles"]
    (folder / "star.json").write_text(json.dumps(about), "utf-8")
    old, catalog = Checkpoint.load(str(folder)), reading.dataset().catalog
    assert old.match(catalog).unknown == 0 and old.match(Catalog(catalog.items[:110])).unknown == 0
    with pytest.raises(UserError, match="only 40 of 120 ids"):
        old.match(Catalog(catalog.items[:40]))


def test_marks_of_titles() -> None:
    assert marks_of("The Émigrés: a Novel")[0] == marks_of("EMIGRES")[0]
    assert marks_of("Ender's Game")[0] == marks_of("Enders")[0] and len(marks_of("a b a")) == 3
    assert marks_of("—") == [] and title_marks([Item("1", "!"), Item("2", "战争与和平")])[:4] == "----"
    assert marks_of("战争与和平") and marks_of("\ud800") == []


@pytest.mark.checkpoint
@pytest.mark.parametrize("name", ["demo", "goodbooks"])
def test_shipped_checkpoints_keep_their_titles(name: str) -> None:
    if not (MODELS / name / "star.json").is_file():
        pytest.skip(f"assets/models/{name} is not there")
    checkpoint = Checkpoint.load(name)
    assert len(checkpoint.about["titles"]) == 4 * len(checkpoint.about["items"])
    counted = Catalog(tuple(Item(str(n), f"Mine {n}") for n in range(1, 201)))
    with pytest.raises(UserError, match=f"{name} was trained on another catalogue"):
        checkpoint.match(counted)
