"""The compact student in plain torch says what transformers says, alone and side by side."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import reading
import torch
import toys
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, DynamicCache

from star.errors import UserError
from star.recommend.recommendation import Query
from star.recommend.recommender import Star
from star.student import decoding
from star.student.beside import write_beside
from star.student.checkpoint import MODELS
from star.student.compact import Compact, Past, fits
from star.student.decoding import GenerationState, write
from star.student.model import Checkpoint

PORTIONS = [
    30,
    1,
    1,
    37,
    1,
    1,
    1,
    140,
    1,
    1,
]  # a prompt, words, answers put in; more than one block of the past


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toys.save_checkpoint(tmp_path_factory.mktemp("models") / "tiny", layers=2)


def portions(row: int, words: int) -> list[torch.Tensor]:
    drawn = torch.Generator().manual_seed(row)
    return [torch.randint(0, words, (1, n + row * (n > 1)), generator=drawn) for n in PORTIONS]


def alone(compact: Compact, row: int) -> list[torch.Tensor]:
    past = Past()
    return [compact(step, past).logits[0, -1] for step in portions(row, compact.config.vocab_size)]


def test_the_numbers_are_those_of_transformers(folder: Path) -> None:
    one = Compact.load(folder)
    other = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    cache = DynamicCache()
    with torch.inference_mode():
        for step, found in zip(portions(0, one.config.vocab_size), alone(one, 0), strict=True):
            output = other(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
            torch.testing.assert_close(found, output.logits[0, -1], rtol=1e-5, atol=1e-6)


def test_rows_side_by_side_get_the_numbers_that_they_get_alone(folder: Path) -> None:
    compact = Compact.load(folder)
    pasts = [Past() for _ in range(3)]
    steps = [portions(row, compact.config.vocab_size) for row in range(3)]
    expected = [alone(compact, row) for row in range(3)]
    for number, n in enumerate(PORTIONS):
        if n > 1:
            for row in range(3):
                found = compact.forward(steps[row][number], [pasts[row]])
                assert torch.equal(found[0], expected[row][number])
        else:
            found = compact.forward(torch.cat([steps[row][number] for row in range(3)]), pasts)
            assert all(torch.equal(found[row], expected[row][number]) for row in range(3))
    assert len({past.length for past in pasts}) == 3


def test_answers_side_by_side_are_those_one_after_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MAX_WRITTEN", 25)
    checkpoint = Checkpoint.to_answer(str(folder))
    assert isinstance(checkpoint.model, Compact)
    items = checkpoint.match(reading.dataset().catalog)

    def states(place: Checkpoint = checkpoint) -> list[GenerationState]:
        return [GenerationState(place, items, toys.reading_tools(seed, shelf=3 + seed)) for seed in range(5)]

    seeds = [None, 1, 2, None, 4]
    single, beside, others = states(), states(), states(Checkpoint.load(str(folder)))
    for group in (single, others):
        for writer, seed in zip(group, seeds, strict=True):
            for _ in write(writer, seed):
                pass
    write_beside(beside, seeds)
    for one, two, three in zip(single, beside, others, strict=True):
        assert one.words == two.words == three.words and one.own == two.own and one.broken == two.broken
        assert one.scores is not None and two.scores is not None and three.scores is not None
        assert one.scores.tolist() == two.scores.tolist()
        assert one.scores == pytest.approx(three.scores, rel=1e-4)


def test_what_it_cannot_read_is_left_to_transformers(folder: Path, tmp_path: Path) -> None:
    assert fits(folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    for name, value in (
        ("num_key_value_heads", 1),
        ("model_type", "llama"),
        ("rope_parameters", {"rope_type": "yarn", "rope_theta": 1e4}),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | {name: value}), "utf-8")
        (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        assert not fits(tmp_path)
    assert not fits(tmp_path / "nowhere")


@pytest.mark.parametrize("fault", ["missing", "shape", "nan", "superfluous", "cut", "words"])
def test_weights_that_do_not_fit_are_refused_in_one_line(tmp_path: Path, fault: str) -> None:
    broken = toys.save_checkpoint(tmp_path / "tiny")
    file = broken / "model.safetensors"
    tensors = load_file(file)
    name = "model.layers.0.mlp.up_proj.weight"
    if fault == "missing":
        del tensors[name]
    elif fault == "shape":
        tensors[name] = tensors[name][:-1].contiguous()
    elif fault == "nan":
        tensors[name][0, 0] = float("nan")
    elif fault == "superfluous":
        tensors["model.layers.7.mlp.up_proj.weight"] = tensors[name].clone()
    save_file(tensors, file, {"format": "pt"})
    if fault == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    if fault == "words":
        toys.build_tokenizer(toys.words()[:-1]).save_pretrained(broken)
    with pytest.raises(UserError, match="tiny") as caught:
        Checkpoint.to_answer(str(broken))
    assert "\n" not in str(caught.value) and re.search("again|take the one", str(caught.value))


@pytest.mark.checkpoint
@pytest.mark.parametrize("name", ["demo", "goodbooks"])
def test_what_ships_is_read_without_transformers(name: str) -> None:
    assert fits(MODELS / name) and isinstance(Checkpoint.to_answer(name).model, Compact)


def test_star_answers_many_as_one_by_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_WRITTEN", 25)
    data = reading.dataset()
    star = Star(data, str(folder))
    rows = [int(row) for row in reading.parts().test[:4]]
    queries = [
        Query(tuple(data.interactions.history(row).tolist()), row, seed=seed)
        for row in rows
        for seed in (0, 3)
    ]

    def document(answer: object) -> str:
        made = answer.to_json(data.catalog)  # type: ignore[attr-defined]
        made["timing"] |= {"first_token_s": None, "total_s": None}
        for step in made["trace"]["steps"]:
            step["seconds"] = 0
        return json.dumps(made)

    single = [document(list(star.stream(query))[-1]) for query in queries]
    monkeypatch.setattr("star.student.beside.AT_ONCE", 3)
    assert [document(answer) for answer in star.together(queries)] == single
