"""Word-level vocabulary: one token for each word of the grammar, each item and each number.

The grammar is closed, so a word-level tokenizer loses nothing. A trace is several times shorter than in sub-words, no
title can be invented, and a number is copied in one step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from star.data.catalog import Catalog
from star.evidence.claims import STRENGTHS, WITHHELD
from star.evidence.tools import ASKED, COUNTED, WINDOWS
from star.trace.grammar import PLANS, REMARKS, TAGS, TOOLS, genre_word, item_word, number_word

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
BEFORE, BEHIND = "<|star:", "|>"  # around a word in a big base's tokenizer


FIXED = (
    PAD,
    EOS,
    UNKNOWN,
    "<history>",
    "<candidates>",
    *(f"<{t}>" for t in TAGS),
    *(f"</{t}>" for t in TAGS),
    *TOOLS,
    *STRENGTHS,
    ";",
    "of",
    "few",
    *(f"next_{word}" for word in STRENGTHS),
    *(f"similar_{word}" for word in STRENGTHS),
    "nothing",
)
"""Words that every catalogue's vocabulary begins with."""


def words_of(catalog: Catalog, largest: int) -> list[str]:
    """All words, items last.

    Args:
        largest: the largest count that may be stated (readers of the most read item).
    """
    spoken = sorted({word for phrase in (*PLANS, *REMARKS) for word in phrase.split() if "{" not in word})
    numbers = [str(n) for n in range(max(largest, COUNTED, *ASKED, *WINDOWS) + 1)]
    volumes = sorted({item.number for item in catalog if item.number is not None})
    most = max(Counter(item.creators[0] for item in catalog if item.creators).values(), default=0)
    kinds = [f"{name}_{number_word(v)}" for name in ("series", "sequel") for v in volumes]
    kinds += [f"author_{n}" for n in range(1, most + 1)]
    kinds += [f"/{n}" for n in range(largest + 1)]
    kinds += [f"{n}/{asked}" for asked in ASKED for n in range(WITHHELD, asked + 1)]
    lifts = [f"x{n / 10:g}" for n in range(1, 100)] + [f"x{n}" for n in range(10, 100)]
    genres = sorted({genre_word(g) for item in catalog for g in item.genres})
    items = [item_word(n) for n in range(len(catalog))]
    return list(dict.fromkeys([*FIXED, *spoken, *genres, *lifts, *numbers, *kinds, *items]))


def build_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """A word-level tokenizer over these words, split at white space."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS, unk_token=UNKNOWN, padding_side="right"
    )


def written(word: str) -> str:
    """A word's form in a big base's tokenizer: the base's own tokens `of` or `12` keep their meaning, and ordinary text
    is tokenised as before."""
    return f"{BEFORE}{word}{BEHIND}"


class Words(Protocol):
    """A tokenizer, of transformers or of tokenizers."""

    def get_vocab(self) -> dict[str, int]:
        """word → token."""
        ...


def grammar_of(tokenizer: Words) -> dict[str, int]:
    """word → token, of the grammar's words alone: all of a compact student's tokens, the added ones of a base's."""
    tokens = tokenizer.get_vocab()
    added = {
        token[len(BEFORE) : -len(BEHIND)]: number
        for token, number in tokens.items()
        if token.startswith(BEFORE)
    }
    return added or tokens


def number_features(words: Sequence[str], width: int) -> np.ndarray:
    """(V, width) ordinal features of number words: smooth bumps along the logarithm, zero for other words.

    Tiny models compare digits badly; with these features, words for close numbers start close to each other.
    """
    out = np.zeros((len(words), width), dtype=np.float32)
    centres = np.linspace(-3, 8, width)
    for row, word in enumerate(words):
        bare = word[1:] if word[:1] in ("x", "/") else word.split("/")[0].split("_")[-1]
        try:
            value = float(bare)
        except ValueError:
            continue
        out[row] = np.exp(-0.5 * ((np.log(max(value, 0.06)) - centres) / (centres[1] - centres[0])) ** 2)
    return out
