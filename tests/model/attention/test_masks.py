"""Masks as predicates, drawn out by hand."""

import pytest
import torch

from model.attention import masks
from model.attention.masks import Causal, Full, Mask, Padding, SlidingWindow
from model.errors import TraceError


def drawn(mask: Mask, queries: int, keys: int) -> list[str]:
    return ["".join("x" if cell else "." for cell in row) for row in mask.dense(queries, keys)[0].tolist()]


def test_causal() -> None:
    assert drawn(Causal(), 3, 3) == ["x..", "xx.", "xxx"]


def test_causal_after_a_cache() -> None:
    assert drawn(Causal(2), 2, 4) == ["xxx.", "xxxx"]


def test_sliding_window_looks_both_ways_and_backwards_with_causal() -> None:
    assert drawn(SlidingWindow(2), 3, 4) == ["xx..", "xxx.", ".xxx"]
    assert drawn(SlidingWindow(2) & Causal(), 3, 3) == ["x..", "xx.", ".xx"]


def test_padding_is_per_sequence() -> None:
    dense = Padding(torch.tensor([1, 3])).dense(2, 3)
    assert dense.shape == (2, 2, 3)
    assert dense[0, 0].tolist() == [True, False, False]
    assert bool(dense[1].all())


def test_full_is_neutral() -> None:
    assert Full() & Causal() == Causal()
    assert Causal() & Full() == Causal()
    assert drawn(Full(), 1, 2) == ["xx"]


def test_a_window_of_a_mask_is_its_corner() -> None:
    mask = SlidingWindow(3) & Causal()
    rows, columns = torch.arange(2, 5), torch.arange(1, 4)
    assert torch.equal(mask.visible(rows, columns), mask.dense(6, 6)[:, 2:5, 1:4])


@pytest.mark.parametrize(
    "mask", [Full(), Causal(3), SlidingWindow(4, 1), SlidingWindow(2) & Causal(), Padding(torch.tensor([2, 5]))]
)
def test_a_description_builds_the_same_mask(mask: Mask) -> None:
    assert torch.equal(masks.from_description(mask.describe()).dense(5, 6), mask.dense(5, 6))


@pytest.mark.parametrize(
    "description", [{}, {"kind": "magic"}, {"kind": "sliding_window"}, {"kind": "both", "masks": []}]
)
def test_a_bad_description_is_refused(description: dict[str, object]) -> None:
    with pytest.raises(TraceError, match="mask"):
        masks.from_description(description)
