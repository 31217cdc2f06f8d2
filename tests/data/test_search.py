"""Search: any script, typing errors, numbers of a series, and the order of what is found."""

from __future__ import annotations

import pytest

from star.data.catalog import Catalog, Item
from star.data.search import SearchIndex, allowed, folded

ITEMS = (
    Item("0", "Children of Dune", ("Frank Herbert",), series="Dune", number=3),
    Item("1", "Dune Messiah", ("Frank Herbert",), series="Dune", number=2),
    Item("2", "Dune", ("Frank Herbert",), series="Dune", number=1),
    Item("3", "The Hobbit", ("J. R. R. Tolkien",)),
    Item("4", "Harry Potter and the Goblet of Fire", ("J. K. Rowling",), series="Harry Potter", number=4),
    Item("5", "هيبتا", ("محمد صادق",)),
    Item("6", "الفيل الأزرق", ("أحمد مراد",)),
    Item("7", "三体", ("刘慈欣",), series="地球往事", number=1),
    Item("8", "Преступление и наказание", ("Фёдор Достоевский",)),
    Item("9", "Jane Eyre", ("Charlotte Brontë",)),
    Item("10", "1984", ("George Orwell",)),
    Item("11", "The Power of Habit", ("Charles Duhigg",)),
    Item("12", "Straße der Ölsardinen", ("John Steinbeck",)),
    Item("13", "노르웨이의 숲", ("무라카미 하루키",)),
    Item("14", "मृत्युंजय", ("शिवाजी सावंत",)),
)
CATALOG = Catalog(ITEMS)


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("هيبتا", 5),
        ("الفيل الأزرق", 6),
        ("الفيل الازرق", 6),  # without the hamza
        ("فيل", 6),  # without the article
        ("احمد مراد", 6),
        ("三体", 7),
        ("体", 7),
        ("地球往事 1", 7),
        ("преступление", 8),
        ("федор достоевскии", 8),
        ("노르웨이", 13),
        ("मृत्युंजय", 14),
        ("bronte", 9),
        ("BRONTË", 9),
        ("strasse", 12),
        ("harry poter", 4),
        ("hobit", 3),
        ("Tolkein", 3),
        ("dostoyevski", None),  # another script is no typing error
        ("dune 1", 2),
        ("dune 3", 0),
        ("dune", 2),
        ("1984", 10),
        ("1985", None),  # nor is another number
        ("zzzz", None),
        ("?!", None),
        ("", None),
    ],
)
def test_the_best_match(text: str, best: int | None) -> None:
    assert CATALOG.search(text)[:1] == ([] if best is None else [best])


def test_whole_and_beginning_come_before_typing_errors() -> None:
    assert CATALOG.search("dune") == [2, 1, 0]
    titles = ("Hobit Hole", "The Habit", "Hobit", "The Hobbit", "A hobitual one")
    assert SearchIndex(titles, [""] * 5).search("hobit") == [2, 0, 4]
    assert SearchIndex(titles[1:4], [""] * 3).search("hobit") == [1, 0, 2]


def test_every_word_must_be_found() -> None:
    assert CATALOG.search("dune herbert 2") == [1]
    assert CATALOG.search("dune tolkien") == []


def test_an_item_is_found_once_and_no_more_than_asked_for() -> None:
    index = SearchIndex([f"Volume {n} of the same" for n in range(300)], ["the same"] * 300)
    assert index.search("the same the", 7) == list(range(7))
    assert len(set(index.search("volume", 500))) == 300
    assert SearchIndex([], []).search("dune") == [] and SearchIndex(["", "?"], ["", ""]).search("dune") == []


@pytest.mark.parametrize(
    ("word", "errors"), [("the", 0), ("dune", 1), ("tolkien", 1), ("dostoevsky", 2), ("1984b", 0)]
)
def test_short_words_and_numbers_have_no_typing_errors(word: str, errors: int) -> None:
    assert allowed(word) == errors


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Émile's Tale!", "emiles tale"),
        ("Émile’s  “Tale”", "emiles tale"),
        ("أَحْمَد", "احمد"),
        ("آمال", "امال"),
        ("ليلى", "ليلي"),
        ("قصّة", "قصه"),
        ("الـــفيل", "الفيل"),
        ("۱۹۸۴", "1984"),
        ("ガラスの仮面", "カ ラ ス の 仮 面"),
    ],
)
def test_what_does_not_count(text: str, words: str) -> None:
    assert folded(text) == words
