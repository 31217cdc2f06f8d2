"""The tab Learn: eight steps, each with one figure on the loaded data, one knob, and a question with a folded answer.

`?step=3` in the address opens the third step.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from html import escape
from typing import Any

import gradio as gr

from star.errors import UserError
from star.evidence.claims import STRENGTHS
from star.ui.lesson import Lesson
from star.ui.loader import Loader
from star.ui.views import learn_view as views
from star.ui.views.cards import FAILED

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """One step of the lesson. `knob`: makes the component that a visitor turns; `draw`: the figure for its value."""

    title: str
    text: str
    knob: Callable[[], Any]
    draw: Callable[[Lesson, Any], str]
    question: str
    answer: str


def _slider(low: int, high: int, value: int, label: str) -> Callable[[], Any]:
    return lambda: gr.Slider(low, high, value=value, step=1, label=label)


STEPS = (
    Step(
        "The graph",
        "People on one side, items on the other, a line where somebody has read or seen something. Nothing else is known.",
        _slider(2, 20, 6, "How many people"),
        lambda lesson, value: views.bipartite(lesson, _whole(value, 2, 20)),
        "Why do a few items have most of the lines?",
        "Popularity is uneven: a few items are read by very many. A good signal must not only repeat that.",
    ),
    Step(
        "A walk",
        "From an item to the people who have it, and on to what else they have. The tool that looks at items walks so.",
        lambda: gr.Slider(1, 12, value=1, step=1, label="Which item of the shelf"),
        lambda lesson, value: views.walk(
            lesson, lesson.shelf[min(_whole(value, 1, 12), len(lesson.shelf)) - 1]
        ),
        "Why do the two lists differ?",
        "The left one names what everybody reads. The right one asks how much more often than by chance.",
    ),
    Step(
        "Counting against chance",
        "A count says little alone. Lift divides it by what chance would give; few people give a wide interval.",
        _slider(0, 60, 12, "People who have both"),
        lambda lesson, value: views.chance(lesson, _whole(value, 0, 60)),
        "Why is a lift of 3 from five people worth less than one of 2 from fifty?",
        "The interval of the first may reach down to 1. The tools name the book whose interval begins highest.",
    ),
    Step(
        "From a number to a sentence",
        "Six words stand for how rare a score is, and each score has a place among twenty candidates. Both mean the same "
        "in every data set.",
        _slider(1, len(STRENGTHS), 5, "Strength"),
        lambda lesson, value: views.said(lesson, _whole(value, 1, len(STRENGTHS)), 3),
        "Why words and not the score itself?",
        "Scores of two data sets cannot be compared; places and rarities can. So one student reads them all.",
    ),
    Step(
        "The teacher at work",
        "MARS takes turns: a planner, analysts who call tools, a reflector, a ranker. Step through its answer.",
        _slider(1, 20, 3, "How many steps"),
        lambda lesson, value: views.turns(lesson.taught, _whole(value, 1, 20)),
        "Which turns could be left out?",
        "Those whose evidence no reflection quotes. The student learns to write all of it in a single pass.",
    ),
    Step(
        "Kept or dropped",
        "A trajectory becomes training data if the teacher recommends what was really read next.",
        _slider(1, 10, 5, "The right item must be among the first"),
        lambda lesson, value: views.kept(lesson, _whole(value, 1, 10)),
        "What happens with a strict threshold?",
        "Few trajectories stay, and the hard questions are missing among them.",
    ),
    Step(
        "What the loss counts",
        "The student learns the words that it must write itself. What a tool says is read, and not learned.",
        lambda: gr.Checkbox(False, label="Count the tools' words too"),
        lambda lesson, value: views.mask(lesson.answer, bool(value)),
        "What would a student learn from the tools' words?",
        "To invent evidence: numbers that look right, for a graph that it has not asked.",
    ),
    Step(
        "Eight answers, eight rewards",
        "GRPO draws several answers to one question. Those above the mean reward become likelier, the others less likely.",
        lambda: gr.Slider(0, 1, value=0.1, step=0.05, label="Cost of a false statement"),
        lambda lesson, value: views.advantages(
            lesson.attempts, lesson.dataset.catalog, _number(value, 0.0, 1.0)
        ),
        "What if all eight answers are equally good?",
        "All advantages are nought, and nothing is learned from this question.",
    ),
)


def _whole(value: Any, low: int, high: int) -> int:
    """A number from the browser, within its bounds."""
    return int(_number(value, low, high))


def _number(value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise UserError(f"the knob sent {str(value)[:40]!r}; expected a number from {low:g} to {high:g}")
    return min(max(float(value), low), high)


def learn(loader: Loader, page: gr.Blocks, tabs: gr.Tabs) -> None:
    """Lay out the tab inside the Blocks being built and connect its events.

    Args:
        tabs: of the page; the one with the id `learn` is opened when the address names a step.
    """

    @cache
    def lesson() -> Lesson:
        return Lesson(loader.ready(), loader.teacher)

    def drawn(step: Step, value: Any) -> str:
        try:
            return step.draw(lesson(), value)
        except UserError as error:
            return f"<p>{escape(str(error))}</p>"
        except Exception:
            log.exception("step %r of the lesson failed", step.title)
            return f"<p>{FAILED}</p>"

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    figures: list[gr.HTML] = []
    knobs: list[Any] = []
    with gr.Column(elem_classes="star-results star-scope"), gr.Tabs(elem_id="lesson") as steps:
        for number, step in enumerate(STEPS, 1):
            with gr.Tab(f"{number}", id=f"step-{number}", elem_id=f"step-{number}") as tab:
                gr.HTML(f"<h2>{escape(step.title)}</h2><p>{escape(step.text)}</p>", apply_default_css=False)
                knob = step.knob()
                figure = gr.HTML(
                    elem_classes="star-learn", elem_id=f"figure-{number}", apply_default_css=False
                )
                gr.HTML(
                    f"<details><summary>{escape(step.question)}</summary><p>{escape(step.answer)}</p></details>",
                    apply_default_css=False,
                )

            draw = partial(drawn, step)
            tab.select(draw, knob, figure, **quiet)
            knob.change(draw, knob, figure, trigger_mode="always_last", **quiet)
            figures.append(figure)
            knobs.append(knob)

    def opened(request: gr.Request) -> tuple[Any, Any]:
        step = selected(request.query_params.get("step"))
        return (gr.skip(), gr.skip()) if step is None else (gr.Tabs(selected="learn"), gr.Tabs(selected=step))

    def linked(request: gr.Request, *values: Any) -> list[Any]:
        # A tab that is opened by its address fires no event of its own.
        step = selected(request.query_params.get("step"))
        return [
            drawn(each, value) if step == f"step-{number}" else gr.skip()
            for number, (each, value) in enumerate(zip(STEPS, values, strict=True), 1)
        ]

    page.load(opened, None, [tabs, steps], queue=False, **quiet)
    page.load(linked, knobs, figures, **quiet)


def selected(text: str | None) -> str | None:
    """The id of the step that an address names; None: none."""
    return f"step-{text}" if text in {str(n) for n in range(1, len(STEPS) + 1)} else None
