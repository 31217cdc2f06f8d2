"""A trace word by word, as data that `assets/js/stepper.js` plays. Text enters the page as text. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from star.data.catalog import Catalog
from star.data.words import Words, capital
from star.display import isolated
from star.recommend.readable import NAMES, called
from star.recommend.recommendation import Recommendation, StepView
from star.trace.grammar import StepType, TraceError, item_row, spoken
from star.trace.steps import steps_of

WAITS = "The answer is being written. This takes some seconds."


def played(answer: Recommendation, catalog: Catalog, title: str) -> dict[str, Any]:
    """
    Returns:
        `title`, and `steps`: each with `name`, `about` (what a call asks for), `own` (the system wrote it) and `words`,
        those of a tool as lines, since a tool answers at once.
    """
    return {"title": title, "steps": list(_steps(answer, catalog))}


def _steps(answer: Recommendation, catalog: Catalog) -> Iterator[dict[str, Any]]:
    w = catalog.words
    for kind, step, words in _written(answer, catalog):
        own = kind != "tool_response"
        about = called(step, w) if kind == "tool_call" and step is not None else ""
        name = NAMES[kind] if own else "A tool answers"
        yield {"name": name, "about": capital(about), "own": own, "words": words if own else _lines(words)}


def _written(
    answer: Recommendation, catalog: Catalog
) -> Iterator[tuple[StepType, StepView | None, list[str]]]:
    """Type, step and words of each step; the words of its text where it does not follow the grammar."""
    try:
        parts = [(kind, inside) for kind, inside, _ in steps_of(answer.text.split())]
    except TraceError:
        yield from ((step.type, step, [isolated(word) for word in step.text.split()]) for step in answer.steps)
        return
    for place, (kind, inside) in enumerate(parts):
        step = answer.steps[place] if place < len(answer.steps) else None
        yield kind, step, shown(kind, inside, catalog)


def shown(kind: StepType, words: Sequence[str], catalog: Catalog) -> list[str]:
    """The words of a step as people read them, one for one; a plan's phrases are in the words of the catalogue."""
    if kind != "plan":
        return [_word(word, catalog) for word in words]
    phrases = " ".join(words).split(";")
    return [word for phrase in phrases if phrase.strip() for word in [*spoken(phrase.split(), catalog).split(), ";"]]


def _word(word: str, catalog: Catalog) -> str:
    item = item_row(word)
    if item is not None:
        return f"“{isolated(catalog[item].title)}”"
    return isolated(word.replace("_", " ").strip()) if word.startswith("_") else spoken([word], catalog)


def _lines(words: Sequence[str]) -> list[str]:
    lines: list[list[str]] = [[]]
    for word in words:
        if word == ";":
            lines.append([])
        else:
            lines[-1].append(word)
    # A tool names its item again at the end of a line, for the model alone.
    return [" ".join(line[:-1] if len(line) > 1 and line[-1] == line[0] else line) for line in lines if line]


def template(w: Words) -> str:
    """The player's frame: whose trace, five buttons, a slider, and the place where the words appear."""
    return f"""
<div class="star-player">
  <div class="star-modes" role="radiogroup" aria-label="Whose trace?">
    <label><input type="radio" value="student" checked data-whose><span>The student’s</span></label>
    <label><input type="radio" value="teacher" data-whose><span>The teacher’s</span></label>
    <label><input type="radio" value="last" data-whose><span>My last answer</span></label>
  </div>
  <div class="star-controls" role="toolbar" aria-label="Play the trace">
    <button type="button" class="star-do" data-move="step-back">Previous step</button>
    <button type="button" class="star-do" data-move="back">Back</button>
    <button type="button" class="star-do star-play" data-play>Play</button>
    <button type="button" class="star-do" data-move="forward">Forward</button>
    <button type="button" class="star-do" data-move="step-forward">Next step</button>
    <label>Speed <select data-speed><option value="3">slow</option><option value="8" selected>normal</option>
      <option value="20">fast</option></select></label>
  </div>
  <input type="range" min="0" max="0" value="0" step="1" aria-label="Place in the trace" data-place>
  <p class="star-hint" data-where>{WAITS}</p>
  <p class="star-sr" role="status" data-said></p>
  <div class="star-words" role="region" tabindex="0" aria-label="The trace, up to this word" data-words></div>
  <p class="star-hint">A full line at the left: the system wrote these words, one after another. A dashed line: a tool’s
    answer, read from the graph and put in at once. {escape(capital(w.items))} have titles here; the model sees none.</p>
</div>
"""
