"""The form of the Question tab: its frame, and what an answer offers to ask about. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Any

from star.data.catalog import Catalog
from star.data.words import Words, a, capital
from star.display import isolated
from star.evidence.claims import Claim
from star.evidence.subgraph import node_label
from star.questions.edits import Add, CutEdge, CutSentence, Edit, Silence, TakeOff, headline
from star.questions.running import title
from star.questions.what_if import possible
from star.recommend.recommendation import Recommendation
from star.ui.views.cards import byline, whom
from star.ui.views.evidence_view import edge_kinds

LONGEST = 160  # letters of a sentence in a list of choices


def tool_name(name: str, w: Words) -> str:
    """What a tool asks about, in the data set's words."""
    names = {
        "profile": f"{w.genre} of the {w.shelf}",
        "recent": f"{w.genre} of the last {w.items}",
        "user_cf": f"similar {w.users}",
        "item_cf": f"co-{w.gerund} with the {w.shelf}",
        "whole_shelf": f"the whole {w.shelf}",
        "read_after": f"what others {w.past} next",
        "description": "descriptions",
    }
    return names.get(name, name.replace("_", " "))


def edge_words(edge: CutEdge, catalog: Catalog) -> str:
    """An edge as its two ends and what stands between them."""
    ends = [isolated(node_label(end, catalog)) for end in (edge.source, edge.target)]
    return f"{ends[0]} – {edge_kinds(catalog.words).get(edge.kind, edge.kind)} – {ends[1]}"


def sentence_words(edit: CutSentence, answer: Recommendation, catalog: Catalog) -> str:
    """The tool's sentence that an edit cuts; its head, without shares and counts."""

    def cut(claim: Claim) -> bool:
        return claim.subject == edit.item and headline(claim) == edit.kind

    said = [c.text for c in answer.claims if c.author == "tool" and cut(c.claim)]
    return said[0] if said else f"a sentence about {isolated(catalog[edit.item].title)}"


def edit_words(edit: Edit, answer: Recommendation, catalog: Catalog) -> str:
    """An edit in plain words, as the list of edits in force has it."""
    w = catalog.words
    match edit:
        case TakeOff(item):
            return f"{title(catalog, item)} is taken off the {w.shelf}"
        case Add(item):
            return f"{title(catalog, item)} is added as the latest {w.item}"
        case Silence(tool):
            return f"the tools say nothing of {tool_name(tool, w)}"
        case CutEdge():
            return f"cut: {edge_words(edit, catalog)}"
        case CutSentence():
            return f"cut: {sentence_words(edit, answer, catalog)}"


def _row(catalog: Catalog, item: int, note: str = "") -> dict[str, Any]:
    found = catalog[item]
    return {"id": item, "label": isolated(found.title), "note": note or byline(found)}


def offer(
    answer: Recommendation, catalog: Catalog, run: str, systems: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """What the form shows of an answer. Labels enter the page as text; choices come back as row numbers and positions.

    `systems`: key → name of those that can be compared.

    Sentences and edges about recommended items come first.
    """
    w, offered = catalog.words, possible(answer)
    ranked = [r.item for r in answer.items]
    rest = [item for item in answer.candidates if item not in ranked]
    place = {item: n for n, item in enumerate(ranked)}
    said = sorted(
        range(len(offered.sentences)), key=lambda n: place.get(offered.sentences[n].item, len(place))
    )
    ends = {f"i:{item}" for item in ranked}
    tied = sorted(range(len(offered.edges)), key=lambda n: offered.edges[n].target not in ends)
    return {
        "run": run,
        "whom": f"Recommended for {whom(answer, w)}",
        "shelf": [_row(catalog, item) for item in reversed(offered.shelf)],
        "items": [_row(catalog, r.item, f"recommended, place {r.rank}") for r in answer.items]
        + [_row(catalog, item, "a candidate, not recommended") for item in rest],
        "ranked": len(ranked),
        "tools": [{"at": n, "label": tool_name(name, w)} for n, name in enumerate(offered.tools)],
        "sentences": [
            {"at": n, "label": sentence_words(offered.sentences[n], answer, catalog)[:LONGEST]} for n in said
        ],
        "systems": [{"id": key, "label": isolated(name)} for key, name in systems.items()],
        "edges": [{"at": n, "label": edge_words(offered.edges[n], catalog)[:LONGEST]} for n in tied],
    }


def _combo(name: str, label: str, hint: str) -> str:
    return f"""
    <div class="star-combo" data-combo="{name}">
      <label><span>{escape(label)}</span>
        <input type="text" role="combobox" aria-expanded="false" aria-autocomplete="list" autocomplete="off"
          spellcheck="false" placeholder="{escape(hint)}"></label>
      <ul role="listbox" aria-label="{escape(label)}" hidden></ul>
    </div>"""


def _cut(name: str, label: str) -> str:
    return f"""
    <div class="star-cut"><label><span>{escape(label)}</span><select data-choice="{name}"></select></label>
      <button type="button" class="star-do" data-cut="{name}">Cut</button></div>"""


def template(w: Words) -> str:
    """The form's frame; it is filled once there is an answer to ask about. The attributes of its root are what
    `question.js` says in the catalogue's words."""
    title = f"Title, {w.creator} or {w.series}"
    return f"""
<div class="star-question" data-off="Take off" data-added="is added as the latest {escape(w.item)}"
  data-gone="is taken off" data-silent="the tools say nothing of" data-cut="cut">
  <p class="star-hint" data-nothing>Take your last answer, or begin with {escape(a(w.shelf))} of your own.</p>
  <div data-form hidden>
    <p class="star-about" data-about-whom></p>
    <div class="star-modes" role="radiogroup" aria-label="What do you ask?">
      <label><input type="radio" value="why_not" checked data-kind><span>Why not?</span></label>
      <label><input type="radio" value="what_if" data-kind><span>What if?</span></label>
      <label><input type="radio" value="carried" data-kind><span>What carries it?</span></label>
      <label><input type="radio" value="compare" data-kind><span>Teacher and student</span></label>
    </div>
    <div data-pane="why_not">{_combo("one", f"Why this {w.item}", title)}{_combo("other", f"and not this {w.item}", title)}
      <button type="button" class="star-do star-main" data-ask="why_not">Find out</button>
      <p class="star-hint">Any {escape(w.item)} of the catalogue will do. The search then looks for the smallest change of
      the {escape(w.shelf)} that turns the two.</p>
    </div>
    <div data-pane="what_if" hidden>
      <h4>Take {escape(a(w.item))} off</h4>
      <ol class="star-shelf" data-books aria-label="The {escape(w.shelf)}, newest first"></ol>
      {_combo("add", f"Add {a(w.item)}", title)}
      <details><summary>Silence a tool, cut a sentence or an edge</summary>
        <h4>Let the tools say nothing of</h4><div class="star-tools-off" data-tools></div>
        {_cut("sentences", "Cut a sentence of the tools")}{_cut("edges", "Cut an edge of the graph")}
      </details>
      <h4>Changes in force</h4>
      <ol class="star-edits" data-edits aria-label="Changes in force"></ol>
      <div class="star-steps-back"><button type="button" class="star-do" data-undo>Undo</button>
        <button type="button" class="star-do" data-redo>Redo</button></div>
    </div>
    <div data-pane="carried" hidden>
      <label class="star-choose"><span>{capital(w.item)}</span><select data-choice="item"></select></label>
      <button type="button" class="star-do star-main" data-ask="carried">Find out</button>
      <p class="star-hint">The model answers again without each piece of evidence in turn.</p>
    </div>
    <div data-pane="compare" hidden>
      <button type="button" class="star-do star-main" data-ask="duel">Vote on {escape(a(w.user))} drawn at random</button>
      <p class="star-hint">The student and its teacher rank the same candidates. Their names are hidden until you vote.</p>
      <div class="star-vote"><h4>Which list is better?</h4>
      <div class="star-steps-back"><button type="button" class="star-do" data-ask="left">Left</button>
        <button type="button" class="star-do" data-ask="tie">Equally good</button>
        <button type="button" class="star-do" data-ask="right">Right</button></div></div>
      <h4>Or let two systems answer, with names</h4>
      <label class="star-choose"><span>One system</span><select data-choice="first"></select></label>
      <label class="star-choose"><span>Another system</span><select data-choice="second"></select></label>
      <button type="button" class="star-do" data-ask="compare">Let both answer</button>
      <p class="star-hint">Both rank the candidates of the answer above, one after the other. MARS is the teacher; the other
      names are the student, and methods with one signal.</p>
    </div>
  </div>
  <p class="star-sr" role="status" data-said></p>
</div>
"""
