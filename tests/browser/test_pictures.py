"""Pictures on the page: chosen, lit by what a head attends to, pointed at, and missing from a link."""

import base64
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.model.hub.media_checkpoints import as_png, picture

from .conftest import Opener, text_of
from .media import HEIGHT, PICTURE, WIDTH, begin, bright, cell, point_at, weights

pytestmark = pytest.mark.browser

REFUSED = "Failed to load resource"  # Chromium logs every answer that is no success
DROP = """([base64, name, type]) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  document.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def server(zoo: str) -> str:
    """The service with a model of every kind."""
    return zoo


def test_attended_patches_shine_through(watch: Opener) -> None:
    watched, page = begin(watch, "vit", PICTURE)
    summary = watched.ask()
    axis = summary["axes"]["patches"]
    assert axis["size"] == [WIDTH, HEIGHT]
    assert page.locator("#prediction .bar-item .bar-name").first.inner_text() == summary["prediction"][0]["label"]
    expect(page.locator("#picture img")).to_be_visible()
    row, _ = cell(page)
    assert axis["special"][row], "the class token asks at first"
    light = weights(watched, summary)[row]
    patches = [index for index, box in enumerate(axis["boxes"]) if box]
    brightness = [bright(page, axis["boxes"][index]) for index in patches]
    assert max(brightness) == 255, "the strongest patch is bare"
    assert np.corrcoef(brightness, light[patches])[0, 1] > 0.999
    most, whole = (f"{100 * share:.1f}%" for share in (light[patches].max(), light[patches].sum()))
    expect(page.locator("#scene-caption")).to_have_text(f"brightest patch {most} · whole picture {whole}")


def test_pointing_at_a_patch_selects_its_row_or_its_column(watch: Opener) -> None:
    watched, page = begin(watch, "vit", PICTURE)
    summary = watched.ask()
    boxes = summary["axes"]["patches"]["boxes"]
    matrix = weights(watched, summary)
    patch = 7
    point_at(page, boxes[patch])
    expect(page.locator("#row-band")).to_be_visible()
    expect(page.locator("#col-band")).to_be_hidden()
    assert cell(page) == (patch, int(matrix[patch].argmax()))
    assert bright(page, boxes[1 + int(matrix[patch, 1:].argmax())]) == 255
    page.mouse.move(5, 5)
    page.keyboard.press("r")
    watched.settled()
    point_at(page, boxes[patch])
    expect(page.locator("#col-band")).to_be_visible()
    expect(page.locator("#row-band")).to_be_hidden()
    assert cell(page) == (int(matrix[:, patch].argmax()), patch)
    page.mouse.down()
    page.mouse.up()
    assert watched.state()["col"] == str(patch)
    page.mouse.move(5, 5)
    assert cell(page)[1] == patch, "a click keeps it"
    page.hover("#chips .chip")
    assert cell(page)[1] == 0
    assert page.inner_text("#chips .chip") == "[CLS]"


def test_patches_are_reached_by_keys(watch: Opener) -> None:
    watched, page = begin(watch, "vit", PICTURE)
    watched.ask()
    page.keyboard.press("i")
    for key, row in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowDown", 6), ("ArrowLeft", 5), ("ArrowUp", 1)):
        page.keyboard.press(key)
        assert cell(page)[0] == row
    page.keyboard.press("Enter")
    assert watched.state()["row"] == "1"


def test_a_link_says_that_its_picture_is_missing(watch: Opener) -> None:
    first, page = begin(watch, "vit", PICTURE)
    first.ask()
    trace = first.state()["trace"]
    assert len(page.url) < 300, "the picture is not in the link"
    second = watch()
    other = second.open(page.url.removeprefix(first.server).lstrip("/"))
    assert second.state() == first.state()
    expect(other.locator("#scene-hint")).to_contain_text("choose the same file again")
    expect(other.locator("#picture img")).to_be_hidden()
    assert other.inner_text("#cell-weight") == page.inner_text("#cell-weight")
    assert other.inner_text("#prediction") == page.inner_text("#prediction")
    other.click("#run")
    expect(other.locator("#problem")).to_contain_text("Choose a picture first")
    other.set_input_files("#file", PICTURE)
    second.ask()
    expect(other.locator("#picture img")).to_be_visible()
    expect(other.locator("#scene-hint")).to_be_hidden()
    assert second.state()["trace"] == trace, "the same file gives the same trace"


def test_a_trace_that_is_gone_cannot_come_back_by_itself(watch: Opener) -> None:
    watched = watch()
    watched.allow(REFUSED)
    watched.page.goto(f"{watched.server}/#model=vit&trace={'0' * 32}")
    expect(watched.page.locator("#problem")).to_contain_text("Choose the file again")
    expect(watched.page.locator("#empty")).to_be_visible()


def test_going_back_shows_the_picture_of_before(watch: Opener) -> None:
    watched, page = begin(watch, "vit", PICTURE)
    watched.ask()
    first = watched.state()["trace"]
    page.set_input_files("#file", {**PICTURE, "name": "other.png", "buffer": as_png(picture(seed=1))})
    expect(page.locator("#stale")).to_be_visible()
    watched.ask()
    assert watched.state()["trace"] != first
    page.go_back()
    expect(page.locator("#file-title")).to_have_text("noise.png")
    watched.settled()
    assert watched.state()["trace"] == first
    expect(page.locator("#picture img")).to_be_visible()
    expect(page.locator("#stale")).to_be_hidden()


def test_a_file_can_be_dropped(watch: Opener) -> None:
    watched, page = begin(watch, "vit")
    page.evaluate(DROP, [base64.b64encode(PICTURE["buffer"]).decode(), "dropped.png", "image/png"])
    expect(page.locator("#file-title")).to_have_text("dropped.png")
    assert watched.ask()["axes"]["patches"]["size"] == [WIDTH, HEIGHT]
    page.evaluate(DROP, ["AAAA", "speech.wav", "audio/wav"])
    expect(page.locator("#file-title")).to_have_text("dropped.png")


def test_what_is_no_picture_is_told_by_its_field(watch: Opener) -> None:
    watched, page = begin(watch, "vit", {**PICTURE, "name": "broken.png", "buffer": b"no picture at all"})
    watched.allow(REFUSED)
    page.click("#run")
    expect(page.locator("#problem")).to_be_visible()
    expect(page.locator("#drop")).to_have_class(re.compile("wrong"))
    assert page.inner_text("#file-title") == "broken.png"
    expect(page.locator("#stale")).to_be_visible()


def test_a_caption_lights_the_patches_that_it_was_made_from(watch: Opener) -> None:
    watched, page = begin(watch, "captioner", PICTURE)
    summary = watched.ask()
    assert watched.state()["site"] == "cross"
    expect(page.locator("#turn")).to_be_hidden()
    matrix = weights(watched, summary)
    boxes = summary["axes"]["source"]["boxes"]
    patches = [index for index, box in enumerate(boxes) if box]
    page.locator("#target-sentence .word:not(.special)").first.hover()
    row, col = cell(page)
    assert col == int(matrix[row].argmax())
    lit = max(patches, key=lambda index: bright(page, boxes[index]))
    assert bright(page, boxes[lit]) == 255, "a word shows where it looked"
    patch = patches[3]
    point_at(page, boxes[patch])
    expect(page.locator("#col-band")).to_be_visible()
    assert cell(page) == (int(matrix[:, patch].argmax()), patch)
    expect(page.locator("#target-sentence .word.lit").first).to_be_visible()


def test_a_text_with_a_picture_inside_lights_both(watch: Opener) -> None:
    watched, page = begin(watch, "llava", PICTURE)
    page.fill("#input", "Where is it?")
    summary = watched.ask()
    axis = summary["axes"]["tokens"]
    assert (axis["kind"], watched.state()["site"]) == ("mixed", "decoder")
    patches = [index for index, box in enumerate(axis["boxes"]) if box]
    matrix = weights(watched, summary)
    chip = page.locator("#source-sentence .word", has_text="patches")
    expect(chip).to_have_text(f"▦ {len(patches)} patches")
    row, _ = cell(page)
    assert not axis["boxes"][row], "a word looks at the picture"
    words = page.locator("#target-sentence .word:not(.special)")
    words.last.hover()
    row = cell(page)[0]
    assert float(chip.evaluate("node => node.style.getPropertyValue('--light')")) > 0
    assert bright(page, axis["boxes"][patches[int(matrix[row, patches].argmax())]]) > 0
    chip.hover()
    assert cell(page)[0] == patches[0]
    page.click("#sites [data-site=vision]")
    watched.settled()
    assert weights(watched, summary).shape[0] == len(summary["axes"]["vision"]["labels"])


def test_labels_are_chosen_from_for_a_picture(watch: Opener) -> None:
    watched, page = begin(watch, "clip", PICTURE)
    page.fill("#labels", "a girl\n\na station\n")
    summary = watched.ask()
    names = page.locator("#prediction .bar-name").all_inner_texts()
    assert sorted(names) == ["a girl", "a station"]
    assert names[0] == summary["prediction"][0]["label"]
    assert watched.state()["site"] == "vision"
    page.click("#sites [data-site=text]")
    watched.settled()
    expect(page.locator("#scene")).to_be_hidden()
    assert f"This is a photo of {names[0]}." in re.sub(r"\s+", " ", text_of(page, "#text-sentence"))


def test_a_phone_stacks_the_picture_on_the_map(watch: Opener) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    watched, page = begin(watch, "vit", PICTURE, **phone)
    watched.ask()
    above, below = (page.locator(selector).bounding_box() for selector in ("#picture", "#heat"))
    assert above
    assert below
    assert above["y"] + above["height"] <= below["y"]
    assert above["width"] > 300
    assert page.evaluate("document.documentElement.scrollWidth") == 390
