"""Reduced maps beside the same reduction of the dense map, at every level, over random maps of every kind."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from heedmap.model.attention import tiles
from heedmap.model.attention.biases import Toeplitz
from heedmap.model.attention.kernels import plain
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import ALL, NONE, Blocks, Causal, Full, Given, Mask, Padding, SlidingWindow
from heedmap.model.attention.scores import ScaledDot, SoftCapped
from heedmap.model.attention.tiles import HOW, How, Reduced, levels, reduce, reduce_strips, size_at
from heedmap.model.errors import RangeError


def random_map(
    queries: int, keys: int, mask: Mask, *, bias: bool = False, capped: bool = False, sink: bool = False,
    dtype: torch.dtype = torch.float32, seed: int = 0,
) -> AttentionMap:  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(1, 2, queries, 8, generator=generator).to(dtype)
    k, v = (torch.randn(1, 1, keys, 8, generator=generator).to(dtype) for _ in range(2))
    score = SoftCapped(0.7, 2.0) if capped else ScaledDot(0.7)
    added = Toeplitz(torch.randn(2, queries + keys - 1, generator=generator), queries) if bias else None
    cells = None if added is None else added.cells(torch.arange(queries), torch.arange(keys))[None]
    _, lse = plain(q, k, v, mask, cells, score)
    if sink:
        lse = torch.logaddexp(lse, torch.zeros(()))
    return AttentionMap(q[0], k[0], v[0], lse[0].float(), score, mask, added)


def masks_of(queries: int, keys: int, kind: str, size: int) -> Mask:
    match kind:
        case "causal":
            return Causal(keys - queries)
        case "window":
            return Causal() & SlidingWindow(size)
        case "both ways":
            return SlidingWindow(size)
        case "padding":
            return Padding(torch.tensor([max(1, keys - size)]))
        case "blocks":
            return Blocks(torch.arange(max(queries, keys)) // size)
        case "given":
            return Given(torch.rand(1, queries, keys, generator=torch.Generator().manual_seed(size)) < 0.3)
    return Full()


KINDS = ["full", "causal", "window", "both ways", "padding", "blocks", "given"]


def reference(layer: AttentionMap, level: int, how: How) -> Reduced:
    """The same reduction of the dense map, cell by cell."""
    dense, mask, side = layer.dense(), layer.visible(), 1 << level
    height, width = (size_at(length, level) for length in layer.shape)
    values, visible = torch.zeros(layer.heads, height, width), torch.zeros(height, width)
    for row in range(height):
        for column in range(width):
            block = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
            cells = dense[:, *block][:, mask[block]]
            visible[row, column] = cells.shape[1]
            if cells.shape[1]:
                values[:, row, column] = cells.amax(1) if how == "max" else cells.mean(1)
    return Reduced(values, visible, how)


def agree(actual: Reduced, expected: Reduced) -> None:
    assert actual.how == expected.how
    assert torch.equal(actual.visible, expected.visible)
    torch.testing.assert_close(actual.values, expected.values, atol=1e-6, rtol=1e-5)


@settings(max_examples=150, deadline=None)
@given(
    queries=st.integers(1, 40),
    keys=st.integers(1, 40),
    kind=st.sampled_from(KINDS),
    size=st.integers(1, 12),
    level=st.integers(0, 6),
    head=st.sampled_from([0, 1, None]),
    how=st.sampled_from(HOW),
    bias=st.booleans(),
    capped=st.booleans(),
    sink=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    strip=st.sampled_from([1, 16, 200, 1 << 20]),
)
def test_every_level_is_the_reduction_of_the_dense_map(
    queries: int, keys: int, kind: str, size: int, level: int, head: int | None, how: How, bias: bool, capped: bool,
    sink: bool, dtype: torch.dtype, strip: int,
) -> None:  # fmt: skip
    mask = masks_of(queries, keys, kind, size)
    layer = random_map(queries, keys, mask, bias=bias, capped=capped, sink=sink, dtype=dtype)
    layer = layer if head is None else layer.head(head)
    whole = range(size_at(queries, level)), range(size_at(keys, level))
    before, tiles.BLOCK_CELLS = tiles.BLOCK_CELLS, strip
    try:
        reduced = reduce(layer, *whole, level, how)
        parts = list(reduce_strips(layer, *whole, level, how))
    finally:
        tiles.BLOCK_CELLS = before
    expected = reference(layer, level, how)
    agree(reduced, expected)
    assert [row for rows, _ in parts for row in rows] == list(whole[0])
    row, column = len(whole[0]) // 2, len(whole[1]) // 3
    corner = reduce(layer, range(row, len(whole[0])), range(column, len(whole[1])), level, how)
    agree(corner, Reduced(expected.values[:, row:, column:], expected.visible[row:, column:], how))


@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(1, 40), keys=st.integers(1, 40), kind=st.sampled_from(KINDS), level=st.integers(0, 5),
    how=st.sampled_from(HOW),
)  # fmt: skip
def test_a_coarser_level_comes_from_the_finer_one(queries: int, keys: int, kind: str, level: int, how: How) -> None:
    layer = random_map(queries, keys, masks_of(queries, keys, kind, 3))
    fine = reduce(layer, range(size_at(queries, level)), range(size_at(keys, level)), level, how)
    agree(fine.coarser(), reference(layer, level + 1, how))
    agree(fine.coarser().head(1), reference(layer.head(1), level + 1, how))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(KINDS), st.integers(1, 9), st.integers(0, 19), st.integers(1, 9), st.integers(0, 19),
    st.integers(1, 9),
)  # fmt: skip
def test_what_a_mask_says_of_a_block_is_true(
    kind: str, size: int, row: int, height: int, column: int, width: int
) -> None:
    mask = masks_of(20, 24, kind, size)
    rows, columns = range(row, min(20, row + height)), range(column, min(24, column + width))
    cells = mask.dense(20, 24)[0, rows.start : rows.stop, columns.start : columns.stop]
    coverage = mask.covers(rows, columns)
    assert (coverage == NONE) == (not cells.any())
    assert (coverage == ALL) == bool(cells.all())


def hot(length: int, row: int, column: int) -> AttentionMap:
    """A causal map that is uniform but for one cell of weight one half."""
    q, k = torch.zeros(1, length, 2), torch.zeros(1, length, 2)
    q[0, row, 0], k[0, column, 0] = 1.0, math.log(row)
    lse = torch.log(torch.arange(1.0, length + 1))[None]
    lse[0, row] = math.log(2 * row)
    return AttentionMap(q, k, torch.zeros(1, length, 1), lse, ScaledDot(1.0), Causal())


def test_one_hot_cell_of_a_long_map_is_seen_at_every_level() -> None:
    length, row, column = 32_768, 30_001, 17_003
    layer = hot(length, row, column)
    assert float(layer.window(slice(row, row + 1), slice(column, column + 1))) == pytest.approx(0.5)
    for level in range(levels((length, length))):
        here = range(row >> level, (row >> level) + 1), range(column >> level, (column >> level) + 1)
        assert float(reduce(layer, *here, level).values) == pytest.approx(0.5)


def test_nothing_of_the_maps_size_is_allocated() -> None:
    layer = hot(8192, 8000, 3000)
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            result = function(*args, **(kwargs or {}))
            for value in result if isinstance(result, tuple | list) else [result]:
                if isinstance(value, Tensor):
                    largest = max(largest, value.numel())
            return result

    with Watch():
        reduced = reduce(layer, range(1024), range(1024), 3)
    assert reduced.values.shape == (1, 1024, 1024)
    assert 1 << 18 < largest <= 2 * tiles.BLOCK_CELLS  # the watch sees something; the map has 64 times as many cells


def test_masked_blocks_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = random_map(512, 512, Causal() & SlidingWindow(8)).head(0)
    monkeypatch.setattr(tiles, "BLOCK_CELLS", 1024)
    cells = 0
    exponents = AttentionMap.exponents

    def counted(self: AttentionMap, rows: slice, cols: slice) -> Tensor:
        nonlocal cells
        cells += (rows.stop - rows.start) * (cols.stop - cols.start)
        return exponents(self, rows, cols)

    monkeypatch.setattr(AttentionMap, "exponents", counted)
    reduce(layer, range(128), range(128), 2)
    assert 0 < cells < 512 * 512 / 8


def test_blocks_outside_are_told() -> None:
    one = random_map(20, 30, Full()).head(0)
    for rows, columns, level, field in (
        (range(21), range(1), 0, "row"),
        (range(1), range(9), 2, "col"),
        (range(0), range(1), 0, "row"),
        (range(1), range(1), -1, "level"),
        (range(1), range(1), 99, "level"),
    ):
        with pytest.raises(RangeError) as caught:
            reduce(one, rows, columns, level)
        assert caught.value.field == field


def test_levels_end_with_one_tile() -> None:
    assert [levels((n, n)) for n in (1, 256, 257, 512, 513, 32_768, 131_072)] == [1, 1, 2, 2, 3, 8, 10]
    assert levels((7, 1000)) == 3
