"""Group relative policy optimisation (GRPO, arXiv 2402.03300) of the slot student on kept lists.

    python -m training.slots.slot_grpo --lists runs/slots/lists --start runs/slots/checkpoint --out runs/slots/grpo

Each list is answered several times, words drawn by their probabilities. An answer's advantage is its reward less the mean of
its list (without division by the spread, as Dr. GRPO, arXiv 2503.20783). The second reading learns from the same answers and
from soft targets. The words that a rule would write keep a small weight, so that the language stays.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from star.errors import command
from star.student.checkpoint import SLOTS as FORM
from star.student.checkpoint import read_about
from star.student.compact import Past
from star.student.paragraphs import Paragraph, Reading, Request, discuss, draw, shortlist, together, wait_for
from star.student.slot_network import SlotCheckpoint
from star.student.slots import DISCUSSED, END, REFLECTION, SILENT, SLOTS, VOCABULARY, Tokens, plan
from star.student.slotted import reread
from training.slots.measure import hit_mean
from training.slots.network import SlotStudent, losses, padded, save
from training.slots.sequences import Lists, look, make, place_in, ranked_by
from training.slots.sequences import Sequence as Written
from training.slots.sequences import reread as second_reading
from training.slots.train import read_lists

V = VOCABULARY
FALSE = 0.1  # reward lost for each false statement
WORD = 0.002  # and for each word
KEPT = 0.2  # weight of the words that a rule would write


@dataclass
class Rollout:
    """One answer to a list: the words behind `<shortlist>`, and which words were allowed where one was chosen."""

    row: int
    order: np.ndarray
    """Column of each slot."""
    prefix: Tokens
    heard: dict[int, list[int]]
    rng: np.random.Generator | None
    """None: the likeliest words."""
    words: Tokens = field(default_factory=Tokens)
    allowed: list[torch.Tensor | None] = field(default_factory=list)
    paragraphs: list[Paragraph] = field(default_factory=list)
    _asked: torch.Tensor | None = None

    def choose(self, logits: torch.Tensor, allowed: torch.Tensor) -> int:
        self._asked = allowed
        if self.rng is not None:
            return draw(self.rng, logits, allowed)
        return int(torch.where(allowed, logits, -torch.inf).argmax())

    def write(self, word: int, slot: int, past: Past) -> Reading:
        self.words.add(word, slot)
        self.allowed.append(self._asked)
        self._asked = None
        return wait_for(word, slot, past)

    def written(self, past: Past, logits: torch.Tensor) -> Generator[Request | None, torch.Tensor, None]:
        """Shortlist and paragraphs, behind a cache that holds the prefix."""
        slots = range(1, len(self.order) + 1)
        named = yield from shortlist(
            self.choose, self.write, logits, slots, min(DISCUSSED, len(slots)), past
        )
        logits = yield from self.write(V.number[REFLECTION], 0, past)
        left = list(named)
        while left:
            paragraph, logits = yield from discuss(self.choose, self.write, logits, left, named, past)
            left.remove(paragraph.slot)
            self.paragraphs.append(paragraph)
        yield from self.write(V.number[END], 0, past)

    @property
    def said(self) -> dict[int, Tokens]:
        return {paragraph.slot: paragraph.said for paragraph in self.paragraphs}


def rollouts(
    checkpoint: SlotCheckpoint,
    lists: Lists,
    rows: Sequence[int],
    each: int,
    rng: np.random.Generator,
    greedy: bool = False,
) -> list[Rollout]:
    """`each` answers to every list; the slots of a list are the same in all of its answers."""
    network, out, writings = checkpoint.network, list[Rollout](), []
    for row in rows:
        order = rng.permutation(int((lists.place[row, :, 0] > 0).sum()))
        prefix, heard = look(lists, row, order, plan(int(lists.length[row])))
        past = Past()
        logits = network.read(prefix, past)
        for _ in range(each):
            made = Rollout(
                row, order, Tokens(list(prefix.words), list(prefix.slots)), heard,
                None if greedy else np.random.default_rng(rng.integers(2**63)),
            )  # fmt: skip
            writings.append(made.written(_copy(past), logits))
            out.append(made)
    together(network, writings)
    return out


def _copy(past: Past) -> Past:
    return Past(past.length, [(keys.clone(), values.clone()) for keys, values in past.kept])


def false_statements(rollout: Rollout) -> int:
    """Statements and comparisons that what was heard refutes or does not hold."""
    wrong = 0
    for paragraph in rollout.paragraphs:
        heard = rollout.heard.get(paragraph.slot, [])
        for word in paragraph.stated:
            wrong += bool(heard) if word == V.number[SILENT] else word not in heard
        if paragraph.over is not None:
            other, kind = paragraph.over
            mine, theirs = (_place(rollout.heard.get(slot, []), kind) for slot in (paragraph.slot, other))
            wrong += mine >= theirs
    return wrong


def _place(words: Sequence[int], kind: int) -> int:
    """Place in a kind of signal; behind all others where it is silent."""
    return next((place_in(word) for word in words if ranked_by(word) == kind), SLOTS + 1)


def reward(rollout: Rollout, lists: Lists, shares: Sequence[float]) -> float:
    """Gain of NDCG by the target, half the next item and half the trees' probabilities; less false statements and words.

    Args:
        shares: probability of each discussed slot at the first place, by the second reading.
    """
    target = lists.soft[rollout.row, rollout.order].astype(np.float64)
    target = 0.5 * target / target.sum()
    target[np.flatnonzero(rollout.order == lists.target[rollout.row])[0]] += 0.5
    slots = list(rollout.said)
    best = sorted(range(len(slots)), key=lambda n: -shares[n])
    outcome = sum(target[slots[n] - 1] / np.log2(2 + place) for place, n in enumerate(best))
    return float(outcome - FALSE * false_statements(rollout) - WORD * len(rollout.words))


def policy_loss(model: SlotStudent, made: Sequence[Rollout], advantage: np.ndarray) -> torch.Tensor:
    """Minus the mean over all chosen words of advantage times log-probability among the allowed ones."""
    whole = [
        Tokens(r.prefix.words + r.words.words, r.prefix.slots + r.words.slots) for r in made
    ]
    hidden, output = model(*padded(whole))
    at, words, masks, gains = [], [], [], []
    for n, rollout in enumerate(made):
        for place, allowed in enumerate(rollout.allowed):
            if allowed is not None:
                at.append((n, len(rollout.prefix) + place - 1))
                words.append(rollout.words.words[place])
                masks.append(allowed)
                gains.append(advantage[n])
    row, place_of = torch.tensor(at).T
    logits = (hidden[row, place_of] @ output.T).masked_fill(~torch.stack(masks), -torch.inf)
    chosen = logits.log_softmax(-1).gather(1, torch.tensor(words)[:, None])[:, 0]
    return -(torch.tensor(gains, dtype=torch.float32) * chosen).mean()


def second_readings(made: Sequence[Rollout], lists: Lists, rng: np.random.Generator) -> list[Written]:
    """The second reading of each answer, with the soft target among what it discusses."""
    out = []
    for rollout in made:
        said = rollout.said
        sequence = second_reading(said, [int(slot) for slot in rng.permutation(list(said))])
        weights = np.zeros(len(rollout.order))
        inside = [slot - 1 for slot in said]
        weights[inside] = lists.soft[rollout.row, rollout.order][inside].astype(np.float64) + 1e-6
        sequence.choose(int(weights.argmax()) + 1, weights, "rank")
        out.append(sequence)
    return out


def snapshot(model: SlotStudent) -> SlotCheckpoint:
    """The student as it answers now."""
    from star.student.slot_network import SlotNetwork

    tensors = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return SlotCheckpoint("now", SlotNetwork(model.sizes(), tensors), {})


def measured(checkpoint: SlotCheckpoint, lists: Lists, most: int, seed: int = 0) -> dict[str, float]:
    """How the student's own answers rank, and how much of what they state is true; at most so many lists."""
    rows = np.random.default_rng(seed).permutation(len(lists.target))[:most]
    rng, rank, stated, wrong, words = np.random.default_rng(seed), [], 0, 0, 0
    for start in range(0, len(rows), 64):
        for rollout in rollouts(checkpoint, lists, rows[start : start + 64].tolist(), 1, rng, greedy=True):
            said = rollout.said
            shares = dict(zip(said, reread(checkpoint, said), strict=True))
            target = int(np.flatnonzero(rollout.order == lists.target[rollout.row])[0]) + 1
            own = shares.get(target)
            rank.append(SLOTS - 1 if own is None else sum(share > own for share in shares.values()))
            stated += sum(len(p.stated) + (p.over is not None) for p in rollout.paragraphs)
            wrong += false_statements(rollout)
            words += len(rollout.words)
    few = replace(lists, scenario=lists.scenario[rows], kind=lists.kind[rows])
    return {
        "mean": round(hit_mean(few, np.array(rank)), 4),
        "true": round(1 - wrong / max(stated, 1), 4),
        "words": round(words / max(len(rows), 1), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lists", required=True, help="folder of the lists")
    parser.add_argument("--start", required=True, help="folder of the checkpoint to go on from")
    parser.add_argument("--out", required=True, help="folder of the checkpoint")
    parser.add_argument("--minutes", type=float, default=20.0, help="end after so many")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=8, help="lists a step")
    parser.add_argument("--each", type=int, default=8, help="answers to a list")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure", type=int, default=1_300, help="validation lists that are answered, at most")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    train, valid = read_lists(Path(args.lists))
    stored = load_file(Path(args.start) / "model.safetensors")
    model = SlotStudent.like(Path(args.start))
    model.load_state_dict({name: value.float() for name, value in stored.items()})
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.95), weight_decay=0.0)
    rng = np.random.default_rng(args.seed)
    share = np.array([weight for weight, _ in train])
    begun, seen = time.monotonic(), list[dict[str, float]]()
    before = {name: measured(snapshot(model), lists, args.measure) for name, lists in valid.items()}
    print("before", json.dumps(before), flush=True)
    steps = 0
    for step in range(args.steps):
        done = max(step / args.steps, (time.monotonic() - begun) / 60 / args.minutes)
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1.0, (step + 1) / 10) * min(1.0, 2 * (1 - done))
        lists = train[int(rng.choice(len(train), p=share / share.sum()))][1]
        seen.append(_step(model, optimiser, lists, args.batch, args.each, rng))
        steps += 1
        if steps % 20 == 0:
            means = {name: round(float(np.mean([s[name] for s in seen])), 3) for name in seen[0]}
            print(steps, round((time.monotonic() - begun) / 60, 1), json.dumps(means), flush=True)
            seen = []
    after = {name: measured(snapshot(model), lists, args.measure) for name, lists in valid.items()}
    print("after", json.dumps(after), flush=True)
    stages: dict[str, Any] = dict(read_about(Path(args.start))["stages"])
    settings = {name: vars(args)[name] for name in ("batch", "each", "rate", "minutes", "seed", "threads")}
    stages["grpo"] = {**settings, "steps": steps, "validation": {"before": before, "after": after}}
    save(model, Path(args.out), {"form": FORM, "stages": stages})


def _step(
    model: SlotStudent, optimiser: torch.optim.Optimizer, lists: Lists, batch: int, each: int, rng: np.random.Generator
) -> dict[str, float]:  # fmt: skip
    """One step on lists of one catalogue; what it saw."""
    rows = rng.integers(len(lists.target), size=batch).tolist()
    checkpoint = snapshot(model)
    made = rollouts(checkpoint, lists, rows, each, rng)
    rewards = np.array([reward(r, lists, reread(checkpoint, r.said, 1)) for r in made])
    advantage = (rewards.reshape(batch, each) - rewards.reshape(batch, each).mean(1, keepdims=True)).ravel()
    policy = policy_loss(model, made, advantage)
    ranked = losses(model, second_readings(made[::2], lists, rng))["rank"][0]
    ruled = losses(model, [make(lists, row, rng)[0] for row in rows])
    kept = KEPT * sum(value[0] for value in ruled.values())
    (policy + ranked + kept).backward()  # type: ignore[union-attr]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad()
    wrong = np.mean([false_statements(r) for r in made])
    return {
        "reward": float(rewards.mean()),
        "spread": float(advantage.std()),
        "false": float(wrong),
        "words": float(np.mean([len(r.words) for r in made])),
        "rank": float(ranked.detach()),
    }


if __name__ == "__main__":
    command(main)
