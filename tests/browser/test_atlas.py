"""A long map on the page: the whole of it at once, any place of it exact, exported as it is seen."""

import io
import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from .conftest import Opener
from .long_map import PARAMETERS, TEXT, drawn, level, middle, opened, reduced, shows, window

pytestmark = pytest.mark.browser

SKETCHED = re.compile("quiet")  # a weight that is not the exact one yet


@pytest.fixture(scope="module")
def server(writer: str) -> str:
    """The service with a language model on bytes."""
    return writer


@pytest.fixture(scope="module")
def trace(server: str) -> dict[str, Any]:
    """The summary that the page gets."""
    body = {"model": "writer", "inputs": TEXT, "parameters": PARAMETERS}
    summary: dict[str, Any] = httpx.post(f"{server}/v1/traces", json=body, timeout=60).raise_for_status().json()
    return summary


@pytest.fixture(scope="module")
def exact(server: str, trace: dict[str, Any]) -> NDArray[np.float32]:
    """The whole map of layer 1, head 2, as the map route has it."""
    answer = httpx.get(f"{server}/v1/traces/{trace['id']}/maps/decoder/1/2?format=npy", timeout=60)
    weights: NDArray[np.float32] = np.load(io.BytesIO(answer.raise_for_status().content))
    return weights


def test_the_whole_map_is_in_view_at_once(watch: Opener, exact: NDArray[np.float32]) -> None:
    _, page = opened(watch)
    side = 2 ** level(page)
    assert side > 1
    expect(page.locator("#badge")).to_have_text(f"max of {side} × {side}")
    places, largest, means = reduced(exact, side)
    assert -1.0 in largest
    assert all(shows(page, places, largest))
    page.click("#how label:has-text('mean')")
    expect(page.locator("#badge")).to_have_text(f"mean of {side} × {side}")
    drawn(page)
    assert all(shows(page, places, means))
    assert "how=mean" in page.url
    page.keyboard.press("v")
    expect(page.locator("#badge")).to_have_text(f"max of {side} × {side}")


def test_a_hot_cell_is_seen_from_afar_and_a_click_finds_it(watch: Opener, exact: NDArray[np.float32]) -> None:
    watched, page = opened(watch)
    rows, cols = np.indices(exact.shape)
    away = np.where((rows - cols > 400) & (cols > 200), exact, 0)
    row, col = (int(i) for i in np.unravel_index(away.argmax(), away.shape))
    side = 2 ** level(page)
    centre = (row // side * side + side / 2 - 0.5, col // side * side + side / 2 - 0.5)
    assert shows(page, [centre], [float(exact[row, col])]) == [True]
    page.mouse.click(*middle(page, (centre[1] + 0.5) / len(exact), (centre[0] + 0.5) / len(exact)))
    page.mouse.move(5, 5)
    expect(page.locator("#cell-place")).to_have_text(f"({row}, {col})")
    expect(page.locator("#cell-weight")).not_to_have_class(SKETCHED)
    assert float(page.inner_text("#cell-weight")) == pytest.approx(exact[row, col], rel=1e-5)
    order = sorted(range(row + 1), key=lambda key: -exact[row, key])
    assert page.inner_text("#cell-rank") == f"{order.index(col) + 1} of {row + 1}"
    listed = page.eval_on_selector_all("#top li", "list => list.map((node) => Number(node.dataset.col))")
    assert listed == order[: len(listed)]
    assert (watched.state()["row"], watched.state()["col"]) == (str(row), str(col))


def test_zoomed_in_every_cell_is_exact(watch: Opener, exact: NDArray[np.float32]) -> None:
    _, page = opened(watch, rows="700:760", cols="710:770")
    assert level(page) == 0
    expect(page.locator("#badge")).to_be_hidden()
    cells = [(row, col) for row in range(700, 760, 7) for col in range(710, 770, 7)]
    assert all(shows(page, cells, [float(exact[cell]) if cell[1] <= cell[0] else -1.0 for cell in cells]))
    page.mouse.move(*middle(page, 10.5 / 60, 40.5 / 60))
    expect(page.locator("#cell-place")).to_have_text("(740, 720)")
    expect(page.locator("#cell-weight")).not_to_have_class(SKETCHED)
    assert float(page.inner_text("#cell-weight")) == pytest.approx(exact[740, 720], rel=1e-5)
    page.mouse.move(*middle(page, 50.5 / 60, 10.5 / 60))
    expect(page.locator("#cell-rank")).to_contain_text("masked")


def test_before_a_pointer_rests_the_tile_answers(watch: Opener, exact: NDArray[np.float32]) -> None:
    _, page = opened(watch)
    page.route("**/maps/**", lambda route: None)  # never answered
    page.mouse.move(*middle(page, 0.2, 0.8))
    expect(page.locator("#cell-weight")).to_contain_text("≤")
    row, col = (int(n) for n in re.findall(r"\d+", page.inner_text("#cell-place")))
    assert exact[row, col] <= float(page.inner_text("#cell-weight").split()[1]) * 1.1
    page.unroute("**/maps/**")


def test_another_head_keeps_the_place_and_the_colours(watch: Opener, server: str, trace: dict[str, Any]) -> None:
    watched, page = opened(watch, rows="1000:1100", cols="950:1050")
    place = window(watched)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#now")).to_have_text("layer 1 · head 3")
    drawn(page)
    assert window(watched) == place
    path = f"{server}/v1/traces/{trace['id']}/maps/decoder/1/3?rows=1000:1100&cols=950:1050"
    weights = httpx.get(path).json()["weights"]
    cells = [(1000 + i, 950 + j) for i in range(50, 100, 9) for j in range(0, 100, 9) if 950 + j <= 1000 + i]
    assert all(shows(page, cells, [weights[row - 1000][col - 950] for row, col in cells]))


def test_exports_are_what_is_in_view(watch: Opener, exact: NDArray[np.float32], tmp_path: Path) -> None:
    def saved(page: Page, form: str) -> tuple[str, Path]:
        page.locator("#export").evaluate("node => (node.open = true)")
        with page.expect_download() as download:
            page.click(f"#export-view [data-format={form}]")
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        return path.name, path

    _, page = opened(watch)
    side = 2 ** level(page)
    name, path = saved(page, "npy")
    assert name == f"decoder-1-2-rows0-{len(exact)}-cols0-{len(exact)}.npy", "23 MB are within the limit"
    assert np.array_equal(np.load(path), exact)
    name, path = saved(page, "csv")
    assert name.endswith(f"-max{side}x{side}.csv")
    assert path.read_text().startswith(f'"max of {side} × {side}, within ')
    name, path = saved(page, "png")
    assert name.endswith(f"-max{side}x{side}.png")
    assert path.read_bytes()[:4] == b"\x89PNG"
    name, path = saved(page, "html")
    assert f"max of {side} × {side}" in path.read_text()
    assert "data:image/png;base64," in path.read_text(), "the picture is in it"
    _, page = opened(watch, rows="700:760", cols="680:740")
    name, path = saved(page, "npy")
    assert name == "decoder-1-2-rows700-760-cols680-740.npy"
    assert np.allclose(np.load(path), exact[700:760, 680:740], rtol=1e-5)
