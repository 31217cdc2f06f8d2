"""The network behind what comes after, in training: `star/evidence/read_after.py` says what it computes."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

FAR = 0.05  # less attention for each book further back, at the start of the training
START = 0.02
TINY = 1e-6


class Attention(nn.Module):
    """Vectors of items, and one layer of causal attention over the books read; scores are products with the same vectors."""

    def __init__(
        self, items: int, width: int, heads: int, length: int, dropout: float, made: torch.Generator
    ):
        super().__init__()
        self.heads, self.dropout, self.made = heads, dropout, made
        bound = width**-0.5
        self.vectors = nn.Parameter(torch.randn(items, width, generator=made) * START)
        self.maps = nn.Parameter((torch.rand(4, width, width, generator=made) * 2 - 1) * bound)
        self.scales = nn.Parameter(torch.ones(2, width))
        self.distance = nn.Parameter(-FAR * torch.arange(length).float().repeat(heads, 1))
        self.own = nn.Parameter(torch.ones(1))

    def states(self, past: torch.Tensor) -> torch.Tensor:
        """State after each book, (B, n, d).

        Args:
            past: positions of items, int64 (B, n).
        """
        batch, n = past.shape
        x = self._dropped(
            F.rms_norm(F.embedding(past, self.vectors), self.vectors.shape[1:], self.scales[0], TINY)
        )
        query, key, value = (
            (x @ part.T).view(batch, n, self.heads, -1).transpose(1, 2) for part in self.maps[:3]
        )
        back = torch.arange(n)[:, None] - torch.arange(n)[None]
        bias = self.distance[:, back.clamp(min=0)].masked_fill(back < 0, -torch.inf)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
        state = seen.transpose(1, 2).reshape(batch, n, -1) @ self.maps[3].T + self.own * x
        return self._dropped(F.rms_norm(state, state.shape[2:], self.scales[1], TINY))

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        # Not nn.Dropout, which draws from the random numbers of the whole process.
        kept = torch.rand(x.shape, generator=self.made) >= self.dropout
        return x * kept / (1 - self.dropout)

    def loss(
        self,
        past: np.ndarray,
        target: np.ndarray,
        drawn: torch.Tensor | None = None,
        log_share: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean cross-entropy of the next book; against the drawn items alone where some are given.

        Args:
            past, target: positions of items, int64 (B, n), -1 after a row's end.
            drawn: positions of other items, (S,); log_share: how often each item is drawn, as logarithms, (M,).
        """
        there = torch.from_numpy(target >= 0)
        state = self.states(torch.from_numpy(np.maximum(past, 0)))[there]
        wanted = torch.from_numpy(target)[there]
        if drawn is None or log_share is None:
            return F.cross_entropy(state @ self.vectors.T, wanted)
        right = (state * F.embedding(wanted, self.vectors)).sum(1) - log_share[wanted]
        others = state @ F.embedding(drawn, self.vectors).T - log_share[drawn]
        others = others.masked_fill(drawn[None] == wanted[:, None], -torch.inf)
        return (torch.logsumexp(torch.cat([right[:, None], others], 1), 1) - right).mean()

    def weights(self) -> dict[str, np.ndarray]:
        """The weights by name, float32."""
        return {name: value.detach().numpy().copy() for name, value in self.named_parameters()}
