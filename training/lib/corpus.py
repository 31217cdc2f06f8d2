"""Trajectories as token arrays, with the role of every token, ready for pretraining and SFT."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from tqdm import tqdm

from star.errors import UserError
from star.evidence.claims import STRENGTHS, WITHHELD
from star.student.vocabulary import EOS
from star.trace.grammar import ITEM, item_word
from star.trace.steps import steps_of

if TYPE_CHECKING:
    from training.lib.config import Config

PROMPT, TOOL, WRITTEN, RANK = (
    0,
    1,
    2,
    3,
)  # roles: RANK is the first recommended item, WRITTEN all else the student writes

TEMPERATURE = 1.2  # of the guide's log-odds: held-out lists are likeliest there (training/LOG.md)


@dataclass(frozen=True)
class Sequence:
    """tokens int32 (L,), roles uint8 (L,), candidates int32 (C,) tokens, soft float32 (C,): what the guide thinks
    of them, as probabilities; fold of the reader; real: whether its items are those that were read; counted: whether its
    numbers are those that were found."""

    tokens: np.ndarray
    roles: np.ndarray
    candidates: np.ndarray
    soft: np.ndarray
    fold: int = -1
    real: bool = True
    counted: bool = True


def shards(folder: Path) -> list[Path]:
    """The trajectories' files, in the order in which they are read.

    Raises:
        UserError: none there yet.
    """
    found = sorted(folder.glob("fold*.parquet"))
    if not found:
        raise UserError(
            f"no trajectories in {folder}; run python -m training.trajectories with the same config first"
        )
    return found


def scan_trajectories(folder: Path) -> pl.LazyFrame:
    """All trajectories, not read yet: filters and columns are applied while reading."""
    return pl.scan_parquet(shards(folder))


def load_trajectories(folder: Path) -> pl.DataFrame:
    """All trajectories in memory."""
    return scan_trajectories(folder).collect()


def read_batches(folder: Path, columns: Collection[str], size: int = 1_000) -> Iterator[pl.DataFrame]:
    """All trajectories, so many at a time."""
    for shard in shards(folder):
        with pq.ParquetFile(shard) as file:
            for batch in file.iter_batches(size, columns=list(columns)):
                yield pl.DataFrame(pl.from_arrow(batch))


COUNTED = re.compile(
    r" user_cf (?P<asked>\d+)| (?P<lift>x[\d.]+) (?P<both>\d+) /(?P<of>\d+) <i"
    r"|(?P<about><i\d+> similar_\w+ )(?P<similar>few|\d+/(?P<readers>\d+))"
)
LIFTS = [f"x{n / 10:g}" for n in range(1, 100)] + [f"x{n}" for n in range(10, 100)]  # tools.rounded_lift
FORMS: dict[str, tuple[str, ...]] = {
    "full": (),
    "no-reflection": ("reflection",),
    "no-tools": ("tool_call", "tool_response", "reflection"),
    "no-trace": ("plan", "tool_call", "tool_response", "reflection"),
}
"""Forms of a trace for ablations, and the steps each leaves out; without tools there is nothing to reflect on."""


def in_form(trace: str, form: str) -> list[str]:
    """Words of a trace without the steps that its form leaves out."""
    without = FORMS[form]
    return [
        word
        for kind, inside, _ in steps_of(trace.split())
        if kind not in without
        for word in (f"<{kind}>", *inside, f"</{kind}>")
    ]


def renumbered(trace: str, largest: int, rng: np.random.Generator) -> str:
    """The trace with other counts in its lines on co-reading and similar readers, the same wherever a line is quoted.

    A graph of nine folds has other counts than the one that serves: those of the most read books would never have been
    seen, and a word that was never seen is not copied. By turns: each anchor's readers drawn evenly in the logarithm
    between 10 and `largest`, the readers of both keeping their share; or drawn so that every number stands behind every
    strength and is frequent: the anchor's readers as the largest of three even draws, the readers of both evenly below it,
    lifts evenly, and how strongly similar readers speak for a book. Counts of similar readers are always drawn evenly ("few"
    in half of its places): where they went with the strength, they were guessed from it instead of copied, as the strength
    was from what else is said of the book.
    """
    evenly = rng.random() < 0.5
    asked = 0
    drawn: dict[tuple[str, ...], str] = {}

    def other(found: re.Match[str]) -> str:
        nonlocal asked
        if found["asked"]:
            asked = int(found["asked"])
            return found[0]
        if found["about"]:
            subject, said = found["about"].split()
            if evenly:
                word = f"similar_{STRENGTHS[rng.integers(len(STRENGTHS))]}"
                said = drawn.setdefault((subject, said), word)
            return f"{subject} {said} {_similar(found)}"
        value = (
            rng.uniform(10, largest, 3).max() if evenly else np.exp(rng.uniform(np.log(10), np.log(largest)))
        )
        of = int(drawn.setdefault((found["of"],), str(round(float(value)))))
        share = rng.random() if evenly else int(found["both"]) / int(found["of"])
        both = min(of, max(WITHHELD, round(share * of)))
        lift = LIFTS[rng.integers(len(LIFTS))] if evenly else found["lift"]
        return drawn.setdefault((found["lift"], found["both"], found["of"]), f" {lift} {both} /{of} <i")

    def _similar(found: re.Match[str]) -> str:
        of = int(found["readers"] or asked)
        few = found["similar"] == "few" and rng.random() < 0.5
        new = "few" if few or of < WITHHELD else f"{rng.integers(WITHHELD, of + 1)}/{of}"
        return drawn.setdefault((found["about"].split()[0], found["similar"]), new)

    return COUNTED.sub(other, trace)


def encode(
    prompt: str,
    trace: str,
    vocabulary: dict[str, int],
    guide: list[float],
    target: int | None = None,
    form: str = "full",
) -> Sequence:
    """One trajectory as tokens.

    Args:
        guide: log-odds of the candidates, from the trees over the same signals.
        target: if given, this item is put first in the ranking and the guide's order follows (pretraining on what was
            really read); None keeps the teacher's ranking.
        form: one of `FORMS`.
    """
    before, after = prompt.split(), trace.split() if form == "full" else in_form(trace, form)
    start = after.index("<recommend>") + 1
    if target is not None:
        best = [before[len(before) - len(guide) + n] for n in np.argsort(-np.array(guide), kind="stable")]
        first = item_word(target)
        after[start:-1] = [first, *(w for w in best if w != first)][: len(after) - start - 1]
    roles = np.full(len(before) + len(after) + 1, WRITTEN, dtype=np.uint8)
    roles[: len(before)] = PROMPT
    inside = False
    for place, word in enumerate(after, len(before)):
        if word == "<tool_response>":
            inside = True
        if inside:
            roles[place] = TOOL
        if word == "</tool_response>":
            inside = False
    roles[len(before) + start] = RANK
    tokens = np.array([vocabulary[w] for w in (*before, *after, EOS)], dtype=np.int32)
    soft = np.exp((np.array(guide) - max(guide)) / TEMPERATURE)
    return Sequence(
        tokens, roles, tokens[len(before) - len(guide) : len(before)], (soft / soft.sum()).astype(np.float32)
    )


def item_tokens(vocabulary: dict[str, int]) -> np.ndarray:
    """Tokens of the items, int64 (I,), ascending: a tokenizer gives its words in another order every time it is loaded."""
    return np.sort(
        np.array([token for word, token in vocabulary.items() if ITEM.match(word)], dtype=np.int64)
    )


def renamed(sequence: Sequence, items: np.ndarray, rng: np.random.Generator) -> Sequence:
    """The sequence with other items, each everywhere in place of the same one.

    What is known of a book by heart is then no help: whom to look at, what to quote and how to rank must be read off the
    context.

    Args:
        items: int (I,), all tokens that are items.
    """
    table = np.arange(max(items.max(), sequence.tokens.max()) + 1, dtype=np.int32)
    seen, possible = np.zeros(len(table), bool), np.zeros(len(table), bool)
    seen[sequence.tokens], possible[items] = True, True
    there = np.flatnonzero(seen & possible)
    others = rng.choice(items, len(there))
    if len(np.unique(others)) < len(
        others
    ):  # seldom where items are many, and several times as fast as without replacement
        others = rng.choice(items, len(there), replace=False)
    table[there] = others
    return replace(sequence, tokens=table[sequence.tokens], candidates=table[sequence.candidates], real=False)


def exchanged(sequence: Sequence, rng: np.random.Generator) -> Sequence:
    """The sequence with its candidates' names exchanged among themselves: all that was found of one is said of another.

    The shelf is as it was, so what is known by heart speaks for other candidates than the evidence does, which must win.
    """
    table = np.arange(max(sequence.candidates.max(), sequence.tokens.max()) + 1, dtype=np.int32)
    table[sequence.candidates] = rng.permutation(sequence.candidates)
    return replace(sequence, tokens=table[sequence.tokens], candidates=table[sequence.candidates], real=False)


def sometimes_others(
    sequence: Sequence, shares: tuple[float, float], items: np.ndarray, rng: np.random.Generator
) -> Sequence:
    """By chance `renamed`, by chance `exchanged` (with these probabilities), or as it is."""
    draw = rng.random()
    if draw < shares[0]:
        return renamed(sequence, items, rng)
    return exchanged(sequence, rng) if draw < sum(shares) else sequence


@dataclass(frozen=True)
class Corpus:
    """Trajectories that are read again and again, each time with other numbers or other items by chance.

    Args:
        sequences: with the numbers and items that were found.
        texts: prompt, trace, guide and target of each.
        largest: the largest count that may be stated.
        renumbered: share that gets other counts.
        others: shares that get other items, and their candidates exchanged.
        items: int (I,), tokens of the items.
    """

    sequences: list[Sequence]
    texts: list[tuple[str, str, list[float], int]]
    vocabulary: dict[str, int]
    form: str
    largest: int
    renumbered: float
    others: tuple[float, float]
    items: np.ndarray

    def draw(self, n: int, rng: np.random.Generator) -> Sequence:
        """The n-th sequence as it is read this time."""
        sequence = self.sequences[n]
        if rng.random() < self.renumbered:
            prompt, trace, guide, target = self.texts[n]
            said = renumbered(trace, self.largest, rng)
            other = encode(prompt, said, self.vocabulary, guide, target, self.form)
            sequence = replace(other, fold=sequence.fold, counted=False)
        return sometimes_others(sequence, self.others, self.items, rng)


def read_corpus(
    config: Config,
    vocabulary: dict[str, int],
    fold_of: Mapping[int, int],
    largest: int,
    looked_at: int = 400,
) -> tuple[Corpus, list[Sequence]]:
    """The trajectories of all readers but those of the SFT folds, and some of theirs to look at, evenly taken; with what was
    really read first in the ranking. Text is read a batch at a time."""
    folder, held = config.trajectory_folder, config.sft_folds
    readers = scan_trajectories(folder).select("reader").collect()["reader"].to_list()
    places = [place for place, reader in enumerate(readers) if fold_of[reader] in held]
    chosen = set(places[:: max(1, len(places) // looked_at)][:looked_at])
    sequences, texts, check = [], [], []
    rows = chain.from_iterable(
        frame.iter_rows() for frame in read_batches(folder, ("prompt", "trace", "guide", "target"))
    )
    for place, text in enumerate(tqdm(rows, total=len(readers), desc="encode", mininterval=5)):
        prompt, trace, guide, target = text
        fold = fold_of[readers[place]]
        if place in chosen or fold not in held:
            sequence = encode(prompt, trace, vocabulary, guide, target, config.form)
            if fold in held:
                check.append(sequence)
            else:
                sequences.append(replace(sequence, fold=fold))
                texts.append(text)
    corpus = Corpus(
        sequences,
        texts,
        vocabulary,
        config.form,
        largest,
        config.renumbered,
        (config.renamed, config.exchanged),
        item_tokens(vocabulary),
    )
    return corpus, check
