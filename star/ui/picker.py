"""The choice of a user of the data set, or of items for a new shelf. Its value holds row numbers only."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.data.words import Words, a, capital
from star.display import isolated, line
from star.errors import UserError
from star.recommend.recommendation import Feedback, Query, with_feedback
from star.ui.views.cards import byline, plural, volume

MOST = 20  # rows a search returns
MOST_BOOKS = 10
MOST_SHELF = 200  # items of a shelf that an address can bring back
MOST_SEED = 2**31 - 1
MOST_FEEDBACK = 50
Row = dict[str, Any]


def reader_row(data: Dataset, row: int) -> Row:
    """A reader as a row of the picker: `Reader 17`, with the note `34 books · lately The Dark Forest`.

    Names are isolated here, since rows enter the page as text.
    """
    history, w = data.interactions.history(row), data.catalog.words
    lately = f" · lately {isolated(data.catalog[int(history[-1])].title)}" if len(history) else ""
    lately += "" if row in data.held_out else " · seen in training"
    return {
        "id": row,
        "label": f"{capital(w.user)} {row + 1}",
        "note": plural(len(history), w.item, w.items) + lately,
    }


def book_row(catalog: Catalog, index: int) -> Row:
    """A book as a row of the picker."""
    item = catalog[index]
    return {
        "id": index,
        "label": isolated(item.title),
        "note": " · ".join(p for p in (byline(item), volume(item, catalog.words)) if p),
    }


def find_readers(data: Dataset, text: str) -> list[Row]:
    """Readers by number, by id, or by words of their latest books. Without words: readers that no model was trained on."""
    log = data.interactions
    words = text.strip()
    if not words:
        return [reader_row(data, row) for row in spread(log, sorted(data.held_out))]
    found = _exact_readers(data, words)
    digits = words.lower().removeprefix(data.catalog.words.user.lower()).strip()
    if digits.isdecimal():
        for row in range(min(len(log), 100_000)):
            if len(found) >= MOST:
                break
            if str(row + 1).startswith(digits):
                found[row] = None
        return [reader_row(data, row) for row in found]
    titles = set(data.catalog.search(words.removeprefix("lately").strip(), 50))
    for depth in (1, 2, 3, 5):  # the latest book first
        for row in range(len(log)):
            if len(found) >= MOST:
                return [reader_row(data, row) for row in found]
            start, end = int(log.indptr[row]), int(log.indptr[row + 1])
            if end - start >= depth and int(log.items[end - depth]) in titles:
                found[row] = None
    return [reader_row(data, row) for row in found]


def spread(log: Interactions, rows: list[int], count: int = MOST) -> list[int]:
    """At most `count` of these rows (of all, if none are given), evenly spread, with five books or more where possible."""
    rows = rows or list(range(len(log)))
    rows = [row for row in rows if log.indptr[row + 1] - log.indptr[row] >= 5] or rows
    return rows[:: max(1, len(rows) // count)][:count]


def find_books(catalog: Catalog, text: str) -> list[Row]:
    """Books whose title, series or author contain every word."""
    return [book_row(catalog, index) for index in catalog.search(text, MOST)]


def shelf_rows(catalog: Catalog, rows: Any) -> list[Row]:
    """The books of a shelf that an address names by their rows, as rows of the picker.

    Raises:
        UserError: no list, or a row that is not in the catalogue.
    """
    rows = rows[:MOST_SHELF] if isinstance(rows, list) else [rows]
    return [book_row(catalog, _row(row, len(catalog), catalog.words.item)) for row in rows]


def reader_detail(data: Dataset, row: int, books: int = 6) -> Row:
    """A reader's row, with at most `books` of the latest books, newest first."""
    history = data.interactions.history(row)
    return {
        **reader_row(data, row),
        "user": isolated(data.interactions.users[row]),
        "total": len(history),
        "books": [
            {
                "id": int(i),
                "label": isolated(data.catalog[int(i)].title),
                "note": byline(data.catalog[int(i)]),
            }
            for i in history[::-1][:books]
        ],
    }


def query(value: Any, data: Dataset) -> Query:
    """The query of a picker's value. The value comes from the browser, so every part is checked.

    Raises:
        UserError: no reader picked, an empty shelf, a row not in the data set, a number out of its range.
    """
    w = data.catalog.words
    value = value if isinstance(value, dict) else {}
    k = whole(value.get("k", 5), 1, MOST_BOOKS, f"The number of {w.items}")
    seed = whole(value.get("seed", 0), 0, MOST_SEED, "The seed")
    if value.get("mode") == "shelf":
        shelf = value.get("shelf")
        shelf = shelf if isinstance(shelf, list) else []
        if not shelf:
            raise UserError(
                f"The {w.shelf} is empty. Search for a title you like and add at least one {w.item}."
            )
        rows = tuple(dict.fromkeys(_row(i, len(data.catalog), w.item) for i in shelf))
        return with_feedback(Query(rows, None, None, k, seed), _feedback(value, data.catalog))
    reader, typed = value.get("reader"), str(value.get("typed") or "").strip()[:100]
    if reader is None and typed:
        reader = named_reader(data, typed)
    if reader is None:
        raise UserError(
            f"No {w.user} is picked yet. Choose one from the list, or put together {a(w.shelf)} of your own."
        )
    row = _row(reader, len(data.interactions), w.user)
    history = tuple(int(i) for i in data.interactions.history(row))
    return with_feedback(Query(history, row, None, k, seed), _feedback(value, data.catalog))


def _feedback(value: dict[str, Any], catalog: Catalog) -> list[Feedback]:
    """What the visitor said of recommended items, in the order of saying.

    Raises:
        UserError: too much of it, an unknown word, or a row that is not in the catalogue.
    """
    given = value.get("feedback", [])
    if not isinstance(given, list) or len(given) > MOST_FEEDBACK:
        raise UserError(f"Feedback on at most {MOST_FEEDBACK} {catalog.words.items} counts; undo some.")
    found = []
    for each in given:
        each = each if isinstance(each, dict) else {}
        do = next((do for do in ("read", "no", "more") if do == each.get("do")), None)
        if do is None:
            raise UserError("This page has no such feedback; use the buttons of the cards.")
        found.append(Feedback(do, _row(each.get("item"), len(catalog), catalog.words.item)))  # type: ignore[arg-type]
    return found


def named_reader(data: Dataset, text: str) -> int:
    """The row of the reader whose number or id was typed, as `17` or `Reader 17`.

    Raises:
        UserError: the data set has no such reader.
    """
    for row in _exact_readers(data, text):
        return row
    w = data.catalog.words
    raise UserError(
        f"There is no {w.user} “{isolated(text[:40])}” among the {len(data.interactions):,} {w.users}. "
        "Choose one from the list."
    )


def _exact_readers(data: Dataset, text: str) -> dict[int, None]:
    found: dict[int, None] = {}
    digits = text.strip().lower().removeprefix(data.catalog.words.user.lower()).strip()
    if digits.isascii() and digits.isdecimal() and len(digits) < 12 and 0 < int(digits) <= len(data.interactions):
        found[int(digits) - 1] = None
    try:
        found[data.interactions.row(text.strip())] = None
    except UserError:
        pass
    return found


def whole(value: Any, least: int, most: int, what: str) -> int:
    """A whole number from the browser.

    Raises:
        UserError: none, or one out of these bounds. `what`: what it is the number of.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most or value != int(value):
        raise UserError(f"{what} is {str(value)[:20]}; it must be a whole number from {least} to {most:,}.")
    return int(value)


def _row(value: Any, limit: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < limit:
        raise UserError(f"There is no {what} {str(value)[:40]!r} in this data set; pick one from the list.")
    return value


def template(w: Words) -> str:
    """The picker's frame. The attributes of its root are what `picker.js` says in the catalogue's words."""
    item, user, users, shelf = (escape(word) for word in (w.item, w.user, w.users, w.shelf))
    return f"""
<div class="star-picker" data-latest="Latest {escape(w.items)}, newest first" data-there="is {escape(w.on_shelf)} already"
  data-nobody="This data set has no {users}." data-user="{user}" data-shelf-word="{shelf}"
  data-did="{capital(escape(w.past))} it">
  <div class="star-modes" role="radiogroup" aria-label="Who are the {escape(w.items)} for?">
    <label><input type="radio" value="reader" checked data-mode><span>{capital(a(user))}</span></label>
    <label><input type="radio" value="shelf" data-mode><span>Your own {shelf}</span></label>
  </div>
  <div data-pane="reader">
    <div class="star-combo" data-combo="reader">
      <label><span>{capital(user)}</span>
        <input type="text" role="combobox" aria-expanded="false" aria-autocomplete="list" autocomplete="off"
          spellcheck="false" placeholder="Number, or {a(item)} lately {escape(w.participle)}"></label>
      <ul role="listbox" aria-label="{capital(users)}" hidden></ul>
    </div>
    <p class="star-refused" role="alert" data-refused></p>
    <button type="button" class="star-link" data-another>Another {user}</button>
    <div class="star-history" data-history></div>
  </div>
  <div data-pane="shelf" hidden>
    <div class="star-combo" data-combo="book">
      <label><span>Add {a(item)}</span>
        <input type="text" role="combobox" aria-expanded="false" aria-autocomplete="list" autocomplete="off"
          spellcheck="false" placeholder="Title, {escape(w.creator)} or {escape(w.series)}"></label>
      <ul role="listbox" aria-label="{capital(escape(w.items))}" hidden></ul>
    </div>
    <ol class="star-shelf" data-shelf aria-label="Your {shelf}, oldest first"></ol>
    <p class="star-hint">The {shelf} is read from top to bottom; the last {item} counts as the latest.</p>
  </div>
  <section class="star-told" data-told hidden>
    <h4>What you said of the answers</h4><ul></ul>
    <p class="star-hint">It counts from the next answer on.
      <button type="button" class="star-link" data-told-none>Undo all</button></p>
  </section>
  {_number("k", f"How many {escape(w.items)}", 1, MOST_BOOKS, 5)}
  <details class="star-more"><summary>Advanced</summary>
    {_number("seed", "Seed", 0, MOST_SEED, 0)}
    <p class="star-hint">Seed 0 takes the likeliest words; any other number draws them.</p>
  </details>
  <p class="star-sr" role="status" data-said></p>
</div>
"""


def _number(name: str, label: str, least: int, most: int, value: int) -> str:
    """A field for a whole number. Plain text, since a browser hides what is wrong in a field of type number."""
    return f"""<div class="star-number"><label><span>{label}</span>
      <input type="text" inputmode="numeric" autocomplete="off" value="{value}" data-number="{name}"
        data-least="{least}" data-most="{most}" aria-describedby="star-{name}-refused"></label>
    <p class="star-refused" role="alert" id="star-{name}-refused"></p></div>"""


def picker(dataset: Callable[[], Dataset], w: Words, **options: Any) -> gr.HTML:
    """Value: `{"mode": "reader" | "shelf", "reader": row | None, "shelf": [item rows], "feedback", "k", "seed"}`.

    `feedback`: a list of `{"do": "read" | "no" | "more", "item": row}`, see `Feedback`.

    While a reader is typed, `reader` is None and `typed` holds the text. `run`, where it is set, names the answer that the
    event `restore` brings back.

    Look-ups run as server functions, outside the queue, so typing never waits for a running recommendation.
    """

    def guarded(rows: Callable[[], Any]) -> Row:
        try:
            return {"rows": rows()}
        except UserError as error:
            return {"error": line(error)}

    def readers(text: str) -> Row:
        return guarded(lambda: find_readers(dataset(), str(text)[:100]))

    def reader(row: int) -> Row:
        return guarded(
            lambda: reader_detail(
                dataset(), _row(row, len(dataset().interactions), dataset().catalog.words.user)
            )
        )

    def books(text: str) -> Row:
        return guarded(lambda: find_books(dataset().catalog, str(text)[:100]))

    def named(text: str) -> Row:
        return guarded(lambda: named_reader(dataset(), str(text)[:100]))

    def shelf(rows: Any) -> Row:
        return guarded(lambda: shelf_rows(dataset().catalog, rows))

    return gr.HTML(
        value={"mode": "reader", "reader": None, "shelf": [], "feedback": [], "k": 5, "seed": 0},
        html_template=template(w),
        js_on_load="STAR.picker(element, props, server, watch, () => trigger('restore'));",
        server_functions=[readers, reader, books, named, shelf],
        apply_default_css=False,
        **options,
    )
