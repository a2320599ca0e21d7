"""A small map is there at once: before Plotly, in few requests, for every eye and ear, and nothing moves."""

import io
import re

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Request, Route, expect

from .conftest import AXES, Opener

pytestmark = pytest.mark.browser

SHIFTS = """window.shifts = 0;
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) window.shifts += value;
}).observe({ type: "layout-shift", buffered: true });
new MutationObserver(() => {
  if (document.getElementById("cells")?.dataset.state === "complete") window.pictured ??= performance.now();
}).observe(document, { subtree: true, attributes: true });"""
FIRST = """performance.getEntries()
  .filter(({ entryType, startTime }) => /navigation|resource/.test(entryType) && startTime < window.pictured)
  .map(({ name, transferSize }) => [name, transferSize])"""
PLACES = "['heat', 'grid'].map((id) => JSON.stringify(document.getElementById(id).getBoundingClientRect()))"
STRONG = 60  # of 255: less is how two ways to draw a letter differ
LONG = " ".join(["Ich habe gestern ein interessantes Buch gelesen."] * 32)


def differing(before: bytes, after: bytes) -> int:
    """Pixels that are plainly others."""
    first, second = (Image.open(io.BytesIO(picture)).convert("L") for picture in (before, after))
    return sum(ImageChops.difference(first, second).histogram()[STRONG:])


def test_the_picture_waits_for_no_plotly_and_does_not_move_with_it(watch: Opener) -> None:
    watched = watch()
    page = watched.page
    held: list[Route] = []
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.route("**/plotly*", lambda route: held.append(route))
    page.add_init_script(SHIFTS)
    page.goto(watched.server)
    page.wait_for_selector("#map[data-state=ready]:not([aria-busy])")
    first = page.evaluate(FIRST)
    assert 5 < len(first) <= 10, first
    assert 50_000 < sum(size for _, size in first) < 250_000, first
    expect(page.locator("#cells")).to_have_attribute("data-state", "complete")
    expect(page.locator("#axis-labels")).to_be_visible()
    page.keyboard.press("+")  # zooms without it
    expect(page.locator("#reset")).to_be_visible()
    page.keyboard.press("0")
    expect(page.locator("#reset")).to_be_hidden()
    expect(page.locator("#measures tr")).not_to_have_count(0)
    before = page.locator("#heat").screenshot()
    page.wait_for_timeout(300)
    assert page.locator("#plot .nsewdrag").count() == 0
    assert len(held) == 1, "it is asked for once the picture is there"
    held.pop().continue_()
    page.wait_for_selector(AXES, state="attached")
    expect(page.locator("#axis-labels")).to_be_hidden()
    assert differing(before, page.locator("#heat").screenshot()) < 50
    assert page.evaluate("window.shifts") < 0.005
    watched.translate("Wo ist der Bahnhof?")
    named = [request.url.removeprefix(watched.server) for request in asked]
    assert named.count("/v1/models") == 1
    assert sum("icon" in name for name in named) == 0


def test_what_is_typed_and_stepped_to_is_told_and_moves_nothing(watch: Opener) -> None:
    page = watch().open("#site=decoder&layer=0&head=0&row=2&col=1")
    said = page.locator("#announce")
    page.keyboard.press("Shift+ArrowLeft")
    expect(said).to_have_text(re.compile(r"^\S+ looks at \S+: 0\.\d+, \d of 3$"))
    expect(page.locator("#cell-place")).to_have_text("(2, 0)")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowRight")
    expect(said).to_contain_text("could not look at")
    table = page.locator("#map-table")
    rows, cols = page.locator("#plot .ytick").count(), page.locator("#plot .xtick").count()
    expect(table.locator("tr")).to_have_count(rows + 1)
    expect(table.locator("th[scope=col]")).to_have_count(cols)
    expect(table.locator("tr").nth(1).locator("td")).to_have_text(["1.0000", *["masked"] * (cols - 1)])
    places, shown = page.evaluate(PLACES), page.locator("#heat").screenshot()
    page.focus("#input")
    page.keyboard.type("x")
    expect(page.locator("#stale")).to_be_visible()
    assert page.evaluate(PLACES) == places
    assert page.evaluate("getComputedStyle(document.getElementById('columns-names')).opacity") == "1"
    page.locator("#stale").evaluate("node => node.remove()")  # it hangs over the map's corner
    assert differing(shown, page.locator("#heat").screenshot()) < 50


CONTRASTS = """(theme) => {
  document.documentElement.dataset.theme = theme;
  const style = getComputedStyle(document.documentElement);
  const variable = (name) => style.getPropertyValue(name).trim();
  const hex = (name) => [1, 3, 5].map((at) => parseInt(variable(name).slice(at, at + 2), 16));
  const light = (rgb) => rgb.map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (one, other) => {
    const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const lit = variable("--lit").split(" ").map(Number);
  const most = Number(variable("--lit-most"));
  const ground = hex("--page").map((value, at) => value + (lit[at] - value) * most);
  const sides = ["--page", "--side"].map(hex);
  const lines = ["--edge", "--hatch"].flatMap((line) => sides.map((side) => ratio(hex(line), side)));
  return [Math.min(...lines), ratio(hex("--text"), ground)];
}"""


def test_lines_and_lit_words_are_seen(watch: Opener) -> None:
    watched = watch()
    watched.page.goto(watched.server)
    for theme in ("light", "dark"):
        lines, words = watched.page.evaluate(CONTRASTS, theme)
        assert lines >= 3
        assert words >= 4.5, "the word that gets all of the attention"


SUMMARY = """const summary = async (text) =>
    (await fetch("v1/traces", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ model: "de-en", inputs: text }),
    })).json();"""
SITES = f"""async (text) => {{
  {SUMMARY}
  return (await summary(text)).sites;
}}"""
ROW = f"""async ([text, row]) => {{
  {SUMMARY}
  const {{ id }} = await summary(text);
  const answer = await fetch(`v1/traces/${{id}}/maps/encoder/0/0?rows=${{row}}:${{row + 1}}`);
  return (await answer.json()).weights[0];
}}"""


def test_the_row_in_the_column_is_the_row_pointed_at(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#site=encoder&layer=0&head=0")
    watched.translate(LONG)
    box = page.locator("#tiles").bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
    place = page.inner_text("#cell-place")
    expect(page.locator("#row-there")).not_to_have_class(re.compile("elsewhere"))
    keys = [int(col) for col in page.eval_on_selector_all("#top li", "list => list.map((li) => li.dataset.col)")]
    row = int(place.strip("()").split(",")[0])
    [site] = [s for s in page.evaluate(SITES, LONG) if s["name"] == "encoder"]
    weights = page.evaluate(ROW, [LONG, row])
    assert len(weights) == site["shape"][1]
    assert keys[0] == max(range(len(weights)), key=lambda col: weights[col]), "the list is of the row pointed at"
