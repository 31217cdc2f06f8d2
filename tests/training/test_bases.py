"""A big base through all stages: a tiny random Qwen3 with its own tokenizer, nothing fetched; what should not move stays."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import small_runs
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from docs import cards
from star import ROOT
from star.data.loading import load_dataset
from star.errors import UserError
from star.recommend.recommendation import Query
from star.recommend.recommender import Star
from star.student.checkpoint import find_checkpoint
from star.student.model import LORA, Checkpoint
from star.student.vocabulary import grammar_of, words_of, written
from training import grpo, onpolicy, pretrain, sft
from training.lib import bases, rollouts
from training.lib.config import Config, load_config

RESERVED = 40  # rows beyond the tokenizer, as Qwen3 has them


def save_base(folder: Path, tied: bool = True) -> Path:
    """A base that knows the demo's titles by pieces, and `of`, `good`, `12` and `<tool_call>` as tokens."""
    cutter = Tokenizer(BPE())
    cutter.pre_tokenizer = ByteLevel(add_prefix_space=False)
    titles = [item.title for item in load_dataset("demo").catalog]
    trainer = BpeTrainer(
        vocab_size=600,
        special_tokens=["<|endoftext|>", "<tool_call>"],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    cutter.train_from_iterator([*titles, *["of good 12"] * 50], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=cutter, eos_token="<|endoftext|>", pad_token="<|endoftext|>"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer) + RESERVED,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            tie_word_embeddings=tied,
            max_position_embeddings=1024,
        )
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("bases")
    (folder / "runs").mkdir()
    made = small_runs.make(folder / "runs")
    base = str(save_base(folder / "base"))
    return dataclasses.replace(made, base=base, base_rank=4, sft_lr=1e-2, pretrain_lr=1e-2, grpo_rank=4)


def stage(module: object, config: Config, *options: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["stage", "--config", str(small_runs.written(config)), *options])
        module.main()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def aligned(config: Config) -> Path:
    return pretrain.train(config, 0.05)


@pytest.fixture(scope="module")
def tuned(config: Config, aligned: Path) -> Path:
    for steps in ("2", "3"):  # goes on after a stop
        stage(sft, config, "--max-steps", steps)
    return Path(config.out)


@pytest.mark.parametrize("tied", [True, False])
def test_every_word_is_one_token_and_starts_as_what_it_says(tmp_path: Path, tied: bool) -> None:
    base, data = save_base(tmp_path / "base", tied), load_dataset("demo")
    words = words_of(data.catalog, 2000)
    model, tokenizer = bases.prepare(str(base), words, data.catalog, 4)
    before, plain = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    vocabulary = grammar_of(tokenizer)
    assert list(vocabulary) and sorted(vocabulary, key=vocabulary.__getitem__) == words
    for word in ("<i7>", "53", "/63", "12/50", "of", "<tool_call>", "next_good"):
        assert tokenizer(written(word), add_special_tokens=False)["input_ids"] == [vocabulary[word]]
    for text in ("12 of good tools <tool_call>", "Dune, in 1984"):
        assert tokenizer(text)["input_ids"] == plain(text)["input_ids"], "ordinary text is cut otherwise"
    whole = bases.network(model)
    tables = [(whole.get_input_embeddings(), before.get_input_embeddings())]
    tables += [] if tied else [(whole.get_output_embeddings(), before.get_output_embeddings())]
    for now, then in tables:
        assert torch.equal(now.weight[: len(plain)], then.weight[: len(plain)])
        for word, text in (("<i7>", data.catalog[7].title), ("/63", "of 63"), ("</plan>", "end plan")):
            pieces = plain(text)["input_ids"]
            assert torch.allclose(now.weight[vocabulary[word]], then.weight[pieces].mean(0), atol=1e-6)
    with pytest.raises(UserError, match="has tokens like"):
        tokenizer.save_pretrained(tmp_path / "base")
        bases.prepare(str(base), words, data.catalog, 4)
    with pytest.raises(UserError, match="cannot be loaded"):
        bases.prepare(str(tmp_path / "none"), words, data.catalog, 4)


def test_only_the_new_rows_are_aligned(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "SAVE_EVERY", 0.0)
    shutil.copytree(Path(config.runs) / "trajectories", tmp_path / "trajectories")
    config = dataclasses.replace(config, runs=str(tmp_path))
    pretrain.train(config, 0.05)
    state = torch.load(tmp_path / "pretrain" / "state.pt", weights_only=True)
    assert len(state["model"]) == 1 and all("trainable_tokens" in name for name in state["model"])
    folder = pretrain.train(config, 0.1)  # goes on after a stop
    later = torch.load(tmp_path / "pretrain" / "state.pt", weights_only=True)
    assert later["step"] > state["step"] > 0
    (moved,), (earlier,) = later["model"].values(), state["model"].values()
    assert (moved != earlier).any(1).float().mean() > 0.9
    saved = load_file(folder / LORA / "adapter_model.safetensors")
    assert not any(value.any() for name, value in saved.items() if "lora_B" in name), "LoRA moved"
    (rows,) = (value for name, value in saved.items() if "lora" not in name)
    done, before = Checkpoint.load(str(folder)), AutoModelForCausalLM.from_pretrained(str(config.base))
    first = int(done.spoken[0])
    assert torch.equal(done.model.state_dict()["model.embed_tokens.weight"][done.spoken], rows)
    for name, value in before.state_dict().items():
        assert torch.equal(done.model.state_dict()[name][:first], value[:first]), f"{name} moved"


def test_sft_and_grpo_move_rows_and_lora_and_nothing_else(
    config: Config, aligned: Path, tuned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid: list[object] = []
    out = Path(config.out)
    before, after = (load_file(f / LORA / "adapter_model.safetensors") for f in (aligned, out))
    assert before.keys() == after.keys()
    moved = {name for name in after if not torch.equal(after[name], before[name].to(after[name].dtype))}
    assert all(name in moved for name in after if "lora_B" in name or "trainable_tokens" in name)
    assert not list(out.glob("*.safetensors")), "the base was written beside"

    done = Checkpoint.load(config.out)
    assert done.about["base"] == config.base and done.about["stages"]["sft"]["steps"] == 3
    peft = bases.trainable(out)
    tokens = torch.tensor([done.spoken[5:25].tolist()])
    with torch.no_grad():
        torch.testing.assert_close(done.model(tokens).logits, peft(tokens).logits, atol=1e-4, rtol=1e-3)

    # A random base writes nothing readable, which earns the same always.
    monkeypatch.setattr(
        rollouts, "grounding_reward", lambda _: float(np.random.default_rng(len(paid)).random())
    )
    monkeypatch.setattr(rollouts, "format_reward", lambda trace: paid.append(trace) or 0.0)
    for steps in ("1", "2"):
        stage(grpo, config, "--max-steps", steps)
    adapter = load_file(out / "adapter" / "adapter_model.safetensors")
    assert all(value.any() for value in adapter.values()) and all("lora" in name for name in adapter)
    again = load_file(out / LORA / "adapter_model.safetensors")
    assert all(torch.equal(again[name], after[name]) for name in after), "GRPO touched what SFT made"
    assert Checkpoint.load(config.out).about["stages"]["grpo"]["steps"] == 2


def test_the_page_answers_with_it(config: Config, tuned: Path) -> None:
    data = load_dataset("demo")
    assert find_checkpoint(config.out) == tuned
    star = Star(data, config.out)
    assert star.without_token == 0
    answer = list(star.stream(Query(history=(1, 2, 3, 4, 5, 6), seed=1)))[-1]
    assert answer.finished and len({item.item for item in answer.items}) == 5
    assert "<unk>" not in answer.text, "a token of the base was taken for a word"


def test_grpo_sees_the_probabilities_that_were_drawn_from(config: Config, tuned: Path) -> None:
    """The base's own tokens are barred in the decoder, so they are in the training pass."""
    trainer = grpo.trainer_for(config, Path(config.out), 1)
    sample = trainer.rollout_func
    batch = sample(list(sample.tools)[:2], trainer)
    spoken = sample.checkpoint.spoken
    compared = 0
    for ids, tokens, mask in zip(
        batch["prompt_ids"], batch["completion_ids"], batch["env_mask"], strict=True
    ):
        assert set(tokens) <= set(spoken.tolist())
        whole = torch.tensor([ids + tokens])
        with torch.no_grad():
            logps, entropies, _ = trainer._get_per_token_logps_and_entropies(
                trainer.model, whole, torch.ones_like(whole), len(tokens), compute_entropy=True
            )
            logits = trainer.model(input_ids=whole).logits[0, len(ids) - 1 : -1, spoken]
        at = tokens.index(sample.checkpoint.vocabulary["<recommend>"])
        expected = logits.log_softmax(-1)
        for place in np.flatnonzero(mask[:at]):
            where = int(np.searchsorted(spoken, tokens[place]))
            assert logps[0, place] == pytest.approx(float(expected[place, where]), abs=1e-3)
            compared += 1
        assert torch.isfinite(entropies).all()
    assert compared > 50


def test_ranking_behind_own_traces(
    config: Config, tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A random base writes nothing readable, so the teacher's traces stand in for its own."""
    monkeypatch.setattr(
        onpolicy,
        "rollouts",
        lambda config, checkpoint, rows, folder, temperature: rows.with_columns(changed=0),
    )
    source = tmp_path / "copy"
    shutil.copytree(tuned, source, ignore=shutil.ignore_patterns("adapter"))
    config = dataclasses.replace(config, out=str(source), own_rows=8, own_passes=1, sft_batch=4)
    onpolicy.train(config, source)
    before, after = (load_file(f / LORA / "adapter_model.safetensors") for f in (tuned, source))
    assert before.keys() == after.keys() and not any(torch.equal(before[n], after[n]) for n in before)
    assert Checkpoint.load(str(source)).about["stages"]["onpolicy"]["traces"] == 8


def test_a_base_that_is_gone_is_named(config: Config, aligned: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    shutil.copytree(aligned, folder)
    about = folder / "star.json"
    about.write_text(about.read_text("utf-8").replace(str(config.base), str(tmp_path / "gone")), "utf-8")
    with pytest.raises(UserError, match="needs its base"):
        Checkpoint.load(str(folder))
    (tmp_path / "two.yaml").write_text("dataset: demo\nruns: r\nout: o\nbase: a\nstart: b\n")
    with pytest.raises(UserError, match="both a base and a start"):
        load_config(str(tmp_path / "two.yaml"))


def test_its_card_names_the_base(
    config: Config, aligned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "MODELS", tmp_path / "models")
    monkeypatch.setattr(cards, "ROOT", tmp_path)
    shutil.copytree(aligned, tmp_path / "models" / "tiny")

    def refused() -> str:
        with pytest.raises(UserError) as error:
            cards.card("tiny")
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "has no licence" in refused()
    monkeypatch.setitem(cards.LICENCES, "tiny", "CC BY-SA 4.0")
    assert "there is no" in refused() and "evaluation/tiny.json" in refused()
    (tmp_path / "assets" / "evaluation").mkdir(parents=True)
    shutil.copy(
        ROOT / "assets" / "evaluation" / "demo.json", tmp_path / "assets" / "evaluation" / "tiny.json"
    )
    [text] = cards.cards().values()
    done = Checkpoint.load(str(aligned))
    for part in (
        f"An adapter of the base `{config.base}`",
        f"rows for {len(done.vocabulary):,} word tokens of its own, of which {len(done.about['items']):,} are items",
        "LoRA of rank 4",
        "CC BY-SA 4.0; the base has a licence of its own",
    ):
        assert part in text, part
