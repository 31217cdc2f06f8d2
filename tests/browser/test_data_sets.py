"""Two data sets on one server, and a table of one's own: choose, ask, and read the answer in the words of the one chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

from films import write_films  # noqa: E402
from own_table import own_table  # noqa: E402
from serving import served, star_command  # noqa: E402
from test_explore import LONG, ask  # noqa: E402

from star.data.importers import import_dataset  # noqa: E402

pytestmark = pytest.mark.browser
FITTED = 6 * LONG  # the signals of a data set are fitted at its first opening


def loaded(page: Any) -> None:
    """Wait for the model, by the header."""
    expect(page.locator("#loaded")).to_contain_text("Checkpoint", timeout=LONG)
    expect(page.locator("#loaded")).not_to_contain_text("loading", timeout=FITTED)
    expect(page.locator("#start .star-start")).to_be_visible(timeout=LONG)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("several")
    (folder / "loans.csv").write_bytes(own_table())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STAR_DATA", str(folder / "sets"))
        import_dataset("movielens", write_films(folder / "films"), "films")
        import_dataset("table", folder / "loans.csv", "loans", domain="book", columns={"user": "user_id"})
    command = star_command("--datasets", "loans,films", "--uploads")
    with served(command, folder / "log", STAR_DATA=str(folder / "sets")) as found:
        yield found


def test_switch_and_read_an_answer_in_the_words_of_the_second(url: str, visit: Any) -> None:
    page = visit(url).page
    loaded(page)  # leaving while it loads breaks off a stream, which Gradio writes into the console
    picker = page.locator(".star-choices")
    expect(picker.get_by_label("Data set")).to_have_value("loans", timeout=LONG)
    picker.get_by_label("Data set").select_option("films")
    picker.get_by_role("button", name="Open").click()
    expect(page).to_have_url(re.compile("/at/films/star/"), timeout=LONG)
    expect(page.locator("#picker").get_by_role("combobox", name="Viewer")).to_have_value(
        re.compile(r"Viewer \d+ · 14 films"), timeout=LONG
    )
    loaded(page)
    ask(page)
    expect(page.locator("#status")).to_contain_text(re.compile(r"films? for Viewer \d+"), timeout=LONG)
    expect(page.locator("#cards .star-card").first).to_contain_text("Picture")
    address = page.url
    assert "run=" in address
    again = visit(f"{url}/?{address.partition('?')[2]}").page  # the same answer, from the address of the first
    expect(again).to_have_url(re.compile("/at/films/star/"), timeout=LONG)
    expect(again.locator("#cards .star-card").first).to_contain_text("Picture", timeout=LONG)


def test_a_table_of_ones_own_is_answered_with_its_items(url: str, visit: Any) -> None:
    page = visit(url).page
    loaded(page)
    page.get_by_text("Open a table of your own").click(timeout=LONG)
    form = page.locator("[data-upload]")
    form.get_by_label("File").set_input_files({"name": "songs.csv", "mimeType": "text/csv", "buffer": own_table()})
    form.get_by_role("button", name="Import").click()
    expect(page).to_have_url(re.compile("/at/upload-1/star/"), timeout=LONG)
    expect(page.locator(".star-choices").get_by_label("Data set")).to_have_value("upload-1", timeout=LONG)
    expect(page.locator("#loaded")).to_contain_text("songs.csv", timeout=LONG)
    expect(page.locator("#picker").get_by_role("combobox", name="User")).to_have_value(
        re.compile(r"User \d+ · 10 items"), timeout=LONG
    )
    loaded(page)
    ask(page)
    expect(page.locator("#status")).to_contain_text(re.compile(r"items? for User \d+"), timeout=LONG)
    expect(page.locator("#cards .star-card").first).to_contain_text("Song number")
