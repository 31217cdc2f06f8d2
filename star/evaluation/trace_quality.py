"""Validity, claim precision, claim recall and diversity of traces; latency of the served student.

Only words of the model count, not those of the tools. Measured with constrained decoding as on the page (`served`: calls'
arguments and the ranking must be valid) and with unconstrained decoding (`free`).
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from star.data.tasks import Task
from star.evaluation.answers import read_trace
from star.evidence.verification import check
from star.methods.student import BATCH, StarRanker
from star.recommend.recommendation import Query
from star.recommend.recommender import Recommender
from star.student.decoding import write_many
from star.trace.citation import citations

NUMBER = re.compile(r"([x/]|author_|series_|sequel_)?\d")
Progress = Callable[[str, int, int], None]


def quality(
    ranker: StarRanker, tasks: Sequence[Task], progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Trace quality on these tasks, constrained and unconstrained.

    Returns:
        n; per mode, among others: `claims` (the model's own), `claim_precision` (share of them that the graph supports);
        `claim_recall` (share of the tools' lines about recommended items that the reflection quotes); `calls`,
        `call_validity` (share of calls with an existing tool and valid arguments); `lines` (of reflections),
        `distinct_lines` and `distinct_plans` (shares of different ones). Distinct shares fall with the number of traces:
        compare them on equal numbers.
    """
    return {
        "n": len(tasks),
        "served": _mode(ranker, tasks, False, progress),
        "free": _mode(ranker, tasks, True, progress),
    }


def _mode(ranker: StarRanker, tasks: Sequence[Task], free: bool, progress: Progress) -> dict[str, Any]:
    verdicts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    faults: list[str] = []
    numbers, written, calls, attempts = [], [], [], 0
    plans: list[tuple[str, ...]] = []
    lines: list[tuple[str, ...]] = []
    cited = there = 0
    for start in range(0, len(tasks), BATCH):
        writers = ranker.states(tasks[start : start + BATCH], free=free)
        write_many(writers)
        progress("free traces" if free else "traces", start + len(writers), len(tasks))
        for writer in writers:
            trace = read_trace(writer)
            written.append(sum(writer.own))
            calls.append(writer.calls)
            attempts += sum(
                own and w == "<tool_call>" for w, own in zip(writer.words, writer.own, strict=True)
            )
            if isinstance(trace, str):
                faults.append(trace)
                continue
            own = [claim for step in trace.steps if step.type != "tool_response" for claim in step.claims]
            for claim in own:
                verdict = check(claim, writer.tools).verdict
                verdicts[verdict] += 1
                if verdict == "unsupported":
                    wrong[claim.kind] += 1
            words = (w for s in trace.steps if s.type == "reflection" for w in s.words)
            quoted = [w for w in words if NUMBER.match(w)]
            numbers.append(len(quoted))
            said = citations(trace, len(writer.tools.history))
            some, of = said.recall(trace.ranking)
            cited, there = cited + some, there + of
            lines += [line.words for line in said.written]
            plans.append(trace.steps[0].words)
    checked = verdicts["supported"] + verdicts["unsupported"]
    return {
        "valid": 1 - len(faults) / len(tasks),
        "faults": dict(Counter(faults).most_common(5)),
        "claims": checked,
        "claim_precision": verdicts["supported"] / checked if checked else None,
        "unsupported_by_kind": dict(wrong),
        "opinions": verdicts["opinion"],
        "numbers_quoted": float(np.mean(numbers)) if numbers else None,
        "four_numbers": float(np.mean(np.array(numbers) >= 4)) if numbers else None,
        "generated_tokens": float(np.mean(written)),
        "tool_calls": float(np.mean(calls)),
        "calls": attempts,
        "call_validity": sum(calls) / attempts if attempts else None,
        "claim_recall": cited / there if there else None,
        "lines": len(lines),
        "distinct_lines": len(set(lines)) / len(lines) if lines else None,
        "distinct_plans": len(set(plans)) / len(plans) if plans else None,
    }


def latency(star: Recommender, readers: Sequence[int], limit: int = 30) -> dict[str, float]:
    """Median seconds to the first word and to the end of an answer, one query at a time, with retrieved candidates."""
    first, total = [], []
    for reader in readers[: limit + 1]:
        history = star.dataset.interactions.history(int(reader))
        began, seen = time.perf_counter(), None
        for snapshot in star.stream(Query(tuple(history.tolist()), int(reader))):
            seen = seen if seen is not None or not snapshot.text else time.perf_counter() - began
        first.append(seen or 0.0)
        total.append(time.perf_counter() - began)
    return {
        "n": len(first) - 1,
        "first_word_s": float(np.median(first[1:])),
        "total_s": float(np.median(total[1:])),
    }
