"""Header, tabs and theme as one Gradio Blocks. Each tab lays itself out; the model arrives through `loader`."""

from __future__ import annotations

from collections.abc import Iterator
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
from star.ui.tabs.annotate import annotate
from star.ui.tabs.explore import explore
from star.ui.tabs.lead import lead
from star.ui.tabs.learn import learn
from star.ui.tabs.question import question
from star.ui.tabs.results import results
from star.ui.views import cards as views
from star.ui.views.trace_view import Block

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
    """Tags for the page's head, which load our style sheets and script before anything is drawn."""
    return (
        stylesheet("star.css")
        + stylesheet("annotate.css")
        + stylesheet("question.css")
        + script("star.js")
        + f'<link rel="icon" href="{ICON}">'
    )


def build(loader: Loader, runs: Runs, auth: Auth | None = None) -> gr.Blocks:
    """The whole page. Data set and model still load when it is built, and arrive through `loader`.

    Args:
        auth: to the annotation database; None leaves out the tabs Annotate and Lead.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(
            header(loader.words), js_on_load="STAR.start();", head=script("star.js"), apply_default_css=False
        )
        about = live(
            block(views.loading("Loading data set and model…")),
            label="Data set and checkpoint",
            polite=True,
            elem_id="loaded",
        )
        with gr.Tabs() as tabs:
            with gr.Tab("Explore"):
                adapter = explore(loader, runs)
            with gr.Tab("Question"):
                question(loader, runs)
            with gr.Tab("Learn", id="learn"):
                learn(loader, page, tabs)
            with gr.Tab("Results") as results_tab:
                results(results_tab)
            if auth is not None:
                with gr.Tab("Annotate"):
                    annotate(loader.words)
                with gr.Tab("Lead", visible=not auth.accounts) as lead_tab:
                    lead(loader.words)

        def report() -> Iterator[tuple[list[Block], Any]]:
            for shown, name in loaded(loader):
                yield (
                    shown,
                    gr.update(visible=True, label=f"With its adapter ({name})") if name else gr.skip(),
                )

        page.load(
            report,
            None,
            [about, adapter],
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
        )
        if auth is not None and auth.accounts:
            # This only hides the tab; every route that it calls checks the role.
            def visible(request: gr.Request) -> dict[str, Any]:
                person = None if request.request is None else auth.person(request.request)
                return gr.update(visible=person is not None and allows(person.role, "adjudicator"))

            page.load(visible, None, lead_tab, queue=False, show_progress="hidden", api_visibility="private")
    page.queue(max_size=64)
    return page


def loaded(loader: Loader) -> Iterator[tuple[list[Block], str | None]]:
    """The header about data set and model as they load, and the name of the model's adapter, if it has one."""
    try:
        yield block(views.loading("Loading data set and model…")), None
        data = loader.dataset()
        yield block(views.loaded(data, None)), None
        recommender = loader.recommender(600.0)
        if recommender is not None:
            without = recommender.without_token
            shown = block(
                views.loaded(
                    recommender.dataset,
                    recommender.checkpoint,
                    without,
                    recommender.prior,
                )
            )
            yield shown, recommender.adapter
    except UserError as error:
        yield block(views.status(str(error), "error")), None
