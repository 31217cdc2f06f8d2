"""The command that takes screenshots: what it would take, and what it says of a wrong name."""

from __future__ import annotations

import pytest

from docs import screenshots
from star.errors import UserError


def test_every_tab_is_there_light_and_dark_at_every_width() -> None:
    made = screenshots.names([], list(screenshots.WIDTHS))
    assert len(made) == len(set(made)) == 6 * len(screenshots.SHOTS)
    for tab in ("explore", "question", "compare", "learn-8", "learn-zoom", "results", "annotate", "lead"):
        for scheme in ("light", "dark"):
            assert {f"{tab}-{width}-{scheme}.png" for width in (400, 1366, 1600)} <= set(made)


def test_some_of_them() -> None:
    assert screenshots.names(["learn-p"], [400]) == ["learn-play-400-light.png", "learn-play-400-dark.png"]
    with pytest.raises(UserError, match="there is no screenshot x"):
        screenshots.chosen(["x"])
