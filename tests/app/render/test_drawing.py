"""Maps as SVG, and the labels beside them."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from heedmap.app.render.drawing import svg
from heedmap.app.render.labels import readable, short
from heedmap.app.render.sheet import MOST_DRAWN, sheet

CODES = np.array([[255, 0], [1, 128]], np.uint8)
SVG = "{http://www.w3.org/2000/svg}"


def drawn(codes: np.ndarray, **changes: object) -> ElementTree.Element:
    """The drawing of some codes, as a tree."""
    size = codes.shape[-1]
    labels = [f"▁t{place}" for place in range(codes.shape[-2])], [f"▁s{place}" for place in range(size)]
    options = {"title": "a <b> & c", "axes": ("target", "source"), "ends": ("0", "1"), "caption": ["exact"], **changes}
    return ElementTree.fromstring(svg(sheet(codes, *labels, **options)))  # type: ignore[arg-type]


def texts(tree: ElementTree.Element) -> list[str]:
    """What is written in a drawing."""
    return [node.text or "" for node in tree.iter(f"{SVG}text")]


def test_each_visible_cell_is_drawn_in_its_colour() -> None:
    tree = drawn(CODES)
    paths = {path.get("d"): path.get("fill") for path in tree.iter(f"{SVG}path")}
    assert paths == {"M0 0h1v1h-1z": "#ffe945", "M0 1h1v1h-1z": "#00204c", "M1 1h1v1h-1z": "#7c7b76"}
    assert texts(tree)[0] == "a <b> & c"
    assert {"t0", "t1", "s0", "s1", "exact", "masked", "keys: source", "queries: target"} <= set(texts(tree))
    assert "masked" not in texts(drawn(CODES | 1))


def test_heads_stand_beside_each_other() -> None:
    tree = drawn(np.stack([CODES] * 3))
    assert [text for text in texts(tree) if text.startswith("head")] == [f"head {n} · keys: source" for n in range(3)]
    places = [group.get("transform") for group in tree.findall(f"{SVG}g")]
    assert len(set(places)) == 3


def test_many_cells_are_one_picture() -> None:
    codes = np.full((MOST_DRAWN // 64 + 1, 64), 9, np.uint8)
    [image] = drawn(codes).iter(f"{SVG}image")
    assert (image.get("href") or "").startswith("data:image/png;base64,")
    assert not list(drawn(codes).iter(f"{SVG}path"))
    assert list(drawn(codes[1:]).iter(f"{SVG}path"))


def test_control_characters_do_not_break_the_file() -> None:
    drawing = sheet(CODES, ["\x00", "a\nb"], ["x", "y"], title="t", axes=("q", "k"), ends=("0", "1"))
    content = svg(drawing).decode()
    ElementTree.fromstring(content)
    assert not re.search(r"[\x00-\x08]", content)


@pytest.mark.parametrize(
    ("labels", "read"),
    [
        (["▁Ich", "es", ".", "▁", "</s>"], ["Ich", "·es", ".", "␣", "</s>"]),
        (["[CLS]", "play", "##ing"], ["[CLS]", "play", "·ing"]),
        (["wo@@", "rd"], ["wo·", "rd"]),
        (["a", "b"], ["a", "b"]),
    ],
)
def test_tokens_are_shown_as_people_read_them(labels: list[str], read: list[str]) -> None:
    assert readable(labels) == read
    assert short("x" * 20) == "x" * 15 + "…"
