"""A finished trace in three depths as HTML: the argument as prose, the steps, the raw words. Pure functions."""

from __future__ import annotations

from html import escape

from star.data.catalog import Catalog
from star.display import bdi, html, isolating
from star.recommend.argument import Passage, argument
from star.recommend.readable import NAMES, plural, truth
from star.recommend.reasons import Sentence
from star.recommend.recommendation import Recommendation, names_in
from star.ui.views.cards import mark, tally, tool_mark
from star.ui.views.sentence_view import figures, pressed
from star.ui.views.trace_view import Block, trace

HEADS = {
    "opinion": "Its opinions, which cannot be checked",
    "unsupported": "Not true: it wrote this, and the graph says otherwise",
}


def argued(answer: Recommendation, catalog: Catalog) -> list[Block]:
    """Blocks of the page: while the answer grows its steps, and once it is finished the argument above them."""
    steps = trace(answer, catalog)
    passages = argument(answer, catalog, answer.query.reader is None) if answer.finished else ()
    if not passages:
        return steps
    inside = "".join(block["html"] for block in steps)
    count = plural(len(answer.steps), "step")
    return [
        {"key": "argument", "html": _argument(answer, passages, catalog)},
        {"key": "steps", "html": _folded("steps", f"The steps <small>{count}</small>", inside)},
        {"key": "raw", "html": _folded("raw", f"The raw words <small>{_tokens(answer)}</small>", _raw(answer, catalog))},
    ]


def _folded(key: str, summary: str, inside: str) -> str:
    return f'<details class="star-depth" data-key="{key}"><summary>{summary}</summary>{inside}</details>'


def _argument(answer: Recommendation, passages: tuple[Passage, ...], catalog: Catalog) -> str:
    verdict, *rest = passages
    top = "".join(f"<p>{_sentence(answer, each, catalog)}</p>" for each in verdict.sentences)
    body = "".join(_passage(answer, each, catalog) for each in rest)
    wrote = "the model wrote it, and the graph bears it out"
    foot = f'<p class="star-signs">{mark("supported")} {wrote}; {tool_mark()} a tool counted it in the graph.</p>'
    return f'<article class="star-argument"><div class="star-verdict">{top}</div>{body}{foot}</article>'


def _passage(answer: Recommendation, passage: Passage, catalog: Catalog) -> str:
    if passage.item is None:
        head = escape(HEADS[passage.kind])
    else:
        title = bdi(catalog[passage.item].title)
        rank = next((str(entry.rank) for entry in answer.items if entry.item == passage.item), "")
        head = f"<span>Why </span>{title}<span>, place {rank}</span>" if rank else f"<span>Not </span>{title}"
    none = "" if passage.sentences or passage.against else _empty(passage)
    lines = "".join(f"<li>{_sentence(answer, each, catalog)}</li>" for each in passage.sentences)
    against = "".join(f"<li>{_sentence(answer, each, catalog)}</li>" for each in passage.against)
    against = f'<p class="star-against">Against it</p><ul>{against}</ul>' if against else ""
    about = "" if passage.item is None else f' data-why="i:{passage.item}"'
    return f'<section class="{passage.kind}"{about}><h3>{head}</h3>{none}<ul>{lines}</ul>{against}</section>'


def _empty(passage: Passage) -> str:
    said = "The trace holds no supported reason for it." if passage.kind == "why" else "The trace says no more of it."
    return f'<p class="star-wait">{said}</p>'


def _sentence(answer: Recommendation, sentence: Sentence, catalog: Catalog) -> str:
    """The sentence with the mark of its first claim, and its numbers."""
    sign = ""
    if sentence.claims:
        first = answer.claims[sentence.claims[0]]
        sign = tool_mark() if first.author == "tool" and first.verdict == "supported" else mark(first.verdict)
    said = pressed(sentence, catalog, sign)
    false = [answer.claims[i] for i in sentence.claims if answer.claims[i].verdict == "unsupported"]
    true = "".join(f' <small class="star-truth">The graph has {html(truth(c, catalog.words))}.</small>' for c in false)
    return f'<span class="star-said">{said}{"" if true else figures(answer, sentence, catalog)}{true}</span>'


def _tokens(answer: Recommendation) -> str:
    count = answer.timing.generated_tokens or sum(step.tokens for step in answer.steps)
    return plural(count, "token")


def _raw(answer: Recommendation, catalog: Catalog) -> str:
    """Each step as it was written, with its tokens, then the whole trace in the words of the grammar."""
    named = isolating(names_in(answer, catalog))
    steps = "".join(
        f"<dt>{escape(NAMES[step.type])} <small>{plural(step.tokens, 'token') if step.tokens else ''}</small></dt>"
        f"<dd>{html(named(step.text))}</dd>"
        for step in answer.steps
    )
    whole = f"<pre>{escape(answer.text)}</pre>" if answer.text else ""
    return f'<dl class="star-words">{steps}</dl>{whole}<p class="star-ledger">{tally(answer)}</p>'
