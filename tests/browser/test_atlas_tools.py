"""What a long map is read with, in the browser that runs it: views before and after, search, labels, files, colours."""

import csv
import io
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from .conftest import call

pytestmark = pytest.mark.browser


def test_views_back_and_forward(alone: Page) -> None:
    code = """(() => {
      const view = (n) => ({ x: [0, n], y: [0, n] });
      const trail = new m.Trail(view(9));
      trail.push(view(9 + 1e-9));
      trail.push(view(5));
      trail.push(view(3));
      const back = [trail.go(-1), trail.go(-1), trail.go(-1)];
      trail.go(1);
      trail.push(view(4));
      return [back.map((v) => v && v.x[1]), trail.can(1), trail.go(1), trail.go(-1).x[1]];
    })()"""
    assert call(alone, "map/atlas/trail", code) == [[5, 9, None], False, None, 5]


def axis(labels: list[str], special: tuple[int, ...] = ()) -> dict[str, Any]:
    """An axis with these labels."""
    return {"kind": "text", "labels": labels, "special": [index in special for index in range(len(labels))]}


@pytest.mark.parametrize(
    ("labels", "query", "expected"),
    [
        (["F", "i", "r", "s", "t", "␣", "C", "i", "⏎"], "st c", [(3, 6)]),
        (["F", "i", "r", "s", "t", "␣", "C", "i", "⏎"], "i", [(1, 1), (7, 7)]),
        (["▁Wo", "▁ist", "▁der", "▁Bahn", "hof"], "bahnhof", [(3, 4)]),
        (["▁Wo", "▁ist", "▁der", "▁Bahn", "hof"], "ist der", [(1, 2)]),
        (["play", "##ing", "chess"], "playing chess", [(0, 2)]),
        (["a", "<0xC3>", "<0xA9>", "<0xE4>", "<0xB8>", "<0xAD>", "b"], "é中", [(1, 3)]),
        (["a", "<0xFF>", "b"], "b", [(2, 2)]),
        (["4", "2", "x"], "2", [(2, 2)]),
        (["4", "2", "x"], '"2"', [(1, 1)]),
        (["4", "2", "x"], "42", [(0, 1)]),
        (["a", "b"], "z", []),
        (["a", "b"], "  ", []),
    ],
)
def test_tokens_are_found_by_number_and_by_what_they_say(
    alone: Page, labels: list[str], query: str, expected: list[tuple[int, int]]
) -> None:
    matches = call(alone, "text/find", "m.search(a[0], a[1])", [axis(labels), query])
    assert [(match["first"], match["last"]) for match in matches] == expected


def test_labels_have_room(alone: Page) -> None:
    ticks = call(alone, "map/atlas/ticks", "m.ticksOf(a, 32768, 600, 50)", [-0.5, 32767.5])
    assert ticks["step"] == 5000
    assert ticks["list"] == list(range(0, 32768, 5000))
    near = call(alone, "map/atlas/ticks", "m.ticksOf(a, 32768, 600, 50)", [999.5, 1039.5])
    assert near["step"] == 1
    assert near["list"] == list(range(980, 1060)), "and half a view on each side, for panning"
    assert [call(alone, "map/atlas/ticks", "m.roundStep(a)", least) for least in (0.3, 1, 1.1, 2, 7, 3058)] == [
        1,
        1,
        2,
        2,
        10,
        5000,
    ]


def test_files_of_a_view_are_read_elsewhere(alone: Page) -> None:
    weights = [0.5, None, 2**-24, 0.25, 1.0, 0.0]
    float32 = "Float32Array.from(a, (value) => value ?? NaN)"
    data = bytes(call(alone, "map/atlas/writers", f"[...m.toNpy({float32}, [2, 3])]", weights))
    read = np.load(io.BytesIO(data))
    assert read.dtype == np.float32
    assert np.array_equal(read, np.array(weights, np.float32).reshape(2, 3), equal_nan=True)
    blocks = f"{{rows: 2, cols: 3, row: 1, col: 0, weights: {float32}}}"
    text = call(alone, "map/atlas/writers", f"m.toCsv({blocks}, 16, [40, 47], 'max of 16 × 16, \"so\"')", weights)
    assert list(csv.reader(io.StringIO(text))) == [
        ['max of 16 × 16, "so"', "0:16", "16:32", "32:47"],
        ["16:32", "0.500", "", "5.96e-8"],
        ["32:40", "0.250", "1.00", "0.00"],
    ]
    page = call(alone, "map/atlas/writers", "m.toHtml(a, '<svg></svg>')", "<b>&")
    assert "<b>" not in page
    assert "&#60;b&#62;&#38;" in page


def test_the_scale_reaches_down_to_an_even_share(alone: Page) -> None:
    keys = [9, 300, 1000, 3000, 32768, 131072]
    floors = alone.evaluate("async (keys) => keys.map((await import('/js/map/colour.js')).floorOf)", keys)
    assert floors == pytest.approx([1e-4, 1e-4, 1e-4, 1e-5, 1e-6, 1e-7])
