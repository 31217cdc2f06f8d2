"""Plain sentences as HTML: a button that lights the sentence's path, its numbers, and what is behind each number."""

from __future__ import annotations

from html import escape

from star.data.catalog import Catalog
from star.data.words import Words, capital
from star.display import bdi, html, isolated, isolating
from star.evidence.subgraph import node_label
from star.recommend.argument import figure
from star.recommend.readable import plural
from star.recommend.reasons import Sentence, title_of
from star.recommend.recommendation import CheckedClaim, Recommendation, names_in


def words(sentence: Sentence, catalog: Catalog) -> str:
    """The sentence with titles as `<cite>`, the whole title on hover where it is cut."""
    return "".join(part if isinstance(part, str) else _cite(part, catalog) for part in _escaped(sentence))


def _escaped(sentence: Sentence) -> list[str | int]:
    return [escape(part) if isinstance(part, str) else part for part in sentence.parts]


def _cite(item: int, catalog: Catalog) -> str:
    short, whole = title_of(item, catalog), catalog[item].title
    hover = f' title="{escape(isolated(whole))}"' if short.endswith("…") else ""
    return f"<cite{hover}>{bdi(short)}</cite>"


def pressed(sentence: Sentence, catalog: Catalog, mark: str = "") -> str:
    """The sentence as a button that selects its first claim; without a claim, as text. `mark`: HTML before its words."""
    said = words(sentence, catalog)
    if not sentence.claims:
        return f"<span>{mark}{said}</span>"
    return (
        f'<button type="button" class="star-sentence" data-claim="{sentence.claims[0]}" aria-pressed="false">'
        f"{mark}<span>{said}</span></button>"
    )


def figures(answer: Recommendation, sentence: Sentence, catalog: Catalog) -> str:
    """A button for each number of the sentence, and below them what is behind each, shown while it is pressed."""
    buttons, folded, named = "", "", isolating(names_in(answer, catalog))
    for index in sentence.claims:
        claim = answer.claims[index]
        number = figure(claim.claim, catalog.words)
        if not number or (buttons and claim.claim.kind == "carried"):  # the sum behind the first number has its share
            continue
        inside = behind(answer, index, catalog)
        buttons += (
            f' <button type="button" class="star-figure" data-claim="{index}" data-figure aria-expanded="false">'
            f'{escape(number)}<span class="star-sr">: what is behind it</span></button>'
        )
        said = html(named(capital(claim.text)))
        folded += f'<div class="star-behind" data-behind="{index}" hidden><p>{said}.</p>{inside}</div>'
    return buttons + folded


def behind(answer: Recommendation, index: int, catalog: Catalog) -> str:
    """The users that a count counts, the sum that a place rests on, or the counts of each shelf item; empty where there is
    nothing of it."""
    claim, w = answer.claims[index], catalog.words
    if claim.behind and claim.behind[0][0].startswith("r:"):
        return _users(claim, w, catalog)
    if claim.behind:
        rows = "".join(_row(node, f"{100 * share:.0f} %", w, catalog) for node, share in claim.behind)
        said = f"The score is a sum over the {escape(w.items)} {escape(w.on_shelf)}. Each adds this share:"
        return f"<p>{said}</p><ul class='star-sum'>{rows}<li class='total'><span>together</span><b>100 %</b></li></ul>"
    if claim.claim.kind not in ("pull", "read_next"):
        return ""
    edges = [answer.edges[e] for e in claim.edges if answer.edges[e].source.startswith("i:")]
    edges.sort(key=lambda edge: -edge.weight)
    rows = "".join(_row(edge.source, plural(round(edge.weight), w.user, w.users), w, catalog) for edge in edges)
    what = f"{w.participle} by the same {w.users}" if claim.claim.kind == "pull" else f"{w.participle} soon after"
    return f"<p>{capital(escape(what))}, for each {escape(w.item)}:</p><ul class='star-sum'>{rows}</ul>" if rows else ""


def _row(node: str, amount: str, w: Words, catalog: Catalog) -> str:
    name = f"the other {escape(w.items)}" if node == "rest" else _cite(int(node[2:]), catalog)
    return f"<li><span>{name}</span><b>{escape(amount)}</b></li>"


def _users(claim: CheckedClaim, w: Words, catalog: Catalog) -> str:
    """Some of the users counted, under the pseudonyms of the graph."""
    both = int(claim.claim.numbers.get("both", len(claim.behind)))
    some = "" if both <= len(claim.behind) else f"{len(claim.behind)} of "
    alike = claim.claim.kind == "similar"
    names = "".join(
        f"<li>{escape(node_label(node, catalog))}{f' <small>{100 * weight:.0f} % alike</small>' if alike else ''}</li>"
        for node, weight in claim.behind
    )
    return f"<p>{some}these {both:,} {escape(w.users)}:</p><ul class='star-users'>{names}</ul>"
