"""Problems in the reader's language, what may be asked again, what stays; and what the page says of a model."""

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from .conftest import Opener, asks_for_trace, text_of

pytestmark = pytest.mark.browser

REFUSED = "Failed to load resource"  # Chromium logs every answer that is no success
BUSY = {"type": "urn:heedmap:problem:overloaded", "title": "x", "status": 503, "detail": "the queue is full"}
AGAIN = ".notices .again"


def seen(page: Page) -> tuple[str, str, str]:
    """The site by its tab, by the address and by the map."""
    tab = page.get_attribute("#sites [aria-selected=true]", "data-site") or ""
    label = re.search(r"map of (\w+)", page.get_attribute("#heat", "aria-label") or "")
    return tab, page.evaluate("new URLSearchParams(location.hash.slice(1)).get('site')"), label[1] if label else ""


def test_a_problem_is_told_in_chinese_by_its_type(watch: Opener, api: httpx.Client) -> None:
    watched = watch(locale="zh-CN")
    watched.allow(REFUSED)
    page = watched.open()
    page.fill("#input", " ")
    page.click("#run")
    detail = api.post("/v1/traces", json={"model": "de-en", "inputs": " "}).json()["detail"]
    expect(page.locator("#problem")).to_have_text(f"输入为空：{detail}")
    expect(page.locator(AGAIN)).to_be_hidden()  # the same would fail again
    page.click("#language")
    expect(page.locator("#problem")).to_have_text(detail)


def test_a_busy_service_is_asked_again_when_it_wants_to_be(watch: Opener) -> None:
    watched = watch()
    watched.allow(REFUSED)
    page = watched.open()

    def refuse(route: Route) -> None:
        headers = {"Retry-After": "2", "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, json=BUSY)

    page.route("**/v1/predict", refuse, times=1)
    page.fill("#input", "Wo bist du?")
    page.click("#run")
    expect(page.locator("#problem")).to_have_text("The service is busy: the queue is full")
    again = page.locator(AGAIN)
    expect(again).to_be_disabled()
    expect(again).to_have_text(re.compile(r"Try again in \d s"))
    expect(again).to_be_enabled()
    assert page.input_value("#input") == "Wo bist du?"
    with page.expect_request(asks_for_trace):
        again.click()
    expect(page.locator("#target-sentence")).to_contain_text("Where are you")
    expect(page.locator("#problem")).to_be_hidden()
    expect(again).to_be_hidden()


def test_a_site_that_does_not_come_leaves_everything_agreeing(watch: Opener) -> None:
    watched = watch()
    watched.allow(REFUSED)
    page = watched.open("#text=Wo+ist+der+Bahnhof%3F&site=cross&layer=1&head=2")
    page.route("**/maps/encoder/**", lambda route: route.abort("connectionrefused"))
    page.click("#sites [data-site=encoder]")
    expect(page.locator("#problem")).to_have_text("The service does not answer. Your input is still here.")
    watched.settled()
    assert seen(page) == ("cross", "cross", "cross")
    page.unroute("**/maps/encoder/**")
    page.locator(AGAIN).click()
    expect(page.locator("#heat")).to_have_attribute("aria-label", re.compile("of encoder"))
    expect(page.locator("#problem")).to_be_hidden()
    watched.settled()
    assert seen(page) == ("encoder", "encoder", "encoder")


def test_a_first_answer_that_fails_has_lost_no_input(watch: Opener) -> None:
    watched = watch()
    watched.allow(REFUSED)
    page = watched.page
    page.route("**/v1/models", lambda route: route.abort("connectionrefused"), times=1)
    page.goto(watched.server)
    expect(page.locator("#problem")).to_have_text("The service does not answer.")
    page.locator(AGAIN).click()
    watched.settled()
    expect(page.locator("#problem")).to_be_hidden()


def test_what_is_typed_outlives_going_back(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#text=Wo+ist+der+Bahnhof%3F")
    first = text_of(page, "#target-sentence")
    watched.translate("Ich bin hier.")
    page.fill("#input", "Noch nicht gesendet.")
    page.go_back()
    expect(page.locator("#target-sentence")).to_contain_text(first)
    watched.settled()
    expect(page.locator("#input")).to_have_value("Noch nicht gesendet.")
    expect(page.locator("#stale")).to_be_visible()
    watched.ask()
    page.go_back()  # what was sent is a part of the history, and makes way
    expect(page.locator("#input")).to_have_value("Wo ist der Bahnhof?")


def test_a_links_lost_trace_is_made_again_where_it_can_be(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    watched.allow(REFUSED)
    gone = "0" * 32
    page = watched.open(f"#trace={gone}&model=de-en&text=Wo+ist+er%3F")
    expect(page.locator("#target-sentence")).to_contain_text("Where is he")
    expect(page.locator("#announce, #toast").filter(has_text="made again").first).to_be_attached()
    assert "trace" not in watched.state()
    page.goto("about:blank")
    page.goto(f"{watched.server}/#trace={gone}&model=de-en")
    expect(page.locator("#problem")).to_contain_text("no text to make it again from")


def test_the_models_card_says_what_it_is(watch: Opener, api: httpx.Client) -> None:
    page = watch().open()
    described: dict[str, Any] = api.get("/v1/models/de-en").json()
    page.keyboard.press("Shift+I")
    card = page.locator("#model-card")
    for said in ("translation", "German → English", "9.9 million parameters", "float32", described["licence"]):
        expect(card.locator("dl")).to_contain_text(said)
    expect(card.locator("h4").last).to_have_text("What it cannot do")
    assert card.locator("table").count() == 2
    assert card.locator("a").evaluate_all("links => links.map((link) => new URL(link.href).pathname)") == [
        "/docs",
        "/v1/models/de-en",
    ]
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    page.click("#language")
    page.click("#card-open")
    expect(card.locator("dl")).to_contain_text("990 万参数")
