"""What the tests of pictures and recordings share: files, a page at a model that reads them, and what it shows."""

from typing import Any

import httpx
import numpy as np
from playwright.sync_api import Page, expect

from tests.model.hub.media_checkpoints import as_png, as_wav, picture, speech

from .conftest import Opener, Watched

WIDTH, HEIGHT = 300, 200  # pixels of the picture
PICTURE = {"name": "noise.png", "mimeType": "image/png", "buffer": as_png(picture(WIDTH, HEIGHT))}
RECORDING = {"name": "speech.wav", "mimeType": "audio/wav", "buffer": as_wav(speech(0.8))}

BRIGHT = """([across, down]) => {
  return 255 - window.pixel('#picture canvas', across, down)[3];
}"""
# Read off a copy: Chromium complains of a canvas that is read again and again.
PIXEL = """window.pixel = (selector, across, down) => {
  const canvas = document.querySelector(selector);
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return [...copy.getImageData(across * canvas.width, down * canvas.height, 1, 1).data];
}"""


def begin(watch: Opener, model: str, file: dict[str, Any] | None = None, **options: Any) -> tuple[Watched, Page]:
    """A page at a model that reads files and has answered to its own example, another file chosen."""
    watched = watch(**options)
    watched.page.add_init_script(PIXEL)
    watched.open(f"#model={model}")
    if file:
        watched.page.set_input_files("#file", file)
        expect(watched.page.locator("#file-title")).to_have_text(file["name"])
        expect(watched.page.locator("#stale")).to_be_visible()
    return watched, watched.page


def weights(watched: Watched, summary: dict[str, Any]) -> np.ndarray:
    """The map on show, as the service has it."""
    state = watched.state()
    path = f"/v1/traces/{summary['id']}/maps/{state['site']}/{state['layer']}/{state['head']}"
    return np.array(httpx.get(watched.server + path).raise_for_status().json()["weights"])


def point_at(page: Page, box: list[float]) -> None:
    """Move the pointer to the middle of a patch."""
    place = page.locator("#picture").bounding_box()
    assert place
    x = place["x"] + (box[0] + box[2]) / 2 / WIDTH * place["width"]
    page.mouse.move(x, place["y"] + (box[1] + box[3]) / 2 / HEIGHT * place["height"])


def bright(page: Page, box: list[float]) -> int:
    """How much of a patch shows through, 0..255."""
    middle = [(box[0] + box[2]) / 2 / WIDTH, (box[1] + box[3]) / 2 / HEIGHT]
    return int(page.evaluate(BRIGHT, middle))


def cell(page: Page) -> tuple[int, int]:
    """The cell that the panel tells of."""
    row, col = page.inner_text("#cell-place").strip("()").split(", ")
    return int(row), int(col)
