"""How it looks: light and dark, English and Chinese, wide and narrow; contrast, names and focus."""

import pytest
from playwright.sync_api import FloatRect, Page, expect

from .conftest import Opener

pytestmark = pytest.mark.browser

LUMINANCE = """selector => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const node = document.querySelector(selector);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let ground = node;
  while (ground && parse(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
  const colours = [getComputedStyle(node).color, getComputedStyle(ground ?? document.body).backgroundColor];
  const [a, b] = colours.map(parse).map(light);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""
TEXTS = [
    *("#now", ".tab[aria-selected=false]", "#run", ".say .caption", "#hover-hint", "#certificate", ".facts dt"),
    *(".measures th", ".measures td:last-child", ".choice-item span", "#badge", "#target-sentence", "#stale"),
    *("#reading-text", "#docs", "#share", ".foot .caption", ".layers-line h2"),
]


def background(page: Page) -> int:
    """Brightness of the page's ground, 0..255."""
    return int(page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable(watch: Opener, scheme: str) -> None:
    page = watch(color_scheme=scheme).open()
    page.fill("#input", "Anders.")
    ratios = {selector: page.evaluate(LUMINANCE, selector) for selector in TEXTS}
    assert {selector: ratio for selector, ratio in ratios.items() if ratio < 4.5} == {}


def test_dark_follows_the_system_and_the_switch(watch: Opener) -> None:
    assert background(watch(color_scheme="light").open()) > 240
    watched = watch(color_scheme="dark")
    page = watched.open()
    assert background(page) < 40
    page.click("#theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert background(page) > 240
    watched.settled()
    page.reload()
    watched.settled()
    assert background(page) > 240, "a choice is remembered"
    assert page.evaluate("getComputedStyle(document.querySelector('.xtick text')).fill") == "rgb(27, 28, 30)"


def test_chinese_follows_the_browser_and_the_switch(watch: Opener) -> None:
    watched = watch(locale="zh-CN")
    page = watched.open()
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.locator("#run")).to_have_text("翻译")
    expect(page.locator("#sites [aria-selected=true]")).to_have_text("交叉")
    page.click("#language")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#run")).to_have_text("Translate")
    # Some of it is drawn anew, and comes a moment later.
    page.wait_for_function("() => !/[\\u4e00-\\u9fff]/.test(document.body.innerText.replace('中文', ''))")


def test_every_text_stands_in_both_languages(watch: Opener) -> None:
    page = watch().open()
    english, chinese = page.evaluate(
        "import('./js/text/strings.js').then(({STRINGS: {en, zh}}) => [Object.entries(en), Object.entries(zh)])"
    )
    assert [name for name, _ in english] == [name for name, _ in chinese]
    assert all(text.strip() for _, text in english + chinese)

    def slots(text: str) -> list[str]:
        return sorted(part.split("}")[0] for part in text.split("{")[1:])

    assert [slots(text) for _, text in english] == [slots(text) for _, text in chinese]


def box_of(page: Page, selector: str) -> FloatRect:
    """Where an element is."""
    box = page.locator(selector).bounding_box()
    assert box
    return box


def test_a_phone_gets_one_column_and_the_map_first(watch: Opener) -> None:
    watched = watch(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2)
    page = watched.open()
    boxes = [box_of(page, selector) for selector in (".bar", ".look", ".say", ".layers", ".foot")]
    assert all(box["x"] == 0 and box["width"] == 390 for box in boxes)
    tops = [box["y"] for box in boxes]
    assert tops == sorted(tops)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    plot = box_of(page, ".nsewdrag")
    assert plot["width"] > 150
    assert plot["y"] + plot["height"] < 844, "above the fold"
    expect(page.locator("#tell")).to_be_hidden()
    page.touchscreen.tap(plot["x"] + 4, plot["y"] + 4)
    expect(page.locator("#cell-place")).to_have_text("(0, 0)")
    sheet = box_of(page, "#tell")
    assert (sheet["x"], sheet["y"] + sheet["height"]) == (0, 844)
    page.tap("#tell-close")
    expect(page.locator("#tell")).to_be_hidden()


@pytest.mark.parametrize(("touch", "least"), [(True, 44), (False, 24)])
def test_targets_are_as_large_as_what_points_at_them(watch: Opener, touch: bool, least: int) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = watch(**phone if touch else {}).open()
    small = page.evaluate(
        """(least) => [...document.querySelectorAll("button, summary, a, select, .choice-item, .head, .word")]
          .filter((node) => node.checkVisibility() && !node.matches(".word, .head, .skip"))
          .map((node) => [node.id || node.className || node.textContent, node.getBoundingClientRect()])
          .filter(([, { width, height }]) => width < least || height < least)
          .map(([name, { width, height }]) => `${name} ${width} x ${height}`)""",
        least,
    )
    assert small == []


def test_a_desktop_gets_three_columns_and_the_map_the_most(watch: Opener) -> None:
    page = watch().open()
    say, layers, look, tell = (box_of(page, selector) for selector in (".say", ".layers", ".look", ".tell"))
    assert say["y"] + say["height"] <= look["y"]
    assert layers["x"] + layers["width"] <= look["x"]
    assert look["x"] + look["width"] <= tell["x"]
    assert page.evaluate("document.documentElement.scrollHeight") <= 900
    plot, room = box_of(page, ".nsewdrag"), box_of(page, "#heat")
    labelled = (plot["x"] + plot["width"] - room["x"]) * (plot["y"] + plot["height"] - room["y"])
    assert labelled > 0.45 * 1440 * 900, "cells and their labels"
    assert plot["width"] * plot["height"] > 0.33 * 1440 * 900, "cells alone"


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (1099, 700), (1024, 640), (1280, 800)])
def test_a_clicks_answer_is_above_the_fold(watch: Opener, width: int, height: int) -> None:
    page = watch(viewport={"width": width, "height": height}).open()
    plot = box_of(page, ".nsewdrag")
    for share in (0.1, 0.9):
        x, y = plot["x"] + share * plot["width"], plot["y"] + 0.5 * plot["height"]
        page.mouse.click(x, y)
        tell, weight = box_of(page, "#tell"), box_of(page, "#cell-weight")
        assert weight["y"] + weight["height"] <= height
        assert page.evaluate("document.documentElement.scrollHeight") <= height
        assert not tell["x"] <= x <= tell["x"] + tell["width"], "what was clicked stays in sight"
        page.keyboard.press("Escape")


def test_everything_operable_has_a_name(watch: Opener) -> None:
    page = watch().open()
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, select, textarea, input, summary, [role]")]
        .filter((node) => node.matches(":not([role=alert], [role=status], [role=tooltip])"))
        .filter((node) => !(node.ariaLabel || node.textContent.trim() || node.labels?.length || node.title))
        .map((node) => node.outerHTML)"""
    )
    assert nameless == []
    assert page.locator("main").count() == page.locator("header").count() == page.locator("h1").count() == 1
    expect(page.locator("[aria-live=polite]")).to_contain_text("cross, layer")


def test_the_focus_is_seen(watch: Opener) -> None:
    page = watch().open()
    page.locator("body").press("Tab")
    focused = []
    for _ in range(8):
        page.keyboard.press("Tab")
        focused.append(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))
    assert set(focused) <= {"solid", "auto"}
