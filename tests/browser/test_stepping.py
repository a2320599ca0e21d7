"""Stepping through the writing of an answer: what is written so far, its row, and what else could be there."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Page, expect

from .conftest import Opener, Watched

pytestmark = pytest.mark.browser

TEXT = "Ich habe gestern ein Buch gelesen."
LINK = f"#model=de-en&text={quote(TEXT)}&site=cross&layer=1&head=2"


def places(watched: Watched, **parameters: Any) -> list[dict[str, Any]]:
    """What the service says of the answer's places."""
    body = {"model": "de-en", "inputs": TEXT, **({"parameters": parameters} if parameters else {})}
    trace = httpx.post(f"{watched.server}/v1/traces", json=body).raise_for_status().json()
    answer = httpx.post(f"{watched.server}/v1/traces/{trace['id']}/likeliest", json={}).raise_for_status().json()
    listed: list[dict[str, Any]] = answer["places"]
    return listed


def unwritten(page: Page) -> list[str]:
    return page.locator("#target-sentence .word.unwritten").all_inner_texts()


def test_steps_tell_what_is_written_and_keep_its_row(watch: Opener) -> None:
    watched = watch()
    page = watched.open(LINK)
    known = places(watched)
    assert unwritten(page) == []
    for step in range(3):
        page.keyboard.press("Shift+N")
        expect(page.locator("#step-at")).to_have_value(str(step))
        expect(page.locator("#cell-place")).to_contain_text(f"({step}, ")
    assert page.locator("#target-sentence .next-word").all_inner_texts() == ["a"]
    assert unwritten(page) == ["book", "yesterday", ".", "</s>"]
    names = page.locator("#candidates .candidate-name")
    expect(names).to_have_count(5)
    assert names.all_inner_texts() == [token["token"].lstrip("▁") for token in known[2]["tokens"]]
    assert watched.state()["row"] == "2"
    page.keyboard.press("Shift+P")
    expect(page.locator("#target-sentence .next-word")).to_have_text("read")
    page.locator("#step-at").fill(str(len(known)))
    expect(page.locator("#candidates")).to_be_hidden()
    assert unwritten(page) == []


def test_another_token_goes_on_from_there(watch: Opener) -> None:
    watched = watch()
    page = watched.open(LINK)
    known = places(watched)
    for _ in range(3):
        page.click("#step-on")
    other = known[2]["tokens"][1]
    page.click(f"#candidates button[data-id='{other['id']}']")
    expect(page.locator("#target-sentence .next-word")).to_have_text("book")
    words = page.locator("#target-sentence .word:not(.special)").all_inner_texts()
    assert words[:3] == ["I", "read", other["token"].lstrip("▁")]
    assert page.locator("#target-sentence .given-word").all_inner_texts() == words[:3]
    expect(page.locator("#stale")).to_be_hidden()
    ids = [place["written"]["id"] for place in known[:2]] + [other["id"]]
    assert json.loads(watched.state()["parameters"])["prefix"] == ids
    page.reload()
    watched.settled()
    assert page.locator("#target-sentence .word:not(.special)").all_inner_texts() == words
    page.click("#step-free")
    expect(page.locator("#target-sentence")).to_contain_text("read a book")
    assert "parameters" not in watched.state()


def test_it_plays_and_pauses(watch: Opener) -> None:
    page = watch().open(LINK)
    page.click("#step-play")
    expect(page.locator("#step-play")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#step-at")).to_have_value("2")
    page.keyboard.press("Shift+W")
    expect(page.locator("#step-play")).to_have_attribute("aria-pressed", "false")
    assert unwritten(page)


def test_an_answer_of_ones_own_is_scored_token_by_token(watch: Opener) -> None:
    watched = watch()
    page = watched.open(LINK)
    page.keyboard.press("o")
    page.fill("#option-given_answer", "Yesterday I read a book.")
    page.keyboard.press("Escape")
    summary = watched.ask()
    assert summary["prediction"]["text"] == "Yesterday I read a book."
    scores = page.locator("#scores .score")
    expect(scores).to_have_count(len(summary["prediction"]["tokens"]))
    shown = f"{summary['prediction']['score']:.3f}".replace("-", "−")
    expect(page.locator("#score-total")).to_contain_text(shown[:-1])
    expect(page.locator("#step-place")).to_contain_text("given")
    scores.first.click()
    expect(page.locator("#candidates .current .candidate-name")).to_have_text("Yesterday")
