"""The words of a domain: chosen at import, kept in the manifest, checked, and in every sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_sources import AMAZON, GOODBOOKS, MOVIELENS, load, write

from star.data.catalog import Catalog, Item
from star.data.loading import load_dataset, load_words
from star.data.words import BOOK, DOMAINS, FILM, ITEM, PRODUCT, Words, a, capital, words_for, words_of
from star.errors import UserError
from star.evidence.claims import Claim, Kind, sentence

ITEMS = (Item("1", "Old"), Item("2", "New"))
CLAIMS: dict[str, Claim] = {
    "co_read": Claim("co_read", 1, 0, {"both": 20, "of": 1_046, "lift": 2.6}),
    "few": Claim("co_read", 1, numbers={"window": 10}),
    "pull": Claim("pull", 1, numbers={"window": 10}, strength="strong"),
    "read_next": Claim("read_next", 1, numbers={"window": 10}, strength="good"),
    "similar": Claim("similar", 1, numbers={"both": 12, "of": 50}, strength="good"),
    "few similar": Claim("similar", 1, numbers={"of": 50}, strength="fair"),
    "sequel": Claim("series", 1, label="sequel", numbers={"number": 2}),
    "series": Claim("series", 1, label="series", numbers={"number": 3}),
    "author": Claim("author", 1, numbers={"books": 2}),
    "genre": Claim("genre", numbers={"books": 3, "of": 10}, label="horror"),
    "whole": Claim("whole", 1, numbers={"rank": 1, "among": 20}, strength="strong"),
    "after": Claim("after", 1, numbers={"rank": 2, "among": 20}, strength="good"),
    "about": Claim("about", 1, numbers={"rank": 3, "among": 20, "under": 5}, strength="fair"),
    "latest": Claim("latest", 1, numbers={"rank": 2, "among": 20}, strength="good"),
    "last": Claim("last", 1, numbers={"rank": 3, "among": 20}, strength="fair"),
    "over": Claim("over", 1, 0, label="after"),
    "silent": Claim("silent", 1, numbers={"window": 10, "of": 50}),
    "carried": Claim("carried", 1, 0, {"share": 41}, label="after"),
    "opinion": Claim("opinion", label="evidence is thin"),
}
SAID = {
    "book": {
        "co_read": "20 of the 1,046 readers of Old also read New, 2.6 times what chance would give",
        "few": "fewer than five readers of any one of these books also read New: too little to tell",
        "pull": "co-reading of New with the last 10 books is strong",
        "read_next": "New is read soon after the last 10 books: good",
        "similar": "12 of the 50 most similar readers read New: good",
        "few similar": "fewer than five of the 50 most similar readers read New: fair, too little to tell",
        "sequel": "New is the next volume (2) of a series on the shelf",
        "series": "New is volume 3 of a series on the shelf",
        "author": "2 on the shelf by the author of New",
        "genre": "3 of the 10 books looked at are horror",
        "whole": "the shelf as a whole leads to New: strong, first of 20 candidates",
        "after": "what others read after these books leads to New: good, 2nd of 20 candidates",
        "about": "by its description alone (it has fewer than five readers), the shelf leads to New: fair, 3rd of 20 "
        "candidates",
        "latest": "the last three books of the shelf lead to New: good, 2nd of 20 candidates",
        "last": "the last book of the shelf leads to New: fair, 3rd of 20 candidates",
        "over": "in what others read next, New stands above Old",
        "silent": "no signal speaks for New",
        "carried": "Old carries 41 % of what the order of reading says for New",
        "opinion": "evidence is thin",
    },
    "film": {
        "co_read": "20 of the 1,046 viewers of Old also watched New, 2.6 times what chance would give",
        "few": "fewer than five viewers of any one of these films also watched New: too little to tell",
        "pull": "co-watching of New with the last 10 films is strong",
        "read_next": "New is watched soon after the last 10 films: good",
        "similar": "12 of the 50 most similar viewers watched New: good",
        "few similar": "fewer than five of the 50 most similar viewers watched New: fair, too little to tell",
        "sequel": "New is the next part (2) of a series on the watch list",
        "series": "New is part 3 of a series on the watch list",
        "author": "2 on the watch list by the director of New",
        "genre": "3 of the 10 films looked at are horror",
        "whole": "the watch list as a whole leads to New: strong, first of 20 candidates",
        "after": "what others watched after these films leads to New: good, 2nd of 20 candidates",
        "about": "by its description alone (it has fewer than five viewers), the watch list leads to New: fair, 3rd of 20 "
        "candidates",
        "latest": "the last three films of the watch list lead to New: good, 2nd of 20 candidates",
        "last": "the last film of the watch list leads to New: fair, 3rd of 20 candidates",
        "over": "in what others watched next, New stands above Old",
        "silent": "no signal speaks for New",
        "carried": "Old carries 41 % of what the order of watching says for New",
        "opinion": "evidence is thin",
    },
    "product": {
        "co_read": "20 of the 1,046 customers of Old also bought New, 2.6 times what chance would give",
        "few": "fewer than five customers of any one of these products also bought New: too little to tell",
        "pull": "co-buying of New with the last 10 products is strong",
        "read_next": "New is bought soon after the last 10 products: good",
        "similar": "12 of the 50 most similar customers bought New: good",
        "few similar": "fewer than five of the 50 most similar customers bought New: fair, too little to tell",
        "sequel": "New is the next part (2) of a series in the basket",
        "series": "New is part 3 of a series in the basket",
        "author": "2 in the basket by the maker of New",
        "genre": "3 of the 10 products looked at are horror",
        "whole": "the basket as a whole leads to New: strong, first of 20 candidates",
        "after": "what others bought after these products leads to New: good, 2nd of 20 candidates",
        "about": "by its description alone (it has fewer than five customers), the basket leads to New: fair, 3rd of 20 "
        "candidates",
        "latest": "the last three products of the basket lead to New: good, 2nd of 20 candidates",
        "last": "the last product of the basket leads to New: fair, 3rd of 20 candidates",
        "over": "in what others bought next, New stands above Old",
        "silent": "no signal speaks for New",
        "carried": "Old carries 41 % of what the order of buying says for New",
        "opinion": "evidence is thin",
    },
    "item": {
        "co_read": "20 of the 1,046 users of Old also chose New, 2.6 times what chance would give",
        "few": "fewer than five users of any one of these items also chose New: too little to tell",
        "pull": "co-choosing of New with the last 10 items is strong",
        "read_next": "New is chosen soon after the last 10 items: good",
        "similar": "12 of the 50 most similar users chose New: good",
        "few similar": "fewer than five of the 50 most similar users chose New: fair, too little to tell",
        "sequel": "New is the next part (2) of a series on the list",
        "series": "New is part 3 of a series on the list",
        "author": "2 on the list by the creator of New",
        "genre": "3 of the 10 items looked at are horror",
        "whole": "the list as a whole leads to New: strong, first of 20 candidates",
        "after": "what others chose after these items leads to New: good, 2nd of 20 candidates",
        "about": "by its description alone (it has fewer than five users), the list leads to New: fair, 3rd of 20 "
        "candidates",
        "latest": "the last three items of the list lead to New: good, 2nd of 20 candidates",
        "last": "the last item of the list leads to New: fair, 3rd of 20 candidates",
        "over": "in what others chose next, New stands above Old",
        "silent": "no signal speaks for New",
        "carried": "Old carries 41 % of what the order of choosing says for New",
        "opinion": "evidence is thin",
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STAR_DATA", str(tmp_path / "sets"))
    return tmp_path / "sets"


@pytest.mark.parametrize("domain", DOMAINS)
def test_sentences_of_every_kind(domain: str) -> None:
    assert {claim.kind for claim in CLAIMS.values()} == set(Kind.__args__)  # type: ignore[attr-defined]
    catalog = Catalog(ITEMS, DOMAINS[domain])
    assert {name: sentence(claim, catalog) for name, claim in CLAIMS.items()} == SAID[domain]


@pytest.mark.parametrize(
    ("format", "files", "words"),
    [("goodbooks", GOODBOOKS, BOOK), ("movielens", MOVIELENS, FILM), ("amazon", AMAZON, PRODUCT)],
)
def test_a_format_has_its_words(home: Path, format: str, files: dict, words: Words) -> None:
    data = load(format, write(home.parent / "in", files))
    assert data.catalog.words == words == load_words("small")
    assert json.loads((home / "small" / "manifest.json").read_text())["words"] == words.to_json()


def test_a_table_has_neutral_words_or_those_asked_for(home: Path) -> None:
    table = write(home.parent / "in", {"log.csv": "user,item\n1,a\n2,a\n"}) / "log.csv"
    assert load("table", table).catalog.words == ITEM
    assert load("table", table, domain="film").catalog.words == FILM
    own = load("table", table, words={"item": "song", "user": "listener", "past": "played"}).catalog.words
    assert own == replace(
        ITEM,
        item="song",
        items="songs",
        user="listener",
        users="listeners",
        past="played",
        participle="played",
    )


@pytest.mark.parametrize(
    ("format", "words"), [("goodbooks", BOOK), ("movielens", FILM), ("amazon", PRODUCT), ("table", ITEM), (None, ITEM)]
)  # fmt: skip
def test_an_old_manifest_has_the_words_of_its_format(home: Path, format: str | None, words: Words) -> None:
    load("goodbooks", write(home.parent / "in", GOODBOOKS))
    file = home / "small" / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest["words"]
    manifest["format"] = format
    file.write_text(json.dumps(manifest))
    assert load_dataset("small").catalog.words == words == load_words("small")


def test_a_manifest_may_lack_words_and_have_others() -> None:
    assert words_of({"format": "movielens", "words": {"item": "short film", "colour": "red"}}) == replace(
        FILM, item="short film"
    )


@pytest.mark.parametrize("words", ["film", {"item": "<b>"}, {"item": 7}, {"users": ""}])
def test_a_manifest_with_odd_words_is_damaged(home: Path, words: object) -> None:
    load("goodbooks", write(home.parent / "in", GOODBOOKS))
    file = home / "small" / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"words": words}))
    with pytest.raises(UserError, match=r"damaged .*word"):
        load_dataset("small")
    assert load_words("small") == BOOK


def test_words_of_what_is_not_there_are_those_of_books() -> None:
    assert load_words("demo") == load_words("nowhere") == load_words("../..") == BOOK
    assert load_dataset("demo").catalog.words == BOOK


@pytest.mark.parametrize(
    "word", ["", " ", " song", "song ", "a" * 31, "two\nlines", "tab\there", "<b>x</b>", "${x}", "{{x}}", "a\u202eb", "a_b",
             "x\x1b[31m", 'so"ng', "ספר", "\ud83d"]
)  # fmt: skip
def test_odd_words_are_refused_in_one_line(word: str) -> None:
    with pytest.raises(UserError) as found:
        words_for("table", own={"item": word})
    assert "cannot be the word for item" in str(found.value) and len(str(found.value).splitlines()) == 1


@pytest.mark.parametrize("word", ["a", "a" * 30, "jeu vidéo", "o'clock", "co-op", "книга", "本", "mp3"])
def test_words_of_any_language_are_taken(word: str) -> None:
    assert words_for("table", own={"creator": word}).creator == word


def test_unknown_domains_and_fields_are_named() -> None:
    with pytest.raises(UserError, match="no domain 'song'; give one of book, film, product, item"):
        words_for("table", "song")
    with pytest.raises(UserError, match="no word colour; these can be given: item, items"):
        words_for("table", own={"colour": "red"})


@pytest.mark.parametrize(
    ("one", "many"), [("song", "songs"), ("story", "stories"), ("toy", "toys"), ("dish", "dishes"), ("box", "boxes")]
)  # fmt: skip
def test_a_plural_follows_from_its_singular(one: str, many: str) -> None:
    assert words_for("table", own={"item": one}).items == many
    assert words_for("table", own={"item": one, "items": "things"}).items == "things"


@pytest.mark.parametrize(
    ("noun", "said"),
    [("book", "a book"), ("item", "an item"), ("user", "a user"), ("artist", "an artist"), ("umbrella", "an umbrella"),
     ("unit", "a unit"), ("European", "a European")],
)  # fmt: skip
def test_articles(noun: str, said: str) -> None:
    assert a(noun) == said


def test_a_capital_is_the_first_letter_only() -> None:
    assert [capital(text) for text in ("", "film", "iPod")] == ["", "Film", "IPod"]


def test_one_book_and_the_book_of_a_series_are_named() -> None:
    catalog = Catalog((Item("a", "Old", series="S", number=1), Item("b", "New", series="S", number=2)))
    pull = Claim("pull", 1, numbers={"window": 1.0}, strength="good")
    assert sentence(pull, catalog) == "co-reading of New with the last book is good"
    after = Claim("read_next", 1, numbers={"window": 1.0}, strength="good")
    assert sentence(after, catalog) == "New is read soon after the last book: good"
    volume = Claim("series", 1, 0, {"number": 2.0}, label="sequel")
    assert sentence(volume, catalog) == "New is the next volume (2) of the series of Old, on the shelf"
