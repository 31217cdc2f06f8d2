"""The tab Learn: eight steps, each with one figure on the loaded data, one knob, and a question with a folded answer.

Behind them a trace plays word by word, and a sentence is followed down to its numbers. `?step=3` in the address opens the
third step, `?step=play` and `?step=zoom` the other two.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, partial
from html import escape
from itertools import chain
from typing import Any, TypeVar

import gradio as gr

from star.data.catalog import Catalog
from star.data.words import Words
from star.errors import UserError
from star.questions.zoom import sentences, zoom
from star.recommend.recommendation import Recommendation
from star.ui.assets import script
from star.ui.lesson import Lesson
from star.ui.live import block
from star.ui.loader import Loader
from star.ui.runs import Runs
from star.ui.tabs.learn_steps import STEPS, Step
from star.ui.views.cards import FAILED
from star.ui.views.cards import status as line
from star.ui.views.handout import Sheet, handout
from star.ui.views.stepper_view import WAITS, played, template
from star.ui.views.trace_view import Block
from star.ui.views.zoom_view import whose as which
from star.ui.views.zoom_view import zoomed

log = logging.getLogger(__name__)
T = TypeVar("T")

TOUR = len(STEPS)
MORE = ("play", "zoom")
"""Tabs behind the steps: a trace word by word, and the zoom from a sentence to its numbers."""


class Lessons:
    """The lesson over the loaded data set, made when it is asked for first, and the answers that its tabs look into."""

    def __init__(self, loader: Loader, runs: Runs) -> None:
        self._loader, self._runs = loader, runs
        self.lesson = cache(lambda: Lesson(loader.ready(), loader.teacher))

    def figure(self, step: Step, value: Any) -> str:
        return _tried(lambda: step.figure(self.lesson(), value), lambda words: f"<p>{escape(words)}</p>")

    def drawn(self, step: Step, value: Any) -> tuple[dict[str, Any], str]:
        """What changes in the knob, which ends where the data do, and the figure."""
        end = None if step.most is None else _tried(lambda: step.end(self.lesson()), lambda _: None)
        if end is None:
            return gr.skip(), self.figure(step, value)
        beyond = isinstance(value, int | float) and value > end
        ends: dict[str, Any] = {"maximum": end} | ({"value": end} if beyond else {})
        return gr.update(**ends), self.figure(step, value)

    def answer(self, whose: str, session: str) -> tuple[Recommendation, str]:
        """An answer to look into, and what it is called. `whose`: student, teacher or last.

        Raises:
            UserError: no lesson can be given, or the visitor has no answer yet.
        """
        if whose == "last":
            run = self._runs.last(session)
            found = None if run is None else self._runs.get(run)
            if found is None:
                raise UserError("You have no answer yet. Press Recommend on the Explore tab, and come back.")
            return found.whole, "your last answer"
        if whose == "teacher":
            return self.lesson().taught, "the teacher’s answer"
        return self.lesson().answer, "the student’s answer"

    def player(self, value: Any, session: str) -> dict[str, Any]:
        """What the stepper plays: the answer that its value names as `whose`."""
        whose = str((value or {}).get("whose") or "student") if isinstance(value, dict | None) else "student"
        return {"whose": whose} | _tried(lambda: played(*self._named(whose, session)), lambda words: {"problem": words})

    def zoomed(self, value: Any, session: str) -> dict[str, Any]:
        """The zoom into the item and the sentence that the value names; without, the first of each."""
        value = value if isinstance(value, dict) else {}
        whose = "last" if value.get("whose") == "last" else "student"

        def look() -> list[Block]:
            answer, catalog, _ = self._named(whose, session)
            index = chosen(answer, value.get("item"), value.get("claim"))
            return zoomed(answer, zoom(self._loader.ready(), answer, index), index, catalog)

        return {"whose": whose, "blocks": [which(whose), *_tried(look, lambda words: block(line(words, "error")))]}

    def _named(self, whose: str, session: str) -> tuple[Recommendation, Catalog, str]:
        answer, title = self.answer(whose, session)
        return answer, self._loader.ready().dataset.catalog, title

    def handout(self) -> str:
        """The page to print.

        Raises:
            UserError: no lesson can be given.
        """
        return handout(self.lesson(), [self._sheet(step) for step in STEPS])

    def _sheet(self, step: Step) -> Sheet:
        setting = f"{step.knob}: {_spoken(step, self.lesson())}"
        return Sheet(step.title, step.text, self.figure(step, step.start), setting, step.question, step.answer)


def _tried(make: Callable[[], T], wrong: Callable[[str], T]) -> T:
    """What is made, or what says why it cannot be."""
    try:
        return make()
    except UserError as error:
        return wrong(str(error))
    except Exception:
        log.exception("a part of the lesson failed")
        return wrong(FAILED)


def _spoken(step: Step, lesson: Lesson) -> str:
    if step.reach is None:
        return "yes" if step.start else "no"
    return f"{min(step.start, step.end(lesson)):g}"


def chosen(answer: Recommendation, item: Any, claim: Any) -> int:
    """Index of the sentence that a zoom shows.

    Args:
        item, claim: from the browser; what does not fit is replaced by the first.

    Raises:
        UserError: the answer says nothing that can be looked into.
    """
    ranked = [r.item for r in answer.items if sentences(answer, r.item)]
    if not ranked:
        raise UserError("This answer says nothing about what it recommends.")
    about = sentences(answer, item if isinstance(item, int) and item in ranked else ranked[0])
    return claim if isinstance(claim, int) and claim in about else about[0]


def progress() -> str:
    """How many steps are done, in this browser, and the hand-out."""
    marks = "".join(
        f'<li data-step="{n}" title="{escape(step.title, quote=True)}">{n}</li>' for n, step in enumerate(STEPS, 1)
    )
    return f"""
<div class="star-progress">
  <p><b role="status" data-count>0 of {len(STEPS)} done</b> <small>A step is done once you open its answer.</small></p>
  <ol aria-hidden="true">{marks}</ol>
  <div><button type="button" class="star-do" data-reset disabled>Start over</button>
    <button type="button" class="star-do" data-handout>Download the hand-out</button></div>
  <p class="star-hint" role="status" data-handout-said></p>
</div>
"""


def pager(number: int) -> str:
    """Buttons to the steps before and after; behind the last step, what is left of the tour and what stands beside it."""

    def button(to: int, word: str) -> str:
        return f'<button type="button" class="star-do" data-go="{to}">{word}: {escape(STEPS[to - 1].title)}</button>'

    back = button(number - 1, "Back") if number > 1 else ""
    if number < TOUR:
        return f'<nav class="star-pager" aria-label="Through the tour">{back}{button(number + 1, "Next")}</nav>'
    return (
        f'<nav class="star-pager" aria-label="Through the tour">{back}</nav><p role="status" data-tour></p>'
        "<p>Two more tabs stand beside the tour. <b>Play</b> shows an answer word by word. <b>Zoom</b> follows one sentence "
        "down to its numbers.</p>"
    )


QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def learn(loader: Loader, page: gr.Blocks, tabs: gr.Tabs, runs: Runs) -> None:
    """Lay out the tab inside the Blocks being built and connect its events.

    Args:
        tabs: of the page; the one with the id `learn` is opened when the address names a step.
    """
    lessons = Lessons(loader, runs)
    figures: list[gr.HTML] = []
    knobs: list[Any] = []

    def handout(_: Any) -> dict[str, str]:  # the browser calls it by this name
        try:
            return {"page": lessons.handout()}
        except UserError as error:
            return {"error": str(error)}

    with gr.Column(elem_classes="star-results star-scope"):
        gr.HTML(
            progress(),
            js_on_load="STAR.lesson(element, server);",
            server_functions=[handout],
            apply_default_css=False,
            elem_id="lesson-progress",
        )
        with gr.Tabs(elem_id="lesson") as steps:
            for number, step in enumerate(STEPS, 1):
                knob, figure = _step(number, step, lessons)
                figures.append(figure)
                knobs.append(knob)
            player = _player(lessons, loader.words)
            zoomer = _zoomer(lessons)

    def opened(request: gr.Request) -> tuple[Any, Any]:
        step = selected(request.query_params.get("step"))
        return (gr.skip(), gr.skip()) if step is None else (gr.Tabs(selected="learn"), gr.Tabs(selected=step))

    def linked(request: gr.Request, *values: Any) -> list[Any]:
        # A tab that is opened by its address fires no event of its own.
        step, session = selected(request.query_params.get("step")), str(request.session_hash)
        return [
            *(
                part
                for number, (each, value) in enumerate(zip(STEPS, values, strict=True), 1)
                for part in (lessons.drawn(each, value) if step == f"step-{number}" else (gr.skip(), gr.skip()))
            ),
            lessons.player(None, session) if step == "step-play" else gr.skip(),
            lessons.zoomed(None, session) if step == "step-zoom" else gr.skip(),
        ]

    page.load(opened, None, [tabs, steps], queue=False, **QUIET)
    page.load(linked, knobs, [*chain(*zip(knobs, figures, strict=True)), player, zoomer], **QUIET)


def _step(number: int, step: Step, lessons: Lessons) -> tuple[Any, gr.HTML]:
    """The tab of one step: its text, its knob, its figure, its question."""
    with gr.Tab(f"{number} {step.name}", id=f"step-{number}", elem_id=f"step-{number}") as tab:
        gr.HTML(f"<h2>{escape(step.title)}</h2><p>{escape(step.text)}</p>", apply_default_css=False)
        knob = step.component()
        figure = gr.HTML(elem_classes="star-learn", elem_id=f"figure-{number}", apply_default_css=False)
        gr.HTML(
            f'<details data-answer="{number}"><summary>{escape(step.question)}</summary>'
            f"<p>{escape(step.answer)}</p></details>{pager(number)}",
            js_on_load="STAR.tour();",
            apply_default_css=False,
        )
    draw = partial(lessons.figure, step)
    tab.select(partial(lessons.drawn, step), knob, [knob, figure], **QUIET)
    knob.change(draw, knob, figure, trigger_mode="always_last", **QUIET)
    return knob, figure


def _looked_into(
    name: str,
    words: str,
    show: Callable[[Any, str], dict[str, Any]],
    elem_id: str,
    start: dict[str, Any],
    **options: Any,
) -> gr.HTML:
    """A tab behind the steps: an answer that is looked into. What a press there asks for comes back as its value.

    Args:
        show: makes the value from what is asked and the Gradio session.
        start: the value until then.
    """
    key = f"step-{name.lower()}"
    with gr.Tab(name, id=key, elem_id=key) as tab:
        gr.HTML(words, apply_default_css=False)
        shown = gr.HTML(value=start, apply_default_css=False, elem_id=elem_id, **options)

    def look(value: Any, request: gr.Request) -> dict[str, Any]:
        return show(value, str(request.session_hash))

    tab.select(look, shown, shown, **QUIET)
    shown.submit(look, shown, shown, **QUIET)
    return shown


def _player(lessons: Lessons, w: Words) -> gr.HTML:
    return _looked_into(
        "Play",
        "<h2>More: a trace, word by word</h2><p>This is no step of the tour. It plays one whole answer in the order of its "
        "writing. The student writes all of this in a single pass: it asks, is told, and goes on. The teacher's "
        "agents take turns.</p>",
        lessons.player,
        "player",
        {},
        head=script("stepper.js"),
        html_template=template(w),
        js_on_load="STAR.stepper(element, props, trigger, watch);",
    )


def _zoomer(lessons: Lessons) -> gr.HTML:
    return _looked_into(
        "Zoom",
        "<h2>More: from a sentence to a probability</h2><p>This is no step of the tour. It follows one sentence of an "
        "answer down to its numbers. Choose what is recommended, and one sentence about it. The panels show what was said, "
        "what was counted, who was counted, and what it did to the ranking.</p>",
        lessons.zoomed,
        "zoom",
        {"whose": "student", "blocks": [which("student"), *block(line(WAITS, "busy"))]},
        html_template='<div class="star-live" role="region" aria-label="Zoom" aria-live="off"></div>',
        js_on_load="STAR.zoom(element, props, trigger, watch);",
    )


def selected(text: str | None) -> str | None:
    """The id of the step that an address names; None: none."""
    return f"step-{text}" if text in {*(str(n) for n in range(1, len(STEPS) + 1)), *MORE} else None
