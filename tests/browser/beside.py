"""Pictures and recordings under test beside maps of which the page holds one row: models, pages, what lights up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import transformers as hf
from numpy.typing import NDArray
from playwright.sync_api import Page, Request, expect

from tests.model.hub import media_checkpoints
from tests.model.hub.media_checkpoints import as_wav, speech

from .conftest import Opener, Watched
from .media import PICTURE, begin, bright

HELD = 1 << 22  # cells: a larger map is never in the page whole
SECONDS = 45  # 2,249 frames
RECORDING = {"name": "speech.wav", "mimeType": "audio/wav", "buffer": as_wav(speech(SECONDS))}
SIDE = 368  # pixels: 46 x 46 patches
ACCENT = (194, 65, 12)  # of pointed frames, in the light
ROUNDING = 2  # of 255 steps of a colour: the light's and the canvas's, each at most one
LINES = "**/maps/**format=npy**"  # rows, columns and cells, as the page asks for them
# The top of the wave, over the loudest sound: one pixel for each of the canvas's columns, without the ground.
SHADES = """() => {
  const canvas = document.querySelector('#wave canvas');
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 2, canvas.width, 1);
  return Array.from({ length: canvas.width }, (_, x) => [...data.slice(4 * x, 4 * x + 3)]);
}"""


def sources(folder: Path) -> Iterator[str]:
    """NAME=PATH of a tiny random model that hears, and of two that see in many small patches."""
    yield f"hearing={media_checkpoints.wav2vec2(folder / 'hearing')}"
    processor = hf.ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})
    yield f"seeing={media_checkpoints.vit(folder / 'seeing', processor, image_size=SIDE, patch_size=8)}"
    yield f"reading={media_checkpoints.llava(folder / 'reading', side=SIDE)}"


def far(watch: Opener, model: str, **options: Any) -> tuple[Watched, Page, dict[str, Any], NDArray[np.float64]]:
    """A page at a map that it does not hold, on the linear scale; the summary, and the map as the service has it."""
    watched, page = begin(watch, model, RECORDING if model == "hearing" else PICTURE, **options)
    if model == "reading":
        page.fill("#input", "Where is it?")
    summary = watched.ask()
    state = watched.state()
    rows, cols = next(site["shape"] for site in summary["sites"] if site["name"] == state["site"])
    assert rows * cols > HELD
    page.keyboard.press("l")
    drawn(page)
    path = f"/v1/traces/{summary['id']}/maps/{state['site']}/{state['layer']}/{state['head']}"
    answer = httpx.get(watched.server + path, params={"rows": f"0:{rows}", "format": "npy"}, timeout=60)
    matrix = np.frombuffer(answer.raise_for_status().content[-4 * rows * cols :], "<f4").reshape(rows, cols)
    return watched, page, summary, matrix.astype(float)


def drawn(page: Page) -> None:
    """Wait until the map is there, and what is said of the kept cell too."""
    page.wait_for_selector("#map[data-state=ready]:not([data-waiting])")
    page.wait_for_selector("#tiles[data-state=complete]")
    expect(page.locator("#scene-caption")).not_to_have_text("…")


def shaded(page: Page, axis: dict[str, Any], light: NDArray[np.float64]) -> bool:
    """Whether the wave is shaded by these weights: where frames share a pixel the largest stands for them."""
    pixels = np.array(page.evaluate(SHADES), float)
    width, expected = len(pixels), np.zeros(len(pixels))
    for (start, stop), weight in zip(axis["seconds"], light / light.max(), strict=True):
        left = min(int(start / axis["duration"] * width + 0.5), width - 1)
        right = max(int(min(stop / axis["duration"], 1) * width + 0.5), left + 1)
        expected[left:right] = np.maximum(expected[left:right], weight)
    tinted = np.abs(pixels - ACCENT).sum(axis=1) > 30  # but for the lines over pointed frames
    assert tinted.mean() > 0.99
    taken = 255 - pixels[tinted, 2]  # the light takes the blue away
    slope, ground = np.polyfit(expected[tinted], taken, 1)
    # No correlation: where weights are nearly equal, the colours' own rounding would weigh more than the light.
    return bool(slope > 0 and np.abs(slope * expected[tinted] + ground - taken).max() < ROUNDING)


def frame_at(page: Page, axis: dict[str, Any], share: float) -> tuple[int, tuple[float, float]]:
    """A frame at about a share of the wave's width, and where a pointer finds it."""
    box = page.locator("#wave").bounding_box()
    assert box
    width = page.evaluate("document.querySelector('#wave canvas').width")
    x = int(box["x"] + share * width)
    moment = (x - box["x"]) / width * axis["duration"]
    frames = (index for index, (start, stop) in enumerate(axis["seconds"]) if start <= moment < stop)
    return next(frames), (x, box["y"] + 20)


def asks_for(request: Request, **line: int) -> bool:
    """Whether a request is that for a row (`rows=`) or a column (`cols=`), and all of it."""
    [(side, index)] = line.items()
    other = "cols" if side == "rows" else "rows"
    return f"{side}={index}:{index + 1}&" in f"{request.url}&" and f"{other}=0:" in request.url


def strongest(row: int, matrix: NDArray[np.float64]) -> tuple[int, int]:
    """The cell of a row that a click on its patch or frame means."""
    return row, int(matrix[row].argmax())


def seen_as(page: Page, boxes: list[Any], light: NDArray[np.float64], but: int = -1) -> bool:
    """Whether patches, all but those near an outline, show through as these weights say."""
    some = [index for index in range(1, len(boxes), 7) if abs(index - but) > 2 and abs(abs(index - but) - 46) > 2]
    brightness = [bright(page, boxes[index]) for index in some]
    return bool(np.corrcoef(brightness, light[some])[0, 1] > 0.99)


def patches_seen(page: Page, axis: dict[str, Any], light: NDArray[np.float64]) -> bool:
    """Whether some patches show through as these weights say."""
    some = [index for index, box in enumerate(axis["boxes"]) if box and box[0] % 3 < 1]
    brightness = [bright(page, axis["boxes"][index]) for index in some]
    return len(some) > 100 and bool(np.corrcoef(brightness, light[some])[0, 1] > 0.98)
