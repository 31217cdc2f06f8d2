"""The student as a causal language model of transformers, so that TRL's trainers take it, with a LoRA adapter by peft.

TRL knows tokens; the student reads a word and the slot that it is about. Token `slot · V + word` is such a pair, written
`word@slot`. The first token of a text is `<profile>@n`, where n is the number of candidates; the student does not read it.

Log-probabilities are those of sampling: over the words that the grammar allows at this place. The slot adds nothing, since
the grammar settles it. Words up to `<shortlist>`, and words without an alternative, have log-probability 0. So tools'
answers cannot enter a loss, whatever mask a trainer has.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GenerationConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from trl.trainer.utils import FusedCausalLMOutput

from star.student.network import Checkpoint, Network
from star.student.vocabulary import END, PAD, PROFILE, SHORTLIST, SLOTS, VOCABULARY, Tokens
from training.lib.answers import replay
from training.lib.network import Student

V = VOCABULARY
ADAPTER = "default"  # peft's name for it


def ids_of(tokens: Tokens, slots: int | None = None) -> list[int]:
    """Token numbers; `slots`: number of candidates, where the first token is `<profile>`."""
    out = [slot * len(V) + word for word, slot in zip(tokens.words, tokens.slots, strict=True)]
    if slots is not None:
        if tokens.words[0] != V.number[PROFILE]:
            raise ValueError(f"a prompt begins with {V.words[tokens.words[0]]!r}, expected {PROFILE!r}")
        out[0] += slots * len(V)
    return out


def text_of(ids: Sequence[int]) -> str:
    return " ".join(map(_name, ids))


def _name(token: int) -> str:
    slot, word = divmod(token, len(V))
    return f"{V.words[word].replace(' ', '_')}@{slot}"


def tokenizer() -> PreTrainedTokenizerFast:
    """`word@slot` ↔ token, separated by spaces; `<end>` ends a text."""
    numbers = {_name(token): token for token in range((SLOTS + 1) * len(V))}
    made = Tokenizer(models.WordLevel(numbers, unk_token=f"{PAD}@0"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = {"pad_token": f"{PAD}@0", "eos_token": f"{END}@0"}
    return PreTrainedTokenizerFast(tokenizer_object=made, clean_up_tokenization_spaces=False, **ends)


class StudentConfig(PretrainedConfig):
    """Names the architecture for transformers and peft; the sizes are those of the student inside."""

    model_type = "star-student"


class CausalStudent(PreTrainedModel):
    """A student behind the interface that TRL's trainers call with `labels` and `fused_lm_head`."""

    config_class = StudentConfig

    def __init__(self, student: Student) -> None:
        ends: dict[str, Any] = {"pad_token_id": V.number[PAD], "eos_token_id": V.number[END]}
        sizes: dict[str, Any] = {"vocab_size": (SLOTS + 1) * len(V), "hidden_size": student.config.hidden_size}
        super().__init__(StudentConfig(**sizes, **ends))
        self.generation_config = GenerationConfig(**ends)
        self.student = student

    @classmethod
    def load(cls, folder: Path) -> CausalStudent:
        """A checkpoint; `Checkpoint.load` checks its files first.

        Raises:
            UserError: as `Checkpoint.load`.
        """
        Checkpoint.load(folder)
        return cls(Student.load(folder))

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **_: Any,
    ) -> FusedCausalLMOutput:
        """Log-probabilities and entropies of the labels that the student chose, 0 for all others.

        Args:
            input_ids: (B, n), padded on any side; labels: (B, n), −100 for tokens that do not count.

        Returns:
            `log_probs`, `entropy`, `mean_logits`, `is_top1`, `label_mask`, each (B, n − 1).
        """
        if labels is None:
            raise ValueError("the student gives log-probabilities of labels; got none")
        row, place, allowed = chosen(input_ids, labels)
        found, output = self.student(input_ids % len(V), _slots_read(input_ids), attention_mask)
        logits = (found[row, place] @ output.T).masked_fill(~allowed, -torch.inf)
        logp = logits.log_softmax(-1)
        word = (input_ids % len(V))[row, place + 1]
        log_probs = found.new_zeros(len(labels), labels.shape[1] - 1)
        given = logp.gather(-1, word[:, None])[:, 0]
        entropy = -(logp.exp() * logp.masked_fill(~allowed, 0)).sum(-1)
        mean = logits.detach().masked_fill(~allowed, 0).sum(-1) / allowed.sum(-1)
        at = (row, place)
        return FusedCausalLMOutput(
            log_probs=log_probs.index_put(at, given),
            entropy=log_probs.index_put(at, entropy),
            mean_logits=log_probs.index_put(at, mean),
            is_top1=torch.ones_like(log_probs, dtype=torch.bool).index_put(at, logits.argmax(-1) == word),
            label_mask=labels[:, 1:] != -100,
        )


def chosen(input_ids: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Where the student chose a labelled word: row (N,), the place before the word (N,), allowed words, bool (N, V)."""
    rows, places, masks = [], [], []
    for row, ids in enumerate(input_ids.tolist()):
        words = [token % len(V) for token in ids]
        begin = words.index(V.number[SHORTLIST])
        slots = next(token for token, word in zip(ids, words, strict=True) if word == V.number[PROFILE]) // len(V)
        end = words.index(V.number[END], begin) + 1
        # KTO also pairs a prompt with the answer to another one, which may name more candidates.
        named = [V.slot_of(word) or 0 for word in words[begin:end]]
        for n, mask in enumerate(replay(words[begin + 1 : end], max(slots, *named)).allowed):
            if mask is not None and labels[row, begin + 1 + n] != -100:
                rows.append(row)
                places.append(begin + n)
                masks.append(mask)
    allowed = torch.stack(masks) if masks else torch.zeros(0, len(V), dtype=torch.bool)
    return torch.tensor(rows, dtype=torch.long), torch.tensor(places, dtype=torch.long), allowed


def _slots_read(input_ids: torch.Tensor) -> torch.Tensor:
    """Slots without the number of candidates beside `<profile>`."""
    return (input_ids // len(V)).masked_fill(input_ids % len(V) == V.number[PROFILE], 0)


def adapter(rank: int) -> LoraConfig:
    """A LoRA adapter on every linear layer. It has no task type: peft's causal models must be able to generate."""
    return LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear")


def keep_own_forward(trainer: Any) -> Any:
    """Undo TRL's replacement of `forward`, which computes probabilities over all tokens; ours has the same interface."""
    trainer.model.get_base_model().__dict__.pop("forward")
    return trainer


def merged(model: Any) -> dict[str, torch.Tensor]:
    """The student's weights with the adapter added, as a checkpoint holds them; `model` stays as it is."""
    student = model.get_base_model().student
    tensors = {
        name.replace(".base_layer", ""): value.detach().clone()
        for name, value in student.state_dict().items()
        if "lora_" not in name
    }
    for name, layer in student.named_modules():
        if isinstance(layer, Linear):
            tensors[f"{name}.weight"] += layer.get_delta_weight(ADAPTER).detach()
    return tensors


def snapshot(model: Any) -> Checkpoint:
    """The student as it answers now, adapter included."""
    sizes = model.get_base_model().student.sizes()
    return Checkpoint("now", Network(sizes, merged(model)), {})
