"""Encodes trajectories as tokens with roles; count perturbation, entity permutation and candidate swap."""

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

PROMPT, TOOL, WRITTEN, RANK = 0, 1, 2, 3
"""Roles of tokens. RANK: the first recommended item; WRITTEN: all others that the student writes."""

TEMPERATURE = 1.2  # of the distillation teacher's log-odds; it maximises the likelihood of held-out lists (training/LOG.md)


@dataclass(frozen=True)
class Sequence:
    """One trajectory as tokens int32 (L,) with roles uint8 (L,).

    candidates: int32 (C,), their tokens; soft: float32 (C,), the distillation teacher's probabilities of them; fold: the
    reader's; real: false after an entity permutation or a candidate swap; counted: false after a count perturbation.
    """

    tokens: np.ndarray
    roles: np.ndarray
    candidates: np.ndarray
    soft: np.ndarray
    fold: int = -1
    real: bool = True
    counted: bool = True


def shards(folder: Path) -> list[Path]:
    """The trajectories' files, in reading order.

    Raises:
        UserError: no such files.
    """
    found = sorted(folder.glob("fold*.parquet"))
    if not found:
        raise UserError(
            f"no trajectories in {folder}; run python -m training.trajectories with the same config first"
        )
    return found


def scan_trajectories(folder: Path) -> pl.LazyFrame:
    """All trajectories, lazily: filters and columns are applied in reading."""
    return pl.scan_parquet(shards(folder))


def load_trajectories(folder: Path) -> pl.DataFrame:
    """All trajectories in memory."""
    return scan_trajectories(folder).collect()


def read_batches(folder: Path, columns: Collection[str], size: int = 1_000) -> Iterator[pl.DataFrame]:
    """All trajectories, at most `size` at a time."""
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
"""Forms of a trace for ablations: form → steps left out. Without tools a trace has nothing to reflect on."""


def in_form(trace: str, form: str) -> list[str]:
    """Words of a trace without the steps that the form leaves out."""
    without = FORMS[form]
    return [
        word
        for kind, inside, _ in steps_of(trace.split())
        if kind not in without
        for word in (f"<{kind}>", *inside, f"</{kind}>")
    ]


def perturb_counts(trace: str, largest: int, rng: np.random.Generator) -> str:
    """Count perturbation: other counts in the lines on co-reading and similar readers, equal wherever a line is quoted.

    A graph of nine folds has smaller counts than the one in serving. The student would never see the largest numbers, and
    it does not copy numbers that it has never seen. Each trace gets one of two kinds, with equal probability:

    - log-uniform: the anchor's readers n_i are drawn from [10, `largest`]; common readers keep their share n_ij / n_i;
    - uniform: n_i is the largest of three draws, n_ij is uniform up to n_i; lifts and strengths are drawn too.

    Counts of similar readers are always uniform ("few" in half of its places). When they followed the strength, the student
    guessed them instead of copying them.
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
        guide: the distillation teacher's log-odds of the candidates.
        target: this item comes first in the ranking, then the distillation teacher's order; None: MARS's own ranking.
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
    """Tokens of the items, int64 (I,), ascending, since a tokenizer lists its words in a new order after every load."""
    return np.sort(
        np.array([token for word, token in vocabulary.items() if ITEM.match(word)], dtype=np.int64)
    )


def permute_entities(sequence: Sequence, items: np.ndarray, rng: np.random.Generator) -> Sequence:
    """Entity permutation: every item is replaced by a random one, everywhere by the same.

    The parametric prior is of no use then: calls, quotations and the ranking must come from the context.

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
    ):  # rare with many items; drawing with replacement is several times faster
        others = rng.choice(items, len(there), replace=False)
    table[there] = others
    return replace(sequence, tokens=table[sequence.tokens], candidates=table[sequence.candidates], real=False)


def swap_candidates(sequence: Sequence, rng: np.random.Generator) -> Sequence:
    """Candidate swap: the candidates' items are permuted, so one candidate's evidence is stated about another.

    The shelf stays. The parametric prior then favours other candidates than the evidence, and the evidence must win.
    """
    table = np.arange(max(sequence.candidates.max(), sequence.tokens.max()) + 1, dtype=np.int32)
    table[sequence.candidates] = rng.permutation(sequence.candidates)
    return replace(sequence, tokens=table[sequence.tokens], candidates=table[sequence.candidates], real=False)


def sometimes_others(
    sequence: Sequence, shares: tuple[float, float], items: np.ndarray, rng: np.random.Generator
) -> Sequence:
    """An entity permutation or a candidate swap with these two probabilities, else the sequence itself."""
    draw = rng.random()
    if draw < shares[0]:
        return permute_entities(sequence, items, rng)
    return swap_candidates(sequence, rng) if draw < sum(shares) else sequence


@dataclass(frozen=True)
class Corpus:
    """Trajectories for many passes, each time perturbed at random.

    Args:
        sequences: the unperturbed trajectories.
        texts: prompt, trace, log-odds and target of each.
        largest: the largest count of a perturbation.
        renumbered: share with a count perturbation.
        others: shares with an entity permutation and with a candidate swap.
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
        """The n-th sequence, perturbed at random."""
        sequence = self.sequences[n]
        if rng.random() < self.renumbered:
            prompt, trace, guide, target = self.texts[n]
            said = perturb_counts(trace, self.largest, rng)
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
    """The pretraining folds' trajectories, and `looked_at` evenly spaced ones of the SFT folds for validation.

    The book that was really read comes first in every ranking. Text is read in batches.
    """
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
