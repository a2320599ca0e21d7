"""A long map under test: a text of some 2,400 bytes, its page, and what the page should show."""

import json
from typing import Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

from heedmap.app.render.wire import to_codes

from .conftest import Opener, Watched

LINES = [f"Line {index}: the quick brown fox jumps over the lazy dog.\n" for index in range(45)]
TEXT = "".join([*LINES[:20], "Here lies the needle.\n", *LINES[20:]])  # about 2,400 bytes: too many cells to be held
PARAMETERS = {"max_new_tokens": 1}
READBACK = "willReadFrequently"  # what Chromium says of a test that reads a canvas

PIXELS = """(cells) => {
  const canvas = document.getElementById("tiles");
  const { xaxis, yaxis } = document.getElementById("tile-plot")._fullLayout;
  const along = (at, [from, to], pixels) => Math.min(Math.floor(((at - from) / (to - from)) * pixels), pixels - 1);
  const context = canvas.getContext("2d");
  return cells.map(([row, col]) => {
    const x = along(col, xaxis.range, canvas.width);
    const y = along(row, [yaxis.range[1], yaxis.range[0]], canvas.height);
    return [...context.getImageData(x, y, 1, 1).data];
  });
}"""


def link(**state: Any) -> str:
    """The page at a place of the map."""
    common = {"model": "writer", "text": TEXT, "parameters": json.dumps(PARAMETERS), "site": "decoder", "layer": 1}
    return "#" + urlencode({**common, "head": 2, **state})


def drawn(page: Page) -> None:
    """Wait until all of the view is there."""
    page.wait_for_timeout(150)  # what a gesture asks for, it asks for after a moment
    page.wait_for_selector("#tiles[data-state=complete]")
    page.wait_for_selector("#map[data-state=ready]:not([data-waiting])")


def opened(watch: Opener, **state: Any) -> tuple[Watched, Page]:
    """A page at a place of the map, all of it drawn."""
    watched = watch()
    watched.allow(READBACK)
    watched.page.goto(f"{watched.server}/{link(**state)}")
    drawn(watched.page)
    return watched, watched.page


def middle(page: Page, across: float = 0.5, down: float = 0.5) -> tuple[float, float]:
    """A point of the plot."""
    box = page.locator("#tile-plot .nsewdrag").bounding_box()
    assert box
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def window(watched: Watched) -> tuple[list[int], list[int]]:
    """Rows and columns in view, as the link has them."""
    state = watched.state()
    return [int(n) for n in state["rows"].split(":")], [int(n) for n in state["cols"].split(":")]


def level(page: Page) -> int:
    """The level on show."""
    return int(page.get_attribute("#tiles", "data-level") or -1)


def shows(page: Page, cells: list[tuple[float, float]], weights: list[float]) -> list[bool]:
    """Whether the canvas has the weights' colours at the middles of cells; the codes next to theirs will do."""
    table = page.evaluate(
        """async (keys) => {
          const { floorOf, lookupTable } = await import("./js/map/colour.js");
          const { WEIGHTS } = await import("./js/api/u8log.js");
          return [...lookupTable(WEIGHTS, "ink", "light", "log", floorOf(keys))];
        }""",
        len(TEXT) + 1,
    )
    values = np.array(weights, np.float32)
    codes = to_codes(np.maximum(values, 0), values >= 0)
    pixels = page.evaluate(PIXELS, cells)
    near = [range(max(code - 1, 1), min(code + 2, 256)) if code else range(1) for code in codes.astype(int)]
    return [any(pixel == table[4 * c : 4 * c + 4] for c in some) for pixel, some in zip(pixels, near, strict=True)]


def reduced(exact: NDArray[np.float32], side: int) -> tuple[list[tuple[float, float]], list[float], list[float]]:
    """Some blocks' middles, the largest weight of each and the mean over what it sees; -1 where it is masked whole."""
    random = np.random.default_rng(0)
    count = -(-len(exact) // side)
    places, largest, means = [], [], []
    for row, col in random.integers(0, count, (60, 2)):
        rows, cols = (np.arange(i * side, min((i + 1) * side, len(exact))) for i in (row, col))
        visible = cols[None, :] <= rows[:, None]
        block = exact[np.ix_(rows, cols)]
        places.append((float(rows.mean()), float(cols.mean())))
        largest.append(float(block[visible].max()) if visible.any() else -1.0)
        means.append(float(block[visible].mean()) if visible.any() else -1.0)
    return places, largest, means
