"""The student as a network and as a checkpoint, for answering; training goes through `training/lib/network.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from star.errors import UserError
from star.student import soundness as sound
from star.student.checkpoint import AGAIN, read_about
from star.student.decoder import Decoder, Past, shapes
from star.student.vocabulary import SLOTS, VOCABULARY, Tokens

V = VOCABULARY


class Network(Decoder):
    """The network in plain torch. Read-only, so threads may share it."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        table, slots = tensors["table"], tensors["slot_rows"]
        parts = torch.from_numpy(V.parts)
        words = (table[parts] * (parts > 0)[..., None]).sum(1)
        words[V.slots : V.slots + SLOTS] += slots
        self._slots = torch.cat([torch.zeros_like(slots[:1]), slots])
        body = {
            name.replace("body.", "model."): tensor
            for name, tensor in tensors.items()
            if name.startswith("body.")
        }
        super().__init__(config, {**body, "model.embed_tokens.weight": words})
        self._named = torch.zeros(len(V), dtype=torch.bool)
        self._named[V.slots : V.slots + SLOTS] = True

    def read(self, tokens: Tokens, past: Past) -> torch.Tensor:
        """Logits (V,) behind the last of these tokens, which continue the cache."""
        return self.read_many([tokens], [past])[0]

    def read_alike(self, texts: Sequence[Tokens]) -> torch.Tensor:
        """Logits (B, V) behind each of these texts of equal length, read from nothing."""
        return self.read_many(texts, [Past() for _ in texts])

    @torch.inference_mode()
    def read_many(self, texts: Sequence[Tokens], pasts: Sequence[Past]) -> torch.Tensor:
        """Logits (B, V) behind each of these texts of equal length, each of which continues its own cache."""
        words, slots = (torch.tensor([getattr(t, part) for t in texts]) for part in ("words", "slots"))
        # The vector of a slot is already in its own word.
        marks = functional.embedding(slots, self._slots) * ~self._named[words][..., None]
        hidden = self._body(functional.embedding(words, self._words) + marks, pasts)
        return self._tied(hidden[:, -1:])[:, 0]


@dataclass(frozen=True)
class Checkpoint:
    """A trained student."""

    name: str
    network: Network
    about: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Checkpoint:
        """
        Raises:
            UserError: a file is missing or damaged, or the weights are of other words or sizes.
        """
        from safetensors.torch import load_file

        with sound.loading(folder):
            about, weights = read_about(folder), folder / "model.safetensors"
            config = json.loads((folder / "config.json").read_text("utf-8"))
            config["rms_norm_eps"] = float(config["rms_norm_eps"])
            held = sound.shapes_in(weights)
            # Before anything of the size that the config names is made.
            layers = len({name.split(".")[2] for name in held if name.startswith("body.layers.")})
            if config["num_hidden_layers"] != layers or held != shapes_of(config):
                raise UserError(f"weights {weights} are of other words or sizes than expected; {AGAIN}")
            tensors = {name: tensor.float() for name, tensor in load_file(weights).items()}
            if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
                raise UserError(f"weights {weights} hold NaN or infinite numbers; {AGAIN}")
            return cls(folder.name, Network(config, tensors), about)


def shapes_of(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor of a checkpoint with this config."""
    hidden = config["hidden_size"]
    body = shapes({**config, "vocab_size": len(V)})
    inside = {
        name.replace("model.", "body.", 1): shape for name, shape in body.items() if "embed" not in name
    }
    return {"table": (int(V.parts.max()) + 1, hidden), "slot_rows": (SLOTS, hidden), **inside}
