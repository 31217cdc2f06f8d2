"""The student in training: a stock Qwen3 decoder over sums of parts and slots, and the loss of its sequences."""

from __future__ import annotations

import json
from collections.abc import Sequence as Many
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import Qwen3Config, Qwen3Model

from star.student.vocabulary import SLOTS, VOCABULARY, Tokens
from training.lib.sequences import Sequence

WEIGHTS = {"call": 0.3, "shortlist": 1.0, "written": 1.0, "rank": 1.0, "point": 0.5}
"""Weight of each kind of loss, a mean over its positions."""
OPEN = 0.1
"""Weight of naming a slot where only a slot may follow."""
SCALE = 0.05


class Student(nn.Module):
    """Logits over words; a slot is pointed at by the vector that marks its lines."""

    def __init__(self, hidden: int, layers: int, heads: int, inner: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.config = Qwen3Config(
            vocab_size=8,
            hidden_size=hidden,
            intermediate_size=inner,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            head_dim=hidden // heads,
            max_position_embeddings=2048,
        )
        self.body = Qwen3Model(self.config)
        self.body.embed_tokens = nn.Identity()  # type: ignore[assignment]
        self.parts: torch.Tensor
        self.used: torch.Tensor
        parts = torch.from_numpy(VOCABULARY.parts)
        self.register_buffer("parts", parts, persistent=False)
        self.register_buffer("used", (parts > 0).float()[..., None], persistent=False)
        self.table = nn.Parameter(torch.randn(int(parts.max()) + 1, hidden) * SCALE)
        # Orthogonal, so that a slot is told from all others from the first step on.
        self.slot_rows = nn.Parameter(nn.init.orthogonal_(torch.empty(SLOTS, hidden)) * SCALE * hidden**0.5)

    @classmethod
    def load(cls, folder: Path) -> Student:
        """The student of a checkpoint, whose files `Checkpoint.load` checks."""
        sizes = json.loads((folder / "config.json").read_text("utf-8"))
        student = cls(
            sizes["hidden_size"],
            sizes["num_hidden_layers"],
            sizes["num_attention_heads"],
            sizes["intermediate_size"],
            0,
        )
        stored = load_file(folder / "model.safetensors")
        student.load_state_dict({name: value.float() for name, value in stored.items()})
        return student

    def sizes(self) -> dict[str, Any]:
        """What a checkpoint's `config.json` holds."""
        c = self.config
        return {
            "hidden_size": c.hidden_size,
            "intermediate_size": c.intermediate_size,
            "num_hidden_layers": c.num_hidden_layers,
            "num_attention_heads": c.num_attention_heads,
            "head_dim": c.head_dim,
            "rms_norm_eps": c.rms_norm_eps,
            "rope_parameters": {"rope_theta": 10_000.0},
        }

    def words(self) -> torch.Tensor:
        """Embedding of every word without slots, (V, d)."""
        return (self.table[self.parts] * self.used).sum(1)

    def forward(
        self, tokens: torch.Tensor, slots: torch.Tensor, seen: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states (B, n, d) and the output matrix (V, d).

        Args:
            tokens, slots: int64 (B, n); seen: (B, n), 0 for padding on the left, which must not be attended to.
        """
        words = self.words()
        x = words[tokens] + torch.cat([torch.zeros_like(self.slot_rows[:1]), self.slot_rows])[slots]
        hidden = self.body(inputs_embeds=x, attention_mask=seen).last_hidden_state
        first = VOCABULARY.slots
        named = words[first : first + SLOTS] + self.slot_rows
        return hidden, torch.cat([words[:first], named, words[first + SLOTS :]])


def padded(batch: Many[Tokens]) -> tuple[torch.Tensor, torch.Tensor]:
    """Words and slots, int64 (B, n), padded on the right, where a causal decoder never looks."""
    tokens, slots = (np.zeros((len(batch), max(map(len, batch))), np.int64) for _ in range(2))
    for row, sequence in enumerate(batch):
        tokens[row, : len(sequence)], slots[row, : len(sequence)] = sequence.words, sequence.slots
    return torch.from_numpy(tokens), torch.from_numpy(slots)


def losses(model: nn.Module, batch: list[Sequence]) -> dict[str, torch.Tensor]:
    """Kind of loss → its mean over positions, and the share of right first choices, (2,)."""
    hidden, output = model(*padded(batch))
    found: dict[str, torch.Tensor] = {}
    for kind in ("call", "written"):
        some = [(r, p, w) for r, s in enumerate(batch) for p, w, k in s.hard if k == kind]
        if some:
            row, place, word = (torch.tensor(part) for part in zip(*some, strict=True))
            logits = hidden[row, place] @ output.T
            found[kind] = torch.stack(
                [F.cross_entropy(logits, word), (logits.argmax(-1) == word).float().mean()]
            )
    pointed = output[VOCABULARY.slots : VOCABULARY.slots + SLOTS]
    for kind in ("shortlist", "rank", "point"):
        soft = [(r, p, q) for r, s in enumerate(batch) for p, q, k in s.soft if k == kind]
        if soft:
            row, place = torch.tensor([s[0] for s in soft]), torch.tensor([s[1] for s in soft])
            wanted = torch.zeros(len(soft), SLOTS)
            for at, (_, _, q) in enumerate(soft):
                wanted[at, : len(q)] = torch.from_numpy(q)
            at = hidden[row, place]
            logits = at @ pointed.T
            logp = logits.log_softmax(-1)
            # That a slot follows at all, for the unconstrained student.
            anything = ((at @ output.T).logsumexp(-1) - logits.logsumexp(-1)).mean()
            right = (logp.argmax(-1) == wanted.argmax(-1)).float().mean()
            found[kind] = torch.stack([-(wanted * logp).sum(-1).mean() + OPEN * anything, right])
    return found


def save(model: Student, folder: Path, about: dict[str, Any]) -> None:
    """Weights and sizes, as `star.student.network` reads them."""
    save_tensors(model.state_dict(), model.sizes(), folder, about)


def save_tensors(
    tensors: dict[str, torch.Tensor], sizes: dict[str, Any], folder: Path, about: dict[str, Any]
) -> None:
    """As `save`, from weights by name and from `Student.sizes`."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.to(torch.bfloat16).contiguous() for name, value in tensors.items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(sizes, indent=1) + "\n", "utf-8")
    (folder / "star.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
