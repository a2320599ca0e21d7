"""A tour for who sees the page first: offered quietly, gone through by keys, and put away for good."""

import pytest
from playwright.sync_api import expect

from .conftest import Opener

pytestmark = pytest.mark.browser


def test_the_tour_is_gone_through_and_put_away(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    page.click("#tour-offer")
    titles = []
    for at in range(4):
        expect(page.locator("#tour .quiet")).to_have_text(f"{at + 1} of 4")
        expect(page.locator("#tour-title")).to_be_focused()
        titles.append(page.inner_text("#tour-title"))
        box = page.locator("#tour").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1440
        assert box["y"] + box["height"] <= 900
        page.keyboard.press("ArrowRight")
    assert len(set(titles)) == 4
    expect(page.locator("#tour")).to_be_hidden()
    expect(page.locator("#tour-offer")).to_be_hidden()
    page.reload()
    watched.settled()
    expect(page.locator("#tour-offer")).to_be_hidden()
    page.keyboard.press("?")
    page.click("#tour-begin")
    expect(page.locator("#tour")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#tour-on")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#tour")).to_be_hidden()


def test_on_a_phone_it_opens_the_cells_sheet(watch: Opener) -> None:
    page = watch(viewport={"width": 390, "height": 844}, locale="zh-CN", has_touch=True).open()
    page.click("#tour-offer")
    for _ in range(3):
        page.click("#tour-on")
    expect(page.locator("#tour-title")).to_have_text("权重从何而来")
    expect(page.locator("#tell")).to_have_attribute("data-open", "")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("#tour-on")
    expect(page.locator("#tour")).to_be_hidden()
