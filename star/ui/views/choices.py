"""The pickers of data set and checkpoint, as HTML. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from star.data.words import DOMAINS
from star.display import isolated
from star.recommend.recommender import TEACHER
from star.ui.offered import Choice, Offered


def choices(offered: Offered, shown: Choice, uploads: bool = False) -> str:
    """A form that opens the page of another data set or checkpoint; empty where there is only one of each.

    Args:
        uploads: with a form for a table of one's own.
    """
    models = [(name, "MARS, the teacher" if name == TEACHER else name) for name in offered.models]
    sets = [(name, offered.title(name)) for name in offered.datasets]
    fields = _picker("dataset", "Data set", sets, shown.dataset) + _picker(
        "model", "Answers by", models, shown.model
    )
    pick = f'<form method="get" class="star-choices">{fields}<button>Open</button></form>' if fields else ""
    return pick + (_UPLOAD if uploads else "")


def _picker(name: str, label: str, offers: Iterable[tuple[str, str]], shown: str) -> str:
    offers = list(offers)
    if len(offers) < 2:
        return ""
    options = "".join(
        f'<option value="{escape(value)}"{" selected" if value == shown else ""}>{escape(isolated(said))}</option>'
        for value, said in offers
    )
    return f'<label><span>{label}</span><select name="{name}">{options}</select></label>'


_DOMAINS = "".join(f'<option value="{name}">{words.items}</option>' for name, words in reversed(DOMAINS.items()))
_UPLOAD = f"""
<details class="star-upload" data-key="upload"><summary>Open a table of your own</summary>
  <form data-upload>
    <p>A CSV file with a header, one row per user and item: columns such as <i>user</i>, <i>item</i>, <i>title</i>,
      <i>genres</i> and <i>time</i>. It stays on this machine and is gone when the server ends.</p>
    <label><span>File</span><input type="file" name="table" accept=".csv,text/csv" required></label>
    <label><span>Its items are</span><select name="domain">{_DOMAINS}</select></label>
    <button>Import</button>
    <p role="status"></p>
  </form>
</details>
"""
