"""The student, compact (a small decoder of the stock Qwen3 architecture) or a big base, and the checkpoint folder."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from star.data.catalog import Catalog
from star.errors import UserError
from star.student import soundness as sound
from star.student.checkpoint import MODELS as MODELS
from star.student.checkpoint import base_named, checkpoint_folder, fingerprint
from star.student.checkpoint import read_about as read_about
from star.student.compact import Compact, fits
from star.student.vocabulary import EOS, UNKNOWN, grammar_of, number_features
from star.trace.grammar import item_word

if (
    TYPE_CHECKING
):  # importing transformers takes seconds, and answering with a compact student does not need it
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen3ForCausalLM

CONTEXT = 1024
LORA = "lora"  # folder of a big base's new rows and LoRA, in a checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """Model, tokenizer and `star.json` (data set, item ids, recipe, a base's name, weight of the parametric prior)."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    about: dict[str, Any]
    adapter: str | None = None
    """Stage that trained the LoRA adapter merged into `model`; None without one."""

    @classmethod
    def load(cls, model: str, adapter: bool = True, dtype: torch.dtype = torch.float32) -> Checkpoint:
        """From a folder, or a name under `assets/models`; nothing is fetched. The folder may also be that of an adapter
        alone (`training/preference.py`), which is merged into the checkpoint it belongs to.

        Args:
            adapter: whether to merge LoRA adapters; False leaves the SFT-only model.

        Raises:
            UserError: no such checkpoint, an adapter of other weights, or a big base that is not on this machine.
        """
        from transformers import AutoTokenizer
        from transformers.utils import logging

        folder = checkpoint_folder(model)
        logging.disable_progress_bar()
        about = read_about(folder)
        if "adapter_of" in about:
            return cls._beside(folder, about, adapter)
        with sound.loading(folder):
            if "base" in about:
                network = adapted(base_of(folder, about, dtype), folder / LORA)
            else:
                sound.check_config(folder)
                network = from_safetensors(str(folder), dtype, local_files_only=True)
            own = adapter and (folder / "adapter").is_dir()
            if own:
                network = adapted(network, folder / "adapter")
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        sound.check_finite(folder.name, network)
        rows, whole = network.config.vocab_size, "base" not in about
        sound.check_words(folder.name, grammar_of(tokenizer), len(about["items"]), rows, whole)
        return cls(folder.name, network.eval(), tokenizer, about, "grpo" if own else None)

    @classmethod
    def to_answer(cls, model: str, adapter: bool = True) -> Checkpoint:
        """A checkpoint for answering on the CPU. A compact student without adapter is read without transformers, whose
        import takes longer than an answer; other checkpoints are read by `load`.

        Raises:
            UserError: as `load`, and weights or words that do not fit `config.json` beside them.
        """
        folder = checkpoint_folder(model)
        about = read_about(folder)
        merged = "base" in about or "adapter_of" in about or (adapter and (folder / "adapter").is_dir())
        with sound.loading(folder):
            if merged or not fits(folder):
                return cls.load(model, adapter)
            from tokenizers import Tokenizer

            sound.check_config(folder)
            network = Compact.load(folder)
            words = Tokenizer.from_file(str(folder / "tokenizer.json"))
        sound.check_words(
            folder.name, grammar_of(words), len(about["items"]), network.config.vocab_size, whole=True
        )
        return cls(folder.name, network, words, about)  # type: ignore[arg-type]

    @classmethod
    def _beside(cls, folder: Path, about: dict[str, Any], adapter: bool) -> Checkpoint:
        """An adapter in a folder of its own, merged into the checkpoint that its `star.json` names."""
        name = base_named(folder, about)
        base = cls.load(name, adapter)
        if not adapter:
            return base
        own: dict[str, Any] = about.get("stages", {})
        if not own or fingerprint(name) != about.get("fingerprint"):
            raise UserError(
                f"adapter {folder} was trained on other weights than those of {name!r} now; train it again"
            )
        with sound.loading(folder):
            network = adapted(base.model, folder)
        sound.check_finite(folder.name, network)
        whole = {**base.about, "stages": {**base.about.get("stages", {}), **own}}
        return cls(folder.name, network.eval(), base.tokenizer, whole, next(iter(own)))

    @property
    def prior(self) -> float:
        """Product-of-experts weight of the parametric prior: factor of its log-probabilities, where those after the
        evidence have 1 (`training/tune_prior.py`)."""
        return float(self.about.get("prior", 0.0))

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """word → token."""
        return grammar_of(self.tokenizer)

    @cached_property
    def words(self) -> list[str]:
        """token → word; a big base's own tokens are left out."""
        words = [UNKNOWN] * self.model.config.vocab_size
        for word, token in self.vocabulary.items():
            words[token] = word
        return words

    @cached_property
    def spoken(self) -> np.ndarray:
        """int64: the tokens of the grammar's words, sorted."""
        return np.sort(np.fromiter(self.vocabulary.values(), dtype=np.int64))

    @cached_property
    def spoken_without_genres(self) -> np.ndarray:
        """int64: the same without the words for genres."""
        genres = [token for word, token in self.vocabulary.items() if word.startswith("_")]
        return np.setdiff1d(self.spoken, genres)

    @cached_property
    def wholes(self) -> np.ndarray:
        """int64: the tokens of totals, `/19`."""
        return np.sort([token for word, token in self.vocabulary.items() if word.startswith("/")])

    @property
    def eos(self) -> int:
        return self.vocabulary[EOS]

    def match(self, catalog: Catalog) -> ItemTokens:
        """The token of each item of a data set, matched by id.

        Raises:
            UserError: the checkpoint was trained on another catalogue.
        """
        sound.check_catalogue(self.name, self.about, catalog)
        token_of = np.full(len(catalog), -1, dtype=np.int64)
        for number, id in enumerate(self.about["items"]):
            row = catalog.get(id)
            if row is not None:
                token_of[row] = self.vocabulary[item_word(number)]
        return ItemTokens(token_of)


@dataclass(frozen=True)
class ItemTokens:
    """token_of: int64 (I,), the token of each item of the data set; -1: no token."""

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


def from_safetensors(model: str, dtype: torch.dtype, **options: Any) -> PreTrainedModel:
    """A model by name or folder. Every tensor comes from safetensors; no code and no pickle of the folder is run.

    Raises:
        UserError: tensors missing, unexpected or of another shape.
    """
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        model,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **options,
    )
    network, report = loaded
    sound.check_tensors(model, report)
    return network


def adapted(network: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The model after merging the adapter of a folder.

    Raises:
        UserError: the adapter does not fit the model, or its own config.
    """
    from peft import PeftModel, get_peft_model_state_dict

    sound.shapes_in(folder / sound.ADAPTER)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # missing files are reported below, in one line
        model = PeftModel.from_pretrained(network, folder)
        sound.check_adapter(folder, get_peft_model_state_dict(model, save_embedding_layers=False))
        return model.merge_and_unload()


def base_of(folder: Path, about: dict[str, Any], dtype: torch.dtype) -> PreTrainedModel:
    """The base that the checkpoint in `folder` grew from, with room for its tokens; nothing is fetched.

    Raises:
        UserError: it is not on this machine.
    """
    from transformers import AutoTokenizer

    try:
        rows = len(AutoTokenizer.from_pretrained(folder, local_files_only=True))
        return grown(about["base"], rows, dtype, local_files_only=True)
    except OSError as error:
        raise UserError(
            f"checkpoint {folder.name} needs its base {about['base']!r}, which is not on this machine; fetch it (hf "
            f"download), or write its folder as `base` into {folder / 'star.json'}"
        ) from error


def grown(base: str, rows: int, dtype: torch.dtype, local_files_only: bool = False) -> PreTrainedModel:
    """A base by name or folder with at least `rows` rows of embeddings; the new ones hold nothing yet."""
    model = from_safetensors(base, dtype, local_files_only=local_files_only)
    if model.config.vocab_size < rows:
        model.resize_token_embeddings(rows, mean_resizing=False)
    return model


def new_model(
    words: list[str],
    hidden: int,
    layers: int,
    heads: int,
    intermediate: int,
    seed: int,
) -> Qwen3ForCausalLM:
    """A fresh student; item vectors start at random, number words near their neighbours."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

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
