"""Pictures beside maps of which the page holds one row: what shines through is what the service says."""

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect

from .beside import asks_for, drawn, far, patches_seen, seen_as, strongest
from .conftest import Opener
from .media import cell, point_at

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(many: str) -> str:
    """The service with models of many frames and patches."""
    return many


def test_attended_patches_of_many_shine_through(watch: Opener) -> None:
    _, page, summary, matrix = far(watch, "seeing")
    boxes = summary["axes"]["patches"]["boxes"]
    patches = np.array([index for index, box in enumerate(boxes) if box])
    row, col = cell(page)
    assert (row, col) == (0, 1 + int(matrix[0, 1:].argmax())), "the class token asks at first, of the picture"
    assert seen_as(page, boxes, matrix[0])
    most, whole = 100 * matrix[0, patches].max(), 100 * matrix[0, patches].sum()
    expect(page.locator("#scene-caption")).to_have_text(f"brightest patch {most:.2g}% · whole picture {whole:.1f}%")
    patch = 1 + 20 * 46 + 31
    with page.expect_response(lambda response: asks_for(response.request, rows=patch)):
        point_at(page, boxes[patch])
    expect(page.locator("#cell-place")).to_have_text(f"({patch}, {matrix[patch].argmax()})")
    assert seen_as(page, boxes, matrix[patch], but=patch)
    page.mouse.move(5, 5)
    page.keyboard.press("r")
    drawn(page)
    with page.expect_response(lambda response: asks_for(response.request, cols=patch)):
        point_at(page, boxes[patch])
    expect(page.locator("#cell-place")).to_have_text(f"({matrix[:, patch].argmax()}, {patch})")
    assert seen_as(page, boxes, matrix[:, patch], but=patch)


def test_what_is_no_patch_asks_by_its_name(watch: Opener) -> None:
    watched, page, summary, matrix = far(watch, "seeing")
    boxes = summary["axes"]["patches"]["boxes"]
    patch = 700
    point_at(page, boxes[patch])
    page.mouse.down()
    page.mouse.up()
    page.wait_for_function("() => location.hash.includes('row=700&')")
    page.hover("#chips .chip")
    assert cell(page) == strongest(0, matrix)
    assert seen_as(page, boxes, matrix[0])
    page.mouse.move(5, 5)
    assert cell(page) == strongest(patch, matrix)
    page.keyboard.press("Escape")  # arrows are the picture's own as long as it has the focus
    page.keyboard.press("ArrowLeft" if watched.state()["head"] != "0" else "ArrowRight")
    drawn(page)
    head = watched.state()["head"]
    assert cell(page)[0] == patch, "another head of the same cell"
    path = f"/v1/traces/{summary['id']}/maps/encoder/{watched.state()['layer']}/{head}?rows={patch}:{patch + 1}"
    row = np.array(httpx.get(watched.server + path).json()["weights"])[0]
    assert seen_as(page, boxes, row, but=patch)


def test_a_text_with_a_picture_inside_shows_each_in_its_place(watch: Opener) -> None:
    _, page, summary, matrix = far(watch, "reading")
    axis = summary["axes"]["tokens"]
    patches = [index for index, box in enumerate(axis["boxes"]) if box]
    assert cell(page)[0] == len(matrix) - 1, "the last token saw all"
    assert cell(page)[1] in patches
    assert patches_seen(page, axis, matrix[-1])
    word = patches[-1] + 2
    page.keyboard.press("g")
    page.keyboard.type(str(word))
    page.keyboard.press("Enter")
    expect(page.locator("#cell-place")).to_have_text(f"({word}, {word})")
    drawn(page)
    assert patches_seen(page, axis, matrix[word])
    run = page.locator("#passages .piece", has_text=f"▦ {len(patches)} patches")
    expect(run).to_have_count(2)  # around the query and around the key, which are the same token
    light = float(run.first.evaluate("node => node.style.getPropertyValue('--light')"))
    assert light == pytest.approx(matrix[word, patches].max() / matrix[word].max(), abs=1e-3)
    run.first.click()  # as a query, the brightest of its patches
    expect(page.locator("#cell-place")).to_have_text(f"({patches[int(matrix[word, patches].argmax())]}, {word})")
