"""Ways about a long map: wheel, drags, minimap, keys, views before and after, links, and the way to a token."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from .conftest import Opener
from .long_map import PARAMETERS, TEXT, drawn, level, middle, opened, window

pytestmark = pytest.mark.browser

NEEDLE = TEXT.index("needle")


@pytest.fixture(scope="module")
def server(writer: str) -> str:
    """The service with a language model on bytes."""
    return writer


def test_wheel_drag_box_and_back(watch: Opener) -> None:
    watched, page = opened(watch)
    page.mouse.move(*middle(page, 0.25, 0.75))
    for _ in range(6):
        page.mouse.wheel(0, -300)
    expect(page).to_have_url(re.compile("cols="))
    drawn(page)
    rows, cols = window(watched)
    assert rows[1] - rows[0] == pytest.approx(cols[1] - cols[0], abs=2)
    assert cols[0] + (cols[1] - cols[0]) * 0.25 == pytest.approx(0.25 * len(TEXT), abs=6), "about the pointer"
    page.mouse.down()
    page.mouse.move(*middle(page, 0.5, 0.65), steps=4)
    page.mouse.up()
    drawn(page)
    panned = window(watched)
    assert panned[1][0] == pytest.approx(cols[0] - 0.25 * (cols[1] - cols[0]), abs=3)
    assert panned[0][0] == pytest.approx(rows[0] + 0.1 * (rows[1] - rows[0]), abs=3)
    page.keyboard.down("Shift")
    page.mouse.move(*middle(page, 0.3, 0.3))
    page.mouse.down()
    page.mouse.move(*middle(page, 0.5, 0.5), steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    drawn(page)
    boxed = window(watched)
    assert boxed[1][1] - boxed[1][0] == pytest.approx(0.2 * (cols[1] - cols[0]), abs=3)
    page.keyboard.press(",")
    drawn(page)
    assert window(watched) == panned
    page.click("#trail-on")
    drawn(page)
    assert window(watched) == boxed
    page.mouse.dblclick(*middle(page))
    expect(page).not_to_have_url(re.compile("cols="))
    drawn(page)
    expect(page.locator("#minimap")).to_be_hidden()


def test_two_cells_clicked_in_haste_are_no_double_click(watch: Opener) -> None:
    _, page = opened(watch, rows="100:300", cols="50:250")
    for at in (0.3, 0.6):
        page.mouse.click(*middle(page, at, 0.5))
    assert re.search(r"rows=100[^&]*300", page.url), "the view stays"
    col = re.search(r"[&#]col=(\d+)", page.url)
    assert col is not None
    assert int(col[1]) == pytest.approx(50 + 0.6 * 200, abs=2)


def test_past_the_edge_a_drag_keeps_its_zoom(watch: Opener) -> None:
    watched, page = opened(watch, rows="100:300", cols="50:250")
    page.mouse.move(*middle(page, 0.1, 0.1))
    page.mouse.down()
    page.mouse.move(*middle(page, 0.9, 0.9), steps=4)
    page.mouse.up()
    drawn(page)
    assert window(watched) == ([0, 200], [0, 200])


def test_a_link_restores_the_view(watch: Opener) -> None:
    first, page = opened(watch)
    page.mouse.move(*middle(page, 0.3, 0.6))
    page.mouse.wheel(0, -900)
    expect(page).to_have_url(re.compile("cols="))
    page.keyboard.press("v")
    drawn(page)
    page.mouse.click(*middle(page, 0.2, 0.8))
    expect(page).to_have_url(re.compile("row="))
    drawn(page)
    second = watch()
    second.page.goto(page.url)
    drawn(second.page)
    assert second.state() == first.state()
    for selector in ("#now", "#badge", "#cell-place", "#cell-weight"):
        assert second.page.inner_text(selector) == page.inner_text(selector)
    assert level(second.page) == level(page)


def test_go_to_a_token(watch: Opener, api: httpx.Client) -> None:
    watched, page = opened(watch)
    body = {"model": "writer", "inputs": TEXT, "parameters": PARAMETERS}
    labels = api.post("/v1/traces", json=body).raise_for_status().json()["axes"]["tokens"]["labels"]
    page.keyboard.press("g")
    page.keyboard.type("needle")
    expect(page.locator("#match-count")).to_have_text("1 found")
    page.keyboard.press("Enter")
    expect(page.locator("#match-count")).to_have_text("1 of 1")
    drawn(page)
    rows, cols = window(watched)
    assert rows[0] < NEEDLE < rows[1]
    assert cols[0] < NEEDLE < cols[1]
    assert watched.state()["row"] == str(NEEDLE)
    ticks = page.eval_on_selector_all("#tile-plot .xtick text", "list => list.map((node) => node.textContent)")
    assert "".join(labels[NEEDLE : NEEDLE + 6]) == "needle"
    assert "needle" in "".join(ticks), "tokens have room for their labels here"
    assert len(ticks) < 120
    expect(page.locator("#passages .piece.marked").first).to_have_text("n")
    page.fill("#find", "fox")
    expect(page.locator("#match-count")).to_have_text("45 found")
    page.keyboard.press("Enter")
    after = TEXT.index("fox", NEEDLE)
    expect(page.locator("#cell-place")).to_contain_text(f"({after}, ")
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#cell-place")).to_contain_text(f"({TEXT.rindex('fox', 0, NEEDLE)}, ")
    page.fill("#find", "1234")
    page.keyboard.press("Enter")
    expect(page.locator("#cell-place")).to_contain_text("(1234, ")
    page.fill("#find", "unicorn")
    expect(page.locator("#match-count")).to_have_text("none")


def test_the_minimap_and_the_keys_move_the_view(watch: Opener) -> None:
    watched, page = opened(watch, rows="1000:1200", cols="1000:1200")
    box = page.locator("#minimap").bounding_box()
    assert box
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 0.75 * box["height"])
    drawn(page)
    rows, cols = window(watched)
    assert sum(rows) / 2 == pytest.approx(0.75 * len(TEXT), abs=25)
    assert sum(cols) / 2 == pytest.approx(0.25 * len(TEXT), abs=25)
    page.locator("#heat").focus()
    page.keyboard.press("ArrowRight")
    drawn(page)
    assert window(watched)[1][0] == pytest.approx(cols[0] + 25, abs=2)
    page.keyboard.press("Home")
    drawn(page)
    assert window(watched) == ([0, 200], [0, 200])
    expect(page.locator("#now")).to_have_text("layer 1 · head 2")
