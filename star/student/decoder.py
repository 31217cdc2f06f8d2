"""The forward pass of a decoder in plain torch, for answering; training goes through transformers.

Importing what transformers needs for the same architecture takes longer than an answer. The results equal those of its
`Qwen3ForCausalLM`, operation by operation (tests/student/test_generation.py). A row of a batch gets the results that it
gets alone: matrix products and attention are computed row by row, and nothing is padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn import functional

BLOCK = 128  # positions by which the cache grows
Layer = dict[str, torch.Tensor]


@dataclass
class Past:
    """Key–value cache of one row: per layer (1, heads, room, d), of which the first `length` positions are filled."""

    length: int = 0
    kept: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)

    def with_new(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values of a layer, (1, heads, length + n, d), after these (1, heads, n, d) are appended."""
        end = self.length + keys.shape[2]
        if layer == len(self.kept):
            self.kept.append((keys[:, :, :0], values[:, :, :0]))
        if end > self.kept[layer][0].shape[2]:
            room = -(-end // BLOCK) * BLOCK
            self.kept[layer] = tuple(_larger(part, self.length, room) for part in self.kept[layer])  # type: ignore[assignment]
        for part, new in zip(self.kept[layer], (keys, values), strict=True):
            part[:, :, self.length : end] = new
        first, second = self.kept[layer]
        return first[:, :, :end], second[:, :, :end]


def _larger(part: torch.Tensor, length: int, room: int) -> torch.Tensor:
    larger = part.new_zeros(*part.shape[:2], room, part.shape[3])
    larger[:, :, :length] = part[:, :, :length]
    return larger


class Decoder:
    """A decoder of Qwen3's architecture for answering. Read-only, so threads may share it."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        """`config`: the folder's `config.json`; `tensors`: float32, by transformers' names."""
        self.config = SimpleNamespace(**config)
        self._words = tensors["model.embed_tokens.weight"]
        self._norm = tensors["model.norm.weight"]
        self._layers: list[Layer] = [
            {
                name.split(".", 3)[3].removesuffix(".weight"): tensor
                for name, tensor in tensors.items()
                if name.startswith(f"model.layers.{number}.")
            }
            for number in range(self.config.num_hidden_layers)
        ]
        size, base = self.config.head_dim, self.config.rope_parameters["rope_theta"]
        self._frequency = 1.0 / (base ** (torch.arange(0, size, 2, dtype=torch.float) / size))

    def _body(self, x: torch.Tensor, pasts: Sequence[Past]) -> torch.Tensor:
        """Hidden states (B, n, d) behind the last layer for embeddings x (B, n, d), which continue the caches."""
        n = x.shape[1]
        places = torch.tensor([past.length for past in pasts])[:, None] + torch.arange(n)
        angle = places[..., None].float() * self._frequency
        angle = torch.cat((angle, angle), dim=-1)[:, :, None]
        turn = angle.cos(), angle.sin()
        for number, layer in enumerate(self._layers):
            x = x + self._attention(number, layer, self._scaled(x, layer["input_layernorm"]), turn, pasts)
            y = self._scaled(x, layer["post_attention_layernorm"])
            gate = functional.silu(_linear(y, layer["mlp.gate_proj"]))
            x = x + _linear(gate * _linear(y, layer["mlp.up_proj"]), layer["mlp.down_proj"])
        for past in pasts:
            past.length += n
        return x

    def _tied(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (B, n, V) of hidden states, by the embeddings."""
        return _linear(self._scaled(x, self._norm), self._words)

    def _attention(
        self,
        number: int,
        layer: Layer,
        x: torch.Tensor,
        turn: tuple[torch.Tensor, torch.Tensor],
        pasts: Sequence[Past],
    ) -> torch.Tensor:
        rows, n, _ = x.shape
        shape = (rows, n, -1, self.config.head_dim)
        asked = self._scaled(_linear(x, layer["self_attn.q_proj"]).view(shape), layer["self_attn.q_norm"])
        keys = self._scaled(_linear(x, layer["self_attn.k_proj"]).view(shape), layer["self_attn.k_norm"])
        values = _linear(x, layer["self_attn.v_proj"]).view(shape).transpose(1, 2)
        asked, keys = (_turned(part, *turn).transpose(1, 2) for part in (asked, keys))
        found = []
        for row, past in enumerate(pasts):
            here = slice(row, row + 1)
            all_keys, all_values = past.with_new(number, keys[here], values[here])
            found.append(_attend(asked[here], all_keys, all_values, past.length))
        return _linear(torch.cat(found).transpose(1, 2).reshape(rows, n, -1), layer["self_attn.o_proj"])

    def _scaled(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """RMSNorm."""
        return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.config.rms_norm_eps))


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor of such a decoder."""
    hidden, inner, size = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    wide = config["num_attention_heads"] * size
    inside = {
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
        **{f"self_attn.{name}_proj": (wide, hidden) for name in "qkv"},
        "self_attn.o_proj": (hidden, wide),
        **{f"self_attn.{name}_norm": (size,) for name in "qk"},
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    return {
        "model.embed_tokens.weight": (config["vocab_size"], hidden),
        "model.norm.weight": (hidden,),
        **{
            f"model.layers.{number}.{name}.weight": shape
            for number in range(config["num_hidden_layers"])
            for name, shape in inside.items()
        },
    }


def _linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """x (B, n, d) times weight (o, d), row by row: one large product would round differently from single rows."""
    if len(x) == 1:
        return functional.linear(x, weight)
    return torch.bmm(x, weight.T.expand(len(x), -1, -1))


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary embedding of x (B, n, heads, d)."""
    half = x.shape[-1] // 2
    return (x * cos) + (torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin)


def _attend(asked: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, before: int) -> torch.Tensor:
    """Causal attention of n queries (1, heads, n, d) after `before` earlier positions."""
    n = asked.shape[2]
    mask = None
    if n > 1 and before:
        mask = torch.arange(before + n)[None] <= torch.arange(before, before + n)[:, None]
    return functional.scaled_dot_product_attention(
        asked, keys, values, attn_mask=mask, is_causal=n > 1 and not before
    )
