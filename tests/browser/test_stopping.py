"""Stopping an answer while it is written: what is written stays, as a trace, and the form is as it was."""

import json
import re

import pytest
from playwright.sync_api import expect

from .conftest import Opener

pytestmark = pytest.mark.browser

MOST = 700  # tokens: their rows take two megabytes, and the reader is made slow
SLOW = {"offline": False, "latency": 0, "downloadThroughput": 40_000, "uploadThroughput": -1}  # bytes a second
FAST = {**SLOW, "downloadThroughput": -1}


@pytest.fixture(scope="module")
def server(writer: str) -> str:
    """The service with a language model on bytes."""
    return writer


def test_stopping_keeps_what_is_written(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#model=writer&text=Wo+ist&parameters=%7B%22max_new_tokens%22%3A4%7D")
    page.keyboard.press("o")
    page.fill("#option-max_new_tokens", str(MOST))
    network = page.context.new_cdp_session(page)
    network.send("Network.emulateNetworkConditions", SLOW)
    page.click("#run")
    expect(page.locator("#written-count")).to_have_text(re.compile(rf"^\d+ of at most {MOST} tokens$"))
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
