"""The tab where a visitor picks a reader or makes a shelf, and watches the model write its answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from star.data.catalog import Catalog
from star.data.words import Words, a
from star.errors import UserError
from star.recommend.recommendation import Query, Recommendation
from star.recommend.turns import MOST, Turns
from star.ui.consent import consent
from star.ui.live import block, live
from star.ui.loader import PATIENCE, Loader
from star.ui.picker import picker, query
from star.ui.runs import Runs
from star.ui.starters import Starters
from star.ui.views import cards as views
from star.ui.views.argument_view import argued
from star.ui.views.evidence_view import edge_table, evidence
from star.ui.views.graph_view import asked, graph_view, packed, payload

log = logging.getLogger(__name__)

PERIOD = 0.1  # seconds between two updates of the page
GONE = "This answer is no longer kept here. Press Recommend to ask again."
Update = tuple[Any, ...]


def explore(loader: Loader, runs: Runs, starters: Starters) -> gr.HTML:
    """Lay out the tab inside the Blocks being built and connect its events.

    Returns:
        where the page puts the examples, once they are found.
    """
    w = loader.words
    with gr.Row(elem_classes="star-explore"):
        with gr.Column(scale=0, min_width=300, elem_classes="star-ask"):
            chosen = picker(loader.dataset, w, elem_id="picker")
            go = gr.Button("Recommend", variant="primary", elem_id="recommend", elem_classes="star-go")
            if runs.archive is not None:
                consent(runs, runs.archive, w)
        with gr.Column(scale=1, min_width=0, elem_classes="star-scope star-answer"):
            with gr.Row(elem_classes="star-statusline"):
                status = live(
                    block(views.status(f"Pick {a(w.user)} or put together {a(w.shelf)}, then press Recommend.")),
                    label="Status",
                    polite=True,
                    elem_id="status",
                )
                stop = gr.Button("Stop", visible=False, elem_id="stop", size="sm", scale=0, min_width=80)
            gr.HTML('<p class="star-stale" role="status"></p>', apply_default_css=False, elem_classes="star-over")
            with gr.Row(elem_classes="star-why"):
                with gr.Column(min_width=300, elem_classes="star-left"):
                    begin = live(label="Examples", elem_id="start")
                    cards = live(block(views.empty(w, idle=True)), label=f"Recommended {w.items}", elem_id="cards")
                    with gr.Column(elem_classes="star-proof"):
                        gr.HTML("<h2>Evidence</h2>", apply_default_css=False)
                        proof = live(label="Evidence", polite=True, later=True, elem_id="evidence")
                        table = live(label="Edges of the graph", later=True, elem_id="edges")
                with gr.Column(min_width=300, elem_classes="star-right"):
                    with gr.Column(elem_classes="star-picture"):
                        gr.HTML("<h2>Graph</h2>", apply_default_css=False)
                        graph = graph_view(w, elem_id="graph")
                    with gr.Column(elem_classes="star-reading"):
                        gr.HTML("<h2>Argument</h2>", apply_default_css=False)
                        steps = live(block(WAITING), label="Argument", elem_id="trace")

    outputs = [status, cards, steps, graph, proof, table, stop]
    turns = Turns()

    def ask(value: Any, request: gr.Request) -> Iterator[Update]:
        yield from answer(loader, runs, turns, str(request.session_hash), value)

    def halt(request: gr.Request) -> None:
        # Only sets a flag: the run ends itself and says so. A cancelled Gradio event would swallow the next press.
        runs.stop(str(request.session_hash))

    def again(value: Any, request: gr.Request) -> Update:
        run = value.get("run") if isinstance(value, dict) else None
        session = str(request.session_hash)
        current = runs.current(session)
        try:
            if runs.get(run) is None:
                starters.bring(run)
            update = restored(runs, value, w)
        except UserError as error:
            update = _said(str(error), "error")
        if runs.current(session) != current:
            return (gr.skip(),) * len(outputs)  # the visitor has asked anew while this answer was looked up
        runs.show(session, str(run))
        return update

    go.click(
        ask,
        [chosen],
        outputs,
        concurrency_limit=MOST,
        show_progress="hidden",
        api_visibility="private",
    )
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    stop.click(halt, **quick)
    chosen.restore(again, [chosen], outputs, **quick)
    return begin


WAITING = (
    '<p class="star-wait">Plan, tool calls, evidence, reflection and ranking appear here '
    "as the model writes them.</p>"
)


def answer(loader: Loader, runs: Runs, turns: Turns, session: str, value: Any) -> Iterator[Update]:
    """Updates for one press, about ten a second: status, cards, trace, graph, evidence, table, Stop.

    The answer before stays on the page until the question is accepted.
    """
    run = runs.begin(session)
    last: Recommendation | None = None
    try:
        yield _said("Reading the history…", "busy")
        recommender = None
        while recommender is None:
            recommender = loader.recommender(0.25)
            if not runs.wanted(session, run):
                yield _said("Stopped before anything was written.", "idle")
                return
            if recommender is None:
                if loader.seconds > PATIENCE:
                    raise UserError("The model has been loading for minutes; the server's log may say why.")
                waits = f"The model is still loading ({loader.seconds:.0f} s); your question waits."
                yield _said(waits, "busy")
        question = query(value, recommender.dataset)
        catalog = recommender.dataset.catalog
        yield _begun(question, catalog.words)
        told = False
        for last in _throttled(turns.stream(recommender, question)):
            if not runs.wanted(session, run):
                yield _said("Stopped. What was written so far stays below.", "idle")
                return
            if last is None:
                if not told:
                    yield _said("Others are being answered; you are next…", "busy")
                told = True
                continue
            if last.finished:
                runs.keep(run, last, catalog)
            yield _update(_progress(last, catalog.words), last, catalog, run)
    except UserError as error:
        yield _said(str(error), "error")
    except Exception:
        log.exception("a recommendation failed")
        yield _said(views.FAILED, "error")


def restored(runs: Runs, value: Any, w: Words) -> Update:
    """The page with the answer that the picker's value names as `run`, or, without one, before any answer.

    Raises:
        UserError: as `Runs.get`.
    """
    run = str(value.get("run") or "") if isinstance(value, dict) else ""
    found = runs.get(run)
    if found is not None:
        last, catalog, *_ = found
        status, *rest = _update(_progress(last, catalog.words), last, catalog, run)
        return (block(status[0]["html"] + views.changed(found.changed, last, catalog)), *rest)
    words = GONE if run else f"Pick {a(w.user)} or put together {a(w.shelf)}, then press Recommend."
    status = block(views.status(words, "error" if run else "idle"))
    nothing = packed(payload(None, None))
    return status, block(views.empty(w, idle=True)), block(WAITING), nothing, [], [], gr.update(visible=False)


def _throttled(stream: Iterator[Recommendation | None]) -> Iterator[Recommendation | None]:
    """The stream with at most one snapshot per `PERIOD`, and always the first and the finished one."""
    shown = 0.0
    for snapshot in stream:
        now = time.monotonic()
        if snapshot is None or snapshot.finished or now - shown >= PERIOD:
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


def _update(words: str, answer: Recommendation, catalog: Catalog, run: str) -> Update:
    """One update of all outputs. Graph, evidence and table do not change while an answer grows."""
    done = answer.finished
    return (
        block(views.status(words, "done", views.warned(answer)) if done else views.status(words, "busy")),
        block(views.explained(answer, catalog) if done else views.empty(catalog.words, answer.query.k)),
        argued(answer, catalog),
        packed(payload(answer, catalog, run)) if done else gr.skip(),
        evidence(answer, catalog) if done else gr.skip(),
        edge_table(answer, catalog) if done else gr.skip(),
        gr.update(visible=not done),
    )


def _begun(question: Query, w: Words) -> Update:
    """The update that clears the page for an accepted question."""
    return (
        block(views.status("Reading the history…", "busy")),
        block(views.empty(w, question.k)),
        block(WAITING),
        packed(payload(None, None) | {"asked": asked(question)}),
        [],
        [],
        gr.update(visible=True),
    )


def _said(words: str, kind: str) -> Update:
    """A new status line; what else is on the page stays."""
    nothing = gr.skip()
    shown = gr.update(visible=kind == "busy")
    return block(views.status(words, kind)), nothing, nothing, nothing, nothing, nothing, shown
