"""The rules of a list: each by hand, then what holds for every shelf and ranking, then goodbooks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from star import ROOT
from star.data.catalog import Item
from star.evidence.hygiene import AT_MOST, NAMES, Dropped, Hygiene, Rules
from star.evidence.volumes import Volumes, spelled

GOODBOOKS = ROOT.parent / "shared" / "data" / "goodbooks"


def item(
    title: str,
    series: str | None = None,
    number: float | None = None,
    by: str = "Ann",
    year: int | None = None,
) -> Item:
    return Item("", title, (by,) if by else (), year, series, number)


def saga(*numbers: float | None, name: str = "Saga") -> list[Item]:
    return [item(f"{name} tale {n}", name, n) for n in numbers]


def rows(items: Sequence[Item]) -> list[Item]:
    return [replace(each, id=str(n)) for n, each in enumerate(items)]


def listed(
    items: Sequence[Item], shelf: Sequence[int], ranked: Sequence[int], rules: Rules | None = None
) -> tuple[list[int], dict[int, Dropped]]:
    return Hygiene.of(rows(items), rules).admissible(shelf, ranked)


SPELLINGS = [
    ("The Hobbit", "hobbit", True),
    ("Les Misérables", "LES MISERABLES!", True),
    ("Ender’s Game", "Enders Game", True),
    ("Преступление и наказание", "ПРЕСТУПЛЕНИЕ И НАКАЗАНИЕ", True),
    ("かき", "がき", False),
    ("हिन्दी", "हन्द", False),
    ("الفيل الأزرق", "الفيل الأزرق.", True),
    ("The", "A", False),
    ("?!", "!?", False),
]


@pytest.mark.parametrize(("one", "two", "same"), SPELLINGS)
def test_titles_in_any_script(one: str, two: str, same: bool) -> None:
    assert (spelled(one) == spelled(two)) == same


EDITIONS = [
    ("an accent and a case", item("Les Misérables"), item("LES MISERABLES"), True),
    ("named as an edition", item("Emma (Penguin Classics)"), item("Emma: Illustrated Edition"), True),
    ("with a subtitle", item("The Stand: Captain Trips"), item("The Stand"), True),
    ("two subtitles", item("Batman: Year One"), item("Batman: Hush"), False),
    ("by another author", item("Twilight"), item("Twilight", by="Meg"), False),
    ("of one series and number", item("Storms", "Ice", 3), item("Storms: Blood", "ICE", 3), True),
    ("two volumes of one title", item("Naruto", "Naruto", 1), item("Naruto", "Naruto", 2), False),
    ("two series of one name", item("Ella", "Secret", 1), item("Power", "Secret", 1, by="Byrne"), False),
    ("films of one name and year", item("Batman", by="", year=1989), item("Batman", by="", year=1989), True),
    ("films of two years", item("Batman", by="", year=1989), item("Batman", by="", year=1966), False),
    ("in an omnibus by its parts", item("Animal Farm / 1984"), item("1984"), False),
    ("without a title", item(""), item(""), False),
]


@pytest.mark.parametrize(("name", "one", "two", "same"), EDITIONS, ids=[e[0] for e in EDITIONS])
def test_another_edition(name: str, one: Item, two: Item, same: bool) -> None:
    for pair in ((one, two), (two, one)):
        kept, dropped = listed([*pair], (), (0, 1), Rules(first_volume=False))
        assert (kept == [0]) == same, name
        assert not same or dropped == {1: Dropped("edition", 0)}
        _, dropped = listed([*pair], (0,), (1,), Rules(first_volume=False, next_volume=False))
        assert (dropped.get(1) == Dropped("edition", 0)) == same


OMNIBUSES = [
    ("Saga", None, (1, 4)),
    ("The Complete Saga Boxed Set", None, (1, 4)),
    ("Saga Trilogy", None, (1, 3)),
    ("Saga, Books 2-3", None, (2, 3)),
    ("Saga: Volumes One to Three", None, (1, 3)),
    ("Saga Collection 1-2", None, (1, 2)),
    ("Saga Three and Four Two-Book Set", None, (3, 4)),
    ("Saga tale 2 / Saga tale 3", None, (2, 3)),
    ("Boxed Set: Saga tale 1; Saga tale 2", None, (1, 2)),
    ("Saga Omnibus", 4.0, (4, 4)),  # the catalogue says that it is the fourth volume
]


@pytest.mark.parametrize(("title", "number", "span"), OMNIBUSES)
def test_what_an_omnibus_holds(title: str, number: float | None, span: tuple[float, float]) -> None:
    items = rows([*saga(0.5, 1, 2, 3, 4), item(title, "saga", number)])
    volumes = Volumes.of(items)
    assert (volumes.low[5], volumes.high[5]) == span
    for n in range(1, 5):
        kept, _ = listed(items, (n,), (5,), Rules(first_volume=False, next_volume=False, behind=False))
        assert (kept == []) == (span[0] <= n <= span[1])


def test_a_companion_is_no_omnibus_and_begins_nothing() -> None:
    items = [*saga(1, 2), item("Four: A Saga Story Collection", "Saga")]
    assert np.isnan(Volumes.of(rows(items)).low[2])
    assert listed(items, (), (2,)) == ([0], {2: Dropped("first_volume", offered=0)})
    assert listed(items, (2,), (1,)) == ([0], {1: Dropped("first_volume", offered=0)})
    assert listed(items, (0,), (2,)) == ([2], {})


def test_an_omnibus_without_a_series_joins_that_of_its_author() -> None:
    items = rows(
        [*saga(1, 2, name="Dune Chronicles"), item("The Great Dune Trilogy"), item("A Dune Trilogy", by="X")]
    )
    volumes = Volumes.of(items)
    assert volumes.series[2] == volumes.series[0] and volumes.series[3] == -1
    assert listed(items, (2,), (0, 1))[0] == []


def test_a_number_in_a_title_without_a_series() -> None:
    items = [item("Fables, Vol. 1: Exile", by="Bill"), item("Fables, Vol. 2", by="Bill"), *saga(1)]
    assert listed(items, (), (1, 2)) == ([0, 2], {1: Dropped("first_volume", offered=0)})
    films = [item("Kill Bill: Vol. 2", by="", year=2004), item("Kill Bill: Vol. 1", by="", year=2003)]
    assert listed(films, (), (0,))[0] == [1]
    toys = [item("Cars Die Cast #26", by=""), item("Cars Die Cast #6", by="")]
    assert listed(toys, (), (0, 1)) == ([0, 1], {})


PLACES = [
    ("not begun: the first", (1, 2, 3), (), 2, 0, "first_volume"),
    ("not begun, a prequel", (0, 0.5, 1, 2), (), 1, 2, "first_volume"),
    ("the first is not in the catalogue", (0, 4, 6), (), 2, 1, "first_volume"),
    ("a prequel alone", (0.5, 1.5), (), 1, 0, "first_volume"),
    ("the next", (1, 2, 3, 4), (0, 1), 2, 2, None),
    ("one is skipped", (1, 2, 3, 4), (0, 1), 3, 2, "next_volume"),
    ("the next is not in the catalogue", (1, 2, 5, 6), (0, 1), 3, 2, "next_volume"),
    ("a novella between", (1, 1.5, 2), (0,), 1, 1, None),
    ("a novella after the next", (1, 2, 2.5), (0,), 2, 1, "next_volume"),
    ("only the third was read: the fourth", (1, 2, 3, 4, 5), (2,), 4, 3, "next_volume"),
    ("back behind the third", (1, 2, 3, 4), (2,), 0, 3, "behind"),
    ("back, and nothing follows", (1, 2, 3), (2,), 0, None, "behind"),
    ("only the prequel was read", (0.5, 1, 2), (0,), 2, 1, "next_volume"),
    ("no volume has a number", (None, None), (), 1, 1, None),
]


@pytest.mark.parametrize(
    ("name", "numbers", "shelf", "ranked", "kept", "rule"), PLACES, ids=[p[0] for p in PLACES]
)
def test_the_right_volume(name, numbers, shelf, ranked, kept, rule) -> None:  # type: ignore[no-untyped-def]
    items = [item(f"Tale {n}", "Saga", number) for n, number in enumerate(numbers)]
    found, dropped = listed(items, shelf, (ranked,))
    assert found == ([] if kept is None else [kept])
    assert dropped == ({} if rule is None else {ranked: Dropped(rule, None, kept)})
    if rule:
        assert listed(items, shelf, (ranked,), Rules(**{rule: False})) == ([ranked], {}), "the switch"
        assert Hygiene.of(rows(items)).broken(shelf, (ranked,)) == [rule]


def test_the_right_volume_takes_the_place_once() -> None:
    items = [*saga(1, 2, 3), *saga(1, name="Else")]
    kept, dropped = listed(items, (), (3, 2, 1, 0))
    assert kept == [3, 0] and dropped == {2: Dropped("first_volume", offered=0), 1: Dropped("first_volume")}
    hygiene = Hygiene.of(rows(items))
    assert hygiene.admissible((), (2, 3, 1), at_most=1) == ([0], {2: Dropped("first_volume", offered=0)})


def test_two_of_a_series() -> None:
    items = [*saga(1), *(item(f"Companion {n}", "Saga") for n in "abc")]
    assert listed(items, (0,), (1, 2, 3)) == ([1, 2], {3: Dropped("two_of_a_series")})
    assert listed(items, (0,), (1, 2, 3), Rules(two_of_a_series=False))[0] == [1, 2, 3]


def test_what_is_on_the_shelf_or_repeated_is_left_out() -> None:
    items = [item("One"), item("Two")]
    assert listed(items, (0,), (0, 1, 1)) == ([1], {0: Dropped("edition", 0)})
    assert listed(items, (), ()) == ([], {})


TITLES = (
    "Saga",
    "Saga tale",
    "Saga: tale",
    "The Saga Trilogy",
    "Saga Boxed Set",
    "Saga, Vol. 2",
    "Books 1-3",
    "Sága",
    "",
    "塔",
)
CATALOGUES = st.lists(
    st.builds(
        item,
        st.sampled_from(TITLES) | st.text(max_size=12),
        st.sampled_from([None, "Saga", "saga", "The Saga", "Tower", " "]),
        st.none()
        | st.sampled_from([0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 4.0, -1.0, 1e300, float("inf"), float("nan")]),
        st.sampled_from(["Ann", "Bob", ""]),
        st.sampled_from([None, 1990]),
    ),
    min_size=1,
    max_size=14,
).map(rows)


@st.composite
def lists(draw: st.DrawFn) -> tuple[Hygiene, list[int], list[int]]:
    items = draw(CATALOGUES)
    row = st.integers(0, len(items) - 1)
    rules = Rules(**{name: draw(st.booleans()) for name in NAMES}) if draw(st.booleans()) else Rules()
    return Hygiene.of(items, rules), draw(st.lists(row, max_size=6)), draw(st.lists(row, max_size=14))


@given(lists())
@settings(max_examples=400, deadline=None)
def test_what_holds_for_every_list(made: tuple[Hygiene, list[int], list[int]]) -> None:
    hygiene, shelf, ranked = made
    kept, dropped = hygiene.admissible(shelf, ranked)
    offered = [each.offered for each in dropped.values() if each.offered is not None]
    assert len(kept) == len(set(kept)) and not set(kept) & (set(dropped) | set(shelf))
    assert set(ranked) - set(kept) == set(dropped), (
        "nothing is dropped without a reason, and nothing vanishes"
    )
    assert set(kept) - set(ranked) <= set(offered), "what was not ranked was offered for what was"
    assert all(each.rule in NAMES for each in dropped.values())
    order = [i for i in dict.fromkeys(ranked) if i in kept and i not in offered]
    assert [i for i in kept if i not in offered] == order
    assert hygiene.admissible(shelf, kept) == (kept, {}), "once is enough"
    assert hygiene.broken(shelf, kept) == [None] * len(kept)
    alone = [i for i in ranked if i not in shelf and hygiene.admissible(shelf, [i])[0] == [i]]
    assert kept or not alone, "the rules leave what is admissible"
    if hygiene.rules.two_of_a_series:
        series = [hygiene.volumes.series[i] for i in kept]
        assert all(series.count(s) <= AT_MOST for s in series if s >= 0)


@given(lists(), st.randoms())
@settings(max_examples=200, deadline=None)
def test_a_list_that_keeps_the_rules_keeps_them_in_every_order(
    made: tuple[Hygiene, list[int], list[int]], random: object
) -> None:
    hygiene, shelf, ranked = made
    kept = hygiene.admissible(shelf, ranked)[0]
    other = list(kept)
    random.shuffle(other)  # type: ignore[attr-defined]
    assert hygiene.broken(shelf, other) == [None] * len(kept)


def test_a_hundred_candidates_take_less_than_a_millisecond() -> None:
    items = rows([item(f"Tale {n} of {s}", f"Saga {s}", n + 1) for s in range(200) for n in range(10)])
    hygiene, rng = Hygiene.of(items), np.random.default_rng(0)
    shelf, ranked = rng.permutation(2000)[:50].tolist(), rng.permutation(2000)[:100].tolist()
    times = []
    for _ in range(20):
        start = time.process_time()
        hygiene.admissible(shelf, ranked)
        times.append(time.process_time() - start)
    assert min(times) < 0.001


def test_a_large_or_hostile_catalogue_is_read_in_time() -> None:
    same = rows([item("Saga", "Saga", 1.0, by=f"A{n}") for n in range(20_000)])
    start = time.process_time()
    hygiene = Hygiene.of(same)
    hygiene.admissible((0,), range(100))
    Volumes.of(rows([item("Saga / Saga; " * 200) for _ in range(300)]))
    assert time.process_time() - start < 10


@pytest.mark.real
@pytest.mark.slow
def test_goodbooks(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    if not GOODBOOKS.is_dir():
        pytest.skip(f"{GOODBOOKS} is not here")
    from star.data.importers import import_dataset
    from star.evidence import fitting, read_after, signals
    from star.recommend.recommendation import Query
    from star.recommend.serving import ServingContext

    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    # What is retrieved need not be good: it breaks the rules often enough, and is to keep them.
    monkeypatch.setattr(read_after, "LONGEST", 12)
    monkeypatch.setattr(signals, "HEAD", 2_000)
    monkeypatch.setattr(signals, "FACTORS", 16)
    monkeypatch.setattr(fitting, "CALIBRATION", 50)
    data = import_dataset("goodbooks", GOODBOOKS, "real")
    catalog, serving = data.catalog, ServingContext(data)
    hygiene = serving.retriever.hygiene
    assert hygiene is not None
    at = {(each.title, each.creators[0]): row for row, each in enumerate(catalog)}
    box = at["Harry Potter Boxset", "J.K. Rowling"]
    assert (hygiene.volumes.low[box], hygiene.volumes.high[box]) == (1, 8)
    third = at["Harry Potter and the Prisoner of Azkaban", "J.K. Rowling"]
    kept, dropped = hygiene.admissible(
        (third,), (box, at["Harry Potter and the Deathly Hallows", "J.K. Rowling"])
    )
    assert [catalog[i].title for i in kept] == ["Harry Potter and the Goblet of Fire"]
    assert [each.rule for each in dropped.values()] == ["edition", "next_volume"]
    before = after = 0
    for reader in serving.split.valid[:60].tolist():
        history = data.interactions.history(reader)
        plain = serving.retriever.ranked(history, 20, reader).tolist()
        before += sum(rule is not None for rule in hygiene.broken(history.tolist(), plain))
        shown = serving.tools(Query(tuple(history.tolist()), reader)).candidates.tolist()
        assert len(shown) == 20
        after += sum(rule is not None for rule in hygiene.broken(history.tolist(), shown))
    assert before > 100 and after == 0
