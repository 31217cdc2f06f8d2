"""The table of a cohort: its frame, and what a row says. Pure functions."""

from __future__ import annotations

from html import escape
from typing import Any

from star.data.catalog import Catalog
from star.data.words import Words, capital
from star.display import isolated
from star.questions.cohort import RICH, THIN, Member
from star.ui.views.tables import share


def columns(w: Words) -> tuple[tuple[str, str], ...]:
    """Head of each column, and what it means."""
    return (
        (capital(w.user), f"The {w.user} of the data set who is asked for. Press a row to open its answer in Explore."),
        (capital(w.items), f"How many {w.items} are {w.on_shelf}."),
        ("First place", f"The {w.item} that is recommended first."),
        ("Confidence", "The model's probability of the first place among the candidates."),
        (
            "Not supported",
            "The model's own statements that the graph does not bear out, of all that can be checked. Findings of tools and "
            "opinions do not count.",
        ),
        (
            "Follows its words",
            "What the trace states of the first two is swapped, and the model ranks again by its words. Yes: the second "
            "then leads, so trace and ranking agree. A dash: this recommender does not rank by its words.",
        ),
        (
            "Evidence",
            f"How many different signals speak clearly for the first place. Fewer than {THIN} are thin, {RICH} or more "
            "are rich.",
        ),
    )


def row(member: Member, run: str, catalog: Catalog) -> dict[str, Any]:
    """A reader's row: `cells` are pairs of what is shown and what is sorted by, in the order of `columns`.

    Its words enter the page as text, so titles are isolated.
    """
    answer, w = member.answer, catalog.words
    reader = answer.query.reader or 0
    first = isolated(catalog[answer.items[0].item].title) if answer.items else "–"
    wrong, stated = member.verdicts
    follows = {None: "–", True: "yes", False: "no"}[member.follows]
    return {
        "run": run,
        "reader": reader,
        "cells": [
            [f"{capital(w.user)} {reader + 1}", reader],
            [str(len(answer.query.history)), len(answer.query.history)],
            [first, first],
            [share(member.confidence), member.confidence],
            [f"{wrong} of {stated}", wrong],
            [follows, None if member.follows is None else int(member.follows)],
            [f"{member.evidence} · {member.signals}", member.signals],
        ],
    }


def template(w: Words) -> str:
    """The table's frame; `cohort.js` fills and sorts it."""
    heads = "".join(
        f'<th scope="col" aria-sort="none"><button type="button" title="{escape(meaning, quote=True)}">{escape(name)}'
        '<span aria-hidden="true"></span></button></th>'
        for name, meaning in columns(w)
    )
    return f"""
<div class="star-asked-table moves star-cohort" role="region" tabindex="0" aria-label="Cohort" hidden>
  <table><caption>Press a head to sort, a row to open its answer.</caption>
    <thead><tr>{heads}</tr></thead><tbody></tbody></table>
  <p class="star-sr" role="status" data-said></p>
</div>
"""
