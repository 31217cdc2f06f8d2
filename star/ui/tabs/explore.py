"""The tab where a visitor picks a reader or makes a shelf, and watches the model write its answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from star.data.catalog import Catalog
from star.data.words import Words, a
from star.errors import UserError
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import Recommender
from star.ui.live import block, live
from star.ui.loader import Loader
from star.ui.picker import MOST_BOOKS, picker, query
from star.ui.runs import Runs
from star.ui.views import cards as views
from star.ui.views.evidence_view import edge_table, evidence
from star.ui.views.graph_view import graph_view, payload
from star.ui.views.trace_view import trace

log = logging.getLogger(__name__)

PERIOD = 0.1  # seconds between two updates of the page
PATIENCE = 180.0  # seconds to wait for a model that still loads
AT_ONCE = 2  # answers written at the same time
Update = tuple[Any, ...]


def explore(loader: Loader, runs: Runs) -> gr.Checkbox:
    """Lay out the tab inside the Blocks being built and connect its events.

    Returns:
        the switch of the model's adapter, which the page shows once an adapter is loaded.
    """
    w = loader.words
    with gr.Row(elem_classes="star-explore"):
        with gr.Column(scale=0, min_width=300, elem_classes="star-ask"):
            chosen = picker(loader.dataset, w, elem_id="picker")
            k = gr.Slider(1, MOST_BOOKS, value=5, step=1, label=f"How many {w.items}", elem_id="k")
            with gr.Accordion("Advanced", open=False):
                seed = gr.Number(
                    0,
                    precision=0,
                    label="Seed",
                    info="0 takes the likeliest words; any other number draws them",
                    elem_id="seed",
                )
                adapter = gr.Checkbox(
                    True,
                    label="With its adapter",
                    info="off: the model as it was before GRPO, or before it learned from annotators",
                    visible=False,
                    elem_id="adapter",
                )
            go = gr.Button("Recommend", variant="primary", elem_id="recommend")
            stop = gr.Button("Stop", visible=False, elem_id="stop")
        with gr.Column(scale=1, min_width=0, elem_classes="star-scope star-answer"):
            status = live(
                block(views.status(f"Pick {a(w.user)} or put together {a(w.shelf)}, then press Recommend.")),
                label="Status",
                polite=True,
                elem_id="status",
            )
            cards = live(block(views.empty(w)), label=f"Recommended {w.items}", elem_id="cards")
            with gr.Row(elem_classes="star-why"):
                with gr.Column(min_width=300, elem_classes="star-left"):
                    gr.HTML("<h2>Trace</h2>", apply_default_css=False)
                    steps = live(block(WAITING), label="Trace", elem_id="trace")
                with gr.Column(min_width=300, elem_classes="star-right"):
                    gr.HTML("<h2>Graph</h2>", apply_default_css=False)
                    graph = graph_view(w, elem_id="graph")
                    gr.HTML("<h2>Evidence</h2>", apply_default_css=False)
                    proof = live(label="Evidence", polite=True, elem_id="evidence")
                    table = live(label="Edges of the graph", elem_id="edges")

    outputs = [status, cards, steps, graph, proof, table, go, stop]

    def ask(
        value: Any, count: float, number: float | None, adapted: bool, request: gr.Request
    ) -> Iterator[Update]:
        yield from answer(loader, runs, str(request.session_hash), value, count, number, bool(adapted))

    def halt(request: gr.Request) -> None:
        # Only sets a flag: the run ends itself and says so. A cancelled Gradio event would swallow the next press.
        runs.stop(str(request.session_hash))

    go.click(
        ask,
        [chosen, k, seed, adapter],
        outputs,
        concurrency_id="model",
        concurrency_limit=AT_ONCE,
        show_progress="hidden",
        api_visibility="private",
    )
    stop.click(halt, queue=False, show_progress="hidden", api_visibility="private")
    return adapter


WAITING = (
    '<p class="star-wait">Plan, tool calls, evidence, reflection and ranking appear here '
    "as the model writes them.</p>"
)


def answer(
    loader: Loader,
    runs: Runs,
    session: str,
    value: Any,
    count: float,
    number: float | None,
    adapted: bool = True,
) -> Iterator[Update]:
    """Updates for one press, about ten a second: status, cards, trace, graph, evidence, table, buttons."""
    run, w = runs.begin(session), loader.words
    last: Recommendation | None = None
    try:
        yield _update("Reading the history…", w)
        recommender = None
        while recommender is None:
            recommender = loader.recommender(0.25)
            if not runs.wanted(session, run):
                yield _ended("Stopped before anything was written.", "idle", True)
                return
            if recommender is None:
                if loader.seconds > PATIENCE:
                    raise UserError("The model has been loading for minutes; the server's log may say why.")
                yield _update(f"The model is still loading ({loader.seconds:.0f} s); your question waits.", w)
        question = query(value, recommender.dataset, count, 0 if number is None else number)
        question = replace(question, adapter=adapted)
        w = recommender.dataset.catalog.words
        for last in _throttled(recommender, question):
            if not runs.wanted(session, run):
                yield _ended("Stopped. What was written so far stays below.", "idle", False)
                return
            if last.finished:
                runs.keep(run, last, recommender.dataset.catalog)
            yield _update(_progress(last, w), w, last, recommender, run)
    except UserError as error:
        yield _ended(str(error), "error", last is None)
    except Exception:
        log.exception("a recommendation failed")
        failed = "Something went wrong on our side, and the log has it. Please try again."
        yield _ended(failed, "error", last is None)


def _throttled(recommender: Recommender, question: Query) -> Iterator[Recommendation]:
    """The stream with at most one snapshot per `PERIOD`, and always the first and the finished one."""
    shown = 0.0
    for snapshot in recommender.stream(question):
        now = time.monotonic()
        if snapshot.finished or now - shown >= PERIOD:
            shown = now
            yield snapshot


def _progress(answer: Recommendation, w: Words) -> str:
    if answer.finished:
        return views.finished(answer, w)
    words = {
        "plan": "Planning…",
        "tool_call": "Asking the graph…",
        "tool_response": "Reading the evidence…",
        "reflection": "Weighing the evidence…",
        "recommend": "Ranking…",
    }
    return words[answer.steps[-1].type] if answer.steps else "Reading the history…"


def _update(
    words: str,
    w: Words,
    answer: Recommendation | None = None,
    recommender: Recommender | None = None,
    run: str = "",
) -> Update:
    """One update of all outputs. Graph, evidence and table do not change while an answer grows."""
    catalog = recommender.dataset.catalog if recommender else None
    done = answer is not None and answer.finished
    fresh = answer is None or done
    return (
        block(views.status(words, "done" if done else "busy")),
        block(_cards(answer, catalog, w)),
        trace(answer, catalog) if answer is not None else block(WAITING),
        payload(answer, catalog, run) if fresh else gr.skip(),
        evidence(answer, catalog) if fresh else gr.skip(),
        edge_table(answer, catalog) if fresh else gr.skip(),
        gr.update(visible=done),
        gr.update(visible=not done),
    )


def _cards(answer: Recommendation | None, catalog: Catalog | None, w: Words) -> str:
    if answer is None or catalog is None:
        return views.empty(w)
    return views.cards(answer, catalog) if answer.finished else views.empty(w, answer.query.k)


def _ended(words: str, kind: str, empty: bool) -> Update:
    """The last update of an unfinished run. `empty`: the run wrote nothing; otherwise its text stays on the page."""
    nothing = gr.skip()
    return (
        block(views.status(words, kind)),
        nothing,
        block(WAITING) if empty else nothing,
        nothing,
        nothing,
        nothing,
        gr.update(visible=True),
        gr.update(visible=False),
    )
