"""Decoding in one pass: after each tool call the stored evidence is inserted, and the pass continues.

`GenerationState` holds one answer: its words so far, the tokens that may follow, the words to insert. `write` drives one
state through the model (the page), `write_many` drives many in step (evaluation); both keep the key–value cache.

Candidates are ranked by their probabilities at the first place of the ranking, the most likely order under Plackett–Luce.
This place has the largest weight in training. Later places are not used: no training trace continues a ranking after a wrong
first choice (training/LOG.md). A checkpoint may combine the probabilities with its parametric prior, as a product of experts
(`Checkpoint.prior`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from star.evidence.tools import ASKED, COUNTED, WINDOWS, Tools
from star.student.compact import Compact, Past
from star.student.model import Checkpoint, ItemTokens
from star.student.vocabulary import UNKNOWN
from star.trace.grammar import (
    CLOSING,
    OPENING,
    RANKED,
    TOOLS,
    TraceError,
    item_row,
    item_word,
    prompt,
    read_call,
    response_words,
)

MAX_WRITTEN = 260  # words that the model may write before the ranking is forced
MAX_CALLS = 6
LONGEST = 640  # tokens of one answer in `write_many`, prompt and evidence among them
AT_ONCE = 64  # most tokens per row that `write_many` reads in one step
STEP_ENDS = frozenset((*OPENING, *CLOSING))


@dataclass
class GenerationState:
    """The state of one answer while it is decoded.

    Args:
        free: unconstrained decoding, for measurements; otherwise the tools' arguments and the ranking are constrained.
        words: given words, after which the model continues; after `<recommend>` it writes only the ranking.
    """

    checkpoint: Checkpoint
    items: ItemTokens
    tools: Tools
    k: int = RANKED
    free: bool = False
    words: list[str] = field(default_factory=list)
    own: list[bool] = field(default_factory=list)
    """For each word, whether the model wrote it (False: inserted)."""
    calls: int = 0
    broken: str | None = None
    """Why the pass could not follow the grammar; the ranking was then forced at once."""
    finished: bool = False
    scores: np.ndarray | None = None
    """Probability of each candidate (C,) at the first ranking position."""
    prior_log_p: torch.Tensor | None = None
    """Parametric prior: log-probability of each candidate (C,) at the end of the prompt."""
    order: np.ndarray | None = None
    """The ranked candidates (C,), once the first ranking position has decided their order."""
    _call: int | None = None
    _ranking: int | None = None
    _made: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)
    """Answered calls, with their candidates sorted."""

    def __post_init__(self) -> None:
        candidates = [c for c in self.tools.candidates.tolist() if self.items.token_of[c] >= 0]
        self.candidates = np.array(candidates, dtype=np.int64)
        known = [int(h) for h in self.tools.history if self.items.token_of[h] >= 0]
        self._prompt = prompt(known, candidates)
        self._prompt[1] = str(min(len(self.tools.history), COUNTED))
        self.own = self.own or [False] * len(self.words)
        self._given = tuple(self.words)
        self._ranking = len(self.words) if self.words[-1:] == ["<recommend>"] else None

    def start(self) -> list[int]:
        """Tokens of the prompt."""
        return self.encode(self._prompt)

    def begin(self, logits: torch.Tensor) -> list[int]:
        """Take the logits (V,) at the end of the prompt; returns the tokens of the given words."""
        if self.checkpoint.prior and len(self.candidates):
            self.prior_log_p = logits[self.candidate_tokens()].float().cpu().log_softmax(0)
        return self.encode(self._given)

    def candidate_tokens(self) -> list[int]:
        """Tokens of the candidates (C,), in the prompt's order."""
        return self.encode([item_word(c) for c in self.candidates.tolist()])

    def encode(self, words: Sequence[str]) -> list[int]:
        """Tokens of these words; `<unk>` for books and numbers without a token. An import with other thresholds may have
        them in its evidence, never among its candidates."""
        vocabulary, token_of = self.checkpoint.vocabulary, self.items.token_of
        unknown = vocabulary[UNKNOWN]
        found = [
            vocabulary.get(w, unknown) if (row := item_row(w)) is None else int(token_of[row]) for w in words
        ]
        return [token if token >= 0 else unknown for token in found]

    def word(self, token: int) -> str:
        item = self.items.item_of.get(token)
        return self.checkpoint.words[token] if item is None else item_word(item)

    def allowed(self) -> np.ndarray | None:
        """Tokens that may come next, None if all words may."""
        if self.free:
            return None
        if self._ranking is not None:
            ranked = self.words[self._ranking :]
            return np.array(
                self.encode([item_word(c) for c in self.candidates.tolist() if item_word(c) not in ranked])
            )
        if self._call is not None and len(self.words) > self._call:
            return np.array(self.encode(self._going_on(self.words[self._call], self.words[self._call + 1 :])))
        left = [name for name in TOOLS if not self._spent(name)]
        if self._call is not None and len(left) < len(TOOLS):
            return np.sort(self.encode(left))
        return None if self.has_genres else self._without_genres()

    def _without_genres(self) -> np.ndarray:
        """Tokens that may follow on a shelf without genres, which training has not seen. Lines of its reflections break
        off more often. So a lift's count is followed by its total, no line is empty, and no step begins inside a
        line."""
        spoken = self.checkpoint.spoken_without_genres
        inside = next((w for w in reversed(self.words) if w in STEP_ENDS), "")
        if inside != "<reflection>":
            return spoken
        last, before = self.words[-1], "".join(self.words[-2:-1])
        if last.isdecimal() and before.startswith("x"):
            return self.checkpoint.wholes
        shut = STEP_ENDS - {"</reflection>"} | ({";"} if last in (";", inside) else set())
        return np.setdiff1d(spoken, self.encode(sorted(shut)))

    def _going_on(self, name: str, given: list[str]) -> list[str]:
        """Tokens that may follow inside a call: valid arguments, and its end unless the same call was answered before."""
        numbers = {"recent": WINDOWS, "item_cf": WINDOWS, "user_cf": ASKED}.get(name, ())
        if not given and numbers:
            fresh = [n for n in numbers if name == "item_cf" or (name, (n,)) not in self._made]
            return [str(n) for n in fresh or numbers]
        more: list[str] = []
        if name == "item_cf":
            more = [item_word(c) for c in self.candidates.tolist() if item_word(c) not in given]
        again = name in TOOLS and self._key([name, *given]) in self._made
        return more if again and more else ["</tool_call>", *more]

    def _key(self, inside: Sequence[str]) -> tuple[str, tuple[int, ...]]:
        """Key of a call; the order of its candidates does not count."""
        name, arguments = read_call(inside)
        return name, (*arguments[:1], *sorted(arguments[1:]))

    def _spent(self, name: str) -> bool:
        """Whether every call of this tool was made, or the tool has no answer because no book of the shelf has a genre."""
        if name in ("profile", "recent") and not self.has_genres:
            return True
        calls: dict[str, list[tuple[int, ...]]] = {
            "profile": [()],
            "recent": [(w,) for w in WINDOWS],
            "user_cf": [(n,) for n in ASKED],
        }
        return name in calls and all((name, arguments) in self._made for arguments in calls[name])

    @cached_property
    def has_genres(self) -> bool:
        """Whether any book of the shelf has a genre."""
        return bool(self.tools.genres(len(self.tools.history)))

    def advance(self, token: int) -> list[int]:
        """Append a token that the model chose; returns the tokens to insert after it: none, a tool's answer, or a
        closing tag."""
        put: list[str] = []
        if self.finished or token == self.checkpoint.eos:
            if self.finished or self.free or self._ranking is not None:
                self.finished = True
                return []
            self.broken = "ended before the ranking"
            word = ""
        else:
            word = self.word(token)
            self._add(word, True)
        if word == "<tool_call>":
            self._call = len(self.words)
        elif word == "</tool_call>" and self._call is not None:
            put = self._answer(self.words[self._call : -1])
            self._call = None
        elif word == "<recommend>":
            self._ranking = len(self.words)
        elif self._ranking is not None and not self.free:
            others = [] if self.order is None else self.order[1 : self.k].tolist()
            for w in map(item_word, others):
                self._add(w, True)
            if len(self.words) - self._ranking >= min(self.k, len(self.candidates)):
                put = ["</recommend>"]
                self.finished = True
        elif word == "</recommend>" and self.free:
            self.finished = True
        elif word == "</recommend>":
            self.broken = "a ranking was closed that had not begun"
        if (
            not self.finished
            and self._ranking is None
            and (sum(self.own) >= MAX_WRITTEN or self.broken)
            and not self.free
        ):
            self.broken = self.broken or f"no ranking after {MAX_WRITTEN} words"
            put += ["<recommend>"]
            self._ranking = len(self.words) + len(put)
        elif self.free and (sum(self.own) >= MAX_WRITTEN or self.broken):
            self.broken = self.broken or f"no ranking after {MAX_WRITTEN} words"
            self.finished = True
        for w in put:
            self._add(w, False)
        return self.encode(put)

    def _add(self, word: str, own: bool) -> None:
        self.words.append(word)
        self.own.append(own)

    def _answer(self, inside: Sequence[str]) -> list[str]:
        try:
            name, arguments = read_call(inside)
            response = self.tools.call(name, arguments)
        except (TraceError, ValueError) as error:
            self.broken = str(error)
            return []
        self.calls += 1
        self._made.add(self._key(inside))
        if self.calls > MAX_CALLS:
            self.broken = f"more than {MAX_CALLS} tool calls"
        return response_words(response)

    @property
    def at_ranking(self) -> bool:
        """The next token is the first of the ranking."""
        return self._ranking is not None and len(self.words) == self._ranking

    @property
    def open(self) -> bool:
        """Any word may come next."""
        return not self.at_ranking and self.allowed() is None


def choose(
    writer: GenerationState,
    logits: torch.Tensor,
    generator: np.random.Generator | None,
    temperature: float,
    draw_ranking: bool = False,
) -> int:
    """Next token from one row of logits (V,): the likeliest, or a draw at this temperature. The ranking is drawn only
    with `draw_ranking` (GRPO)."""
    if writer.at_ranking and writer.scores is None and len(writer.candidates):
        tokens = writer.candidate_tokens()
        seen = logits[tokens].float()
        if writer.prior_log_p is not None and not (writer.free or draw_ranking):
            weight = writer.checkpoint.prior
            seen = (seen.log_softmax(0) + weight * writer.prior_log_p) / (1 + weight)
        writer.scores = torch.softmax(seen, 0).numpy()
        if not writer.free:
            keys = seen.numpy()
            if draw_ranking and generator is not None and temperature > 0:
                # With Gumbel noise the order is a draw from the Plackett–Luce distribution.
                keys = keys / temperature + generator.gumbel(size=len(seen))
            falling = np.argsort(-keys, kind="stable")
            writer.order = writer.candidates[falling]
            return tokens[int(falling[0])]
    allowed = writer.allowed()
    settled = allowed is not None and writer._ranking is not None and not draw_ranking
    if allowed is None:  # a big base has tokens that are no words
        allowed = np.arange(len(logits)) if writer.free else writer.checkpoint.spoken
    part = logits[torch.from_numpy(allowed)]
    if generator is None or temperature <= 0 or settled:
        return int(allowed[int(part.argmax())])
    p = torch.softmax(part.float() / max(temperature, 1e-3), 0).numpy().astype(np.float64)
    return int(generator.choice(allowed, p=p / p.sum()))


def choose_many(
    writers: Sequence[GenerationState],
    logits: torch.Tensor,
    generators: Sequence[np.random.Generator | None],
    temperature: float,
    draw_ranking: bool = False,
) -> list[int]:
    """`choose` for every row of logits (B, V), with equal results. Unconstrained rows, the majority, are computed
    together on the model's device."""
    tokens = [-1] * len(writers)
    for free in (False, True):
        rows = [row for row, writer in enumerate(writers) if writer.free is free and writer.open]
        if not rows:
            continue
        part, spoken = logits[rows], writers[rows[0]].checkpoint.spoken
        whole = free or len(spoken) == logits.shape[1]
        if not whole:
            part = part[:, torch.from_numpy(spoken).to(part.device)]
        found = part.argmax(1).tolist()
        if temperature > 0 and any(generators[row] is not None for row in rows):
            below = torch.softmax(part.float() / max(temperature, 1e-3), 1).double().cumsum(1)
            drawn = [0.0 if (g := generators[row]) is None else g.random() for row in rows]
            at = torch.tensor(drawn, dtype=torch.float64, device=part.device)[:, None] * below[:, -1:]
            sampled = torch.searchsorted(below, at, right=True)[:, 0].tolist()
            found = [
                likeliest if generators[row] is None else token
                for row, likeliest, token in zip(rows, found, sampled, strict=True)
            ]
        for row, place in zip(rows, found, strict=True):
            tokens[row] = place if whole else int(spoken[place])
    for row, writer in enumerate(writers):
        if tokens[row] < 0:
            tokens[row] = choose(writer, logits[row].cpu(), generators[row], temperature, draw_ranking)
    return tokens


def passing(
    writer: GenerationState, seed: int | None, temperature: float = 0.7
) -> Generator[tuple[list[int], bool], torch.Tensor, None]:
    """The pass of one state as a coroutine: yields the tokens to read next and whether words were added since the last
    yield; takes the logits (V,) after them."""
    generator = None if seed is None else np.random.default_rng(seed)
    logits = yield writer.start(), False
    pending = writer.begin(logits)
    if pending:
        logits = yield pending, False
    while True:
        token = choose(writer, logits, generator, temperature)
        pending = [token, *writer.advance(token)]
        if writer.finished:
            return
        logits = yield pending, True


@torch.inference_mode()
def write(
    writer: GenerationState, seed: int | None = None, temperature: float = 0.7
) -> Iterator[GenerationState]:
    """Drive one state to its end; yields it after every word of the model and every inserted answer.

    Args:
        seed: None takes the likeliest word each time; otherwise words are drawn, the ranking is not.
    """
    model = writer.checkpoint.model
    cache, way = fresh_cache(model), passing(writer, seed, temperature)
    pending, _ = next(way)
    while not writer.finished:
        step = torch.tensor([pending], device=model.device)
        output = model(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
        try:
            pending, spoke = way.send(output.logits[0, -1].cpu())
        except StopIteration:
            spoke = True
        if spoke:
            yield writer


def fresh_cache(model: Any) -> Any:
    """The empty key–value cache of one pass through this network."""
    if isinstance(model, Compact):
        return Past()
    from transformers import DynamicCache

    return DynamicCache()


@torch.inference_mode()
def write_many(
    writers: Sequence[GenerationState],
    seeds: Sequence[int] | None = None,
    temperature: float = 0.7,
    draw_ranking: bool = False,
) -> None:
    """Drive many states to their ends. In each step every row reads equally many tokens (after the prompts: one), so
    rows stay aligned from position 0 and none is padded."""
    from star.student.prefix_cache import prefix_cache

    model = writers[0].checkpoint.model
    generators = [
        None if seeds is None else np.random.default_rng(seed) for seed in seeds or range(len(writers))
    ]
    queues, begun = [writer.start() for writer in writers], [False] * len(writers)
    cache = prefix_cache()
    read = 0
    while any(queues) and read < LONGEST:
        width = min(min(len(queue) for queue in queues if queue), AT_ONCE, LONGEST - read)
        step = torch.tensor([queue[:width] or [0] * width for queue in queues], device=model.device)
        for queue in queues:
            del queue[:width]
        read += width
        output = model(input_ids=step, past_key_values=cache, use_cache=True, logits_to_keep=1)
        for row, queue in enumerate(queues):
            if not (queue or begun[row]):
                begun[row] = True
                queue += writers[row].begin(output.logits[row, -1])
        rows = [row for row, queue in enumerate(queues) if not queue and not writers[row].finished]
        tokens = choose_many(
            [writers[row] for row in rows],
            output.logits[rows, -1],
            [generators[row] for row in rows],
            temperature,
            draw_ranking,
        )
        for row, token in zip(rows, tokens, strict=True):
            queues[row] += [token, *writers[row].advance(token)]
            if writers[row].finished:
                queues[row].clear()
    for writer in writers:
        if not writer.finished:
            writer.broken = writer.broken or f"not finished after {LONGEST} tokens"
