"""Ribbons between words and what is no text: patches of a picture, stretches of a recording."""

import pytest
from playwright.sync_api import expect

from .conftest import Opener

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(zoo: str) -> str:
    """Tiny random models for every kind of input."""
    return zoo


@pytest.mark.parametrize(("model", "ground"), [("captioner", ".ribbon-picture"), ("whisper", ".ribbon-wave")])
def test_words_under_what_they_were_made_from(watch: Opener, model: str, ground: str) -> None:
    page = watch().open(f"#model={model}&view=ribbons")
    expect(page.locator(ground)).to_have_count(1)
    keys, words = page.locator("[data-side=keys]"), page.locator("[data-side=queries]")
    assert keys.count() > 8
    lowest = max(box["y"] for box in keys.evaluate_all("nodes => nodes.map((n) => n.getBoundingClientRect().toJSON())"))
    box = words.first.bounding_box()
    assert box
    assert box["y"] > lowest
    words.first.hover()
    own = page.locator(".ribbon-lines").nth(1).locator("path")
    expect(own.first).to_be_attached()
