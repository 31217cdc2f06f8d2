"""Whether the student's ranking follows the words that it wrote, and whether the words are true.

Only the student's own words count. Its place among candidates and its paragraphs are shuffled, and what it wrote of two
items is exchanged; the second reading then ranks again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from star.data.tasks import Task
from star.evaluation.metrics import mean_hit_rate
from star.evidence.verification import check
from star.methods.student import StarRanker
from star.student.generation import TOGETHER, GenerationState, reread, write_all
from star.student.vocabulary import VOCABULARY, Tokens
from star.trace.grammar import TraceError
from star.trace.steps import parse

Progress = Callable[[str, int, int], None]


def own_words(
    ranker: StarRanker, tasks: Sequence[Task], given: Sequence[GenerationState], progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """
    Args:
        given: the answers to these tasks, as `answered` gives them.

    Returns:
        n; `valid`: share of answers in which no likelier word broke the grammar; `claims`, `claim_precision`,
        `comparisons`, `comparisons_true`; `discussed`: share of answers that discuss the first recommended item, and all;
        `reordered`, `shuffled`: share with the same first choice for candidates in other slots, and for paragraphs
        in another order; `exchanged`: share in which the first two turn when what is stated of them is exchanged;
        `heard`, `words`: mean hit rate of the first look and of the ranking; generated and prefilled tokens; `plans`.
    """
    verdicts: Counter[tuple[str, str]] = Counter()
    counts: Counter[str] = Counter()
    ranks: dict[str, list[int]] = {"heard": [], "words": []}
    sizes = []
    plans = set()
    reordered = answered(ranker, tasks, 1, progress)
    for task, state, other in zip(tasks, given, reordered, strict=True):
        counts["valid"] += state.broken is None and readable(state)
        counts["first discussed"] += state.order[0] in discussed(state)
        counts["all discussed"] += set(state.order[:5]) <= discussed(state)
        counts["reordered"] += other.order[0] == state.order[0]
        counts["shuffled"] += first_of(state, dict(reversed(state.paragraphs.items()))) == state.order[0]
        if len(state.order) > 1:
            counts["exchangeable"] += 1
            counts["exchanged"] += first_of(state, exchanged(state)) == state.order[1]
        for claim in own_claims(state):
            verdicts["over" if claim.kind == "over" else "quote", check(claim, state.tools).verdict] += 1
        looked = [item for item, _ in sorted(state.heard.items(), key=lambda pair: -pair[1])]
        looked += sorted(c for c in task.candidates if c not in state.heard)  # out of sight after the first look
        rest = [c for c in looked if c not in state.order]
        ranks["heard"].append(looked.index(task.target) + 1)
        ranks["words"].append([*state.order, *rest].index(task.target) + 1)
        sizes.append((state.generated, state.prefilled))
        plans.add(" ".join(state.words[: state.words.index("</plan>")]))
    n = max(len(tasks), 1)
    quotes = sum(verdicts["quote", v] for v in ("supported", "unsupported"))
    over = sum(verdicts["over", v] for v in ("supported", "unsupported"))
    generated, prefilled = np.mean(sizes, 0).tolist()
    return {
        "n": len(tasks),
        "valid": counts["valid"] / n,
        "claims": quotes,
        "claim_precision": verdicts["quote", "supported"] / quotes if quotes else None,
        "comparisons": over,
        "comparisons_true": verdicts["over", "supported"] / over if over else None,
        "discussed": {"first": counts["first discussed"] / n, "all": counts["all discussed"] / n},
        "reordered": counts["reordered"] / n,
        "shuffled": counts["shuffled"] / n,
        "exchanged": counts["exchanged"] / max(counts["exchangeable"], 1),
        **{name: float(mean_hit_rate(np.array(values)).mean()) for name, values in ranks.items()},
        "generated_tokens": generated,
        "prefilled_tokens": prefilled,
        "plans": len(plans),
    }


def answered(
    ranker: StarRanker, tasks: Sequence[Task], draw: int = 0, progress: Progress = lambda *_: None
) -> list[GenerationState]:
    """The answers to these tasks, with the candidates in the slots of this draw."""
    out: list[GenerationState] = []
    for start in range(0, len(tasks), TOGETHER):
        progress(f"answers in slots {draw}", start, len(tasks))
        some = list(ranker.states(tasks[start : start + TOGETHER], draw))
        write_all(some)
        out += some
    return out


def readable(state: GenerationState) -> bool:
    try:
        parse(state.words, len(state.tools.history), min(state.k, len(state.order)))
    except TraceError:
        return False
    return True


def own_claims(state: GenerationState) -> list[Any]:
    """Claims of the reflections."""
    trace = parse(state.words, len(state.tools.history), min(state.k, len(state.order)))
    return [claim for step in trace.steps if step.type == "reflection" for claim in step.claims]


def discussed(state: GenerationState) -> set[int]:
    return {state.slots[slot - 1] for slot, said in state.paragraphs.items() if len(said) > 2}


def first_of(state: GenerationState, paragraphs: dict[int, Tokens]) -> int:
    """The first choice of a second reading of these paragraphs."""
    shares = reread(state.checkpoint, paragraphs)
    return state.slots[list(paragraphs)[int(np.argmax(shares))] - 1]


def exchanged(state: GenerationState) -> dict[int, Tokens]:
    """The paragraphs with what is stated of the first two items exchanged; comparisons are left out of both."""
    slot_of = state.slot_of
    one, other = (slot_of[item] for item in state.order[:2])
    out = dict(state.paragraphs)
    for slot, source in ((one, other), (other, one)):
        said = Tokens()
        said.add(VOCABULARY.slot(slot), slot)
        for word in state.paragraphs[source].words[1:-1]:
            if word == VOCABULARY.number["over"]:
                break
            said.add(word, slot)
        said.add(VOCABULARY.number[";"], slot)
        out[slot] = said
    return out
