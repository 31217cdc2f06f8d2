"""The figures of the tab Learn, as escaped HTML: eight steps from the graph of readers to the advantages of GRPO."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from star.data.catalog import Catalog
from star.data.tasks import Task
from star.data.words import capital
from star.display import bdi, html, isolating
from star.evidence.claims import STRENGTHS, Claim, sentence
from star.recommend.readable import NAMES, called, plural, ranked
from star.recommend.recommendation import Recommendation, StepView, names_in
from star.ui.lesson import Attempt, Lesson
from star.ui.views.tables import table

MOST_BOOKS = 12  # in the picture of the graph
ROW = 26  # of that picture, in pixels
UNFOLDED = 4  # sentences of a step that show; the others fold away


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
        f"{''.join(lines)}{''.join(names)}</svg><p>{escape(said)}. {_popular(lesson)}</p>"
    )


def _popular(lesson: Lesson) -> str:
    """How many of all lines the most popular tenth of the items has."""
    counts, items = lesson.graph.counts, lesson.dataset.catalog.words.items
    tenth = -(-len(counts) // 10)
    part = np.sort(counts)[::-1][:tenth].sum() / max(counts.sum(), 1)
    return escape(
        f"The whole graph holds {lesson.counted}, those that nothing is tested on. "
        f"There, the most popular tenth of the {items} ({tenth:,} of {len(counts):,}) has {100 * part:.0f} % of all lines."
    )


def walk(lesson: Lesson, place: int) -> str:
    """From one item of the shelf to its readers, and on to what else they have: by number, and against chance."""
    catalog, w, shelf = lesson.dataset.catalog, lesson.dataset.catalog.words, lesson.shelf
    place = min(place, len(shelf))
    item = shelf[place - 1]
    found = lesson.co_readers(item)
    often = found[:6]
    above = sorted((f for f in found if f[1] >= 5), key=lambda f: -f[2])[:6]
    heads = (escape(w.item), f"{escape(w.users)} of both", "times what chance would give")

    def rows(some: Sequence[tuple[int, int, float]]) -> list[tuple[str, str, str]]:
        return [(bdi(catalog[i].title), f"{both:,}", f"{lift:.1f}") for i, both, lift in some]

    whose = f"The {w.shelf} is that of {w.user} {lesson.reader + 1}, whom the graph leaves out."
    which = f"Its {w.item} {place} of {len(shelf)}:"
    has = plural(int(lesson.graph.counts[item]), w.user, w.users)
    return (
        f"<p>{escape(whose)} {escape(which)} <b>{bdi(catalog[item].title)}</b></p>"
        f"<p>It has {escape(has)} in the graph. They lead on to:</p><div class='star-learn-two'>"
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
        f"<p>{bdi(catalog[anchor].title)} has {of:,} {escape(w.users)}, {bdi(catalog[item].title)} has {own:,}. "
        f"At most {lesson.most_of_both:,} can have both. By chance {of * own / lesson.graph.n_readers:.1f} would.</p>"
        f"<p>The graph counts {escape(lesson.counted)}: those that nothing is tested on.</p>"
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


def turns(answer: Recommendation, catalog: Catalog, shown: int) -> str:
    """The first steps of an answer in sentences, one after the other."""
    steps = answer.steps[:shown]
    body = "".join(
        f"<li><b>{escape(NAMES[step.type])}</b>{_told(answer, step, catalog)}</li>" for step in steps
    )
    return f"<ol class='star-learn-steps'>{body}</ol><p>{len(steps)} of {len(answer.steps)} steps.</p>"


def _told(answer: Recommendation, step: StepView, catalog: Catalog) -> str:
    """What a step says, as a list of sentences; where there are many, all but the first fold away."""
    if step.type == "tool_call":
        texts = [called(step, catalog.words)]
    elif step.type == "recommend":
        texts = [f"{n}. {title}" for n, title in enumerate(ranked(step.text), 1)]
    else:
        texts = [answer.claims[index].text for index in step.claims] or [step.text]
    named = isolating(names_in(answer, catalog))
    lines = [f"<li>{html(named(capital(text)))}</li>" for text in texts]
    if len(lines) <= UNFOLDED + 1:
        return f"<ul>{''.join(lines)}</ul>"
    first, rest = "".join(lines[:UNFOLDED]), "".join(lines[UNFOLDED:])
    more = f"<summary>{len(lines) - UNFOLDED} more sentences</summary>"
    return f"<ul>{first}</ul><details>{more}<ul>{rest}</ul></details>"


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
    some = f"{own:,} of {whole:,} words count. The others are read, and not learned."
    every = f"All {whole:,} words count, those of the tools among them."
    return f"<div class='star-learn-mask'>{''.join(parts)}</div><p>{every if everything else some}</p>"


def advantages(attempts: Sequence[Attempt], task: Task, catalog: Catalog, cost: float) -> str:
    """Several answers to one question: their rewards, and each reward less the mean."""
    w, right = catalog.words, bdi(catalog[task.target].title)
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
    heads = ("answer", "first choice", f"place of {right}", "true statements", "reward", "advantage")
    known = f"{capital(w.user)} {task.reader + 1} really {w.past} this {w.item} next:"
    one = len({attempt.first for attempt in attempts}) == 1 < len(attempts)
    alike = "All have the same first choice. Their later places and their statements may still differ." if one else ""
    return (
        f"<p>{escape(known)} <b>{right}</b>. It is the right one.</p>"
        + table(f"Mean reward {mean:.2f}; answers above it become likelier", heads, rows)
        + f"<p>{alike}</p>" * one
    )
