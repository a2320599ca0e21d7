"""Pictures and recordings beside maps of which the page holds one row: what lights up is what the service says."""

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import transformers as hf
from numpy.typing import NDArray
from playwright.sync_api import Page, Request, Route, expect

from tests.live import service
from tests.model.hub import media_checkpoints
from tests.model.hub.media_checkpoints import as_wav, speech

from .conftest import Opener, Watched
from .media import PICTURE, begin, bright, cell, point_at

pytestmark = pytest.mark.browser

HELD = 1 << 22  # cells: a larger map is never in the page whole
SECONDS = 45  # 2,249 frames
RECORDING = {"name": "speech.wav", "mimeType": "audio/wav", "buffer": as_wav(speech(SECONDS))}
SIDE = 368  # pixels: 46 x 46 patches
ACCENT = (194, 65, 12)  # of pointed frames, in the light
LINES = "**/maps/**format=npy**"  # rows, columns and cells, as the page asks for them
# The top of the wave, over the loudest sound: one pixel for each of the canvas's columns, without the ground.
SHADES = """() => {
  const canvas = document.querySelector('#wave canvas');
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 2, canvas.width, 1);
  return Array.from({ length: canvas.width }, (_, x) => [...data.slice(4 * x, 4 * x + 3)]);
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A live service with a tiny random model that hears, and two that see in many small patches."""
    folder = tmp_path_factory.mktemp("beside")
    hearing = media_checkpoints.wav2vec2(folder / "hearing")
    processor = hf.ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})
    seeing = media_checkpoints.vit(folder / "seeing", processor, image_size=SIDE, patch_size=8)
    reading = media_checkpoints.llava(folder / "reading", side=SIDE)
    models = [f"hearing={hearing}", f"seeing={seeing}", f"reading={reading}"]
    with service(folder, *(argument for model in models for argument in ("--model", model))) as url:
        yield url


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
    page.wait_for_selector("#map[data-state=ready]:not([aria-busy])")
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
    shown = np.abs(pixels - ACCENT).sum(axis=1) > 30  # but for the lines over pointed frames
    assert shown.mean() > 0.99
    return bool(np.corrcoef(255 - pixels[shown, 2], expected[shown])[0, 1] > 0.999)  # the light takes the blue away


def frame_at(page: Page, axis: dict[str, Any], share: float) -> tuple[int, tuple[float, float]]:
    """A frame at about a share of the wave's width, and where a pointer finds it."""
    box = page.locator("#wave").bounding_box()
    assert box
    width = page.evaluate("document.querySelector('#wave canvas').width")
    x = int(box["x"] + share * width)
    moment = (x - box["x"]) / width * axis["duration"]
    frames = (index for index, (start, stop) in enumerate(axis["seconds"]) if start <= moment < stop)
    return next(frames), (x, box["y"] + 20)


def asked(request: Request, **line: int) -> bool:
    """Whether a request is that for a row (`rows=`) or a column (`cols=`), and all of it."""
    [(side, index)] = line.items()
    other = "cols" if side == "rows" else "rows"
    return f"{side}={index}:{index + 1}&" in f"{request.url}&" and f"{other}=0:" in request.url


def strongest(row: int, matrix: NDArray[np.float64]) -> tuple[int, int]:
    """The cell of a row that a click on its patch or frame means."""
    return row, int(matrix[row].argmax())


def test_the_kept_row_shades_a_recording(watch: Opener) -> None:
    _, page, summary, matrix = far(watch, "hearing")
    axis = summary["axes"]["frames"]
    row, col = cell(page)
    assert (row, col) == strongest(len(matrix) // 2, matrix)
    assert shaded(page, axis, matrix[row])
    assert not shaded(page, axis, matrix[:, col])
    expect(page.locator("#play")).to_be_visible()
    expect(page.locator("#passages")).to_be_hidden()
    most = f"{100 * matrix[row].max():.2g}%"
    expect(page.locator("#scene-caption")).to_have_text(f"strongest frame {most} · whole recording 100.0%")


def test_a_pointed_frame_is_asked_for_once_the_pointer_rests(watch: Opener) -> None:
    _, page, summary, matrix = far(watch, "hearing")
    axis = summary["axes"]["frames"]
    kept = cell(page)
    frame, place = frame_at(page, axis, 0.25)
    held: list[Route] = []
    page.route(LINES, lambda route: held.append(route))
    with page.expect_request(lambda request: asked(request, rows=frame)):
        page.mouse.move(*place)
    expect(page.locator("#scene-caption")).to_have_text("…")
    expect(page.locator("#row-band")).to_be_visible()
    assert shaded(page, axis, matrix[kept[0]]), "until it comes the kept row's light stays"
    assert cell(page) == kept
    held[0].continue_()
    expect(page.locator("#scene-caption")).not_to_have_text("…")
    assert shaded(page, axis, matrix[frame])
    assert cell(page) == strongest(frame, matrix)
    assert page.locator("#top .current").get_attribute("data-col") == str(matrix[frame].argmax())
    page.mouse.move(5, 5)
    assert cell(page) == kept
    assert shaded(page, axis, matrix[kept[0]])
    page.mouse.move(*place)
    assert cell(page) == strongest(frame, matrix), "a row that is here lights up at once"
    assert shaded(page, axis, matrix[frame])
    assert len(held) == 1


def test_what_is_pointed_at_anew_ends_what_was(watch: Opener) -> None:
    _, page, summary, matrix = far(watch, "hearing")
    axis = summary["axes"]["frames"]
    (first, there), (passed, between), (last, here) = (frame_at(page, axis, share) for share in (0.2, 0.4, 0.7))
    requests: list[Request] = []
    page.on("request", lambda request: "/maps/" in request.url and requests.append(request))
    page.route(f"**/maps/**rows={first}:*", lambda route: None)
    with page.expect_request(lambda request: asked(request, rows=first)):
        page.mouse.move(*there)
    with page.expect_event("requestfailed", predicate=lambda request: asked(request, rows=first)):
        page.mouse.move(*between)
        page.mouse.move(*here)
    expect(page.locator("#cell-place")).to_have_text(f"({last}, {matrix[last].argmax()})")
    assert shaded(page, axis, matrix[last])
    assert [next(n for n in (first, passed, last) if asked(request, rows=n)) for request in requests] == [first, last]
    expect(page.locator("#tiles-problem")).to_be_hidden()


def test_a_frame_that_is_asked_shows_who_looks_at_it(watch: Opener) -> None:
    watched, page, summary, matrix = far(watch, "hearing")
    axis = summary["axes"]["frames"]
    page.keyboard.press("r")
    drawn(page)
    frame, place = frame_at(page, axis, 0.6)
    with page.expect_response(lambda response: asked(response.request, cols=frame)):
        page.mouse.move(*place)
    best = int(matrix[:, frame].argmax())
    expect(page.locator("#cell-place")).to_have_text(f"({best}, {frame})")
    assert shaded(page, axis, matrix[:, frame])
    assert float(page.inner_text("#cell-weight")) == pytest.approx(matrix[best, frame], rel=1e-5)
    expect(page.locator("#scene-caption")).to_have_text(f"strongest frame gives {100 * matrix[best, frame]:.2g}%")
    expect(page.locator("#col-band")).to_be_visible()
    expect(page.locator("#row-band")).to_be_hidden()
    page.mouse.down()
    page.mouse.up()
    page.wait_for_function("row => location.hash.includes(`row=${row}&`)", arg=str(best))
    assert watched.state()["col"] == str(frame)
    expect(page.locator("#cell-rank")).to_contain_text(f"of {len(matrix)}")
    page.mouse.move(5, 5)
    assert cell(page) == (best, frame)
    assert shaded(page, axis, matrix[best]), "chosen, it is a cell like any other"


def test_a_click_chooses_the_strongest_cell_even_if_the_pointer_moves_on(watch: Opener) -> None:
    watched, page, summary, matrix = far(watch, "hearing")
    axis = summary["axes"]["frames"]
    frame, place = frame_at(page, axis, 0.8)
    held: list[Route] = []
    page.route(LINES, lambda route: held.append(route))
    with page.expect_request(lambda request: asked(request, rows=frame)):
        page.mouse.click(*place)
    page.mouse.move(5, 5)
    page.wait_for_timeout(200)
    assert len(held) == 1, "a click and the pointer that rests after it ask once"
    assert "row" not in watched.state()
    held[0].continue_()
    row, col = strongest(frame, matrix)
    expect(page.locator("#cell-place")).to_have_text(f"({row}, {col})")
    assert (watched.state()["row"], watched.state()["col"]) == (str(row), str(col))
    assert shaded(page, axis, matrix[row])


def test_a_row_that_does_not_come_is_told(watch: Opener) -> None:
    watched, page, summary, matrix = far(watch, "hearing")
    watched.allow("Failed to load resource")
    axis = summary["axes"]["frames"]
    frame, place = frame_at(page, axis, 0.3)
    kept = cell(page)
    page.route(LINES, lambda route: route.fulfill(status=413, json={"status": 413, "detail": "too much"}))
    page.mouse.move(*place)
    expect(page.locator("#tiles-problem")).to_contain_text("too much")
    assert shaded(page, axis, matrix[kept[0]])
    page.unroute(LINES)
    page.mouse.move(5, 5)
    page.mouse.move(*place)
    expect(page.locator("#cell-place")).to_have_text(f"({frame}, {matrix[frame].argmax()})")
    expect(page.locator("#tiles-problem")).to_be_hidden()


def test_a_click_in_vain_can_be_tried_again(watch: Opener) -> None:
    watched, page, summary, matrix = far(watch, "hearing")
    watched.allow("Failed to load resource")
    frame, place = frame_at(page, summary["axes"]["frames"], 0.3)
    page.route(LINES, lambda route: route.fulfill(status=413, json={"status": 413, "detail": "too much"}))
    page.mouse.click(*place)
    expect(page.locator("#tiles-problem")).to_contain_text("too much")
    page.unroute(LINES)
    page.click("#tiles-retry")
    row, col = strongest(frame, matrix)
    expect(page.locator("#cell-place")).to_have_text(f"({row}, {col})")
    expect(page.locator("#tiles-problem")).to_be_hidden()
    assert watched.state()["row"] == str(row)


def test_the_map_lights_the_recording_where_a_row_is_here(watch: Opener) -> None:
    _, page, summary, matrix = far(watch, "hearing")
    axis = summary["axes"]["frames"]
    kept = cell(page)
    plot = page.locator("#tile-plot .nsewdrag").bounding_box()
    assert plot
    page.mouse.move(plot["x"] + 50, plot["y"] + 50)
    row = cell(page)[0]
    assert row != kept[0]
    assert shaded(page, axis, matrix[kept[0]]), "of a row that is not here, nothing is claimed"
    near, place = frame_at(page, axis, sum(axis["seconds"][row]) / 2 / axis["duration"])
    page.mouse.move(*place)
    page.keyboard.press("i")
    for _ in range(abs(row - near)):  # several frames share a pixel; keys reach each
        page.keyboard.press("ArrowRight" if row > near else "ArrowLeft")
    expect(page.locator("#cell-place")).to_have_text(f"({row}, {matrix[row].argmax()})")
    page.mouse.move(plot["x"] + 50, plot["y"] + 50)
    assert cell(page)[0] == row
    assert cell(page) != strongest(row, matrix)
    assert shaded(page, axis, matrix[row])


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
    with page.expect_response(lambda response: asked(response.request, rows=patch)):
        point_at(page, boxes[patch])
    expect(page.locator("#cell-place")).to_have_text(f"({patch}, {matrix[patch].argmax()})")
    assert seen_as(page, boxes, matrix[patch], but=patch)
    page.mouse.move(5, 5)
    page.keyboard.press("r")
    drawn(page)
    with page.expect_response(lambda response: asked(response.request, cols=patch)):
        point_at(page, boxes[patch])
    expect(page.locator("#cell-place")).to_have_text(f"({matrix[:, patch].argmax()}, {patch})")
    assert seen_as(page, boxes, matrix[:, patch], but=patch)


def seen_as(page: Page, boxes: list[Any], light: NDArray[np.float64], but: int = -1) -> bool:
    """Whether patches, all but those near an outline, show through as these weights say."""
    some = [index for index in range(1, len(boxes), 7) if abs(index - but) > 2 and abs(abs(index - but) - 46) > 2]
    seen = [bright(page, boxes[index]) for index in some]
    return bool(np.corrcoef(seen, light[some])[0, 1] > 0.99)


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


def patches_seen(page: Page, axis: dict[str, Any], light: NDArray[np.float64]) -> bool:
    """Whether some patches show through as these weights say."""
    some = [index for index, box in enumerate(axis["boxes"]) if box and box[0] % 3 < 1]
    seen = [bright(page, axis["boxes"][index]) for index in some]
    return len(some) > 100 and bool(np.corrcoef(seen, light[some])[0, 1] > 0.98)
