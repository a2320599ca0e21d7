"""Recordings beside maps of which the page holds one row: what is shaded is what the service says."""

import pytest
from playwright.sync_api import Request, Route, expect

from .beside import LINES, asks_for, drawn, far, frame_at, shaded, strongest
from .conftest import Opener
from .media import cell

pytestmark = pytest.mark.browser

# Moves of a pointer with no time between them: by the mouse, a busy machine may take long enough for a rest.
PASS_OVER = """points => points.forEach(([clientX, clientY]) => document.elementFromPoint(clientX, clientY)
    .dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true })))"""


@pytest.fixture(scope="module")
def server(many: str) -> str:
    """The service with models of many frames and patches."""
    return many


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
    with page.expect_request(lambda request: asks_for(request, rows=frame)):
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
    with page.expect_request(lambda request: asks_for(request, rows=first)):
        page.mouse.move(*there)
    with page.expect_event("requestfailed", predicate=lambda request: asks_for(request, rows=first)):
        page.evaluate(PASS_OVER, [between, here])
    expect(page.locator("#cell-place")).to_have_text(f"({last}, {matrix[last].argmax()})")
    assert shaded(page, axis, matrix[last])
    assert [next(n for n in (first, passed, last) if asks_for(request, rows=n)) for request in requests] == [
        first,
        last,
    ]
    expect(page.locator("#tiles-problem")).to_be_hidden()


def test_a_frame_that_is_asked_shows_who_looks_at_it(watch: Opener) -> None:
    watched, page, summary, matrix = far(watch, "hearing")
    axis = summary["axes"]["frames"]
    page.keyboard.press("r")
    drawn(page)
    frame, place = frame_at(page, axis, 0.6)
    with page.expect_response(lambda response: asks_for(response.request, cols=frame)):
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
    with page.expect_request(lambda request: asks_for(request, rows=frame)):
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


def test_a_click_is_forgotten_with_its_head(watch: Opener) -> None:
    watched, page, summary, _ = far(watch, "hearing")
    frame, place = frame_at(page, summary["axes"]["frames"], 0.8)
    layer, head = watched.state()["layer"], watched.state()["head"]
    kept = cell(page)
    page.route(f"**/maps/encoder/{layer}/{head}?*", lambda route: None)
    with page.expect_request(lambda request: asks_for(request, rows=frame)):
        page.mouse.click(*place)
    page.mouse.move(5, 5)
    page.keyboard.press("Escape")
    with page.expect_event("requestfailed", predicate=lambda request: asks_for(request, rows=frame)):
        page.keyboard.press("ArrowLeft" if head != "0" else "ArrowRight")
    drawn(page)
    assert watched.state()["head"] != head
    assert cell(page)[0] == kept[0]
    assert "row" not in watched.state()
