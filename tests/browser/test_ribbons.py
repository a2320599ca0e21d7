"""Ribbons: which lines there are and where, by hand; and how they follow a reader on the page."""

import pytest
from playwright.sync_api import Page, expect

from .conftest import Opener
from .modules import call

pytestmark = pytest.mark.browser

LAYOUT = "beside/ribbons/layout"
LINES = "beside/ribbons/lines"
GRID = "({weights: Float32Array.from(a.weights), queries: a.queries, keys: a.keys})"


def items(*widths: int) -> list[dict[str, object]]:
    """Words of these widths, each after a blank."""
    return [{"width": width, "apart": True} for width in widths]


def test_the_strongest_of_each_row_come_first(alone: Page) -> None:
    grid = {"weights": [0.7, 0.2, 0.1, 0.3, 0.3, 0.4], "queries": 2, "keys": 3}
    drawn = "m.linesOf([{}], {}, {}).map(({{query, key, hue}}) => [query, key, hue])"
    assert call(alone, LINES, drawn.format(GRID, 0.05, 2), grid) == [[1, 2, 0], [0, 0, 0]]
    assert call(alone, LINES, drawn.format(GRID, 0.05, 3), grid) == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
    assert call(alone, LINES, drawn.format(GRID, 0.35, 9), grid) == [[1, 2, 0], [0, 0, 0]], "under it none is drawn"
    assert call(alone, LINES, f"m.linesOf([{GRID}, {GRID}], 0.35).map((l) => l.hue)", grid) == [0, 1, 0, 1]
    assert call(alone, LINES, f"m.linesAt([{GRID}], 'keys', [1], 0.1).map((l) => l.query)", grid) == [0, 1]


def test_words_give_words_what_their_tokens_do(alone: Page) -> None:
    code = """(async () => {
      const {mass} = await import('/js/text/words.js');
      const map = {rows: 3, cols: 4, causal: false, weights: Float32Array.from(a)};
      const units = (lists) => lists.map((tokens) => ({tokens}));
      const [queries, keys] = [[[0, 1], [2]], [[0], [1, 2], [], [3]]];
      const {weights} = m.gridOf(map, units(queries), units(keys));
      return [[...weights], queries.flatMap((rows) => keys.map((cols) => mass(map, rows, cols)))];
    })()"""
    weights = [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0, 0, 0.25, 0.25, 0.25, 0.25]
    grid, masses = call(alone, LINES, code, weights)
    assert grid == pytest.approx(masses, abs=1e-6)
    assert grid == pytest.approx([0.3, 0.5, 0, 0.2, 0.25, 0.5, 0, 0.25], abs=1e-6)


def test_the_mean_of_heads(alone: Page) -> None:
    grid = {"weights": [1, 0, 0.5, 0.5], "queries": 2, "keys": 2}
    zeros = "({weights: new Float32Array(4), queries: 2, keys: 2})"
    assert call(alone, LINES, f"[...m.meanOf([{GRID}, {zeros}]).weights]", grid) == [0.5, 0, 0.25, 0.25]


def test_lines_of_words_by_hand(alone: Page) -> None:
    assert call(alone, LAYOUT, "m.broken(a, 120)", items(50, 50, 50)) == [[0, 2], [2, 3]]
    assert call(alone, LAYOUT, "m.broken(a, 120)", items(500, 50)) == [[0, 1], [1, 2]], "a wide word has its own line"
    assert call(alone, LAYOUT, "m.balanced(a, 2, 400)", items(50, 50, 50, 50)) == [[0, 2], [2, 4]], "equally long"
    assert call(alone, LAYOUT, "m.broken(a, 120)", []) == []


def test_a_pair_of_lines_each(alone: Page) -> None:
    code = "m.layOut(a.keys, a.queries, {width: 240, height: 400, directions: {keys: 'ltr', queries: a.direction}})"
    one = call(alone, LAYOUT, code, {"keys": items(40, 40), "queries": items(40, 40), "direction": "ltr"})
    assert one["pairs"] == 1
    assert [place["x"] for place in one["keys"]] == [place["x"] for place in one["queries"]]
    assert one["keys"][0]["x"] + one["keys"][1]["x"] + 40 == pytest.approx(240), "in the middle"
    assert one["queries"][0]["y"] > one["keys"][0]["y"] + one["keys"][0]["height"]
    turned = call(alone, LAYOUT, code, {"keys": items(40, 40), "queries": items(40, 60), "direction": "rtl"})
    assert turned["queries"][0]["x"] > turned["queries"][1]["x"], "right to left"
    long = call(alone, LAYOUT, code, {"keys": items(*[40] * 5), "queries": items(*[40] * 11), "direction": "ltr"})
    assert long["pairs"] == 3
    assert len({place["y"] for place in long["queries"]}) == 3
    assert len({place["y"] for place in long["keys"]}) == 3, "the shorter side is shared out too"
    assert all(place["x"] >= 0 and place["x"] + 40 <= 240 for place in long["queries"] + long["keys"])
    ends = [place["y"] + place["height"] for place in long["queries"]]
    assert max(ends) == long["height"]


def test_curves_leave_and_arrive_upright(alone: Page) -> None:
    box = {"x": 0, "y": 100, "width": 10, "height": 20}
    up = {"x": 50, "y": 0, "width": 10, "height": 20}
    assert call(alone, LAYOUT, "m.curve(a[0], a[1])", [box, up]) == "M5 100C5 60 55 60 55 20"
    assert call(alone, LAYOUT, "m.curve(a[1], a[0])", [box, up]) == "M55 20C55 60 5 60 5 100", "downwards too"
    assert call(alone, LAYOUT, "m.curve(a[0], a[1], 3, true)", [box, up]) == "M8 100C8 55 58 55 58 10"


DIRECTIONS = [("abc", "ltr"), ("שלום", "rtl"), ("«مرحبا»", "rtl"), ("123 是", "ltr")]


@pytest.mark.parametrize(("text", "direction"), DIRECTIONS)
def test_directions(alone: Page, text: str, direction: str) -> None:
    assert call(alone, "beside/ribbons/units", "m.directionOf(a)", text) == direction


def test_a_picture_over_its_words(alone: Page) -> None:
    unit = {"text": "a", "tokens": [0], "special": False, "apart": True}
    patches = [{**unit, "box": [0, 0, 8, 8]}, {**unit, "box": [8, 8, 16, 16]}, {**unit, "text": "[CLS]"}]
    side = {"kind": "picture", "units": patches, "direction": "ltr", "size": [16, 16]}
    words = {"kind": "words", "units": [unit, unit], "direction": "ltr"}
    code = "m.arrange({keys: a[0], queries: a[1]}, () => 20, {width: 300, height: 400})"
    placed = call(alone, "beside/ribbons/arrange", code, [side, words])
    first, second, cls = placed["keys"]
    assert second["x"] == pytest.approx(first["x"] + first["width"])
    assert second["y"] == pytest.approx(first["y"] + first["height"])
    assert cls["y"] >= second["y"] + second["height"]
    assert all(word["y"] > cls["y"] + cls["height"] for word in placed["queries"])
    frames = [{**unit, "seconds": [at, at + 1]} for at in range(3)]
    sound = {"kind": "sound", "units": frames, "direction": "ltr", "duration": 3}
    placed = call(alone, "beside/ribbons/arrange", code, [sound, words])
    assert [place["x"] for place in placed["keys"]] == [0, 100, 200]


def test_arrows_lead_along_and_across(alone: Page) -> None:
    grid = {"weights": [0.1, 0.9, 0.6, 0.4], "queries": 2, "keys": 2}
    sides = "({keys: {units: [0, 0], direction: 'ltr'}, queries: {units: [0, 0], direction: 'rtl'}})"

    def moved(key: str, side: str) -> object:
        code = f"m.moved('{key}', {{side: '{side}', index: 0}}, {sides}, [{GRID}])"
        return call(alone, "beside/ribbons/moves", code, grid)

    assert moved("ArrowUp", "queries") == {"side": "keys", "index": 1}
    assert moved("ArrowDown", "keys") == {"side": "queries", "index": 1}
    assert moved("ArrowLeft", "queries") == {"side": "queries", "index": 1}, "onwards, from right to left"
    assert moved("ArrowRight", "queries") is None
    assert moved("ArrowDown", "queries") is None
    assert moved("x", "queries") is None


def test_near_is_a_window_inside(alone: Page) -> None:
    near = "m.near(Array(10).fill(0), {}, 4)"
    assert call(alone, "beside/ribbons/units", near.format(0)) == [0, 4]
    assert call(alone, "beside/ribbons/units", near.format(5)) == [3, 7]
    assert call(alone, "beside/ribbons/units", near.format(9)) == [6, 10]


def test_ribbons_on_the_page(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    page.keyboard.press("b")
    expect(page.locator(".ribbon-side[role=listbox]")).to_have_count(2)
    assert watched.state()["view"] == "ribbons"
    strong = page.locator(".ribbon-lines").first.locator("path")
    assert strong.count() > 5
    words = page.locator("[data-side=queries]")
    said = [text.strip() for text in words.locator("text").all_text_contents()]
    assert said[:-1] == page.locator("#target-sentence .word").all_inner_texts()[: len(said) - 1]
    words.nth(1).hover()
    own = page.locator(".ribbon-lines").nth(1).locator("path")
    expect(own.first).to_be_attached()
    assert page.locator(".ribbon-lines.dim").count() == 1
    lights = page.locator("[data-side=keys] .ribbon-ground").evaluate_all(
        "nodes => nodes.map((node) => Number(getComputedStyle(node).fillOpacity))"
    )
    assert 0 < sum(light > 0 for light in lights) <= own.count()
    assert max(lights) > 0.3, "what it looks at most is lit"
    words.nth(1).click()
    expect(words.nth(1)).to_have_attribute("aria-selected", "true")
    row = page.inner_text("#cell-place").strip("()").split(",")[0]
    assert watched.state()["row"] == row
    words.nth(1).focus()
    page.keyboard.press("ArrowRight")
    expect(words.nth(2)).to_be_focused()
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.dataset.side") == "keys"
    page.keyboard.press("Escape")
    page.keyboard.press("y")
    expect(page.locator(".ribbon-legend")).to_have_text("mean of layer " + watched.state()["layer"])
    page.keyboard.press("y")
    expect(page.locator(".ribbon-legend .ribbon-swatch")).to_have_count(6)
    expect(page.locator(".ribbon.hue-5").first).to_be_attached()
    page.locator(".ribbon-entry button").first.click()
    expect(page.locator(".ribbon-legend .ribbon-swatch")).to_have_count(5)
    before = strong.count()
    page.locator("#ribbon-least").press("End")
    expect(page.locator(".ribbon-least output")).to_have_text("0.5")
    assert strong.count() < before
    page.reload()
    expect(page.locator(".ribbon-side")).to_have_count(2)
    page.locator("#view input[value=map]").check()
    expect(page.locator("#ribbons")).to_be_hidden()
    watched.settled()


def test_a_long_text_wraps_and_a_narrow_page_too(watch: Opener) -> None:
    watched = watch(viewport={"width": 1100, "height": 900})
    page = watched.open("#view=ribbons&site=encoder&text=" + "%20".join(["Ich habe ein Buch gelesen."] * 6))
    expect(page.locator(".ribbon-side")).to_have_count(2)
    tops = page.locator("[data-side=queries] text").evaluate_all("nodes => nodes.map((n) => n.getAttribute('y'))")
    assert len(set(tops)) > 1
    room = page.evaluate("document.querySelector('.ribbon-room').getBoundingClientRect().right")
    rights = page.locator(".ribbon-unit").evaluate_all("nodes => nodes.map((n) => n.getBoundingClientRect().right)")
    assert max(rights) <= room + 1
