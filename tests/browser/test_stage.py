"""The map as the stage: the card at the pointer, labels that answer, drags, what is generated, what fails to come."""

import re

import pytest
from playwright.sync_api import Page, expect

from .conftest import Opener, call

pytestmark = pytest.mark.browser

CONTRAST = """([selector, name]) => {
  const light = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((v) => Number(v) / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const node = document.querySelector(selector);
  const colours = [getComputedStyle(node)[name], getComputedStyle(node).backgroundColor];
  const [a, b] = colours.map(light).sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""


RANGES = "(({ xaxis, yaxis }) => [xaxis.range, yaxis.range])(document.getElementById('plot')._fullLayout)"
WEIGHTS = """async () => {
  const link = document.querySelector("#export-list a[href*=csv]").href.replace("format=csv", "format=json");
  return (await (await fetch(link)).json()).weights;
}"""
STYLE = "(names) => names.map((name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim())"


def shape(page: Page) -> tuple[int, int]:
    """Rows and columns that are labelled."""
    count = "[...'yx'].map((side) => document.querySelectorAll(`#plot .${side}tick`).length)"
    rows, cols = page.evaluate(count)
    return int(rows), int(cols)


def cell_at(page: Page, row: float, col: float) -> tuple[float, float]:
    """The middle of a cell; a row or column of -1 is about where a label stands."""
    rows, cols = shape(page)
    box = page.locator("#plot .nsewdrag").bounding_box()
    assert box
    x = box["x"] - 20 if col < 0 else box["x"] + (col + 0.5) * box["width"] / cols
    y = box["y"] - 10 if row < 0 else box["y"] + (row + 0.5) * box["height"] / rows
    return x, y


def weights(page: Page) -> list[list[float]]:
    """The map on show, as the service has it."""
    return page.evaluate(WEIGHTS)


def test_a_card_at_the_pointer_says_what_is_there(watch: Opener) -> None:
    page = watch().open()
    card = page.locator("#card")
    expect(card).to_be_hidden()
    page.mouse.move(*cell_at(page, 2, 3))
    expect(card).to_be_visible()
    expect(card.locator(".card-weight")).to_have_text(page.inner_text("#cell-weight"))
    for selector in ("#cell-query", "#cell-key", "#cell-rank"):
        expect(card).to_contain_text(page.inner_text(selector))
    box = card.bounding_box()
    assert box
    x, y = cell_at(page, 2, 3)
    assert not (box["x"] <= x <= box["x"] + box["width"] and box["y"] <= y <= box["y"] + box["height"])
    page.mouse.move(5, 5)
    expect(card).to_be_hidden()


def test_labels_say_what_looks_where(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    matrix = weights(page)
    page.mouse.move(*cell_at(page, 1, -1))
    expect(page.locator("#card")).to_contain_text("looks most at")
    best = max(range(len(matrix[1])), key=lambda key: matrix[1][key])
    expect(page.locator("#cell-place")).to_have_text(f"(1, {best})")
    expect(page.locator("#card")).to_contain_text(page.inner_text("#cell-weight"))
    expect(page.locator("#row-band")).to_be_visible()
    expect(page.locator("#col-band")).to_be_hidden()
    page.mouse.click(*cell_at(page, 1, -1))
    assert (watched.state()["row"], watched.state()["col"]) == ("1", str(best))
    page.mouse.move(5, 5)
    expect(page.locator("#card")).to_be_hidden()


def test_a_columns_label_says_who_looks_at_it(watch: Opener) -> None:
    page = watch().open("#text=Wo+ist+er%3F&site=cross&layer=1&head=2")
    matrix = weights(page)
    page.mouse.move(*cell_at(page, -1, 1))
    expect(page.locator("#card")).to_contain_text("is looked at most by")
    best = max(range(len(matrix)), key=lambda query: matrix[query][1])
    expect(page.locator("#cell-place")).to_have_text(f"({best}, 1)")


def test_a_drag_keeps_a_map_whole(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    before = page.evaluate(RANGES)
    page.mouse.move(*cell_at(page, 2, 2))
    page.mouse.down()
    page.mouse.move(*cell_at(page, 5, 6), steps=4)
    page.mouse.up()
    assert page.evaluate(RANGES) == before
    assert "cols" not in watched.state()
    expect(page.locator("#reset")).to_be_hidden()


def test_a_drag_past_the_edge_moves_and_does_not_zoom(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    page.keyboard.press("+")
    watched.settled()

    def window() -> list[list[int]]:
        return [[int(n) for n in watched.state()[side].split(":")] for side in ("rows", "cols")]

    def spans() -> list[float]:
        return [abs(high - low) for low, high in page.evaluate(RANGES)]

    before = spans()
    box = page.locator("#plot .nsewdrag").bounding_box()
    assert box
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 10, box["y"] + box["height"] - 10, steps=4)
    page.mouse.up()
    watched.settled()
    page.wait_for_timeout(100)
    assert spans() == pytest.approx(before, abs=1e-6)
    assert [low for low, _ in window()] == [0, 0]


def test_a_site_that_fails_to_come_leaves_the_page_at_one(watch: Opener) -> None:
    watched = watch()
    watched.allow("Failed to load resource")
    page = watched.open("#text=Wo+ist+er%3F&site=cross&layer=1&head=2")
    page.route("**/maps/encoder/**", lambda route: route.abort("connectionrefused"))
    page.click("#sites [data-site=encoder]")
    expect(page.locator("#problem")).to_be_visible()
    expect(page.locator("#sites [aria-selected=true]")).to_have_attribute("data-site", "cross")
    assert [watched.state()[name] for name in ("site", "layer", "head")] == ["cross", "1", "2"]
    expect(page.locator("#heat")).to_have_attribute("aria-label", re.compile("of cross"))
    expect(page.locator("#now")).to_have_text("layer 1 · head 2")
    page.unroute("**/maps/encoder/**")
    page.click("#sites [data-site=encoder]")
    expect(page.locator("#heat")).to_have_attribute("aria-label", re.compile("of encoder"))
    expect(page.locator("#problem")).to_be_hidden()


def test_heads_stand_a_line_a_layer(watch: Opener) -> None:
    page = watch().open("#text=Wo+ist+er%3F&site=encoder&layer=0&head=0")
    places = page.eval_on_selector_all(
        "#heads .head",
        "list => list.map((node) => [node.dataset.layer, node.dataset.head, node.offsetTop, node.offsetLeft])",
    )
    tops = {layer: {top for other, _, top, _ in places if other == layer} for layer, *_ in places}
    lefts = {head: {left for _, other, _, left in places if other == head} for _, head, *_ in places}
    assert all(len(each) == 1 for each in [*tops.values(), *lefts.values()])
    order = [min(tops[layer]) for layer in sorted(tops, key=int)]
    assert order == sorted(order)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#now")).to_have_text("layer 1 · head 0")
    page.select_option("#sort", "entropy")
    page.locator("#sort").blur()
    listed = page.eval_on_selector_all(
        "#heads .head", "list => list.map((node) => [node.id, node.offsetTop, node.offsetLeft])"
    )
    first = listed[0]
    page.click(f"#{first[0]}")
    expect(page.locator(f"#{first[0]}")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    [below] = [
        name for name, top, left in listed if left == first[2] and top == min(t for _, t, _ in listed if t > first[1])
    ]
    expect(page.locator(f"#{below}")).to_have_attribute("aria-selected", "true")


def test_what_is_put_away_stays_away(watch: Opener) -> None:
    watched = watch()
    page = watched.open()
    expect(page.locator("#reading-text")).to_have_text(
        "Row: the word that looks. Column: what it looks at. Darker: more."
    )
    page.click("#theme")
    expect(page.locator("#reading-text")).to_contain_text("Brighter: more.")
    page.click("#reading-close")
    expect(page.locator("#reading")).to_be_hidden()
    page.reload()
    watched.settled()
    expect(page.locator("#reading")).to_be_hidden()


def test_zero_is_the_pages_own_colour_and_masked_is_not(watch: Opener) -> None:
    for scheme in ("light", "dark"):
        page = watch(color_scheme=scheme).open("#text=Wo+ist+er%3F&site=decoder&layer=0&head=0")
        scale = [call(page, "map/colour", "m.colourAt('ink', a[0], a[1])", [scheme, end]) for end in (0, 1)]
        variables = page.evaluate(STYLE, ["--page", "--accent"])
        said = [tuple(int(hex[at : at + 2], 16) for at in (1, 3, 5)) for hex in variables]
        assert [tuple(colour) for colour in scale] == said
        expect(page.locator("#hatch")).to_be_visible()
        expect(page.locator("#legend-masked")).to_be_visible()


def test_all_heads_of_a_layer_as_one_map(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#text=Wo+ist+er%3F&site=cross&layer=1&head=2")
    page.keyboard.press("h")
    expect(page.locator("#now")).to_have_text(re.compile(r"layer 1 · mean of \d+ heads"))
    expect(page.locator("#over input[value=mean]")).to_be_checked()
    matrix = weights(page)
    assert [sum(row) for row in matrix] == pytest.approx([1] * len(matrix), abs=1e-5)
    served = page.evaluate("document.querySelector('#export-list a[href*=csv]').getAttribute('href')")
    assert "/maps/cross/1/mean" in served
    other = watch()
    other.open(page.url.removeprefix(watched.server).lstrip("/"))
    assert weights(other.page) == matrix
    page.keyboard.press("h")
    expect(page.locator("#now")).to_have_text(re.compile("max of"))
    page.keyboard.press("h")
    expect(page.locator("#now")).to_have_text("layer 1 · head 2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fields_have_edges_that_are_seen(watch: Opener, scheme: str) -> None:
    page = watch(color_scheme=scheme).open()
    for selector in ("#input", "#model", "#palette"):
        assert page.evaluate(CONTRAST, [selector, "borderTopColor"]) >= 3


def test_a_hovered_word_brings_its_answer_into_view(watch: Opener) -> None:
    watched = watch(viewport={"width": 1100, "height": 640})
    page = watched.open("#site=cross&layer=2&head=0")
    watched.translate(" ".join(["Ich habe gestern ein interessantes Buch gelesen."] * 14))
    page.locator("#target-sentence .word").last.scroll_into_view_if_needed()
    words = page.locator("#target-sentence .word:not(.special)")
    words.nth(words.count() - 3).hover()
    page.wait_for_timeout(50)
    seen = page.evaluate(
        """() => {
          const room = document.getElementById("source-sentence");
          const lit = [...room.querySelectorAll(".lit")];
          const light = (node) => Number(node.style.getPropertyValue("--light"));
          const best = lit.sort((a, b) => light(b) - light(a))[0];
          const [box, frame] = [best.getBoundingClientRect(), room.getBoundingClientRect()];
          return [room.scrollHeight > room.clientHeight, box.top >= frame.top - 1, box.bottom <= frame.bottom + 1];
        }"""
    )
    assert seen == [True, True, True]
    assert page.evaluate("document.documentElement.scrollHeight") <= 640


def test_words_have_one_meaning(watch: Opener) -> None:
    page = watch().open()
    strings = page.evaluate("import('./js/text/strings.js').then(({ STRINGS }) => STRINGS.en)")
    assert (strings["key"], strings["keyOpen"], strings["helpTitle"]) == ("key", "API key", "Keyboard shortcuts")
    assert all("API key" in strings[name] for name in ("keyWanted", "keyRefused", "keyHeld", "keyField", "keyForget"))
    assert (strings["scale"], strings["palette"]) == ("Scale", "Palette")


def test_presenting_leaves_sentence_and_map_in_large_type(watch: Opener) -> None:
    page = watch().open()
    size = "[...document.querySelectorAll('.sentence')].map((node) => getComputedStyle(node).fontSize)"
    width = "document.getElementById('heat').clientWidth"
    before = page.evaluate(width)
    page.keyboard.press("z")
    for part in ("#layers", "#tell", "#form", "#foot"):
        expect(page.locator(part)).to_be_hidden()
    expect(page.locator("#present")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate(size) == ["24px", "24px"]
    assert page.evaluate(width) > 1.3 * before
    page.click("#present")
    expect(page.locator("#layers")).to_be_visible()
    assert page.evaluate(width) == before


def test_the_ring_of_a_head_in_the_first_row_is_whole(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#text=Hallo.&site=cross&layer=0&head=1")
    ring = 3  # pixels around the chosen head
    names, chosen = (
        page.locator(selector).bounding_box() for selector in ("#columns-names", "#heads [aria-selected=true]")
    )
    assert names
    assert chosen
    assert chosen["y"] - ring >= names["y"] + names["height"]
    # The pictures are where their heads are.
    atlas, heads = (page.locator(selector).bounding_box() for selector in ("#atlas", "#heads"))
    assert atlas
    assert heads
    assert atlas["y"] == pytest.approx(heads["y"], abs=0.5)
