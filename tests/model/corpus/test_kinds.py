"""Kinds of heads made by hand, and that the page has the same numbers."""

import re
from dataclasses import replace

import pytest

from heedmap.app.settings import STATIC
from heedmap.model.attention.masks import Causal
from heedmap.model.corpus.kinds import ABOVE_EVEN, KINDS, LEAST, TOLD, even_weight, kinds_of, least_weight
from tests.small_trace import K, Q, small_trace


@pytest.mark.parametrize(
    ("values", "even", "kinds"),
    [
        ({"previous": 0.3, "sink": 0.29}, 0.01, ["previous"]),
        ({"previous": 0.29, "duplicate": None, "induction": 0.9, "sink": 0.31}, 0.01, ["induction", "sink"]),
        ({"previous": 0.5, "sink": 0.61}, 0.4, ["sink"]),  # of so few keys each has 0.4 anyhow: over 0.6 is much
        ({"entropy": 3.0, "max": 1.0}, 0.01, []),
        ({}, 0.01, []),
    ],
)
def test_a_head_is_what_its_weights_say(values: dict[str, float | None], even: float, kinds: list[str]) -> None:
    assert kinds_of("encoder", (0, 1), values, even, (0, 1)) == kinds
    assert kinds_of("cross", (0, 1), values, even, (0, 1)) == ["aligns", *kinds]
    assert kinds_of("cross", (0, 0), values, even, (0, 1)) == kinds
    assert kinds_of("cross", (0, 0), values, even, None) == kinds


def test_what_a_head_that_looks_everywhere_has() -> None:
    layer = small_trace("a", "b").layers["cross"][0]
    assert even_weight(layer) == pytest.approx(1 / K)
    causal = replace(layer, mask=Causal())
    assert even_weight(causal) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / Q)
    assert least_weight(1 / 7) == LEAST
    assert least_weight(0.4) == pytest.approx(0.6)


def test_the_page_has_the_same_numbers_and_kinds() -> None:
    source = (STATIC / "js" / "map" / "grid" / "kinds.js").read_text(encoding="utf-8")
    numbers = {name: float(value) for name, value in re.findall(r"export const (\w+) = ([\d.]+);", source)}
    assert numbers == {"LEAST": LEAST, "ABOVE_EVEN": ABOVE_EVEN}
    [told] = re.findall(r"const TOLD = (\[.*?\]);", source)
    assert tuple(re.findall(r'"(\w+)"', told)) == TOLD
    [aligns] = re.findall(r'const ALIGNS = "(\w+)";', source)
    assert (aligns, *TOLD) == KINDS
