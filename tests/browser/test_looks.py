"""How it looks: light and dark, English and Chinese, wide and narrow; contrast, names and focus."""

import pytest
from playwright.sync_api import Page, expect

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
    assert page.evaluate("/[\\u4e00-\\u9fff]/.test(document.body.innerText.replace('中文', ''))") is False


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


def test_a_phone_gets_one_column(watch: Opener) -> None:
    watched = watch(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, device_scale_factor=2)
    page = watched.open()
    boxes = [page.locator(selector).bounding_box() for selector in (".say", ".look", ".tell")]
    assert all(box is not None and box["x"] == 0 and box["width"] == 390 for box in boxes)
    tops = [box["y"] for box in boxes if box]
    assert tops == sorted(tops)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#heat").scroll_into_view_if_needed()
    box = page.locator(".nsewdrag").bounding_box()
    assert box
    assert box["width"] > 150
    page.touchscreen.tap(box["x"] + 4, box["y"] + 4)
    expect(page.locator("#cell-place")).to_have_text("(0, 0)")


def test_a_desktop_gets_three_and_the_map_the_most(watch: Opener) -> None:
    page = watch().open()
    say, look, tell = (page.locator(selector).bounding_box() for selector in (".say", ".look", ".tell"))
    assert say
    assert look
    assert tell
    assert say["x"] + say["width"] <= look["x"]
    assert look["x"] + look["width"] <= tell["x"]
    assert page.evaluate("document.documentElement.scrollHeight") <= 900
    plot = page.locator(".nsewdrag").bounding_box()
    assert plot
    assert plot["width"] * plot["height"] > 0.25 * 1440 * 900


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
