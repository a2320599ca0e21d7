"""Masks as predicates, drawn out by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from heedmap.model.attention import masks
from heedmap.model.attention.masks import (
    Blocks,
    Causal,
    Full,
    Given,
    Mask,
    Padding,
    SlidingWindow,
    from_description,
    recognise,
)
from heedmap.model.errors import TraceError


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


@given(st.integers(1, 12), st.integers(0, 5), st.integers(1, 6), st.sampled_from(["full", "causal", "window", "both"]))
def test_recognised_masks_have_the_same_cells(queries: int, more: int, size: int, kind: str) -> None:
    keys, offset = queries + more, more
    window = SlidingWindow(size, offset)
    mask = {"full": Full(), "causal": Causal(offset), "window": window, "both": Causal(offset) & window}[kind]
    cells = mask.dense(queries, keys)[0]
    recognised = recognise(cells)
    assert torch.equal(recognised.dense(queries, keys)[0], cells)
    if kind != "window" or more == 0:  # a window over the edges of a wide map is told from its first row alone
        assert not isinstance(recognised, Given)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31 - 1))
def test_any_cells_survive_the_way_through_a_file(queries: int, keys: int, seed: int) -> None:
    cells = torch.rand(queries, keys, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask = recognise(cells)
    again = from_description(mask.describe(), mask.tensors())
    assert torch.equal(again.dense(queries, keys)[0], cells)


def test_cells_are_packed_eight_to_a_byte_the_first_in_the_highest_bit() -> None:
    cells = torch.tensor([[True, False, True], [False, True, False], [False, False, True]])
    assert Given(cells[None]).tensors()["visible"].tolist() == [0b10101000, 0b10000000]


def test_blocks_see_their_own_block() -> None:
    mask = Blocks(torch.tensor([0, 0, 1]))
    assert mask.dense(3, 3)[0].tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    assert torch.equal(from_description(mask.describe(), mask.tensors()).dense(3, 3), mask.dense(3, 3))


def test_padding_is_gone_from_a_sequence_that_is_cut_to_its_length() -> None:
    padding = Padding(torch.tensor([3, 5]))
    assert isinstance(padding.of(0, 3, 3), Full)
    assert not isinstance(padding.of(0, 5, 5), Full)
    assert isinstance((padding & Causal()).of(1, 5, 5), Causal)
