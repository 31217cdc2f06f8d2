"""The tab where a visitor questions a recommendation: why this and not that, what if, what carries it.

What the visitor asks about is kept in the browser as the id of an answer and row numbers, and every value is checked.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import gradio as gr

from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.data.words import a
from star.errors import UserError
from star.questions.carried_by import carried_by
from star.questions.compare import VOTES, Ballot, compare
from star.questions.edits import Add, Edit, Silence, TakeOff
from star.questions.what_if import Possible, compared, control, possible, what_if
from star.questions.why_not import search
from star.recommend.recommendation import Query, Recommendation
from star.recommend.recommender import TEACHER, Recommender, answer
from star.ui.assets import script
from star.ui.live import block, live
from star.ui.loader import Loader
from star.ui.picker import find_books, picker, query, spread
from star.ui.runs import Runs
from star.ui.views import comparison_view as comparison
from star.ui.views import question_view as views
from star.ui.views import what_if_view as changes
from star.ui.views.cards import FAILED
from star.ui.views.cards import status as line
from star.ui.views.question_form import offer, template
from star.ui.views.trace_view import Block

log = logging.getLogger(__name__)
MOST_EDITS = 12
Update = tuple[Any, ...]


def question(loader: Loader, runs: Runs) -> None:
    """Lay out the tab inside the Blocks being built and connect its events."""
    w = loader.words
    with gr.Row(elem_classes="star-explore"):
        with gr.Column(scale=0, min_width=300, elem_classes="star-ask"):
            last = gr.Button("Take my last answer from Explore", size="md", elem_id="take-last")
            with gr.Accordion(f"Or another {w.user}, or {a(w.shelf)} of your own", open=False) as another:
                chosen = picker(loader.dataset, w, elem_id="question-picker")
                own = gr.Button("Begin with this one", size="md", elem_id="take-own")
            form = _form(loader)
        with gr.Column(scale=1, min_width=0, elem_classes="star-scope star-answer"):
            said = f"Take your last answer, or begin with {a(w.shelf)} of your own."
            status = live(
                block(line(said)), label="Status of the question", polite=True, elem_id="question-status"
            )
            stop = gr.Button("Stop", visible=False, elem_id="question-stop")
            result = live(label="Answer to the question", elem_id="asked")

    duel = Duel()
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    def take_last(request: gr.Request) -> Iterator[Update]:
        yield from begun(loader, runs, str(request.session_hash), None)

    def take_own(value: Any, request: gr.Request) -> Iterator[Update]:
        yield from begun(loader, runs, str(request.session_hash), value)

    def ask(value: Any, request: gr.Request) -> Iterator[Update]:
        yield from asked(loader, runs, str(request.session_hash), value, duel)

    def halt(request: gr.Request) -> None:
        runs.stop(_key(str(request.session_hash)))

    outputs = [status, result, stop]
    last.click(take_last, None, [form, another, *outputs], concurrency_id="model", **quiet)
    own.click(take_own, chosen, [form, another, *outputs], concurrency_id="model", **quiet)
    form.submit(ask, form, outputs, concurrency_id="model", **quiet)
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
        head=script("star.js") + script("question.js"),
        server_functions=[books],
        apply_default_css=False,
        elem_id="question-form",
    )


def _key(session: str) -> str:
    """The name under which a tab's question runs; Explore's answers run under the session itself."""
    return f"{session} question"


def begun(loader: Loader, runs: Runs, session: str, value: Any) -> Iterator[Update]:
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
            found = done, recommender.dataset.catalog
            runs.keep(run, *found)
        shown = changes.what_if(compared(found[0], found[0]), None, found[1])
        said = block(line("Ask a question about this answer.", "done"))
        yield offer(*found, run), gr.update(open=False), said, shown, hidden
    except UserError as error:
        yield nothing, nothing, block(line(str(error), "error")), nothing, hidden
    except Exception:
        log.exception("a question could not begin")
        yield nothing, nothing, block(line(FAILED, "error")), nothing, hidden


class Duel:
    """Comparisons with the teacher, and their votes."""

    def __init__(self) -> None:
        self.ballot = Ballot()

    def answers(
        self, recommender: Recommender, loader: Loader, wanted: Asked, session: str
    ) -> Iterator[list[Block]]:
        """`duel`: two lists for a reader drawn at random, without names; a vote: their names, what each took, where they
        part; `compare`: the same of the answer at hand, without a vote, since the visitor has seen whose it is.

        Raises:
            UserError: nothing is open to vote on, or the recommender is the teacher itself.
        """
        if recommender.checkpoint == TEACHER:
            raise UserError("The teacher answers on this page already; serve a student to compare it with.")
        catalog, rival = recommender.dataset.catalog, loader.teacher()
        if wanted.kind == "compare":
            found = compare(recommender, rival, wanted.before.query, wanted.before)
            yield comparison.revealed(found, True, None, self.ballot.counts, catalog)
        elif wanted.kind == "duel":
            found = compare(recommender, rival, drawn(recommender.dataset))
            left = self.ballot.begin(session, found, secrets.randbits(32))
            yield comparison.blind(found, left, catalog)
        else:
            vote = next(vote for vote in VOTES if vote == wanted.kind)
            voted = self.ballot.vote(session, vote)
            if voted is None:
                raise UserError(
                    "There is nothing to vote on. Draw a new one first; each comparison takes one vote."
                )
            yield comparison.revealed(voted[1], voted[0], vote, self.ballot.counts, catalog)


def drawn(data: Dataset) -> Query:
    """A reader drawn at random among those that no model was trained on, without the last book, which may be recommended."""
    rows = spread(data.interactions, sorted(data.held_out), count=10**6)
    row = secrets.choice(rows)
    history = [int(item) for item in data.interactions.history(row)]
    return Query(tuple(history[:-1] or history), row)


def asked(loader: Loader, runs: Runs, session: str, value: Any, duel: Duel) -> Iterator[Update]:
    """Updates of status, result and Stop for one question."""
    run = runs.begin(_key(session))
    try:
        yield block(line("The model answers again…", "busy")), gr.skip(), gr.update(visible=True)
        recommender = loader.ready()
        wanted = read(value, runs, recommender.dataset.catalog)
        duels = wanted.kind in ("compare", "duel", *VOTES)
        for shown in duel.answers(recommender, loader, wanted, session) if duels else _answers(recommender, wanted):
            if not runs.wanted(_key(session), run):
                yield (
                    block(line("Stopped. What was found so far stays below.")),
                    gr.skip(),
                    gr.update(visible=False),
                )
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
    """One question as the form sends it, checked. `kind`: why_not, what_if, carried, compare, duel or a vote."""

    kind: str
    before: Recommendation
    one: int | None = None
    other: int | None = None
    edits: tuple[Edit, ...] = ()


def _answers(recommender: Recommender, wanted: Asked) -> Iterator[list[Block]]:
    before, catalog = wanted.before, recommender.dataset.catalog
    if wanted.kind == "what_if":
        found = (
            what_if(recommender, before.query, wanted.edits, before)
            if wanted.edits
            else compared(before, before)
        )
        yield changes.what_if(found, None, catalog)
        if wanted.edits:
            try:
                other: Any = control(recommender, before, wanted.edits, len(wanted.edits))
            except UserError as error:
                other = str(error)
            yield changes.what_if(found, other, catalog)
    elif wanted.kind == "why_not":
        assert wanted.one is not None and wanted.other is not None
        for state in search(recommender, before.query, wanted.one, wanted.other, before):
            yield views.why_not(state, catalog)
    else:
        assert wanted.one is not None
        for so_far in carried_by(recommender, before.query, wanted.one, before):
            yield views.carried(so_far, catalog)


def read(value: Any, runs: Runs, catalog: Catalog) -> Asked:
    """The question of a form's value. The value comes from the browser, so every part is checked.

    Raises:
        UserError: an answer that is no longer kept, an unknown question, no item chosen, an edit that is not offered.
    """
    w = catalog.words
    value = value if isinstance(value, dict) else {}
    run = value.get("run")
    found = runs.get(run) if isinstance(run, str) and re.fullmatch(r"[0-9a-f]{32}", run) else None
    if found is None:
        raise UserError("This answer is no longer kept. Take your last answer, or begin again.")
    before, kind = found[0], value.get("kind")
    if kind == "what_if":
        return Asked(kind, before, edits=_edits(value.get("edits"), possible(before), catalog))
    if kind in ("compare", "duel", *VOTES):
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
