"""Header, tabs and theme as one Gradio Blocks. Each tab lays itself out; the model arrives through `loader`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from typing import Any
from urllib.parse import quote

import gradio as gr
from gradio.themes import Base

from star.annotation.workflow.people import allows
from star.data.words import Words, capital
from star.errors import UserError
from star.ui.assets import script, stylesheet
from star.ui.live import block, live
from star.ui.loader import Loader
from star.ui.runs import Runs
from star.ui.security.auth import Auth
from star.ui.starters import Starters
from star.ui.tabs.annotate import annotate
from star.ui.tabs.answers import answers
from star.ui.tabs.cohort import many
from star.ui.tabs.explore import explore
from star.ui.tabs.lead import lead
from star.ui.tabs.learn import learn
from star.ui.tabs.question import question
from star.ui.tabs.results import results
from star.ui.views import cards as views
from star.ui.views.start_view import start
from star.ui.views.terms import folded
from star.ui.views.trace_view import Block

LOADING_S = 600.0  # seconds in which the header waits for the model
SAID_S = 10.0  # seconds after which it says again how long
WAIT = 30.0  # seconds in which the examples are found once the model is loaded
TITLE = "STAR · recommendations that show their reasons"

# System fonts, since Gradio's default themes fetch fonts from another host.
SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Liberation Sans", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")

ICON = "data:image/svg+xml," + quote(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#c77700" '
    'd="M8 1l2 5 5 .4-4 3.3 1.3 5L8 12l-4.300 2.700 1.300-5-4-3.300L6 6z"/></svg>'
)


def header(w: Words) -> str:
    """The page's headline in the data set's words."""
    said = f"{capital(w.items)}, and the reasons for them, read from what {w.users} {w.past} together."
    return f"""
<header class="star-header">
  <div><h1>STAR</h1><p>{escape(said)}</p></div>
  <button type="button" class="star-theme" role="switch" aria-checked="false" data-theme-switch>Dark</button>
</header>
"""


def theme() -> Base:
    """Gradio's plain base theme in our colours; the rest is in assets/css."""
    base = Base(primary_hue="sky", neutral_hue="stone", radius_size="sm", font=SANS, font_mono=MONO)
    return base.set(
        body_background_fill="var(--star-paper)",
        body_background_fill_dark="var(--star-paper)",
        body_text_color="var(--star-ink)",
        body_text_color_dark="var(--star-ink)",
        body_text_color_subdued="var(--star-muted)",
        body_text_color_subdued_dark="var(--star-muted)",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        button_primary_background_fill="var(--star-accent)",
        button_primary_background_fill_dark="var(--star-accent)",
        button_primary_background_fill_hover="var(--star-accent-strong)",
        button_primary_background_fill_hover_dark="var(--star-accent-strong)",
        button_primary_text_color="var(--star-on-accent)",
        button_primary_text_color_dark="var(--star-on-accent)",
        slider_color="var(--star-accent)",
        slider_color_dark="var(--star-accent)",
    )


def head() -> str:
    """Tags for the page's head, which load our style sheets before anything is drawn."""
    return (
        stylesheet("star.css")
        + stylesheet("annotate.css")
        + stylesheet("question.css")
        + stylesheet("learn.css")
        + stylesheet("answers.css")
        + script("upload.js")
        + f'<link rel="icon" href="{ICON}">'
    )


def build(
    loader: Loader,
    runs: Runs,
    starters: Starters,
    auth: Auth | None = None,
    choices: Callable[[], str] | None = None,
) -> gr.Blocks:
    """The whole page. Data set and model still load when it is built, and arrive through `loader`.

    Args:
        auth: to the annotation database; None leaves out the tabs Annotate and Lead.
        choices: HTML of the pickers of data set and checkpoint; None leaves them out.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(header(loader.words), js_on_load="STAR.start();", apply_default_css=False)
        about = live(
            block(views.loading("Loading data set and model…")),
            label="Data set and checkpoint",
            polite=True,
            elem_id="loaded",
        )
        if choices is not None:
            offered = live(block(choices()), label="What to open", elem_id="choices")
            # An upload may have added a data set since the page was laid out.
            page.load(lambda: block(choices()), None, offered, queue=False, show_progress="hidden", api_visibility="private")
        with gr.Tabs() as tabs:
            with gr.Tab("Explore", elem_id="explore-tab"):
                begin = explore(loader, runs, starters)
            with gr.Tab("Question", elem_id="question-tab"):
                question(loader, runs)
            with gr.Tab("Saved"):
                answers(loader, runs)
            with gr.Tab("Learn", id="learn"):
                learn(loader, page, tabs, runs)
            with gr.Tab("Results") as results_tab, gr.Tabs():
                with gr.Tab("Evaluations"):
                    results(results_tab)
                with gr.Tab("Cohort"):
                    many(loader, runs)
            if auth is not None:
                with gr.Tab("Annotate"):
                    annotate(loader.words)
                with gr.Tab("Lead", visible=not auth.accounts) as lead_tab:
                    lead(loader.words)

        gr.HTML(folded(loader.words), apply_default_css=False, elem_id="terms")

        def report() -> Iterator[list[Block]]:
            yield from loaded(loader)

        def examples() -> list[Block]:
            found = starters.wait(WAIT)
            return block(start(found, loader.words)) if found else []

        quiet: dict[str, Any] = {
            "concurrency_limit": None,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        page.load(report, None, [about], **quiet).then(examples, None, begin, **quiet)
        if auth is not None and auth.accounts:
            # This only hides the tab; every route that it calls checks the role.
            def visible(request: gr.Request) -> dict[str, Any]:
                person = None if request.request is None else auth.person(request.request)
                return gr.update(visible=person is not None and allows(person.role, "adjudicator"))

            page.load(visible, None, lead_tab, queue=False, show_progress="hidden", api_visibility="private")
    page.queue(max_size=64)
    return page


def loaded(loader: Loader) -> Iterator[list[Block]]:
    """The header about data set and model as they load."""
    try:
        yield block(views.loading("Loading data set and model…"))
        data = loader.dataset()
        yield block(views.loaded(data, None))
        while (recommender := loader.recommender(SAID_S)) is None and loader.seconds < LOADING_S:
            yield block(views.loaded(data, None, loader.seconds))
        if recommender is not None:
            yield block(views.loaded(recommender.dataset, recommender.checkpoint))
    except UserError as error:
        yield block(views.status(str(error), "error"))
