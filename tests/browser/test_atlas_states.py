"""A long map while tiles are late, refused or gone, after its trace is gone, and under the strictest policy."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from .conftest import WAIT, Opener, Watched, asks_for_trace
from .long_map import READBACK, drawn, level, link, middle, opened, window

pytestmark = pytest.mark.browser

REFUSED = "Failed to load resource"  # Chromium logs every answer that is no success
FINE = "**/tiles/**/max/0?*"
COLOURS = """() => {
  const canvas = document.getElementById("tiles");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Map();
  for (let at = 0; at < data.length; at += 4) {
    const name = data.slice(at, at + 4).join(",");
    seen.set(name, (seen.get(name) ?? 0) + 1);
  }
  return [...seen.keys()];
}"""
SUNKEN = "236,236,234,255"  # of what has not arrived, in the light


@pytest.fixture(scope="module")
def server(writer: str) -> str:
    """The service with a language model on bytes."""
    return writer


def zoom_in(page: Page) -> None:
    """Down to single cells."""
    page.mouse.move(*middle(page, 0.2, 0.7))
    for _ in range(8):
        page.mouse.wheel(0, -400)
    expect(page.locator("#tiles")).to_have_attribute("data-level", "0")


def let_go(page: Page, pattern: str, held: list[Route]) -> None:
    """What was held back goes on, and nothing is held any more."""
    for route in held:
        route.continue_()
    page.unroute(pattern)


def refuse(answer: dict[str, Any]) -> Callable[[Route], None]:
    """A handler that gives this answer."""
    return lambda route: route.fulfill(**answer)


def test_while_tiles_are_late_an_ancestor_stands_in(watch: Opener) -> None:
    _, page = opened(watch)
    held: list[Route] = []
    page.route(FINE, lambda route: held.append(route))
    zoom_in(page)
    expect(page.locator("#tiles")).to_have_attribute("data-state", "coarse")
    expect(page.locator("#map")).to_have_attribute("aria-busy", "true")
    assert SUNKEN not in page.evaluate(COLOURS), "the coarser tiles are shown, not blanks"
    assert len(page.evaluate(COLOURS)) > 3
    assert held
    let_go(page, FINE, held)
    drawn(page)
    expect(page.locator("#progress")).to_be_hidden()


def test_before_anything_arrives_nothing_is_claimed(watch: Opener) -> None:
    watched = watch()
    watched.allow(READBACK)
    page = watched.page
    held: list[Route] = []
    page.route("**/tiles/**", lambda route: held.append(route))
    page.goto(f"{watched.server}/{link()}")
    expect(page.locator("#tiles")).to_have_attribute("data-state", "coarse")
    assert page.evaluate(COLOURS) == [SUNKEN]
    let_go(page, "**/tiles/**", held)
    drawn(page)
    assert SUNKEN not in page.evaluate(COLOURS)


def test_what_was_passed_over_is_aborted(watch: Opener) -> None:
    watched, page = opened(watch)
    aborted: list[str] = []
    page.on("requestfailed", lambda request: aborted.append(request.url))
    page.route(FINE, lambda route: None)
    with page.expect_request(lambda request: "/max/0?" in request.url):
        zoom_in(page)
    with page.expect_event("requestfailed", predicate=lambda request: "/max/0?" in request.url):
        page.keyboard.press("0")
    drawn(page)
    assert level(page) > 0
    assert all("/tiles/" in url for url in aborted), aborted  # of levels on the way there too, where they were late
    assert "rows" not in watched.state()


def test_a_failure_that_passes_is_not_even_told(watch: Opener) -> None:
    watched, page = opened(watch)
    watched.allow(READBACK, REFUSED)
    failures = 0

    def flaky(route: Route) -> None:
        nonlocal failures
        failures += 1
        if failures <= 2:
            route.fulfill(status=503, json={"detail": "the queue is full"}, headers={"Retry-After": "0"})
        else:
            route.continue_()

    page.route(FINE, flaky)
    zoom_in(page)
    drawn(page)
    assert failures > 2
    expect(page.locator("#tiles-problem")).to_be_hidden()


def test_a_refusal_is_told_and_can_be_tried_again(watch: Opener) -> None:
    watched, page = opened(watch)
    watched.allow(READBACK, REFUSED)
    zoom_in(page)
    drawn(page)
    for status, key in [(413, "ArrowRight"), (422, "ArrowUp"), (429, "ArrowLeft")]:  # heads that are not here yet
        message = f"refused with {status}"
        answer = {"status": status, "json": {"status": status, "detail": message}, "headers": {"Retry-After": "60"}}
        page.route(FINE, refuse(answer))
        page.keyboard.press(key)
        expect(page.locator("#tiles-problem")).to_contain_text(message)
        expect(page.locator("#tiles")).to_have_attribute("data-state", "coarse")
        expect(page.locator("#progress")).to_be_hidden()
        page.unroute(FINE)
        page.click("#tiles-retry")
        drawn(page)
        expect(page.locator("#tiles-problem")).to_be_hidden()
    assert "&row=" not in page.url, "the button lies over the map, and is not the map"


def test_a_trace_that_has_gone_is_made_again_on_the_way(watch: Opener, api: httpx.Client) -> None:
    watched: Watched
    with_trace: list[Any] = []
    watched = watch()
    watched.allow(READBACK, REFUSED)
    page = watched.page
    page.on("response", lambda answer: asks_for_trace(answer.request) and with_trace.append(answer.json()))
    page.goto(f"{watched.server}/{link()}")
    drawn(page)
    assert api.delete(f"/v1/traces/{with_trace[0]['id']}").status_code == 204
    zoom_in(page)
    drawn(page)
    place = window(watched)
    assert level(page) == 0
    assert [trace["id"] for trace in with_trace] == [with_trace[0]["id"]] * 2
    expect(page.locator("#tiles-problem")).to_be_hidden()
    expect(page.locator("#problem")).to_be_hidden()
    assert window(watched) == place


def test_from_a_long_map_to_a_short_one_and_back(watch: Opener) -> None:
    watched, page = opened(watch)
    page.fill("#input", "A short text.")
    watched.ask()
    expect(page.locator("#cells")).to_be_visible()
    for hidden in ("#tiles", "#tile-plot", "#rail", "#passages"):
        expect(page.locator(hidden)).to_be_hidden()
    page.mouse.move(*[value + 3 for value in page.locator("#plot .nsewdrag").bounding_box().values()][:2])  # type: ignore[union-attr]
    expect(page.locator("#cell-place")).to_have_text("(0, 0)")
    page.go_back()
    drawn(page)
    expect(page.locator("#plot")).to_be_hidden()
    expect(page.locator("#rail")).to_be_visible()


def test_the_strictest_policy_holds(watch: Opener) -> None:
    watched = watch()
    page = watched.page
    strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"

    def stricter(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": strict})

    page.route(watched.server + "/", stricter)
    page.goto(f"{watched.server}/{link()}")
    drawn(page)
    page.evaluate(
        "window.seen = []; document.addEventListener('securitypolicyviolation', (e) => seen.push(e.effectiveDirective))"
    )
    zoom_in(page)
    page.mouse.down()
    page.mouse.move(*middle(page, 0.5, 0.5), steps=3)
    page.mouse.up()
    for key in ("ArrowRight", "v", ",", ".", "+", "-", "0", "l", "c", "t", "n", "g"):
        page.keyboard.press(key)
        page.wait_for_timeout(40)
    page.keyboard.type("fox")
    page.keyboard.press("Enter")
    drawn(page)
    assert page.evaluate("window.seen") == []


def test_the_right_column_shows_no_other_row_than_its_cells(watch: Opener) -> None:
    _, page = opened(watch)
    expect(page.locator("#row-there")).to_be_visible()
    page.mouse.move(*middle(page, 0.2, 0.6))
    expect(page.locator("#row-there")).to_be_hidden()
    expect(page.locator("#card")).to_be_visible()
    page.mouse.move(5, 5)
    expect(page.locator("#row-there")).to_be_visible()


THINNED = """() => {
  const { width, height } = document.getElementById("tiles");
  const { data } = document.getElementById("tiles").getContext("2d").getImageData(0, 0, width, height);
  return [...data].filter((_, at) => at % 4093 === 0);
}"""


def test_the_old_picture_stays_and_local_heads_show_their_end(watch: Opener) -> None:
    _, page = opened(watch)
    named = page.locator("#heads [title*='last 32 tokens']")
    expect(page.locator("#head-0-0[title*='last 32 tokens']")).to_be_attached(timeout=WAIT)  # it sees sixteen tokens
    assert named.count() < page.locator("#heads .head").count(), "others look far"
    before = page.evaluate(THINNED)
    assert len(set(before)) > 8
    held: list[Route] = []
    holding = [True]
    page.route("**/tiles/**", lambda route: held.append(route) if holding else route.continue_())
    page.keyboard.press("v")
    expect(page.locator("#tiles")).to_have_attribute("data-state", "coarse")
    assert page.evaluate(THINNED) == before
    holding.clear()
    for route in held:
        route.continue_()
    expect(page.locator("#tiles")).to_have_attribute("data-state", "complete")
    assert page.evaluate(THINNED) != before
