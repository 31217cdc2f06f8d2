"""The tab where a visitor questions a recommendation: why this and not that, what if, what carries it.

What the visitor asks about is kept in the browser as the id of an answer and row numbers, and every value is checked.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import gradio as gr

from star.data.catalog import Catalog
from star.data.words import a
from star.errors import UserError
from star.questions.carried_by import carried_by
from star.questions.compare import VOTES
from star.questions.edits import Add, Edit, Silence, TakeOff, to_json
from star.questions.rivals import OWN
from star.questions.what_if import Possible, WhatIf, compared, control, possible, what_if
from star.questions.why_not import search
from star.recommend.recommendation import Recommendation
from star.recommend.recommender import TEACHER, Recommender, answer
from star.ui.archive import Changes
from star.ui.assets import script
from star.ui.duel import Duel
from star.ui.live import block, live
from star.ui.loader import Loader
from star.ui.picker import find_books, picker, query
from star.ui.runs import Kept, Runs
from star.ui.views import question_view as views
from star.ui.views import what_if_view as changes
from star.ui.views.cards import FAILED
from star.ui.views.cards import status as line
from star.ui.views.question_form import edit_words, offer, template
from star.ui.views.trace_view import Block

log = logging.getLogger(__name__)
MOST_EDITS = 12
AT_ONCE = 2  # visitors whose questions are answered at the same time
Update = tuple[Any, ...]


def question(loader: Loader, runs: Runs) -> None:
    """Lay out the tab inside the Blocks being built and connect its events."""
    w = loader.words
    with gr.Row(elem_classes="star-explore"):
        with gr.Column(scale=0, min_width=300, elem_classes="star-ask"):
            last = gr.Button("Take my last answer from Explore", size="md", elem_id="take-last")
            with gr.Accordion(f"Or another {w.user} or {w.shelf}", open=False) as another:
                chosen = picker(loader.dataset, w, elem_id="question-picker")
                own = gr.Button("Begin with this one", size="md", elem_id="take-own")
            form = _form(loader)
        with gr.Column(scale=1, min_width=0, elem_classes="star-scope star-answer"):
            said = f"Take your last answer, or begin with {a(w.shelf)} of your own."
            with gr.Row(elem_classes="star-statusline"):
                status = live(
                    block(line(said)), label="Status of the question", polite=True, elem_id="question-status"
                )
                stop = gr.Button(
                    "Stop", visible=False, elem_id="question-stop", size="sm", scale=0, min_width=80
                )
            result = live(label="Answer to the question", elem_id="asked")

    duel = Duel(runs.archive)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    def take_last(request: gr.Request) -> Iterator[Update]:
        yield from begun(loader, runs, str(request.session_hash), None, duel)

    def take_own(value: Any, request: gr.Request) -> Iterator[Update]:
        yield from begun(loader, runs, str(request.session_hash), value, duel)

    def ask(value: Any, request: gr.Request) -> Iterator[Update]:
        yield from asked(loader, runs, str(request.session_hash), value, duel)

    def halt(request: gr.Request) -> None:
        runs.stop(_key(str(request.session_hash)))

    outputs = [status, result, stop]
    shared: dict[str, Any] = {"concurrency_id": "questions", "concurrency_limit": AT_ONCE, **quiet}
    last.click(take_last, None, [form, another, *outputs], **shared)
    own.click(take_own, chosen, [form, another, *outputs], **shared)
    form.submit(ask, form, outputs, **shared)
    stop.click(halt, queue=False, **quiet)


def _form(loader: Loader) -> gr.HTML:
    def books(text: str) -> dict[str, Any]:
        try:
            return {"rows": find_books(loader.dataset().catalog, str(text)[:100])}
        except UserError as error:
            return {"error": str(error)}

    return gr.HTML(
        value={"run": ""},
        html_template=template(loader.words),
        js_on_load="STAR.question(element, props, server, trigger, watch);",
        head=script("question.js"),
        server_functions=[books],
        apply_default_css=False,
        elem_id="question-form",
    )


def _key(session: str) -> str:
    """The name under which a tab's question runs; Explore's answers run under the session itself."""
    return f"{session} question"


def begun(loader: Loader, runs: Runs, session: str, value: Any, duel: Duel) -> Iterator[Update]:
    """Updates of form, accordion of the picker, status, result and Stop: the answer that questions are asked about.

    Args:
        value: of the picker; None: the last answer of this visitor's Explore tab.
    """
    nothing, hidden = gr.skip(), gr.update(visible=False)
    try:
        if value is None:
            run = runs.last(session)
            found = None if run is None else runs.get(run)
            if run is None or found is None:
                raise UserError(
                    "There is no answer yet. Press Recommend on the Explore tab first, or begin with your own."
                )
        else:
            run = runs.begin(_key(session))
            yield nothing, nothing, block(line("The model answers…", "busy")), [], hidden
            recommender = loader.ready()
            done = answer(recommender, query(value, recommender.dataset))
            runs.keep(run, done, recommender.dataset.catalog)
            found = Kept(done, recommender.dataset.catalog, time.time())
        before = found.whole
        said = block(line("Ask a question about this answer.", "done"))
        offered = offer(before, found.catalog, run, duel.rivals(loader).offered)
        yield offered, gr.update(open=False), said, changes.standing(before, found.catalog), hidden
    except UserError as error:
        yield nothing, nothing, block(line(str(error), "error")), nothing, hidden
    except Exception:
        log.exception("a question could not begin")
        yield nothing, nothing, block(line(FAILED, "error")), nothing, hidden


def asked(loader: Loader, runs: Runs, session: str, value: Any, duel: Duel) -> Iterator[Update]:
    """Updates of status, result and Stop for one question."""
    run = runs.begin(_key(session))
    try:
        going = isinstance(value, dict) and value.get("kind") in ("what_if", *VOTES)  # what is shown goes on
        yield block(line("The model answers again…", "busy")), gr.skip() if going else [], gr.update(visible=True)
        recommender = loader.ready()
        wanted = read(value, runs, recommender.dataset.catalog)
        if wanted.kind == "compare":
            shows = duel.named(loader, wanted.first, wanted.second, wanted.before)
        elif wanted.kind in ("duel", *VOTES):
            shows = duel.answers(recommender, loader, wanted.kind, session)
        else:
            shows = _answers(recommender, wanted, runs, lambda: runs.wanted(_key(session), run))
        for shown in shows:
            if not runs.wanted(_key(session), run):
                yield block(line("Stopped. What was found so far stays below.")), shown, gr.update(visible=False)
                return
            yield gr.skip(), shown, gr.skip()
        yield block(line("Done. Ask on.", "done")), gr.skip(), gr.update(visible=False)
    except UserError as error:
        yield block(line(str(error), "error")), gr.skip(), gr.update(visible=False)
    except Exception:
        log.exception("a question failed")
        yield block(line(FAILED, "error")), gr.skip(), gr.update(visible=False)


@dataclass(frozen=True)
class Asked:
    """One question as the form sends it, checked.

    `kind`: why_not, what_if, carried, compare, duel or a vote; `earlier`: what was changed before the answer at hand.
    """

    kind: str
    before: Recommendation
    one: int | None = None
    other: int | None = None
    edits: tuple[Edit, ...] = ()
    earlier: Changes = ()
    first: str = OWN
    second: str = TEACHER


def _answers(
    recommender: Recommender, wanted: Asked, runs: Runs, goes_on: Callable[[], bool]
) -> Iterator[list[Block]]:
    before, catalog = wanted.before, recommender.dataset.catalog
    if wanted.kind == "what_if":
        found = (
            what_if(recommender, before.query, wanted.edits, before)
            if wanted.edits
            else compared(before, before)
        )
        run = _keep(runs, found, wanted.earlier, catalog) if wanted.edits else ""
        yield changes.what_if(found, None, catalog, run)
        if wanted.edits:
            try:
                other: Any = control(recommender, before, wanted.edits, len(wanted.edits))
            except UserError as error:
                other = str(error)
            yield changes.what_if(found, other, catalog, run)
    elif wanted.kind == "why_not":
        assert wanted.one is not None and wanted.other is not None
        for state in search(recommender, before.query, wanted.one, wanted.other, before):
            yield views.why_not(state if goes_on() else replace(state, finished=True), catalog)
    else:
        assert wanted.one is not None
        for so_far in carried_by(recommender, before.query, wanted.one, before):
            yield views.carried(so_far, catalog)


def _keep(runs: Runs, found: WhatIf, earlier: Changes, catalog: Catalog) -> str:
    """Keep the answer after a change, with the change; returns its id."""
    run = secrets.token_hex(16)
    made = ({**to_json(edit, catalog), "words": edit_words(edit, found.before, catalog)} for edit in found.edits)
    runs.keep(run, found.after, catalog, (*earlier, *made))
    return run


def read(value: Any, runs: Runs, catalog: Catalog) -> Asked:
    """The question of a form's value. The value comes from the browser, so every part is checked.

    Raises:
        UserError: an answer that is not kept or was given under cut evidence, an unknown question, no item
            chosen, an edit that is not offered.
    """
    w = catalog.words
    value = value if isinstance(value, dict) else {}
    found = runs.get(value.get("run"))
    if found is None:
        raise UserError("This answer is no longer kept. Take your last answer, or begin again.")
    before, kind = found.whole, value.get("kind")
    if kind == "what_if":
        edits = _edits(value.get("edits"), possible(before), catalog)
        return Asked(kind, before, edits=edits, earlier=found.changes)
    if kind == "compare":
        sides = [str(value.get(side, default))[:200] for side, default in (("first", OWN), ("second", TEACHER))]
        return Asked(kind, before, first=sides[0], second=sides[1])
    if kind in ("duel", *VOTES):
        return Asked(kind, before)
    if kind not in ("why_not", "carried"):
        raise UserError("This page has no such question; choose one that it shows.")
    one, other = value.get("one"), value.get("other")
    if not _is_row(one, len(catalog)) or (kind == "why_not" and not _is_row(other, len(catalog))):
        raise UserError(f"Choose {'two ' + w.items if kind == 'why_not' else a(w.item)} from the list first.")
    return Asked(kind, before, one, other if kind == "why_not" else None)


def _is_row(value: Any, limit: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit


def _edits(value: Any, offered: Possible, catalog: Catalog) -> tuple[Edit, ...]:
    """The edits of a form: rows of the catalogue, or positions in what the answer offers."""
    if not isinstance(value, list) or len(value) > MOST_EDITS:
        raise UserError(f"At most {MOST_EDITS} changes at once; undo some.")
    offers: dict[str, Sequence[Edit]] = {
        "tools": [Silence(tool) for tool in offered.tools],
        "sentences": offered.sentences,
        "edges": offered.edges,
    }
    out: list[Edit] = []
    for each in value:
        do, at = (each.get("do"), each.get("at")) if isinstance(each, dict) else (None, None)
        if do == "take_off" and _is_row(at, len(catalog)):
            out.append(TakeOff(at))
        elif do == "add" and _is_row(at, len(catalog)):
            out.append(Add(at))
        elif isinstance(do, str) and do in offers and _is_row(at, len(offers[do])):
            out.append(offers[do][at])
        else:
            raise UserError("This change is not offered for this answer; begin again.")
    return tuple(out)
