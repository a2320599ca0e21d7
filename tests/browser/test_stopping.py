"""Stopping an answer while it is written: what is written stays, as a trace, and the form is as it was."""

import json
import re

import pytest
from playwright.sync_api import CDPSession, Page, expect

from .conftest import Opener, Watched

pytestmark = pytest.mark.browser

MOST = 700  # tokens: their rows take two megabytes, and the reader is made slow
SLOW = {"offline": False, "latency": 0, "downloadThroughput": 40_000, "uploadThroughput": -1}  # bytes a second
FAST = {**SLOW, "downloadThroughput": -1}


@pytest.fixture(scope="module")
def server(writer: str) -> str:
    """The service with a language model on bytes."""
    return writer


def written_slowly(watched: Watched, most: int = MOST) -> tuple[Page, CDPSession]:
    """A page on which an answer is being written, slowly, until the network is fast again."""
    page = watched.open("#model=writer&text=Wo+ist&parameters=%7B%22max_new_tokens%22%3A4%7D")
    page.keyboard.press("o")
    page.fill("#option-max_new_tokens", str(most))
    network = page.context.new_cdp_session(page)
    network.send("Network.emulateNetworkConditions", SLOW)
    page.click("#run")
    expect(page.locator("#written-count")).to_have_text(re.compile(rf"^\d+ of at most {most} tokens$"))
    return page, network


def test_stopping_keeps_what_is_written(watch: Opener) -> None:
    watched = watch()
    page, network = written_slowly(watched)
    seen = page.inner_text("#prediction .written")
    page.keyboard.press("Shift+S")
    network.send("Network.emulateNetworkConditions", FAST)
    expect(page.locator("#stop-writing")).to_have_count(0)
    watched.settled()
    written = int(page.locator("#step-at").get_attribute("max") or 0)
    assert 0 < written < MOST
    expect(page.locator("#ending")).to_be_visible()
    assert json.loads(watched.state()["parameters"])["max_new_tokens"] == written
    expect(page.locator("#option-max_new_tokens")).to_have_value(str(MOST))
    expect(page.locator("#stale")).to_be_hidden()
    text = page.evaluate(
        "async (model) => (await (await fetch('v1/predict', {method: 'POST', headers: {'Content-Type':"
        " 'application/json'}, body: JSON.stringify(model)})).json()).prediction.text",
        {"model": "writer", "inputs": "Wo ist", "parameters": {"max_new_tokens": written}},
    )
    assert text.startswith(seen[:20])
    page.click("#step-further")
    page.wait_for_function("n => Number(document.getElementById('step-at').max) > n", arg=written)
    watched.settled()
    assert json.loads(watched.state()["parameters"])["max_new_tokens"] == MOST


HELD = re.compile(r"^paused at token (\d+); (\d+) are written so far$")


def test_the_show_pauses_and_steps_while_more_is_read_and_ends_when_it_goes_on(watch: Opener) -> None:
    watched = watch()
    page, network = written_slowly(watched, 200)
    page.keyboard.press("Shift+W")
    count, text, now = (page.locator(selector) for selector in ("#written-count", "#prediction .written", "#now"))
    expect(count).to_have_text(HELD)
    held = HELD.match(count.inner_text())
    assert held
    at = int(held[1])
    seen = text.text_content() or ""
    # More comes; what is on show holds.
    page.wait_for_function(
        "n => Number(document.getElementById('written-count').textContent.match(/(\\d+) are written/)[1]) > n + 3",
        arg=int(held[2]),
    )
    assert text.text_content() == seen
    expect(now).to_have_text(f"{at} tokens so far")
    expect(page.locator("#pause-writing")).to_have_attribute("aria-pressed", "true")
    # Back and forth among what there is, by keys and by buttons.
    page.keyboard.press("Shift+P")
    page.click("#written-back")
    expect(count).to_have_text(re.compile(rf"^paused at token {at - 2};"))
    back = text.text_content() or ""
    assert seen.startswith(back)
    expect(now).to_have_text(f"{at - 2} tokens so far")
    for _ in range(2):
        page.keyboard.press("Shift+N")
    expect(count).to_have_text(re.compile(rf"^paused at token {at};"))
    assert text.text_content() == seen
    expect(now).to_have_text(f"{at} tokens so far")
    # It is written to its end, and stays paused until somebody goes on.
    network.send("Network.emulateNetworkConditions", FAST)
    expect(count).to_have_text(re.compile(rf"^paused at token {at}; all \d+ are written$"))
    expect(page.locator("#stop-writing")).to_be_disabled()
    expect(page.locator("#step-controls")).to_be_hidden()
    assert text.text_content() == seen
    page.click("#pause-writing")
    expect(page.locator("#pause-writing")).to_have_count(0)
    watched.settled()
    assert page.locator("#step-at").get_attribute("max") == "200"
    expect(page.locator("#stale")).to_be_hidden()


def test_a_paused_answer_is_stopped_or_left_for_another(watch: Opener) -> None:
    watched = watch()
    page, network = written_slowly(watched)
    page.click("#pause-writing")
    expect(page.locator("#written-count")).to_have_text(HELD)
    page.keyboard.press("n")  # what is on show says it in the other language
    expect(page.locator("#written-count")).to_contain_text("已暂停在第")
    page.keyboard.press("n")
    page.click("#stop-writing")
    network.send("Network.emulateNetworkConditions", FAST)
    expect(page.locator("#pause-writing")).to_have_count(0)
    watched.settled()
    assert 0 < int(page.locator("#step-at").get_attribute("max") or 0) < MOST
    network.send("Network.emulateNetworkConditions", SLOW)
    page.click("#run")
    page.click("#pause-writing")
    network.send("Network.emulateNetworkConditions", FAST)
    expect(page.locator("#written-count")).to_contain_text("are written")
    page.keyboard.press("o")
    page.fill("#option-max_new_tokens", "5")
    page.press("#input", "Control+Enter")
    expect(page.locator("#pause-writing")).to_have_count(0)
    watched.settled()
    assert page.locator("#step-at").get_attribute("max") == "5"
