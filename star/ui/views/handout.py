"""The lesson as one HTML page to print: eight steps with their figures, and all answers on the last page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from star.data.words import capital
from star.display import bdi
from star.ui.assets import FILES
from star.ui.lesson import Lesson

_POLICY = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
)


@dataclass(frozen=True)
class Sheet:
    """One step on paper. `figure`: HTML; `setting`: what the figure's knob stands at."""

    title: str
    text: str
    figure: str
    setting: str
    question: str
    answer: str


def handout(lesson: Lesson, sheets: Sequence[Sheet]) -> str:
    """A self-contained page: no script, no request, the style written in."""
    data = lesson.dataset
    title = str(data.manifest.get("title") or data.name)
    w = data.catalog.words
    parts = "".join(
        f'<section class="sheet"><h2>{number}. {escape(sheet.title)}</h2><p>{escape(sheet.text)}</p>'
        f'<div class="figure">{sheet.figure}</div><p class="setting">{escape(sheet.setting)}</p>'
        f'<p class="question"><b>Question.</b> {escape(sheet.question)}</p><p class="lines"></p></section>'
        for number, sheet in enumerate(sheets, 1)
    )
    answers = "".join(
        f"<li><b>{escape(sheet.question)}</b> {escape(sheet.answer)}</li>" for sheet in sheets
    )
    about = f"{capital(w.items)} and {w.users} of {title}; answers of the checkpoint {lesson.recommender.checkpoint}."
    style = f"<style>{FILES['handout.css'].read_text('utf-8')}</style>"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{_POLICY}'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>STAR: eight steps</title>{style}</head>'
        f"<body><main><h1>How STAR recommends, in eight steps</h1><p>{bdi(about)}</p>{parts}"
        f'<section class="answers"><h2>Answers</h2><ol>{answers}</ol></section></main></body></html>'
    )
