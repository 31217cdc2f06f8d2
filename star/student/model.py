"""The compact student: a small decoder of the stock Qwen3 architecture, and the checkpoint folder it lives in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.utils import logging

from star.catalog import Catalog
from star.errors import UserError
from star.fingerprint import MODELS as MODELS
from star.fingerprint import checkpoint_folder, fingerprint
from star.grammar import item_word
from star.student.vocabulary import EOS, number_features

CONTEXT = 1024


@dataclass(frozen=True)
class Checkpoint:
    """Model, tokenizer and what the checkpoint says of itself (`star.json`: data set, item ids, recipe)."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    about: dict[str, Any]

    @classmethod
    def load(cls, model: str, adapter: bool = True) -> Checkpoint:
        """From a folder, or a name under `assets/models`; nothing is fetched. The folder may also be that of an adapter
        alone (`training/preference.py`), which is merged into its base.

        Args:
            adapter: merge LoRA adapters in, where there are some; False leaves the SFT-only model.

        Raises:
            UserError: no checkpoint there, or an adapter of other weights.
        """
        folder = checkpoint_folder(model)
        logging.disable_progress_bar()
        about = json.loads((folder / "star.json").read_text("utf-8"))
        if "base" in about:
            return cls._beside(folder, about, adapter)
        network = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
        if adapter and (folder / "adapter").is_dir():
            from peft import PeftModel

            network = PeftModel.from_pretrained(network, folder / "adapter").merge_and_unload()
        return cls(
            folder.name, network.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True), about
        )

    @classmethod
    def _beside(cls, folder: Path, about: dict[str, Any], adapter: bool) -> Checkpoint:
        """An adapter in a folder of its own, merged into the checkpoint that its `star.json` names."""
        base = cls.load(about["base"], adapter)
        if not adapter:
            return base
        if fingerprint(about["base"]) != about["base_fingerprint"]:
            raise UserError(
                f"adapter {folder} was trained on other weights than those of {about['base']!r} now; train it again"
            )
        from peft import PeftModel

        network = PeftModel.from_pretrained(base.model, folder).merge_and_unload()
        stages = {**base.about.get("stages", {}), **about["stages"]}
        return cls(folder.name, network.eval(), base.tokenizer, {**base.about, "stages": stages})

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        return self.tokenizer.get_vocab()

    @cached_property
    def words(self) -> list[str]:
        return [word for word, _ in sorted(self.vocabulary.items(), key=lambda pair: pair[1])]

    @property
    def eos(self) -> int:
        return self.vocabulary[EOS]

    def match(self, catalog: Catalog) -> ItemTokens:
        """Which token stands for which item of a data set, by id."""
        token_of = np.full(len(catalog), -1, dtype=np.int64)
        for number, id in enumerate(self.about["items"]):
            row = catalog.get(id)
            if row is not None:
                token_of[row] = self.vocabulary[item_word(number)]
        return ItemTokens(token_of)


@dataclass(frozen=True)
class ItemTokens:
    """token_of: int64 (I,), the token of each item of the data set, -1 where the checkpoint has none."""

    token_of: np.ndarray

    @cached_property
    def item_of(self) -> dict[int, int]:
        return {int(token): row for row, token in enumerate(self.token_of) if token >= 0}

    @property
    def known(self) -> np.ndarray:
        """bool (I,): items the checkpoint has a token for."""
        return self.token_of >= 0

    @property
    def unknown(self) -> int:
        return int((~self.known).sum())


def new_model(
    words: list[str],
    hidden: int,
    layers: int,
    heads: int,
    intermediate: int,
    seed: int,
) -> Qwen3ForCausalLM:
    """A fresh student; item vectors start at random, number words near their neighbours."""
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(words),
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=hidden // heads,
        tie_word_embeddings=True,
        max_position_embeddings=CONTEXT,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    model = Qwen3ForCausalLM(config)
    scale = 0.05
    with torch.no_grad():
        table: torch.Tensor = model.model.embed_tokens.weight
        table.normal_(0.0, scale)
        ordinal = torch.from_numpy(number_features(words, hidden // 4))
        rows = ordinal.abs().sum(1) > 0
        table[rows, : hidden // 4] = ordinal[rows] * scale * 2
    return model
