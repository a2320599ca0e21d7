"""What a long map is drawn from, in the browser that runs it: tiles' bytes, levels, pixels, cache, fetching."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Error, Page

from .conftest import call

pytestmark = pytest.mark.browser

GOLDEN = Path(__file__).parents[1] / "data" / "tiles"


def test_codes_stand_for_the_weights_that_were_worked_out_by_hand(alone: Page) -> None:
    golden = json.loads((GOLDEN / "u8log.json").read_text())
    read = alone.evaluate(
        "async (codes) => { const { WEIGHTS } = await import('/js/api/u8log.js');"
        " return codes.map((code) => (Number.isNaN(WEIGHTS[code]) ? null : WEIGHTS[code])); }",
        golden["codes"],
    )
    assert read == [None if weight is None else pytest.approx(weight, rel=1e-12) for weight in golden["weights"]]


BATCH = """m.parseBatch(new Uint8Array(a).buffer).map(({ row, col, tile }) =>
  ({ row, col, tile: { ...tile, codes: tile.codes && [...tile.codes] } }))"""


def test_a_batch_of_literal_bytes(alone: Page) -> None:
    assert call(alone, "source/tiles", BATCH, list((GOLDEN / "batch.bin").read_bytes())) == [
        {"row": 0, "col": 0, "tile": {"codes": [255, 0, 0, 128, 64, 0], "rows": 2, "cols": 3}},
        {"row": 0, "col": 1, "tile": {"codes": None, "rows": 2, "cols": 3}},
        {"row": 1, "col": 0, "tile": {"codes": [1, 2, 254], "rows": 1, "cols": 3}},
    ]


@pytest.mark.parametrize("kept", [0, 3, 40, 141, 145])
def test_a_batch_cut_short_is_refused(alone: Page, kept: int) -> None:
    with pytest.raises(Error, match="cut short"):
        call(alone, "source/tiles", BATCH, list((GOLDEN / "batch.bin").read_bytes()[:kept]))


@pytest.mark.parametrize(
    ("cells", "pixels", "level"),
    [(32768, 1024, 5), (32768, 1000, 6), (1000, 1000, 0), (1001, 1000, 1), (10, 1000, 0), (131072, 100, 9)],
)
def test_no_block_is_smaller_than_a_pixel(alone: Page, cells: int, pixels: int, level: int) -> None:
    view = {"x": [-0.5, cells - 0.5], "y": [-0.5, 9.5]}
    assert call(alone, "map/atlas/levels", "m.levelFor(a[0], a[1], 10, 10)", [view, pixels]) == level


def test_the_tiles_of_a_view_by_hand(alone: Page) -> None:
    # Cells 500..1023 by 0..511 of level 1, whose tiles are 512 cells a side.
    view = {"x": [499.5, 1023.5], "y": [-0.5, 511.5]}
    spots = call(alone, "map/atlas/levels", "m.wanted(a, 1, [3000, 3000], 5)", view)
    assert spots[0] == {"level": 4, "row": 0, "col": 0}, "the whole map first"
    assert sorted((s["level"], s["row"], s["col"]) for s in spots[1:]) == [(1, 0, 0), (1, 0, 1), (2, 0, 0)]
    assert spots[1] == {"level": 1, "row": 0, "col": 1}, "then what the middle shows"
    above = call(alone, "map/atlas/levels", "m.upwards({level: 1, row: 3, col: 5}, 4)")
    assert [(s["level"], s["row"], s["col"]) for s in above] == [(1, 3, 5), (2, 1, 2), (3, 0, 1)]
    sizes = [1, 256, 257, 512, 513, 32768, 131072]
    assert call(alone, "map/atlas/levels", "a.map((n) => m.levelsOf([n, 9]))", sizes) == [1, 1, 2, 2, 3, 8, 10]


COMPOSE = """(() => {
  const { side, width, height, hots, level, shown, view, missing } = a;
  const tiles = new Map();
  const tileAt = (at, row, col) => {
    const blocks = Math.ceil(side / 2 ** at);
    const [rows, cols] = [row, col].map((index) => Math.min(256, blocks - 256 * index));
    const codes = new Uint8Array(rows * cols).fill(10);
    for (const [i, j] of hots) {
      const [y, x] = [Math.floor(i / 2 ** at) - 256 * row, Math.floor(j / 2 ** at) - 256 * col];
      if (y >= 0 && y < rows && x >= 0 && x < cols) codes[y * cols + x] = 255;
    }
    if (row === 0 && col === 0) codes[0] = 0;
    return { level: at, row, col, tile: { codes, rows, cols } };
  };
  const find = (spot) => {
    if (missing) return null;
    const up = shown - spot.level;
    return tileAt(shown, Math.floor(spot.row / 2 ** up), Math.floor(spot.col / 2 ** up));
  };
  const colours = Uint32Array.from({ length: 256 }, (_, code) => code);
  const pixels = new Uint32Array(width * height).fill(77);
  const complete = m.compose({ pixels, width, height, view, level, shape: [side, side], find, colours, unknown: 999 });
  const hot = pixels.reduce((sum, code) => sum + (code === 255), 0);
  return { complete, hot, kinds: [...new Set(pixels)].sort((x, y) => x - y) };
})()"""


@pytest.mark.parametrize("seed", range(12))
def test_a_single_hot_cell_has_a_pixel_in_every_view(alone: Page, seed: int) -> None:
    random = np.random.default_rng(seed)
    side = int(random.integers(300, 40_000))
    width, height = (int(n) for n in random.integers(90, 400, 2))
    length = float(np.exp(random.uniform(np.log(2), np.log(side))))
    start = [float(s) for s in random.uniform(-0.5, side - 0.5 - length, 2)]
    view = {"x": [start[0], start[0] + length], "y": [start[1], start[1] + length]}
    inside = [math.floor(s + 0.5 + length / 2) for s in start]
    level = call(alone, "map/atlas/levels", "m.levelFor(a[0], a[1], a[2], 9)", [view, width, height])
    common = {"side": side, "width": width, "height": height, "view": view, "level": level, "missing": False}
    codes = call(alone, "map/atlas/codes", COMPOSE, {**common, "shown": level, "hots": [[inside[1], inside[0]]]})
    assert codes["complete"] is True
    assert codes["hot"] >= 1
    assert set(codes["kinds"]) <= {0, 10, 255}, "no pixel in the map is left out"
    coarser = call(alone, "map/atlas/codes", COMPOSE, {**common, "shown": level + 1, "hots": [[inside[1], inside[0]]]})
    assert coarser["complete"] is False, "an ancestor stands in, and that is known"
    assert coarser["hot"] >= 1
    nothing = call(alone, "map/atlas/codes", COMPOSE, {**common, "shown": level, "hots": [], "missing": True})
    assert nothing["kinds"] == [999], "what has not arrived is neither masked nor zero"


def test_masked_and_zero_are_two_things(alone: Page) -> None:
    view = {"x": [-0.5, 9.5], "y": [-0.5, 9.5]}
    common = {
        "side": 300,
        "width": 20,
        "height": 20,
        "view": view,
        "level": 0,
        "shown": 0,
        "hots": [],
        "missing": False,
    }
    assert call(alone, "map/atlas/codes", COMPOSE, common)["kinds"] == [0, 10]
    table = alone.evaluate(
        """async () => {
          const { lookupTable } = await import("/js/map/colour.js");
          const { WEIGHTS } = await import("/js/api/u8log.js");
          return [...lookupTable(WEIGHTS, "cividis", "light", "log", 1e-6).slice(0, 8)];
        }"""
    )
    assert table == [0, 0, 0, 0, 0x00, 0x20, 0x4C, 255]


def test_the_cache_stays_within_its_budget(alone: Page) -> None:
    code = """(() => {
      const cache = new m.TileCache(1000);
      const tile = () => ({ codes: new Uint8Array(300), rows: 15, cols: 20 });
      for (const name of ["a", "b", "c"]) cache.put(name, tile());
      cache.get("a");
      cache.put("d", tile());
      cache.put("huge", { codes: new Uint8Array(5000), rows: 50, cols: 100 });
      const [left, bytes] = [[...cache.tiles.keys()], cache.bytes];
      cache.put("masked", { codes: null, rows: 1, cols: 1 });
      return [left, bytes, cache.has("b"), cache.has("huge"), cache.bytes];
    })()"""
    assert call(alone, "map/atlas/cache", code) == [["huge"], 5000, False, False, 64]
    order = """(() => {
      const cache = new m.TileCache(700);
      const tile = { codes: new Uint8Array(300), rows: 1, cols: 300 };
      for (const name of ["a", "b"]) cache.put(name, tile);
      cache.get("a");
      cache.put("c", tile);
      return [...cache.tiles.keys()];
    })()"""
    assert call(alone, "map/atlas/cache", order) == ["a", "c"]


LOADER = """(async () => {
  const { TileCache } = await import('/js/map/atlas/cache.js');
  const { answers, wants } = a;
  const [log, cache] = [[], new TileCache()];
  const sheet = { site: "decoder", layer: 0, head: 0, how: "max" };
  const loader = new m.Loader({
    fetch: (_, level, tiles, signal) => {
      const answer = answers.shift() ?? "ok";
      log.push(`ask ${level} ${tiles.map((tile) => tile.join(":"))}`);
      signal.addEventListener("abort", () => log.push(`abort ${level}`));
      if (answer === "hang")
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      if (answer !== "ok") return Promise.reject(Object.assign(new Error("no"), answer));
      return Promise.resolve(tiles.map(([row, col]) => ({ row, col, tile: { codes: null, rows: 1, cols: 1 } })));
    },
    arrived: () => log.push("arrived"),
    busy: () => {},
    failed: (error) => log.push(`failed ${error.status}`),
  });
  for (const spots of wants) {
    loader.want(cache, sheet, spots);
    await new Promise((resolve) => setTimeout(resolve, a.pause ?? 50));
  }
  return { log, kept: cache.tiles.size };
})()"""


def spots(level: int, *places: tuple[int, int]) -> list[dict[str, int]]:
    """Tiles of a level."""
    return [{"level": level, "row": row, "col": col} for row, col in places]


def test_tiles_come_a_few_at_a_time(alone: Page) -> None:
    wants = [spots(3, (0, 0)) + spots(1, *((0, col) for col in range(6)))]
    outcome = call(alone, "map/atlas/loader", LOADER, {"answers": [], "wants": wants * 2})
    asks = [line for line in outcome["log"] if line.startswith("ask")]
    assert asks == ["ask 3 0:0", "ask 1 0:0,0:1,0:2,0:3", "ask 1 0:4,0:5"]
    assert outcome["kept"] == 7
    assert outcome["log"].count("arrived") == 3


def test_what_is_wanted_no_more_is_aborted(alone: Page) -> None:
    wants = [spots(3, (0, 0)) + spots(1, (5, 5)), spots(3, (0, 0)) + spots(1, (9, 9))]
    outcome = call(alone, "map/atlas/loader", LOADER, {"answers": ["hang", "hang"], "wants": wants})
    assert outcome["log"] == ["ask 3 0:0", "ask 1 5:5", "abort 1", "ask 1 9:9", "arrived"]


def test_a_failure_that_may_pass_is_tried_again(alone: Page) -> None:
    wants = [spots(0, (1, 1))]
    outcome = call(alone, "map/atlas/loader", LOADER, {"answers": [{"status": 503}, {}], "wants": wants, "pause": 2200})
    assert outcome["log"] == ["ask 0 1:1"] * 3 + ["arrived"]
    assert outcome["kept"] == 1


@pytest.mark.parametrize(("status", "retry"), [(413, 0), (422, 0), (429, 60)])
def test_a_failure_that_will_not_pass_is_told_at_once(alone: Page, status: int, retry: int) -> None:
    answers = [{"status": status, "retryAfter": retry}]
    outcome = call(
        alone, "map/atlas/loader", LOADER, {"answers": answers, "wants": [spots(0, (1, 1))] * 2, "pause": 600}
    )
    assert outcome["log"] == ["ask 0 1:1", f"failed {status}"]
