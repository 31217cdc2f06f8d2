"""Every title of the demo catalogue fits on its cover, in the browser's own font."""

from __future__ import annotations

from typing import Any

import pytest

from star.data.loading import load_dataset
from star.ui.views.cover import WIDTH, cover

pytestmark = pytest.mark.browser
ENDS = "[...document.querySelectorAll('text')].map(t => [t.getBBox().x + t.getBBox().width, t.textContent])"


def test_no_line_of_a_cover_is_cut_off(chromium: Any) -> None:
    page = chromium.new_page()
    page.set_content("".join(cover(item) for item in load_dataset("demo").catalog))
    ends = page.evaluate(ENDS)
    page.close()
    assert len(ends) > 1000 and [text for end, text in ends if end > WIDTH] == []
