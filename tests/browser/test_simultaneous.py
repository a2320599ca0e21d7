"""Translating while one types: what is committed, what waits, and the source word that each looks at."""

from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from .conftest import Opener

pytestmark = pytest.mark.browser

WORDS = "Ich habe gestern ein Buch gelesen."


def service(server: str, **body: Any) -> Any:
    return httpx.post(f"{server}/v1/simultaneous", json={"model": "de-en", **body}).raise_for_status().json()


def test_words_stay_or_wait_while_one_types(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#model=de-en")
    page.keyboard.press("Shift+V")
    expect(page.locator("#live")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#simultaneous")).to_be_visible()
    page.fill("#input", "Ich habe gestern ei")
    first = service(watched.server, inputs="Ich habe gestern")
    expect(page.locator("#live-source")).to_have_text("Ich habe gestern")
    expect(page.locator("#live-target")).to_have_text(first["draft"])
    held = page.locator("#live-target .held")
    waiting = next(each for each in first["decisions"] if not each["committed"])
    if waiting["position"] is not None:
        expect(page.locator("#live-source .looked")).to_have_text(first["source"][waiting["position"]]["text"])
        expect(page.locator("#live-note")).to_contain_text(f"{waiting['weight']:.2f}")
    expect(held.first).to_be_visible()
    committed = page.locator("#live-target .committed")
    kept = committed.all_inner_texts()
    page.fill("#input", WORDS)
    last = service(watched.server, inputs=WORDS, committed=first["committed"], final=True)
    expect(page.locator("#live-target")).to_have_text(last["text"])
    assert committed.all_inner_texts()[: len(kept)] == kept, "what was committed stays"
    expect(held).to_have_count(0)
    expect(page.locator("#live-note")).to_have_text("The sentence is complete, and so is its translation.")
    committed.first.hover()
    expect(page.locator("#live-source .looked")).to_have_count(1)
    page.fill("#input", f"{WORDS} Wo ist ")
    expect(page.locator("#live-source")).to_have_text("Wo ist")
    expect(page.locator("#live-target")).to_contain_text(last["text"])


def test_another_beginning_is_translated_anew_and_in_the_reader_s_language(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#model=de-en")
    page.click("#live")
    page.fill("#input", "Ich habe gestern ein ")
    expect(page.locator("#live-source")).to_have_text("Ich habe gestern ein")
    page.fill("#input", "Wo ist der ")
    expect(page.locator("#live-source")).to_have_text("Wo ist der")
    expect(page.locator("#live-target")).to_have_text(service(watched.server, inputs="Wo ist der")["draft"])
    page.select_option("#live-frames", "1")
    policy = {"kind": "alignatt", "frames": 1}
    expect(page.locator("#live-target")).to_have_text(
        service(watched.server, inputs="Wo ist der", policy=policy)["draft"]
    )
    page.fill("#input", "Wo ist der Bahnhof")
    watched.ask()  # whoever asks has done with typing
    expect(page.locator("#live-source")).to_have_text("Wo ist der Bahnhof")
    expect(page.locator("#live-target .held")).to_have_count(0)
    page.click("#language")
    expect(page.locator("#simultaneous h2")).to_have_text("边输入边翻译")
    page.click("#live")
    expect(page.locator("#simultaneous")).to_be_hidden()
