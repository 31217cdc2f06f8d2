"""Copies an earlier checkpoint's weights into a fresh model, word by word."""

from __future__ import annotations

import re

import torch

from star.errors import UserError
from star.student.model import Checkpoint
from star.trace.grammar import ITEM

NUMBER = re.compile(r"\d+(\.\d+)?")


def take_over(model: torch.nn.Module, words: list[str], before: Checkpoint) -> None:
    """Copy a checkpoint's weights into a fresh model of the same shape; the words may differ.

    A new word with a number (`/63`, `author_3`) starts as the plain number's row plus one random vector per kind of word;
    other new words stay random.

    Raises:
        UserError: the checkpoint has another shape.
    """
    old, state = before.model.state_dict(), model.state_dict()
    place = {word: n for n, word in enumerate(before.words)}
    rows = [(n, place[word]) for n, word in enumerate(words) if word in place]
    new, at = torch.tensor(rows).T
    for name, value in state.items():
        table = len(value) == len(words) and len(old[name]) == len(before.words)
        if (not table and value.shape != old[name].shape) or value.shape[1:] != old[name].shape[1:]:
            raise UserError(
                f"checkpoint {before.name} has {tuple(old[name].shape)} for {name}, the config makes "
                f"{tuple(value.shape)}; leave `start` out or take its shape"
            )
        if table:
            value[new] = old[name][at]
            spread = float(old[name].std())
            kinds: dict[str, torch.Tensor] = {}
            for n, word in enumerate(words):
                number = NUMBER.search(word)
                if word in place or ITEM.match(word) or number is None or number[0] not in place:
                    continue
                kind = word[: number.start()] + "#" + word[number.end() :]
                shift = kinds.setdefault(kind, spread * torch.randn(value.shape[1]))
                value[n] = old[name][place[number[0]]] + shift
        else:
            value.copy_(old[name])
    model.load_state_dict(state)
