"""Many readers of the data set answered alike, in a table: a part of the tab Results.

One cohort is answered at a time in a process, a few readers at once, so that visitors who ask are not kept waiting.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from star.errors import UserError
from star.questions.cohort import MOST, cohort, fitting, sampled
from star.ui.assets import script
from star.ui.live import block, live
from star.ui.loader import Loader
from star.ui.picker import MOST_SEED, MOST_SHELF, whole
from star.ui.runs import Runs
from star.ui.views.cards import FAILED, plural
from star.ui.views.cards import status as line
from star.ui.views.cohort_view import row, template

log = logging.getLogger(__name__)
Update = tuple[Any, ...]


class Turn:
    """One cohort at a time. Who does not renew the turn loses it, since the visitor may have gone."""

    def __init__(self, held: float = 60.0) -> None:
        self._held, self._lock = held, threading.Lock()
        self._owner: tuple[str, str] | None = None
        self._at = 0.0

    def take(self, session: str, run: str) -> bool:
        """Take or renew the turn; False while another visitor has it."""
        with self._lock:
            now = time.monotonic()
            if self._owner is not None and self._owner[0] != session and now - self._at < self._held:
                return False
            self._owner, self._at = (session, run), now
            return True

    def give(self, session: str, run: str) -> None:
        """Give the turn back, unless another run has it by now."""
        with self._lock:
            if self._owner == (session, run):
                self._owner = None


TURN = Turn()


def many(loader: Loader, runs: Runs) -> None:
    """Lay out the part inside the Blocks being built and connect its events."""
    w = loader.words
    gr.HTML(
        f"<p>The model answers up to {MOST} {w.users} of the data set, drawn by the seed, and of those that no "
        f"model was trained on where the data set has such {w.users}. So you see how sure it is, and for whom its "
        "evidence is thin.</p>",
        apply_default_css=False,
    )
    with gr.Row(elem_classes="star-cohort-ask"):
        count = gr.Number(40, label=f"How many {w.users}", min_width=130)
        least = gr.Number(5, label=f"With at least … {w.items}", min_width=130)
        most = gr.Number(MOST_SHELF, label=f"and at most … {w.items}", min_width=130)
        seed = gr.Number(0, label="Seed", min_width=90)
    with gr.Row(elem_classes="star-cohort-ask"):
        go = gr.Button("Answer them", variant="primary", elem_id="cohort-go", scale=0, min_width=170)
        stop = gr.Button("Stop", visible=False, elem_id="cohort-stop", scale=0, min_width=80)
    status = live(label="Status of the cohort", polite=True, elem_id="cohort-status")
    table = gr.HTML(
        value={"rows": []},
        html_template=template(w),
        js_on_load="STAR.cohort(element, props, watch);",
        head=script("cohort.js"),
        apply_default_css=False,
        elem_id="cohort",
    )

    def ask(count: Any, least: Any, most: Any, seed: Any, request: gr.Request) -> Iterator[Update]:
        yield from answered(loader, runs, str(request.session_hash), count, least, most, seed)

    def halt(request: gr.Request) -> None:
        runs.stop(_key(str(request.session_hash)))

    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    go.click(ask, [count, least, most, seed], [status, table, stop], concurrency_limit=None, **quiet)
    stop.click(halt, queue=False, **quiet)


def _key(session: str) -> str:
    return f"{session} cohort"


def answered(
    loader: Loader, runs: Runs, session: str, count: Any, least: Any, most: Any, seed: Any
) -> Iterator[Update]:
    """Updates of status, table and Stop. The four values come from the browser."""
    nothing, hidden = gr.skip(), gr.update(visible=False)
    run = runs.begin(_key(session))
    try:
        yield block(line("Drawing…", "busy")), nothing, gr.update(visible=True)
        recommender = loader.ready()
        data, w = recommender.dataset, recommender.dataset.catalog.words
        asked = whole(count, 1, MOST, f"The number of {w.users}")
        bounds = [whole(value, 1, MOST_SEED, f"The number of {w.items}") for value in (least, most)]
        found = fitting(data, *bounds)
        if not found:
            raise UserError(f"No {w.user} has from {bounds[0]:,} to {bounds[1]:,} {w.items}; ask for another number.")
        rows = sampled(found, asked, whole(seed, 0, MOST_SEED, "The seed"))
        shown: list[dict[str, Any]] = []
        said = f"of {len(rows)}, from {plural(len(found), w.user, w.users)} that fit"
        members = cohort(recommender, rows)
        while TURN.take(session, run):
            if (part := next(members, None)) is None:
                yield block(line(f"{len(shown)} {said}", "done")), nothing, hidden
                return
            for member in part:
                id = secrets.token_hex(16)
                runs.offer(id, member.answer, data.catalog)
                shown.append(row(member, id, data.catalog))
            if not runs.wanted(_key(session), run):
                yield block(line(f"Stopped: {len(shown)} {said}")), {"rows": list(shown)}, hidden
                return
            yield block(line(f"Answered {len(shown)} {said}…", "busy")), {"rows": list(shown)}, nothing
        raise UserError("Another cohort is being answered here; try again in a minute or two.")
    except UserError as error:
        yield block(line(str(error), "error")), nothing, hidden
    except Exception:
        log.exception("a cohort failed")
        yield block(line(FAILED, "error")), nothing, hidden
    finally:
        TURN.give(session, run)
