"""Examples to start with: each shelf has its point, no user is in a graph, and every data set gives those it can."""

from __future__ import annotations

from dataclasses import replace

import pytest
import reading

from star.data.catalog import Catalog
from star.data.dataset import Dataset
from star.data.interactions import Interactions
from star.recommend.examples import Example, examples

DATA = reading.dataset()


@pytest.fixture(scope="module")
def found() -> dict[str, Example]:
    return {each.label: each for each in examples(DATA)}


def test_a_series_under_way_has_a_next_volume_that_was_not_read(found: dict[str, Example]) -> None:
    shelf = found["A series under way"].query.history
    latest = DATA.catalog[shelf[-1]]
    following = [
        n
        for n, item in enumerate(DATA.catalog)
        if item.series == latest.series and item.number == (latest.number or 0) + 1
    ]
    assert following and not set(following) & set(shelf)


def test_a_moved_taste_begins_with_one_genre_and_ends_with_another(found: dict[str, Example]) -> None:
    genres = [DATA.catalog[n].genres[0] for n in found["A taste that moved"].query.history]
    assert len(set(genres[:3])) == len(set(genres[3:])) == 1 and genres[0] != genres[-1]


def test_the_other_shelves_are_what_they_say(found: dict[str, Example]) -> None:
    counts = reading.graph().counts
    (one,) = found["One book only"].query.history
    assert counts[one] == counts.max()
    thin = [int(counts[n]) for n in found["Thin evidence"].query.history]
    assert len(thin) == 3 and max(thin) < sorted(counts.tolist())[len(counts) // 3]
    authors = {DATA.catalog[n].creators[0] for n in found["Much of one author"].query.history}
    assert len(authors) == 1


def test_users_are_held_out_and_their_portraits_are_true(found: dict[str, Example]) -> None:
    users = [each for each in found.values() if each.query.reader is not None]
    rows = [each.query.reader for each in users]
    assert len(set(rows)) == len(rows) == 6 and set(rows) <= DATA.held_out
    for each in users:
        history = DATA.interactions.history(int(each.query.reader or 0)).tolist()
        assert list(each.query.history) == history and f"{len(history)} books" in each.note
    lengths = [len(DATA.interactions.history(row)) for row in DATA.held_out]
    assert next(len(each.query.history) for each in users if "long" in each.note) == max(lengths)


def test_a_catalogue_without_genres_series_and_creators_gives_what_is_left() -> None:
    bare = [replace(item, genres=(), series=None, number=None, creators=()) for item in DATA.catalog]
    made = examples(Dataset("bare", Catalog(tuple(bare)), DATA.interactions, {}))
    shelves = [each.label for each in made if each.query.reader is None]
    assert shelves == ["One book only", "Thin evidence"]
    assert all("mostly" not in each.note and "taste" not in each.note for each in made)


@pytest.mark.parametrize("histories", [[[0]], [[0], [1]], [[0, 1, 2]] * 3])
def test_tiny_data_sets_give_few_and_no_error(histories: list[list[int]]) -> None:
    data = Dataset("tiny", Catalog(DATA.catalog.items[:4]), Interactions.from_histories(histories, 4), {})
    assert len(examples(data)) <= 3
