"""Big students: a frozen Hugging Face base with one new token per word of the grammar, and a LoRA adapter.

A config names the base (`base: Qwen/Qwen3-0.6B`, or a folder). `pretrain` trains the embedding rows of the new tokens
alone; `sft` trains these rows and LoRA; `grpo` adds its own adapter, as on the compact student. A checkpoint holds the
adapter of rows and LoRA (`lora/`), the extended tokenizer, and the base's name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from star.data.catalog import Catalog
from star.errors import UserError
from star.student.model import LORA, base_of, grown, read_about
from star.student.vocabulary import EOS, PAD, written
from star.trace.grammar import item_row


def text_of(word: str, catalog: Catalog) -> str:
    """A word in the base's language: an item's title; `/63` is "of 63", `series_2` is "series 2"."""
    if (item := item_row(word)) is not None:
        return catalog[item].title
    return re.sub(r"[<>_]", " ", word.replace("</", "end ").replace("/", " of ")).strip()


def prepare(
    base: str, words: list[str], catalog: Catalog, rank: int, dtype: torch.dtype = torch.float32
) -> tuple[PeftModel, PreTrainedTokenizerBase]:
    """The base with one token per word and an untrained adapter, and its tokenizer with these tokens.

    A new row starts as the mean of the base's rows for the word's text (`text_of`); LoRA's B starts at 0.

    Raises:
        UserError: an unknown base, or one that has these tokens already.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        raise UserError(f"base {base!r} cannot be loaded; give a model's name or folder ({error})") from error
    texts = [tokenizer(text_of(word, catalog), add_special_tokens=False)["input_ids"] for word in words]
    first = len(tokenizer)
    own = [AddedToken(written(word), normalized=False, special=False) for word in words]
    if tokenizer.add_tokens(own) != len(words):
        raise UserError(
            f"base {base!r} has tokens like {written(words[0])} already; give the base they grew from"
        )
    tokenizer.pad_token, tokenizer.eos_token = written(PAD), written(EOS)
    tokenizer.padding_side = "right"
    model = grown(base, len(tokenizer), dtype)
    tables = [model.get_input_embeddings().weight]
    if not model.config.tie_word_embeddings:
        tables.append(model.get_output_embeddings().weight)
    with torch.no_grad():
        for table in tables:
            mean = table[:first].float().mean(0)
            for row, ids in enumerate(texts, first):
                table[row] = table[ids].float().mean(0) if ids else mean
    indices = list(range(first, first + len(words)))
    settings = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        trainable_token_indices={"embed_tokens": indices}
        | ({"lm_head": indices} if len(tables) == 2 else {}),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, settings), tokenizer


def rows_only(model: PeftModel) -> None:
    """Freeze everything except the rows of the new tokens."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("trainable_tokens" in name)


def trainable(folder: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel | PeftModel:
    """The model that SFT trains: all weights of a compact student; of a base, the new rows and LoRA."""
    about = read_about(folder)
    if "base" not in about:
        return AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    model = PeftModel.from_pretrained(base_of(folder, about, dtype), folder / LORA, is_trainable=True)
    model.get_output_embeddings().bias = None  # read by TRL's fused loss; peft's wrapper of the head has none
    return model


def network(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The causal language model inside, with its adapters."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def trained_state(model: torch.nn.Module) -> dict[str, Any]:
    """The state of the trainable parameters."""
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name in names}


def save(model: PreTrainedModel | PeftModel, folder: Path) -> None:
    """Write the weights: all of a compact student, the adapter of a base."""
    if isinstance(model, PeftModel):
        model.save_pretrained(folder / LORA, save_embedding_layers=False)
    else:
        model.save_pretrained(folder)


def dtype_for(base: str | None) -> torch.dtype:
    """Type of the weights in training. A base's weights are frozen, so bf16 is enough on a GPU."""
    return torch.bfloat16 if base and torch.cuda.is_available() else torch.float32
