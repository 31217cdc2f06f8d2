"""The network of a slot student: a stock Qwen3 decoder over sums of parts and slots."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from training.slots.language import VOCABULARY
from training.slots.lists import WIDTH


class SlotStudent(nn.Module):
    """Logits over words; slot words are pointed at by the vectors that mark their lines."""

    def __init__(self, hidden: int = 128, layers: int = 4, heads: int = 4, inner: int = 256, seed: int = 0) -> None:
        from transformers import Qwen3Config, Qwen3Model

        super().__init__()
        torch.manual_seed(seed)
        config = Qwen3Config(
            vocab_size=8, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=heads, head_dim=hidden // heads, max_position_embeddings=2048,
        )  # fmt: skip
        self.body = Qwen3Model(config)
        self.body.embed_tokens = nn.Identity()
        parts = torch.from_numpy(VOCABULARY.parts)
        self.register_buffer("parts", parts, persistent=False)
        self.table = nn.Parameter(torch.randn(int(parts.max()) + 1, hidden) * 0.05)
        slots = torch.nn.init.orthogonal_(torch.empty(WIDTH, hidden)) * 0.05 * hidden**0.5
        self.slot_rows = nn.Parameter(slots)
        used = (parts > 0).float()
        self.register_buffer("used", used[..., None], persistent=False)

    def words(self) -> torch.Tensor:
        """Embedding of every word, (V, d), without slots."""
        return (self.table[self.parts] * self.used).sum(1)

    def forward(self, tokens: torch.Tensor, slots: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states (B, n, d) and the output matrix (V, d)."""
        words = self.words()
        nothing = torch.zeros_like(self.slot_rows[:1])
        x = words[tokens] + torch.cat([nothing, self.slot_rows])[slots]
        hidden = self.body(inputs_embeds=x).last_hidden_state
        first = VOCABULARY.slots
        output = torch.cat([words[:first], words[first : first + WIDTH] + self.slot_rows, words[first + WIDTH :]])
        return hidden, output


def load_rows(batch: list[tuple[np.ndarray, np.ndarray]]) -> tuple[torch.Tensor, torch.Tensor]:
    length = max(len(words) for words, _ in batch)
    tokens, slots = (np.zeros((len(batch), length), np.int64) for _ in range(2))
    for row, (words, slot) in enumerate(batch):
        tokens[row, : len(words)], slots[row, : len(words)] = words, slot
    return torch.from_numpy(tokens), torch.from_numpy(slots)
