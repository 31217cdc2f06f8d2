"""The figures of the tab Learn, as escaped HTML: eight steps from the graph of readers to the advantages of GRPO."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from star.data.catalog import Catalog
from star.display import bdi
from star.evidence.claims import STRENGTHS, Claim, sentence
from star.recommend.readable import NAMES
from star.recommend.recommendation import Recommendation
from star.ui.lesson import Attempt, Lesson
from star.ui.views.tables import table

MOST_BOOKS = 12  # in the picture of the graph
ROW = 26  # of that picture, in pixels


def bipartite(lesson: Lesson, readers: int) -> str:
    """So many readers of the graph, and the items that most of them have, as SVG."""
    w, matrix = lesson.dataset.catalog.words, lesson.graph.matrix[:readers]
    counts = np.asarray(matrix.sum(0)).ravel()
    items = [int(i) for i in np.argsort(-counts, kind="stable")[:MOST_BOOKS] if counts[i]]
    height = ROW * max(readers, len(items)) + 20
    at = {item: 20 + ROW * n for n, item in enumerate(items)}
    lines, names = [], []
    for reader in range(matrix.shape[0]):
        y = 20 + ROW * reader
        names.append(f'<text x="92" y="{y + 4}" text-anchor="end">{escape(w.user)} {reader + 1}</text>')
        for item in matrix[reader].indices.tolist():
            if item in at:
                lines.append(f'<line x1="100" y1="{y}" x2="330" y2="{at[item]}"/>')
    for item, y in at.items():
        title = lesson.dataset.catalog[item].title
        names.append(f'<text x="338" y="{y + 4}">{escape(title[:42])} ({int(counts[item])})</text>')
    said = f"{matrix.shape[0]} {w.users}, {len(items)} {w.items}, {len(lines)} lines"
    return (
        f'<svg class="star-learn-graph" viewBox="0 0 640 {height}" role="img" aria-label="{escape(said)}">'
        f"{''.join(lines)}{''.join(names)}</svg><p>{escape(said)}.</p>"
    )


def walk(lesson: Lesson, item: int) -> str:
    """From one item to its readers, and on to what else they have: by number, and against chance."""
    catalog, w = lesson.dataset.catalog, lesson.dataset.catalog.words
    found = lesson.co_readers(item)
    often = found[:6]
    above = sorted((f for f in found if f[1] >= 5), key=lambda f: -f[2])[:6]
    heads = (escape(w.item), f"{escape(w.users)} of both", "times what chance would give")

    def rows(some: Sequence[tuple[int, int, float]]) -> list[tuple[str, str, str]]:
        return [(bdi(catalog[i].title), f"{both:,}", f"{lift:.1f}") for i, both, lift in some]

    readers = f"{int(lesson.graph.counts[item]):,} {w.users} of {catalog[item].title}"
    return (
        f"<p>{bdi(readers)} lead on to:</p><div class='star-learn-two'>"
        + table("Most often read by the same people", heads, rows(often))
        + table("Most above chance, five people at least", heads, rows(above))
        + "</div>"
    )


def chance(lesson: Lesson, both: int) -> str:
    """The lift of a pair were it read by so many readers of both, with its interval."""
    anchor, item = lesson.pair
    catalog, w = lesson.dataset.catalog, lesson.dataset.catalog.words
    lift, low, high = lesson.lift(both)
    of, own = int(lesson.graph.counts[anchor]), int(lesson.graph.counts[item])
    sure = (
        "The whole interval lies above 1: more than chance."
        if low > 1
        else "The whole interval lies below 1: less than chance."
        if high < 1
        else "The interval holds 1: this may be chance."
    )
    return (
        f"<p>{bdi(catalog[anchor].title)} has {of:,} {escape(w.users)}, {bdi(catalog[item].title)} has {own:,}, of "
        f"{lesson.graph.n_readers:,} in all. By chance {of * own / lesson.graph.n_readers:.1f} would have both.</p>"
        f"<p class='star-learn-big'>{lift:.2f} times</p><p>95 % interval {low:.2f} to {high:.2f}. {sure}</p>"
    )


def said(lesson: Lesson, strength: int, place: int) -> str:
    """A signal as the words that teacher and student exchange, and as the sentence that people read."""
    _, item = lesson.pair
    word = STRENGTHS[strength - 1]
    claim = Claim("whole", item, numbers={"rank": place, "among": 20}, strength=word)
    return (
        f"<p>As words of the trace: <code>&lt;i{item}&gt; whole_{word} #{place}/20</code></p>"
        f"<p class='star-learn-big'>{escape(sentence(claim, lesson.dataset.catalog))}.</p>"
    )


def turns(answer: Recommendation, shown: int) -> str:
    """The first steps of an answer, one after the other."""
    steps = answer.steps[:shown]
    body = "".join(
        f"<li><b>{escape(NAMES[step.type])}</b> {bdi(step.text[:400])}{'…' if len(step.text) > 400 else ''}</li>"
        for step in steps
    )
    return f"<ol class='star-learn-steps'>{body}</ol><p>{len(steps)} of {len(answer.steps)} steps.</p>"


def kept(lesson: Lesson, most: int) -> str:
    """Which of the teacher's trajectories become training data when the item really read must be among so many."""
    catalog, w = lesson.dataset.catalog, lesson.dataset.catalog.words
    rows = []
    for n, (task, place) in enumerate(lesson.trajectories, 1):
        good = place is not None and place <= most
        where = "beyond 10" if place is None else str(place)
        rows.append(
            (f"{escape(w.user)} {n}", bdi(catalog[task.target].title), where, "kept" if good else "dropped")
        )
    number = sum(row[3] == "kept" for row in rows)
    heads = (escape(w.user), f"really {escape(w.past)} next", "the teacher's place", "trajectory")
    return table(f"{number} of {len(rows)} are kept", heads, rows)


def mask(answer: Recommendation, everything: bool) -> str:
    """A trace with the words that count in the loss marked."""
    parts = []
    for step in answer.steps:
        counts = everything or step.type != "tool_response"
        text = bdi(step.text[:300] + ("…" if len(step.text) > 300 else ""))
        name = escape(NAMES[step.type])
        parts.append(f"<p class='{'counts' if counts else 'masked'}'><b>{name}</b> {text}</p>")
    own = sum(step.tokens for step in answer.steps if step.type != "tool_response")
    whole = sum(step.tokens for step in answer.steps)
    return (
        f"<div class='star-learn-mask'>{''.join(parts)}</div><p>{whole if everything else own} of {whole} words count. "
        "The others are read, and not learned.</p>"
    )


def advantages(attempts: Sequence[Attempt], catalog: Catalog, cost: float) -> str:
    """Several answers to one question: their rewards, and each reward less the mean."""
    rewards = [attempt.reward(cost) for attempt in attempts]
    mean = float(np.mean(rewards)) if rewards else 0.0
    rows = [
        (
            str(attempt.seed),
            bdi(catalog[attempt.first].title),
            "not named" if attempt.place is None else str(attempt.place),
            f"{attempt.true} of {attempt.stated}",
            f"{reward:.2f}",
            f"{reward - mean:+.2f}",
        )
        for attempt, reward in zip(attempts, rewards, strict=True)
    ]
    heads = ("answer", "first choice", "place of the right one", "true statements", "reward", "advantage")
    return table(f"Mean reward {mean:.2f}; answers above it become likelier", heads, rows)
