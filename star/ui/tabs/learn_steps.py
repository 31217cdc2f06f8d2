"""The eight steps of the lesson: title, text, knob, figure, question and answer of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from star.errors import UserError
from star.evidence.claims import STRENGTHS
from star.ui.lesson import SHELF, Lesson
from star.ui.views import learn_view as views


@dataclass(frozen=True)
class Step:
    """One step of the lesson.

    Attributes:
        name: of its tab, one word.
        knob: label of what a visitor turns; start: where it stands first.
        reach: lowest value, highest value and stride of a slider; None: a box to tick.
        draw: the figure for a value within the reach, a whole number where the stride is 1, as HTML.
        most: where the slider ends on the loaded data, if that is below the highest value; None: there.
    """

    name: str
    title: str
    text: str
    knob: str
    start: float | bool
    reach: tuple[float, float, float] | None
    draw: Callable[[Lesson, Any], str]
    question: str
    answer: str
    most: Callable[[Lesson], int] | None = None

    def end(self, lesson: Lesson) -> float:
        """The highest value of the slider on the loaded data; 1 for a box.

        Raises:
            UserError: the lesson has nothing to draw.
        """
        low, high, _ = self.reach or (0, 1, 1)
        return high if self.most is None else max(low, min(high, self.most(lesson)))

    def component(self) -> Any:
        """The knob on the page."""
        if self.reach is None:
            return gr.Checkbox(bool(self.start), label=self.knob)
        low, high, stride = self.reach
        return gr.Slider(low, high, value=self.start, step=stride, label=self.knob)

    def figure(self, lesson: Lesson, value: Any) -> str:
        """The figure for a value of the knob. The value comes from the browser; it is brought within its bounds.

        Raises:
            UserError: it is no number, or the lesson has nothing to draw.
        """
        if self.reach is None:
            return self.draw(lesson, bool(value))
        low, high, stride = self.reach
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise UserError(f"the knob sent {str(value)[:40]!r}; expected a number from {low:g} to {high:g}")
        bounded = min(max(value, low), self.end(lesson))
        return self.draw(lesson, int(bounded) if stride == 1 else float(bounded))


STEPS = (
    Step(
        "Graph",
        "The graph",
        "People on one side, items on the other, a line where somebody has read or seen something.",
        "How many people",
        6,
        (2, 20, 1),
        views.bipartite,
        "Why must a good signal not only count readers?",
        "A few items have most of the lines, as the sentence under the picture says. Who counts alone recommends them to "
        "everybody.",
    ),
    Step(
        "Walk",
        "A walk",
        "From an item to the people who have it, and on to what else they have. The tool that looks at items walks so.",
        "Which item of this person's shelf",
        1,
        (1, SHELF, 1),
        views.walk,
        "Why do the two lists differ?",
        "The left one names what everybody reads. The right one asks how much more often than by chance.",
        lambda lesson: len(lesson.shelf),
    ),
    Step(
        "Chance",
        "Counting against chance",
        "A count says little alone. Lift divides it by what chance would give; few people give a wide interval.",
        "People who have both",
        12,
        (0, 200, 1),
        views.chance,
        "Why is a lift of 3 from five people worth less than one of 2 from fifty?",
        "The interval of the first may reach down to 1. The tools name the item whose interval begins highest.",
        lambda lesson: lesson.most_of_both,
    ),
    Step(
        "Words",
        "From a number to a sentence",
        "Six words stand for how rare a score is in its data set: faint, weak, fair, good, strong, striking. Each score "
        "also has a place among twenty candidates.",
        "Strength",
        5,
        (1, len(STRENGTHS), 1),
        lambda lesson, value: views.said(lesson, value, 3),
        "Why words and not the score itself?",
        "Scores of two data sets cannot be compared; places and rarities can. So one student reads them all.",
    ),
    Step(
        "Teacher",
        "The teacher at work",
        "MARS, the teacher, takes turns: a planner, analysts who call tools, a reflector, a ranker. Follow its answer.",
        "How many steps",
        3,
        (1, 60, 1),
        lambda lesson, value: views.turns(lesson.taught, lesson.dataset.catalog, value),
        "Which turns could be left out?",
        "Those whose evidence no reflection quotes. The student learns to write all of it in a single pass.",
        lambda lesson: len(lesson.taught.steps),
    ),
    Step(
        "Kept",
        "Kept or dropped",
        "A whole answer of the teacher, a trajectory, becomes training data if it recommends what was really read next.",
        "The right item must be among the first",
        2,
        (1, 10, 1),
        views.kept,
        "What happens with a strict threshold?",
        "Few answers stay, and the hard questions are missing among them.",
    ),
    Step(
        "Loss",
        "What the loss counts",
        "The loss is how unlikely the student finds the words that it should write; training makes it small. Only its own "
        "words count. What a tool says is read, and not learned. "
        "The trace stands in its own words here, and long steps are cut short.",
        "Count the tools' words too",
        False,
        None,
        lambda lesson, value: views.mask(lesson.answer, value),
        "What would a student learn from the tools' words?",
        "To invent evidence: numbers that look right, for a graph that it has not asked.",
    ),
    Step(
        "Rewards",
        "Eight answers, eight rewards",
        "GRPO (group relative policy optimization) trains on several answers to one question. An answer has a reward: 1 if "
        "the right item stands first, less if it stands lower. Each false statement costs. The advantage of an answer is "
        "its reward less the mean of all. Above zero the answer becomes likelier, below it less likely.",
        "Cost of a false statement",
        0.1,
        (0, 1, 0.05),
        lambda lesson, value: views.advantages(lesson.attempts, lesson.tasks[0], lesson.dataset.catalog, value),
        "What if all eight answers are equally good?",
        "Then every reward equals the mean. All advantages are zero, and nothing is learned from this question.",
    ),
)
