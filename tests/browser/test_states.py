"""The states that are drawn on purpose: errors, stale, evicted, server gone, nothing yet."""

import re

import httpx
import pytest
from playwright.sync_api import Route, expect

from .conftest import Opener, text_of

pytestmark = pytest.mark.browser

REFUSED = "Failed to load resource"  # Chromium logs every answer that is no success


def detail(api: httpx.Client, text: str) -> str:
    """What the service says against a text."""
    answer = api.post("/v1/traces", json={"model": "de-en", "inputs": text})
    assert answer.status_code in (413, 422)
    return str(answer.json()["detail"])


@pytest.mark.parametrize("text", ["", "   ", "wort " * 2000], ids=["empty", "blank", "too long"])
def test_bad_input_is_told_by_the_input_and_kept(watch: Opener, api: httpx.Client, text: str) -> None:
    watched = watch()
    watched.allow(REFUSED)
    page = watched.open()
    before = text_of(page, "#target-sentence")
    page.fill("#input", text)
    page.click("#run")
    problem = page.locator("#problem")
    expect(problem).to_be_visible()
    assert problem.inner_text() == detail(api, text).strip()
    assert page.input_value("#input") == text
    assert page.get_attribute("#input", "aria-invalid") == "true"
    assert page.get_attribute("#input", "aria-describedby") == "problem"
    assert text_of(page, "#target-sentence") == before, "the last good map stays"
    watched.translate("Ich bin hier.")
    expect(problem).to_be_hidden()


def test_an_edited_text_is_marked_stale(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    text = page.input_value("#input")
    expect(page.locator("#stale")).to_be_hidden()
    page.fill("#input", text + " Ja.")
    expect(page.locator("#stale")).to_be_visible()
    assert page.locator("#heat").evaluate("node => getComputedStyle(node).opacity") == "1", "a letter fogs nothing"
    page.fill("#input", text)
    expect(page.locator("#stale")).to_be_hidden()


def test_an_evicted_trace_is_made_again_silently(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    watched.allow(REFUSED)
    page = watched.open("#text=Der+Hund+schl%C3%A4ft.&site=cross&layer=0&head=0")
    trace = api.post("/v1/traces", json={"model": "de-en", "inputs": "Der Hund schläft."}).json()
    assert api.delete(f"/v1/traces/{trace['id']}").status_code == 204
    page.click("#sites [data-site=encoder]")
    expect(page.locator("#heat")).to_have_attribute("aria-label", re.compile("of encoder"))
    watched.settled()
    expect(page.locator("#problem")).to_be_hidden()
    assert api.get(f"/v1/traces/{trace['id']}").status_code == 200


def test_a_server_that_is_gone_loses_nothing(watch: Opener) -> None:
    watched = watch()
    watched.allow(REFUSED)
    page = watched.open()
    before = text_of(page, "#target-sentence")
    page.route("**/v1/**", lambda route: route.abort("connectionrefused"))
    page.fill("#input", "Wo bist du?")
    page.click("#run")
    expect(page.locator("#problem")).to_contain_text("does not answer")
    assert page.input_value("#input") == "Wo bist du?"
    assert text_of(page, "#target-sentence") == before
    page.unroute("**/v1/**")
    watched.translate("Wo bist du?")
    expect(page.locator("#problem")).to_be_hidden()


def test_a_wait_is_shown_and_can_be_overtaken(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    held: list[Route] = []
    page.route("**/v1/predict", lambda route: held.append(route))
    page.fill("#input", "Ich warte.")
    page.click("#run")
    expect(page.locator("#progress")).to_be_visible()
    expect(page.locator("#run-text")).to_have_text("Translating…")
    expect(page.locator("#map")).to_have_attribute("aria-busy", "true")
    page.unroute("**/v1/predict")
    watched.translate("Ich bin müde.")
    assert len(held) == 1
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#run-text")).to_have_text("Translate")
    assert watched.state()["text"] == "Ich bin müde."


def test_without_a_first_answer_the_page_says_so(watch: Opener) -> None:
    watched = watch()
    watched.allow(REFUSED)
    page = watched.page
    page.route("**/v1/predict", lambda route: route.abort("connectionrefused"))
    page.goto(watched.server)
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#problem")).to_be_visible()
    page.unroute("**/v1/predict")
    page.click("#run")
    watched.settled()
    expect(page.locator("#empty")).to_be_hidden()


def test_markup_in_the_text_stays_text(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    watched.translate("<b>Hallo</b> <img src=x onerror=alert(1)>")
    assert page.locator("#source-sentence b, #source-sentence img, #plot b").count() == 0
    assert "<b>Hallo</b>" in text_of(page, "#source-sentence")
    ticks = page.eval_on_selector_all(".ytick text, .xtick text", "list => list.map(node => node.textContent)")
    assert "<" in ticks
    assert "</s>" in ticks
