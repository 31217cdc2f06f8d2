"""What the page's terms mean, as HTML: a list at its foot, from which `star.js` explains a term where it stands."""

from __future__ import annotations

from html import escape

from star.data.words import Words, a
from star.evidence.claims import STRENGTHS

LEVELS = ", ".join(reversed(STRENGTHS))


def terms(w: Words) -> dict[str, str]:
    """Term as the page writes it, in the singular, or several after commas → what it means. The whole glossary is
    docs/glossary.md."""
    return {
        "candidate": f"{a(w.item)} that the graph found for this {w.shelf}; the model ranks the candidates and nothing else",
        "tool call": "a question of the model to the graph; the answer is counted there, and the model cannot change it",
        "token": "a word or number that the model chose; words that the grammar leaves no choice of are not counted",
        "checkpoint": "the trained weights of a model, under a name",
        "trace": "all that the model wrote, and all that the tools answered, on the way to the list",
        "model’s weight": f"the probability that the model gives {a(w.item)} among the candidates; all of them sum to 100%",
        f"co-{w.gerund}": f"how many {w.users} of one {w.item} also {w.past} the other, compared with chance",
        "chance": f"how often two {w.items} would meet if all {w.users} chose at random, popular ones more often",
        "signal": f"one way to count what the {w.shelf} says of {a(w.item)}, such as co-{w.gerund} or similar {w.users}",
        "claim": "a sentence of the trace that can be counted again in the graph",
        "edge": f"a line of the graph: two {w.items} or {w.users}, and what ties them",
        "carries the score of": f"{a(w.item)} {w.on_shelf} adds this share to the sum that gives the other its place",
        "seen in training": f"the model learned from lists of this {w.user}; from others it learned nothing",
        LEVELS: "how rare such a value is among lists of the same data set, from most to least",
        "lift": "a count divided by what chance would give",
        "interval": "where the true value lies in 95 of 100 cases",
        "reflection": "the part of a trace in which the model weighs what it was told",
        "trajectory": "one whole answer of the teacher, from which the student may learn",
        "loss": "what training makes small: how unlikely the model finds the words that it should write",
        "reward": "how good an answer was, as a number; training makes answers with more of it likelier",
        "slots drawn again": "the candidates have other numbers in the model’s input; a sound model answers the same",
        "shortlist drawn": "the model draws whom it looks at again, in place of taking the likeliest",
        "MARS": "the teacher: agents that take turns, each with tools of its own; the student learned from what they wrote",
        "item-kNN": f"a method that ranks by co-{w.gerund} alone",
        "EASE": f"a linear method that ranks by the whole {w.shelf}",
    }


def folded(w: Words) -> str:
    """The list, folded away."""
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{escape(said)}</dd>" for term, said in terms(w).items())
    return f'<details class="star-terms"><summary>What the words mean</summary><dl>{rows}</dl></details>'
