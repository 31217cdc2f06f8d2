"""The check box by which a visitor agrees that their feedback is kept for training, and takes that back.

The browser makes a random token when the visitor agrees. What is kept can be deleted by it, and names nobody.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from star.data.words import Words
from star.errors import UserError
from star.recommend.recommendation import Feedback
from star.ui.archive import Archive
from star.ui.assets import script
from star.ui.runs import ID, Runs


def template(w: Words) -> str:
    """The box; `consent.js` shows it once the visitor says something of a recommendation."""
    items, item, shelf = escape(w.items), escape(w.item), escape(w.shelf)
    return f"""
<div class="star-consent" hidden>
  <label><input type="checkbox" data-agree><span>Keep what I say of the {items}, to train the model</span></label>
  <p class="star-hint">Kept are the answer with the {shelf} it is for, the {item}, what you said of it, and the time. No name
    and no address. Take the tick away, and all of it is deleted.</p>
  <p class="star-hint" role="status" data-said></p>
</div>
"""


def consent(runs: Runs, archive: Archive, w: Words) -> None:
    """Lay out the box inside the Blocks being built."""

    def keep(value: Any) -> dict[str, str]:
        return _tried(lambda: said(runs, archive, value))

    def forget(token: Any) -> dict[str, str]:
        return _tried(lambda: archive.unsay(checked(token)))

    gr.HTML(
        html_template=template(w),
        js_on_load="STAR.consent(element, server);",
        head=script("consent.js"),
        server_functions=[keep, forget],
        apply_default_css=False,
        elem_id="consent",
    )


def said(runs: Runs, archive: Archive, value: Any) -> None:
    """Keep what the value says: `{"token", "run", "item", "do"}`, with `do` None for what is undone. It comes from a
    browser, so every part is checked.

    Raises:
        UserError: a part does not fit, the answer is no longer kept, evidence was cut before it, or the database is away.
    """
    value = value if isinstance(value, dict) else {}
    token, found, item = checked(value.get("token")), runs.get(value.get("run")), value.get("item")
    do = next((do for do in ("read", "no", "more", None) if do == value.get("do", "")), "")
    if found is None or do == "" or isinstance(item, bool) or not isinstance(item, int):
        raise UserError("This cannot be kept: the answer is not here any more. Ask again.")
    if do is None and 0 <= item < len(found.catalog):
        archive.unsay(token, found.catalog[item].id)
    elif found.cut:
        raise UserError("It counts from the next answer on, but is not kept: evidence was cut before this answer.")
    elif do is not None and item in [entry.item for entry in found.answer.items]:
        archive.say(token, value["run"], found.answer, found.catalog, Feedback(do, item))  # type: ignore[arg-type]
    else:
        raise UserError("This cannot be kept: the answer does not recommend it.")


def checked(token: Any) -> str:
    """The token of a consent.

    Raises:
        UserError: it is none.
    """
    if not isinstance(token, str) or not ID.fullmatch(token):
        raise UserError("This browser has no consent to go by. Take the tick away and set it again.")
    return token


def _tried(act: Any) -> dict[str, str]:
    try:
        act()
        return {}
    except UserError as error:
        return {"error": str(error)}
