"""Pinned cells: marked on the map, listed beside it, kept in the link and in the exported page."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from .conftest import Opener, call

pytestmark = pytest.mark.browser

LINK = "#text=Ich+lese+ein+Buch.&site=cross&layer=1&head=2&row=2&col=3"
NOTE = "an *odd* note_ · 注"


def test_a_pin_is_marked_listed_kept_and_removed(watch: Opener, browser: Browser, tmp_path: Path) -> None:
    watched = watch()
    page = watched.open(LINK)
    page.keyboard.press("Shift+L")
    expect(page.locator("#pin-note")).to_be_focused()
    page.keyboard.type(NOTE)
    page.keyboard.press("Enter")
    expect(page.locator(".pin-note")).to_have_text(NOTE)
    cell, mark = page.locator("#chosen-cell").bounding_box(), page.locator(".pin-mark").bounding_box()
    assert cell
    assert mark
    assert abs(cell["x"] - mark["x"]) < 3
    assert abs(cell["y"] - mark["y"]) < 3
    page.locator("#export").evaluate("node => (node.open = true)")
    with page.expect_download() as download:
        page.click("#export-page")
    page.keyboard.press("Escape")
    other = watch()
    other.open(page.url.removeprefix(f"{watched.server}/"))
    expect(other.page.locator(".pin-note")).to_have_text(NOTE)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#now")).to_have_text("layer 1 · head 3")
    expect(page.locator(".pin-mark.elsewhere")).to_be_visible()
    page.click(".pin-go")
    expect(page.locator("#now")).to_have_text("layer 1 · head 2")
    expect(page.locator("#cell-place")).to_have_text("(2, 3)")
    page.click(".pin-list [aria-label='Remove pin 1']")
    expect(page.locator(".pin-mark")).to_have_count(0)
    assert "pins" not in watched.state()
    # The saved page opens at the place, pin included, without a service.
    path = tmp_path / "page.html"
    download.value.save_as(path)
    disk = browser.new_page()
    disk.goto(path.as_uri())
    expect(disk.locator(".pin-note")).to_have_text(NOTE)
    expect(disk.locator(".pin-mark")).to_be_visible()
    expect(disk.locator("#now")).to_have_text("layer 1 · head 2")
    disk.close()


def test_another_answer_has_other_pins(watch: Opener) -> None:
    watched = watch()
    page = watched.open(LINK)
    page.click("#pin-add")
    expect(page.locator(".pin-mark")).to_have_count(1)
    watched.translate("Guten Tag.")
    expect(page.locator(".pin-mark")).to_have_count(0)
    page.go_back()
    expect(page.locator("#input")).to_have_value("Ich lese ein Buch.")
    expect(page.locator(".pin-mark")).to_have_count(1)


def test_pins_of_any_note_come_back(watch: Opener) -> None:
    page = watch().open()
    pins = [
        {"site": "cross", "layer": 1, "head": 2, "row": 3, "col": 4, "note": NOTE},
        {"site": "stage2", "layer": 0, "head": "mean", "row": 0, "col": 70000, "note": "_s*.a.b"},
    ]
    assert call(page, "pins/codec", "m.decodePins(m.encodePins(a))", pins) == pins
    assert call(page, "pins/codec", "m.decodePins(a)", "no*cross.1.x.2.3.*cross.1.2.3.4.") == [{**pins[0], "note": ""}]
