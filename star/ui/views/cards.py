"""Cards of items, status lines and the page's header as HTML. Pure functions.

All text of a catalogue or model goes through `display`: `bdi` for a single name, `html` for names among other words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.data.words import Words, capital
from star.display import bdi, html, isolated, isolating
from star.evidence.claims import Verdict
from star.recommend.readable import VERDICTS as VERDICTS
from star.recommend.readable import byline as byline
from star.recommend.readable import plural as plural
from star.recommend.readable import volume as volume
from star.recommend.readable import year as year
from star.recommend.reasons import NO_REASON, card
from star.recommend.recommendation import Recommendation, Recommended, names_in
from star.recommend.recommender import TEACHER
from star.ui.views.cover import cover
from star.ui.views.sentence_view import pressed


def mark(verdict: Verdict) -> str:
    """The verdict as a mark: a shape, a colour and words for screen readers."""
    sign, words = VERDICTS[verdict]
    return (
        f'<span class="star-mark {verdict}" title="{words}"><span aria-hidden="true">{sign}</span>'
        f'<span class="star-sr">{words}: </span></span>'
    )


FAILED = "Something went wrong on our side, and the log has it. Please try again."
TOOL = "returned by a tool: read from the graph, so true by construction"


def tool_mark() -> str:
    """The mark of what a tool returned. No tick: ticks are for what the model wrote."""
    return (
        f'<span class="star-mark tool" title="{TOOL}"><span aria-hidden="true">·</span>'
        '<span class="star-sr">returned by a tool: </span></span>'
    )


def tally(answer: Recommendation, claims: tuple[int, ...] | None = None, short: bool = False) -> str:
    """Counts of these claims, or of all: verdicts on what the model wrote, and apart from them what tools returned.

    Example: `4 supported · 1 not supported · 1 opinion · 12 findings of tools`. `short`: the marks stand for the words.
    """
    chosen = answer.claims if claims is None else [answer.claims[i] for i in claims]
    counts = Counter(claim.verdict for claim in chosen if claim.author == "model")
    words: dict[Verdict, str] = {
        "supported": "supported",
        "unsupported": "not supported",
        "opinion": plural(counts["opinion"], "opinion").partition(" ")[2],
    }
    parts = [f"{mark(v)}{counts[v]}{'' if short else ' ' + word}" for v, word in words.items() if counts[v]]
    found = len(chosen) - counts.total()
    if found:
        of_tools = plural(found, "finding") if short else f"{plural(found, 'finding')} of tools"
        parts.append(f'<span class="star-found" title="{TOOL}">{of_tools}</span>')
    return (
        f'<span class="star-tally">{"".join(f"<span>{part}</span>" for part in parts)}</span>'
        if parts
        else ""
    )


def about(answer: Recommendation) -> dict[str, tuple[int, ...]]:
    """Indices of the claims about each node: it is their subject or anchor, or lies on their path. Others are left out."""
    found: dict[str, list[int]] = {}
    for index, claim in enumerate(answer.claims):
        nodes = {end for e in claim.edges for end in (answer.edges[e].source, answer.edges[e].target)}
        nodes |= {f"i:{i}" for i in (claim.claim.subject, claim.claim.anchor) if i is not None}
        for node in nodes:
            found.setdefault(node, []).append(index)
    return {node: tuple(claims) for node, claims in found.items()}


def empty(w: Words, k: int = 5, idle: bool = False) -> str:
    """`k` empty places without titles, before the model has ranked anything. `idle`: nothing was asked yet, so the page may
    show examples in their place."""
    places = '<li class="star-card empty"><span></span></li>' * k
    kind = "star-cards star-idle" if idle else "star-cards"
    return f'<ol class="{kind}" aria-label="Recommended {escape(w.items)}, not ranked yet">{places}</ol>'


def cards(answer: Recommendation, catalog: Catalog) -> str:
    """The recommended items, each with its reason as it was stored; before they are ranked, as many empty places."""
    if not answer.items:
        return empty(catalog.words, answer.query.k)
    named = isolating(names_in(answer, catalog))
    reasons = [f'<p class="star-reason">{html(named(entry.reason))}</p>' for entry in answer.items]
    found = about(answer)
    counts = [tally(answer, found.get(f"i:{entry.item}", ()), short=True) for entry in answer.items]
    best = max(r.score or 0.0 for r in answer.items) or 1.0
    shares = [_share(entry.score, best) for entry in answer.items]
    said = [reason + share + count for reason, share, count in zip(reasons, shares, counts, strict=True)]
    return _list(answer, catalog, [(each, "") for each in said])


def explained(answer: Recommendation, catalog: Catalog) -> str:
    """The recommended items for whoever asked: plain sentences, numbers on demand, and what to say of each item."""
    if not answer.items:
        return empty(catalog.words, answer.query.k)
    found = about(answer)
    said = [_sentences(answer, entry, found.get(f"i:{entry.item}", ()), catalog) for entry in answer.items]
    feedback = [_feedback(entry.item, catalog) for entry in answer.items]
    return _list(answer, catalog, [(a, b + c) for (a, b), c in zip(said, feedback, strict=True)])


def _sentences(
    answer: Recommendation, entry: Recommended, claims_about: Sequence[int], catalog: Catalog
) -> tuple[str, str]:
    """The sentences, and their numbers, which show on demand."""
    said = card(answer, entry.item, catalog, answer.query.reader is None)
    lines = " ".join(f"<p>{pressed(sentence, catalog)}</p>" for sentence in said) or f"<p>{NO_REASON}</p>"
    named = isolating(names_in(answer, catalog))
    claims = dict.fromkeys(index for sentence in said for index in sentence.claims)
    numbers = "".join(f"<li>{html(named(capital(answer.claims[i].text)))}</li>" for i in claims)
    numbers += "" if entry.score is None else f"<li>{_weight(entry.score)}</li>"
    wrong = set(claims_about) & set(answer.unsupported)
    if wrong:
        sign, many = VERDICTS["unsupported"][0], "statements on it are" if len(wrong) > 1 else "statement on it is"
        lines += f' <p class="star-truth"><span aria-hidden="true">{sign} </span>{len(wrong)} {many} not supported.</p>'
    folded = f"<summary>In numbers</summary><ul>{numbers}</ul>"
    return (
        f'<div class="star-sentences">{lines}</div>',
        f'<details class="star-raw" data-key="numbers-{entry.item}">{folded}</details>',
    )


def _list(answer: Recommendation, catalog: Catalog, said: list[tuple[str, str]]) -> str:
    rows = "".join(_card(entry, catalog, *why) for entry, why in zip(answer.items, said, strict=True))
    return f'<ol class="star-cards" aria-label="Recommended {escape(catalog.words.items)}">{rows}</ol>'


def _card(entry: Recommended, catalog: Catalog, said: str, more: str) -> str:
    """One card. `said`, and `more` at its foot, are HTML; with it the card leads on to a question."""
    item, w = catalog[entry.item], catalog.words
    genres = "".join(f"<li>{bdi(genre)}</li>" for genre in item.genres[:3])
    rank = escape(str(entry.rank))
    node = f"i:{entry.item}"
    ask = "Why not the next?" if entry.rank == 1 else "Why not first?"
    rival = more and (
        f'<button type="button" class="star-link" data-why-not="{entry.item}">{ask}'
        f'<span class="star-sr"> {bdi(item.title)}</span></button>'
    )
    series = f'<p class="star-series">{html(volume(item, w))}</p>' if item.series else ""
    return (
        f'<li class="star-card" data-item="{entry.item}"><div class="star-card-cover">{cover(item)}'
        f'<span class="star-rank" aria-label="Rank {rank}">{rank}</span></div>'
        f'<div class="star-card-text"><h3 class="star-clamped" title="{escape(isolated(item.title))}">{bdi(item.title)}</h3>'
        f'<p class="star-by">{html(byline(item))}</p>{series}'
        f'<ul class="star-genres">{genres}</ul>{said}'
        f'<div class="star-card-foot"><button type="button" class="star-link" data-node="{node}" aria-pressed="false">'
        f'Why this {escape(w.item)}?<span class="star-sr"> {bdi(item.title)}</span></button>'
        f"{rival}{more}</div></div></li>"
    )


def _feedback(item: int, catalog: Catalog) -> str:
    """Buttons that say something of the item. It counts from the next answer on."""
    w, title = catalog.words, catalog[item].title
    says = (
        ("read", f"{capital(w.past)} it", f"Joins your {w.shelf} before the latest {w.item}, and is not recommended again."),
        ("no", "Not for me", "Is left out of the next answers."),
        ("more", "More like this", f"Joins your {w.shelf} as the latest {w.item}, which the next answer leans on most."),
    )
    return '<span class="star-feedback">' + "".join(
        f'<button type="button" data-feedback="{do}" data-of="{item}" aria-pressed="false" '
        f'title="{escape(f"{tip} Press Recommend to see it; you can undo it.")}">{escape(name)}'
        f'<span class="star-sr">: {bdi(title)}</span></button>'
        for do, name, tip in says
    ) + "</span>"


def _weight(score: float) -> str:
    return f"{f'{100 * score:.0f}%' if score >= 0.01 else 'under 1%'} of the model’s weight"


def _share(score: float | None, best: float) -> str:
    if score is None:
        return ""
    return (
        '<p class="star-share" title="The model’s probability among the candidates">'
        f'<i style="width:{100 * score / best:.0f}%"></i><span>{_weight(score)}</span></p>'
    )


def status(words: str, kind: str = "idle", more: str = "") -> str:
    """A line about the run. kind: idle, busy, done, error. `more`: HTML behind its words."""
    dot = '<span class="star-dot" aria-hidden="true"></span>'
    return f'<p class="star-status {escape(kind, quote=True)}">{dot}<span>{html(words)}{more}</span></p>'


def changed(words: Sequence[str], answer: Recommendation, catalog: Catalog) -> str:
    """What a visitor changed before the answer; empty where nothing was changed."""
    if not words:
        return ""
    said = html(isolating(names_in(answer, catalog))("; ".join(words)))
    return f'<p class="star-hint"><b>What if:</b> {said}. Press Recommend for the answer without it.</p>'


def whom(answer: Recommendation, w: Words) -> str:
    """Who gets the answer: `Reader 17` or `your shelf`."""
    return (
        f"your {w.shelf}" if answer.query.reader is None else f"{capital(w.user)} {answer.query.reader + 1}"
    )


def warned(answer: Recommendation) -> str:
    """A button that leads to what the model wrote and the graph does not bear out; empty where there is nothing of it."""
    wrong = answer.unsupported
    if not wrong:
        return ""
    said = f"{plural(len(wrong), 'statement')} not supported by the graph"
    return (
        f' · <button type="button" class="star-link star-wrong" data-claim="{wrong[0]}" data-leads aria-pressed="false">'
        f"<span aria-hidden='true'>{VERDICTS['unsupported'][0]} </span>{said}</button>"
    )


def finished(answer: Recommendation, w: Words) -> str:
    """The status line of a complete answer."""
    time = answer.timing
    took = "" if time.total_s is None else f" in {time.total_s:.1f} s"
    parts = [
        f"{plural(len(answer.items), w.item, w.items)} for {whom(answer, w)}{took}",
        "" if time.first_token_s is None else f"first words after {time.first_token_s:.2f} s",
        plural(time.generated_tokens, "token") if time.generated_tokens else "",
        plural(time.tool_calls, "tool call") if time.tool_calls else "",
    ]
    return " · ".join(part for part in parts if part)


def loaded(data: Dataset, checkpoint: str | None, seconds: float = 0.0) -> str:
    """The page's header: data set and checkpoint, and a note where the users are simulated.

    Args:
        seconds: for which the model has been loading.
    """
    title, w = str(data.manifest.get("title") or data.name), data.catalog.words
    counts = escape(
        f"{plural(len(data.catalog), w.item, w.items)}, {plural(len(data.interactions), w.user, w.users)}"
    )
    waits = f"loading for {seconds:.0f} s; the signals of a new data set are fitted once" if seconds else "loading…"
    model = f"<b>{bdi(checkpoint)}</b>" if checkpoint else waits
    teacher = checkpoint == TEACHER
    said = " · the teacher: agents that speak by rules, without trained weights" if teacher else ""
    note = (
        f'<p class="star-note"><b>The {escape(w.users)} are simulated.</b> They are sampled from a model of '
        f"{escape(w.gerund)} behaviour; no real person’s {escape(w.gerund)} is shown.</p>"
        if data.manifest.get("simulated")
        else ""
    )
    return (
        f'<dl class="star-loaded"><div><dt>Data set</dt><dd><b>{bdi(title)}</b> · {counts}</dd></div>'
        f"<div><dt>{'Answers' if teacher else 'Checkpoint'}</dt><dd>{model}{said}</dd></div></dl>{note}"
    )


def loading(words: str) -> str:
    """The header until data set and checkpoint are known."""
    return f'<p class="star-loaded">{html(words)}</p>'
