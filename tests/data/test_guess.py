"""Columns by the names that people usually give."""

from __future__ import annotations

import pytest

from star.data.importers.guess import guessed
from star.errors import UserError


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["user", "item"], {"user": "user", "item": "item"}),
        (["User ID", "Book-Id", "Title"], {"user": "User ID", "item": "Book-Id", "title": "Title"}),
        (["user_id", "movieId", "timestamp", "genre"],
         {"user": "user_id", "item": "movieId", "time": "timestamp", "genres": "genre"}),
        (["reader", "title"], {"user": "reader", "title": "title", "item": "title"}),
        (["userid", "user", "item"], {"user": "user", "item": "item"}),
    ],
)  # fmt: skip
def test_usual_names_are_known(columns: list[str], found: dict[str, str]) -> None:
    assert guessed(columns) == found


def test_what_is_missing_is_named_with_the_columns_that_are_there() -> None:
    with pytest.raises(UserError, match=r"no column is named user or item; the columns are: .*a.*b") as error:
        guessed(["a", "b"])
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="no column is named item;"):
        guessed(["user", "price"])
