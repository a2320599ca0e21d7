"""What a reader does: open, translate, change heads, point at words and cells, follow a link."""

import re

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from .conftest import Opener, Watched, text_of

pytestmark = pytest.mark.browser

SENTENCE = "Ich habe gestern ein interessantes Buch gelesen."
OTHER = "Wo ist der Bahnhof?"
PICTURE = "document.getElementById('cells').toDataURL()"
ALPHAS = """([side, cells]) => {
  const { width, height } = document.getElementById("cells");
  const { data } = document.getElementById("cells").getContext("2d").getImageData(0, 0, width, height);
  const at = (index, pixels) => Math.floor(((index + 0.1) / side) * pixels);
  return cells.map(([row, col]) => data[4 * (at(row, height) * width + at(col, width)) + 3]);
}"""


def summary(api: httpx.Client, text: str) -> dict:
    """The service's own answer for a text."""
    return api.post("/v1/traces", json={"model": "de-en", "inputs": text}).raise_for_status().json()


def weights(api: httpx.Client, identifier: str, site: str, layer: int | str, head: int | str) -> list:
    """A map as the service's JSON has it."""
    return api.get(f"/v1/traces/{identifier}/maps/{site}/{layer}/{head}").raise_for_status().json()["weights"]


def chosen_head(page: Page) -> tuple[int, int]:
    """Layer and head that the grid marks."""
    option = page.locator("#heads [aria-selected=true]")
    return int(option.get_attribute("data-layer") or -1), int(option.get_attribute("data-head") or -1)


def centre_of(watched: Watched, row: int, col: int, rows: int, cols: int) -> tuple[float, float]:
    """Where a cell of the whole map is on the screen, from the box that Plotly drew."""
    box = watched.page.locator(".nsewdrag").bounding_box()
    assert box
    return box["x"] + (col + 0.5) * box["width"] / cols, box["y"] + (row + 0.5) * box["height"] / rows


def test_it_opens_with_a_translated_example(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open()
    trace = summary(api, SENTENCE)
    assert page.input_value("#input") == SENTENCE
    assert text_of(page, "#target-sentence") == trace["prediction"]["text"]
    assert text_of(page, "#source-sentence") == SENTENCE
    state = watched.state()
    assert state["site"] == "cross"
    assert chosen_head(page) == (int(state["layer"]), int(state["head"]))
    assert page.inner_text("#certificate").startswith("exact to ")
    expect(page.locator("#empty")).to_be_hidden()


def test_the_head_it_opens_with_aligns(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    watched.open()
    state = watched.state()
    trace = summary(api, SENTENCE)
    words = [i for i, special in enumerate(trace["axes"]["source"]["special"]) if not special]
    rows = [i for i, special in enumerate(trace["axes"]["target"]["special"]) if not special]

    def sharpness(layer: int, head: int) -> float:
        part = np.array(weights(api, trace["id"], "cross", layer, head))[np.ix_(rows, words)]
        return float(part.max(axis=1).mean())

    [site] = [site for site in trace["sites"] if site["name"] == "cross"]
    every = [sharpness(layer, head) for layer in range(site["layers"]) for head in range(site["heads"])]
    assert sharpness(int(state["layer"]), int(state["head"])) >= np.median(every)


def test_own_text_is_translated(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    watched.open()
    assert watched.translate(OTHER) == summary(api, OTHER)["prediction"]["text"]
    assert watched.state()["text"] == OTHER
    watched.page.fill("#input", "Ich bin müde.")
    watched.page.keyboard.press("Control+Enter")
    answer = summary(api, "Ich bin müde.")["prediction"]["text"]
    expect(watched.page.locator("#target-sentence")).to_contain_text(answer[:4])


def test_a_click_changes_the_head(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#site=encoder&layer=0&head=0")
    before = page.evaluate(PICTURE)
    page.click("#head-4-3")
    expect(page.locator("#now")).to_have_text("layer 4 · head 3")
    watched.settled()
    expect(page.locator("#head-4-3")).to_have_attribute("aria-selected", "true")
    assert (watched.state()["layer"], watched.state()["head"]) == ("4", "3")
    assert page.evaluate(PICTURE) != before
    page.go_back()
    expect(page.locator("#now")).to_have_text("layer 0 · head 0")
    page.go_forward()
    expect(page.locator("#now")).to_have_text("layer 4 · head 3")


def test_keys_change_head_layer_and_site(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#site=cross&layer=0&head=0")
    for key, expected in [
        ("ArrowRight", "layer 0 · head 1"),
        ("ArrowDown", "layer 1 · head 1"),
        ("ArrowLeft", "layer 1 · head 0"),
        ("ArrowUp", "layer 0 · head 0"),
    ]:
        page.keyboard.press(key)
        expect(page.locator("#now")).to_have_text(expected)
    page.keyboard.press("[")
    expect(page.locator("#sites [aria-selected=true]")).to_have_text("decoder")
    page.keyboard.press("]")
    expect(page.locator("#sites [aria-selected=true]")).to_have_text("cross")
    page.keyboard.press("l")
    expect(page.locator("#scale input[value=log]")).to_be_checked()
    page.keyboard.press("c")
    expect(page.locator("#palette")).to_have_value("cividis")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()


@pytest.mark.parametrize(("pointed", "lit"), [("target", "source"), ("source", "target")])
def test_pointing_at_a_word_lights_the_other_sentence(watch: Opener, api: httpx.Client, pointed: str, lit: str) -> None:
    watched = watch()
    page = watched.open()
    state = watched.state()
    trace = summary(api, SENTENCE)
    matrix = np.array(weights(api, trace["id"], "cross", state["layer"], state["head"]))
    if pointed == "source":
        matrix = matrix.T
    labels = trace["axes"][pointed]["labels"]
    tokens = trace["axes"][lit]["labels"]
    # A word of one token looking at a word of one token: then the light is that very weight.
    single = [i for i, label in enumerate(tokens[:-1]) if label[0] == "▁" and tokens[i + 1][0] in "▁."]
    other = [i for i, label in enumerate(labels[:-1]) if label[0] == "▁" and labels[i + 1][0] in "▁."]
    row, col = max(((i, j) for i in other for j in single), key=lambda place: matrix[place])
    page.locator(f"#{pointed}-sentence").get_by_text(labels[row][1:], exact=True).first.hover()
    word = page.locator(f"#{lit}-sentence").get_by_text(tokens[col][1:], exact=True).first
    expect(word).to_have_class("word lit")
    light = float(word.evaluate("node => node.style.getPropertyValue('--light')"))
    assert light == pytest.approx(matrix[row, col], abs=6e-4)
    assert page.locator(f"#{pointed}-sentence .word.lit").count() == 0
    expect(page.locator("#row-band" if pointed == "target" else "#col-band")).to_be_visible()


def test_words_light_up_from_the_keyboard_too(watch: Opener) -> None:
    page = watch().open()
    page.locator("#target-sentence .word").first.focus()
    page.keyboard.press("ArrowRight")
    focused = page.locator("#target-sentence .word:focus")
    assert focused.evaluate("node => [...node.parentNode.querySelectorAll('.word')].indexOf(node)") == 1
    expect(focused).to_have_class("word marked")
    page.keyboard.press("Enter")
    assert "row=1" in page.url


def test_pointing_at_a_cell_shows_the_exact_weight(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open()
    state = watched.state()
    trace = summary(api, SENTENCE)
    matrix = weights(api, trace["id"], "cross", state["layer"], state["head"])
    rows, cols = len(matrix), len(matrix[0])
    for row, col in [(0, 0), (1, cols - 1), (rows - 1, 2), (rows // 2, cols // 2)]:
        page.mouse.move(*centre_of(watched, row, col, rows, cols))
        expect(page.locator("#cell-place")).to_have_text(f"({row}, {col})")
        assert float(page.inner_text("#cell-weight")) == matrix[row][col]
        rank = 1 + sum(weight > matrix[row][col] for weight in matrix[row])
        assert page.inner_text("#cell-rank") == f"{rank} of {cols}"
    page.mouse.move(5, 5)
    expect(page.locator("#row-band")).to_be_hidden()


def test_a_click_keeps_a_cell_and_the_list_jumps(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open()
    rows, cols = next(site["shape"] for site in summary(api, SENTENCE)["sites"] if site["name"] == "cross")
    page.mouse.click(*centre_of(watched, 2, 4, rows, cols))
    page.mouse.move(5, 5)
    expect(page.locator("#cell-place")).to_have_text("(2, 4)")
    assert (watched.state()["row"], watched.state()["col"]) == ("2", "4")
    page.locator("#top button").first.click()
    expect(page.locator("#cell-rank")).to_have_text(f"1 of {cols}")
    page.keyboard.press("Shift+ArrowUp")
    expect(page.locator("#cell-place")).to_contain_text("(1, ")


def test_masked_cells_are_no_zeros(watch: Opener) -> None:
    watched = watch()
    page = watched.open("#site=decoder&layer=0&head=0")
    rows = int(page.evaluate("document.querySelectorAll('.yaxislayer-above .ytick').length"))
    page.mouse.move(*centre_of(watched, 0, 3, rows, rows))
    expect(page.locator("#cell-weight")).to_have_text("—")
    expect(page.locator("#cell-rank")).to_contain_text("masked")
    expect(page.locator("#legend-masked")).to_be_visible()
    assert page.evaluate(ALPHAS, [rows, [[0, 3], [3, 0]]]) == [0, 255]


def test_a_link_restores_everything_elsewhere(watch: Opener) -> None:
    first = watch()
    first.open()
    first.translate(OTHER)
    first.page.click("#sites [data-site=encoder]")
    first.settled()
    first.page.click("#head-2-5")
    expect(first.page.locator("#now")).to_have_text("layer 2 · head 5")
    first.page.keyboard.press("Shift+ArrowDown")
    first.page.keyboard.press("l")
    first.page.keyboard.press("c")
    first.page.keyboard.press("s")
    first.page.keyboard.press("+")
    expect(first.page.locator("#reset")).to_be_visible()
    first.settled()
    second = watch()
    second.open(first.page.url.removeprefix(first.server).lstrip("/"))
    assert second.state() == first.state()
    said = {"text", "site", "layer", "head", "scale", "palette", "sort", "row", "col", "rows", "cols"}
    assert said <= set(second.state())
    for selector in ("#now", "#cell-place", "#cell-weight", "#top", "#target-sentence", "#sites [aria-selected=true]"):
        assert second.page.inner_text(selector) == first.page.inner_text(selector)


def test_zooming_keeps_the_map_in_its_frame(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    page = watched.open("#site=encoder&layer=0&head=0")
    box = page.locator(".nsewdrag").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -300)
    expect(page.locator("#reset")).to_be_visible()
    expect(page).to_have_url(re.compile("cols="))
    low, high = (int(part) for part in watched.state()["cols"].split(":"))
    side = next(site["shape"][1] for site in summary(api, SENTENCE)["sites"] if site["name"] == "encoder")
    assert 0 <= low < high <= side
    page.keyboard.press("ArrowRight")
    expect(page.locator("#now")).to_have_text("layer 0 · head 1")
    expect(page.locator("#reset")).to_be_visible()
    page.click("#reset")
    expect(page.locator("#reset")).to_be_hidden()
    assert "cols" not in watched.state()


def test_heads_are_sorted_by_a_measure(watch: Opener, api: httpx.Client) -> None:
    page = watch().open("#site=encoder&layer=0&head=0")
    trace = summary(api, SENTENCE)
    rows = api.get(f"/v1/traces/{trace['id']}/heads").json()["heads"]
    encoder_rows = sorted((row for row in rows if row["site"] == "encoder"), key=lambda row: row["entropy"])
    page.select_option("#sort", "entropy")
    first = f"#heads [role=option]:first-child[id=head-{encoder_rows[0]['layer']}-{encoder_rows[0]['head']}]"
    page.wait_for_selector(first, state="attached")
    order = page.eval_on_selector_all("#heads [role=option]", "list => list.map(node => node.id)")
    assert order == [f"head-{row['layer']}-{row['head']}" for row in encoder_rows]


def test_exports_are_the_services_own(watch: Opener, api: httpx.Client) -> None:
    page = watch().open("#site=cross&layer=1&head=2")
    page.keyboard.press("e")
    links = page.eval_on_selector_all("#export-list a", "list => list.map(node => node.href)")
    assert len(links) == 6
    for link in links:
        answer = api.get(link)
        assert answer.status_code == 200
        assert len(answer.content) > 50
    with page.expect_download() as download:
        page.click("#export-list a:has-text('CSV')")
    assert download.value.suggested_filename == "cross-1-2.csv"


def test_a_long_text_is_drawn_from_tiles_and_answers_at_once(watch: Opener, api: httpx.Client) -> None:
    watched = watch()
    text = " ".join([SENTENCE] * 32)
    page = watched.open("#site=encoder&layer=0&head=0")
    watched.translate(text)
    trace = summary(api, text)
    side = next(site["shape"][0] for site in trace["sites"] if site["name"] == "encoder")
    assert side > 256
    expect(page.locator("#tiles")).to_have_attribute("data-state", "complete")
    expect(page.locator("#plot")).to_be_hidden()
    matrix = np.array(weights(api, trace["id"], "encoder", 0, 0))
    box = page.locator("#tile-plot .nsewdrag").bounding_box()
    assert box
    page.mouse.move(box["x"] + 37.5 * box["width"] / side, box["y"] + 100.5 * box["height"] / side)
    row, col = (int(part) for part in page.inner_text("#cell-place").strip("()").split(", "))
    assert abs(row - 100) <= 1
    assert float(page.inner_text("#cell-weight")) == matrix[row, col]
    assert page.locator("#source-sentence .word.marked").count() > 0, "a map of this length is here whole"
    page.keyboard.press("+")
    expect(page.locator("#minimap")).to_be_visible()
