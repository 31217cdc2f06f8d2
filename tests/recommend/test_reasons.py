"""Plain sentences of a card: every kind of claim, two of them at most, and nothing that no claim holds."""

from __future__ import annotations

from dataclasses import replace

import answering
import pytest
import toy
import toys

from star.data.catalog import Catalog, Item
from star.data.words import FILM, PRODUCT, Words
from star.evidence.claims import Claim, Edge
from star.recommend.reasons import LONGEST, NO_REASON, card, once, plain, reason, reasons
from star.recommend.recommendation import CheckedClaim, Query, Recommendation

CATALOG = toys.hand_catalog()
PLACE = {"rank": 1, "among": 20}
LATE = {"rank": 15, "among": 20}
SHELF = (0, 1, 3)
FEW = Claim("co_read", 4, None, {"window": 5})
PULL = Claim("pull", 4, None, {"window": 5, **PLACE}, "good")
NEXT = Claim("read_next", 4, None, {"window": 5, **PLACE}, "good")
SIMILAR = Claim("similar", 4, None, {"both": 30, "of": 50, **PLACE}, "good")
WHOLE = Claim("whole", 4, None, PLACE, "strong")
LAST = Claim("last", 4, None, PLACE, "striking")


def answered(
    *claims: Claim | CheckedClaim, shelf: tuple[int, ...] = SHELF, edges: tuple[Edge, ...] = ()
) -> Recommendation:
    """An answer with these claims of the model, each with all edges about its kind."""
    made = []
    for each in claims:
        if isinstance(each, Claim):
            kind = "co_read" if each.kind == "pull" else each.kind
            path = tuple(n for n, edge in enumerate(edges) if edge.kind == kind)
            each = CheckedClaim(each, "", {}, path, "model", "supported")
        made.append(each)
    return Recommendation("d", "c", Query(shelf), (4, 5), claims=tuple(made), edges=edges)


def given(*claims: Claim | CheckedClaim, **options: object) -> str:
    return reason(answered(*claims, **options), 4, CATALOG)  # type: ignore[arg-type]


def by_tool(claim: Claim) -> CheckedClaim:
    return CheckedClaim(claim, "", {}, (), "tool", "supported")


@pytest.mark.parametrize(
    ("claim", "edges", "words"),
    [
        (LAST, (), "Book 3, which you read last, points very strongly to this."),
        (WHOLE, (), "Your shelf as a whole points strongly to this."),
        (replace(WHOLE, kind="latest", strength="fair"), (), "Your last three books point to this."),
        (replace(WHOLE, kind="after"), (), "Readers often go on to this after the books on your shelf."),
        (replace(WHOLE, kind="about"), (), "Few readers know this, but its description fits your shelf."),
        (PULL, (Edge("i:0", "i:4", "co_read", 9),), "It has many readers in common with Volume 1."),
        (PULL, (), "It has many readers in common with the latest books on your shelf."),
        (
            NEXT,
            (Edge("i:0", "i:4", "read_next", 6), Edge("i:3", "i:4", "read_next", 9)),
            "It is often read soon after Book 3, which you read last, and Volume 1.",
        ),
        (SIMILAR, (), "Most of the readers whose shelf is most like yours read this too."),
        (
            Claim("series", 4, None, {"number": 3}, label="sequel"),
            (Edge("i:0", "i:4", "series"), Edge("i:1", "i:4", "series")),
            "It is the next volume of the series of Volume 2, on your shelf.",
        ),
        (Claim("series", 4, None, {"number": 3}, label="sequel"), (), "It is the next volume of a series on your shelf."),
        (Claim("series", 4, None, {"number": 9}, label="series"), (), "It is another volume of a series on your shelf."),
        (
            Claim("author", 4, None, {"books": 1}),
            (Edge("i:3", "i:4", "author"),),
            "It is by the author of Book 3, on your shelf.",
        ),
        (Claim("author", 4, None, {"books": 1}), (), "It is by the author of another book on your shelf."),
        (Claim("co_read", 4, 0, {"both": 40, "of": 60, "lift": 3.0}), (), "Most readers of Volume 1 read this too."),
        (
            Claim("co_read", 4, 0, {"both": 10, "of": 60, "lift": 4.0}),
            (),
            "Readers of Volume 1 read this far more often than other readers.",
        ),
        (Claim("carried", 4, 0, {"share": 60}, label="whole"), (), "Volume 1, on your shelf, speaks for it."),
    ],
)
def test_every_kind_of_claim(claim: Claim, edges: tuple[Edge, ...], words: str) -> None:
    (sentence,) = card(answered(claim, edges=edges), 4, CATALOG, True)
    assert plain(sentence, CATALOG) == words and sentence.claims == (0,)


@pytest.mark.parametrize(
    "claim",
    [
        FEW,
        Claim("similar", 4, None, {"of": 50, **PLACE}, "striking"),
        Claim("opinion", 4, label="a fine book"),
        Claim("genre", None, None, {"books": 2, "of": 3}, label="epic"),
        Claim("over", 4, 5, {}, label="whole"),
        Claim("silent", 4, None, {"window": 3, "of": 50}),
        Claim("co_read", 4, 0, {"both": 5, "of": 60, "lift": 1.0}),
        Claim("co_read", 4, 6, {"both": 40, "of": 60, "lift": 3.0}),  # of a book that is not on the shelf
    ],
)
def test_what_is_no_reason(claim: Claim) -> None:
    assert given(claim) == NO_REASON


def test_too_little_to_tell_is_no_reason() -> None:
    assert given(PULL, FEW) == NO_REASON
    assert "soon after" in given(PULL, NEXT, FEW)
    assert "in common" in given(PULL, Claim("co_read", 3, None, {"window": 5}))  # about another item
    assert "in common" in given(Claim("pull", 4, None, {"window": 5}, "good"), FEW)  # tools without fitted signals


def test_shares_name_the_books_that_carry_most() -> None:
    shares = [Claim("carried", 4, item, {"share": share}, label="whole") for item, share in ((1, 30), (0, 60), (3, 10))]
    answer = answered(WHOLE, *map(by_tool, shares))
    (sentence,) = card(answer, 4, CATALOG, True)
    assert plain(sentence, CATALOG) == "Your shelf as a whole points strongly to this, above all Volume 1 and Volume 2."
    assert sentence.claims == (0, 2, 1)
    alone = by_tool(Claim("carried", 4, 1, {"share": 90}, label="whole"))
    assert given(WHOLE, alone).endswith("above all Volume 2.")
    assert given(WHOLE, by_tool(Claim("carried", 4, 1, {"share": 90}, label="after"))) == (
        "The shelf as a whole points strongly to this."
    )


def test_counts_say_it_where_the_last_book_has_them() -> None:
    counted = by_tool(Claim("co_read", 4, 3, {"both": 40, "of": 60, "lift": 3.0}))
    (sentence,) = card(answered(LAST, counted), 4, CATALOG, True)[:1]
    assert plain(sentence, CATALOG) == "Most readers of Book 3, which you read last, read this too."
    assert sentence.claims == (0, 1)


def test_the_model_before_the_tools_and_the_stronger_first() -> None:
    weak = replace(WHOLE, strength="weak")
    carried = by_tool(Claim("carried", 4, 1, {"share": 90}, label="whole"))
    first, second = (plain(s, CATALOG) for s in card(answered(by_tool(LAST), weak, SIMILAR, carried), 4, CATALOG)[:2])
    assert first.startswith("Most of the readers")
    assert second == "The shelf as a whole points weakly to this, above all Volume 2."


def test_what_speaks_against_it_is_no_reason_unless_there_is_no_other() -> None:
    low = replace(WHOLE, numbers=LATE)
    assert given(low, SIMILAR).count(".") == 1 and "as a whole" not in given(low, SIMILAR)
    assert "as a whole" in given(low)


def test_two_sentences_say_two_things() -> None:
    edges = (Edge("i:3", "i:4", "co_read", 9), Edge("i:3", "i:4", "read_next", 9), Edge("i:3", "i:4", "author"))
    text = given(LAST, PULL, NEXT, SIMILAR, Claim("author", 4, None, {"books": 1}), edges=edges)
    assert text.count(".") == 2 and text.startswith("Book 3, the latest on the shelf, points very strongly to this.")
    assert "in common" not in text  # as the first sentence says


def test_one_of_the_two_names_a_book() -> None:
    far = replace(SIMILAR, strength="striking")
    low = Claim("author", 4, None, {"books": 1})
    text = given(far, replace(NEXT, strength="fair"), low, edges=(Edge("i:1", "i:4", "author"),))
    assert "Volume 2" in text


def test_what_was_read_last_is_said_once() -> None:
    edges = (Edge("i:3", "i:4", "co_read", 9), Edge("i:3", "i:4", "read_next", 9))
    made = once(reasons(answered(LAST, PULL, NEXT, edges=edges), 4, CATALOG, True), CATALOG.words, True)
    texts = [plain(sentence, CATALOG) for sentence in made]
    assert sum("which you read last" in text for text in texts) == 1
    assert "It is often read soon after Book 3." in texts


def test_a_shelf_of_one() -> None:
    text = given(WHOLE, replace(LAST, strength="fair"), shelf=(3,))
    assert text == "Book 3 points strongly to this. Book 3 points to this."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (FILM, "Most of the viewers whose watch list is most like yours watched this too."),
        (PRODUCT, "Most of the customers whose basket is most like yours bought this too."),
    ],
)
def test_words_of_other_data_sets(words: Words, said: str) -> None:
    catalog = Catalog(tuple(CATALOG), words)
    edges = (Edge("i:3", "i:4", "read_next", 9), Edge("i:3", "i:4", "author"))
    claims = (LAST, PULL, NEXT, SIMILAR, WHOLE, Claim("author", 4, None, {"books": 1}))
    texts = [plain(each, catalog) for each in reasons(answered(*claims, edges=edges), 4, catalog, True)]
    assert said in texts
    assert not any(word in text for text in texts for word in ("reader", "shelf", " read ", "book"))


@pytest.mark.parametrize("title", [toy.HOSTILE, toy.HEBREW, toy.REVERSED, "A\nB", "", "very long " * 40, "x" * 400])
def test_hostile_titles_stay_short_and_on_one_line(title: str) -> None:
    catalog = Catalog(tuple(replace(item, title=title) for item in CATALOG))
    text = reason(answered(LAST, SIMILAR), 4, catalog)
    assert "\n" not in text and "\u202e" not in text and len(text) < 200 + LONGEST
    if title == toy.HEBREW:
        assert f"\u2068{title}\u2069" in text


def test_items_without_series_or_author() -> None:
    bare = Catalog(tuple(Item(f"b{n}", f"Bare {n}") for n in range(8)))
    assert reason(answered(LAST, SIMILAR), 4, bare).startswith("Bare 3, the latest on the shelf, points")


@pytest.mark.parametrize("name", answering.NAMES)
@pytest.mark.parametrize("place", range(4))
def test_every_named_book_is_on_the_shelf_and_every_sentence_has_a_claim(name: str, place: int) -> None:
    system = answering.recommender(name)
    *_, answer = system.stream(answering.query(place, 3 + 4 * place))
    catalog = system.dataset.catalog
    for entry in answer.items:
        made = reasons(answer, entry.item, catalog, place % 2 == 0)
        assert len(card(answer, entry.item, catalog)) == min(2, len(made))
        for sentence in made:
            assert set(sentence.named) <= set(answer.query.history)
            claims = [answer.claims[index] for index in sentence.claims]
            assert claims and all(c.claim.subject == entry.item and c.verdict == "supported" for c in claims)
            ends = {end for c in claims for e in c.edges for end in (answer.edges[e].source, answer.edges[e].target)}
            known = {c.claim.anchor for c in claims} | {answer.query.history[-1]}
            assert all(item in known or f"i:{item}" in ends for item in sentence.named)
            assert len([w for part in sentence.parts if isinstance(part, str) for w in part.split()]) <= 25
            assert not any(letter.isdigit() for part in sentence.parts if isinstance(part, str) for letter in part)
        assert entry.reason == reason(answer, entry.item, catalog)
