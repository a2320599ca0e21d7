"""A map at any size: blocks of 2^level x 2^level cells reduced to one, by their largest weight or by their mean.

Nothing of the map's size is ever made. A strip of rows meets a strip of keys, the scores are reduced while they are in
the cache, and a block that the mask hides whole is not computed. The largest weight needs no exponential but that of
the reduced cell: exp is monotonic, so the maximum is taken over score minus log-sum-exp.

Whatever else has a value for each cell is reduced in the same strips. Of signed values the largest is the one that is
farthest from 0, and it keeps its sign.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import ALL, NONE, SOME
from heedmap.model.attention.triton import dispatch
from heedmap.model.attention.triton.problem import Problem
from heedmap.model.errors import RangeError

SIDE = 256  # pixels of a tile
# Cells computed at a time, in a square, since masks run along the diagonal: 4 MiB of float32, which stay in the cache.
BLOCK_CELLS = 1 << 20
LEAST = 256  # cells a side under which a part is computed whole: its own cost is then no more than a call's
# The same on an accelerator without Triton, where a launch costs as much as a million cells: 128 MiB of float32.
DEVICE_BLOCK_CELLS, DEVICE_LEAST = 1 << 25, 1024
KERNEL_BLOCKS = 1 << 24  # of all heads that one launch makes: 64 MiB

How = Literal["max", "mean"]
HOW: tuple[How, ...] = ("max", "mean")


@runtime_checkable
class CellValues(Protocol):
    """What has a value for each cell of a map, as measures have."""

    def window(self, layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
        """The values of a block, for every head of the layer; 0 where masked."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """Blocks of H heads' maps, one cell each.

    values: by `how`, the largest value of each block, or the mean over its visible cells (H R C); visible: how many of
    its cells the mask leaves visible (R C), 0 where the block is masked and its value 0.
    """

    values: Float[Tensor, "H R C"]
    visible: Float[Tensor, "R C"]
    how: How

    def coarser(self) -> "Reduced":
        """The next level: 2 x 2 of these blocks made one."""
        visible = _fold(self.visible).sum(dim=-1)
        if self.how == "max":
            return Reduced(farthest(_fold(self.values), -1), visible, self.how)
        total = _fold(self.values * self.visible).sum(dim=-1)
        return Reduced(total / visible.clamp(min=1), visible, self.how)

    def head(self, index: int) -> "Reduced":
        """One head's."""
        return replace(self, values=self.values[index : index + 1])


def farthest(x: Float[Tensor, "*N"], dim: int) -> Float[Tensor, "*M"]:
    """The value farthest from 0 along an axis, with its sign; of what has no sign the largest."""
    least, most = x.aminmax(dim=dim)
    return torch.where(most >= -least, most, least)


def _fold(x: Float[Tensor, "*H R C"]) -> Float[Tensor, "*H R2 C2 4"]:
    """2 x 2 neighbours on an axis of their own; an odd edge is filled up with 0."""
    x = F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2))
    *heads, rows, columns = x.shape
    return x.view(*heads, rows // 2, 2, columns // 2, 2).transpose(-3, -2).reshape(*heads, rows // 2, columns // 2, 4)


def levels(shape: tuple[int, int]) -> int:
    """How many levels a map has: the last one is a single tile."""
    return max(1, math.ceil(math.log2(max(1, max(shape) / SIDE))) + 1)


def size_at(length: int, level: int) -> int:
    """Blocks along an axis of so many cells."""
    return -(-length // (1 << level))


def reduce(
    layer: AttentionMap, rows: range, cols: range, level: int, how: How = "max", values: CellValues | None = None
) -> Reduced:
    """Blocks of all heads of a map, for the blocks rows x cols of this level: of its weights, or of other values.

    Raises:
        RangeError: the level or the blocks are not of this map.
    """
    return below([part for _, part in reduce_strips(layer, rows, cols, level, how, values)])


def below(parts: list[Reduced]) -> Reduced:
    """Strips of one map, from the top, made one."""
    return _joined(parts, -2)


def reduce_strips(
    layer: AttentionMap, rows: range, cols: range, level: int, how: How = "max", values: CellValues | None = None
) -> Iterator[tuple[range, Reduced]]:
    """`reduce`, a few rows of blocks at a time: what a caller that has other work to do wants.

    Raises:
        RangeError: the level or the blocks are not of this map.
    """
    queries, keys = layer.shape
    if not 0 <= level < 63:
        raise RangeError(f"level {level} does not exist", field="level")
    side = 1 << level
    for name, part, length in (("row", rows, queries), ("col", cols, keys)):
        if not 0 <= part.start < part.stop <= size_at(length, level):
            raise RangeError(
                f"{name}s {part.start}:{part.stop} are not blocks of level {level}, which has {size_at(length, level)}",
                field=name,
            )
    problem, made = None if values is not None else layer.problem(), 0
    if problem is not None:
        for part, reduced in _by_kernel(problem, rows, cols, level, how):
            yield part, reduced
            made += len(part)
    if made == len(rows):
        return
    rows = rows[made:]
    cells = range(cols.start * side, min(cols.stop * side, keys))
    most = BLOCK_CELLS if layer.q.device.type == "cpu" else DEVICE_BLOCK_CELLS
    blocks = max(1, math.isqrt(most // layer.heads) // side)
    chunks = [range(at, min(at + blocks * side, cells.stop)) for at in range(cells.start, cells.stop, blocks * side)]
    for start in range(rows.start, rows.stop, blocks):
        part = range(start, min(start + blocks, rows.stop))
        strip = range(part.start * side, min(part.stop * side, queries))
        yield part, _beside([_part(layer, strip, chunk, side, how, values) for chunk in chunks])


def _by_kernel(problem: Problem, rows: range, cols: range, level: int, how: How) -> Iterator[tuple[range, Reduced]]:
    """Strips by a launch each, as far as the kernel makes them: blocks of a tile at most, larger ones folded."""
    heads, queries, keys = problem.shape
    base = min(level, dispatch.largest_side(problem).bit_length() - 1)
    side, folds = 1 << level, level - base
    cells = range(cols.start * side, min(cols.stop * side, keys))
    step = max(1, KERNEL_BLOCKS // (heads * size_at(len(cells), base)) >> folds)
    for start in range(rows.start, rows.stop, step):
        part = range(start, min(start + step, rows.stop))
        strip = range(part.start * side, min(part.stop * side, queries))
        made = dispatch.overview(problem, strip, cells, 1 << base, how == "mean")
        if made is None:
            return
        reduced = Reduced(*made, how)
        for _ in range(folds):
            reduced = reduced.coarser()
        yield part, reduced


def _part(
    layer: AttentionMap, rows: range, cols: range, side: int, how: How, values: CellValues | None = None
) -> Reduced:
    """A rectangle of cells: halved where the mask hides some of it, until a part is hidden, seen whole, or small."""
    coverage = layer.mask.covers(rows, cols)
    if coverage == NONE:
        empty = torch.zeros(layer.heads, -(-len(rows) // side), -(-len(cols) // side), device=layer.q.device)
        return Reduced(empty, empty[0], how)
    least = max(side, LEAST if layer.q.device.type == "cpu" else DEVICE_LEAST)
    if coverage == SOME and max(len(rows), len(cols)) > least:
        tall, wide = (_halves(part, side, least) for part in (rows, cols))
        return below([_beside([_part(layer, row, col, side, how, values) for col in wide]) for row in tall])
    if values is not None:
        return _block_of(values, layer, rows, cols, side, how, whole=coverage == ALL)
    return _block(layer, rows, cols, side, how, whole=coverage == ALL)


def _halves(part: range, side: int, least: int) -> list[range]:
    """Two halves, cut between blocks, or the whole where it is small already."""
    if len(part) <= least:
        return [part]
    middle = part.start + -(-len(part) // (2 * side)) * side
    return [range(part.start, middle), range(middle, part.stop)]


def _beside(parts: list[Reduced]) -> Reduced:
    return _joined(parts, -1)


def _joined(parts: list[Reduced], dim: int) -> Reduced:
    if len(parts) == 1:
        return parts[0]
    values, visible = (torch.cat([getattr(part, name) for part in parts], dim=dim) for name in ("values", "visible"))
    return Reduced(values, visible, parts[0].how)


def _block(layer: AttentionMap, rows: range, cols: range, side: int, how: How, *, whole: bool) -> Reduced:
    exponent = layer.exponents(slice(rows.start, rows.stop), slice(cols.start, cols.stop))
    hidden = None if whole else ~layer.visible(slice(rows.start, rows.stop), slice(cols.start, cols.stop))
    if hidden is not None:
        exponent.masked_fill_(hidden, -math.inf)
    bottom, right = -len(rows) % side, -len(cols) % side
    if bottom or right:
        exponent = F.pad(exponent, (0, right, 0, bottom), value=-math.inf)
    height, width = exponent.shape[1] // side, exponent.shape[2] // side
    visible = _visible_cells(hidden, len(rows), len(cols), side, exponent.device)
    # Down first: neighbours in memory then meet neighbours, and what is left to do along a row is a side-th of it.
    down, along = (layer.heads, height, side, -1), (layer.heads, height, width, side)
    if how == "max":
        values = exponent.view(down).amax(dim=2).view(along).amax(dim=3).exp_()
    else:
        values = exponent.exp_().view(down).sum(dim=2).view(along).sum(dim=3) / visible.to(exponent).clamp(min=1)
    return Reduced(values.float(), visible, how)


def _block_of(
    values: CellValues, layer: AttentionMap, rows: range, cols: range, side: int, how: How, *, whole: bool
) -> Reduced:
    part = slice(rows.start, rows.stop), slice(cols.start, cols.stop)
    block = values.window(layer, *part)
    hidden = None if whole else ~layer.visible(*part)
    block = F.pad(block, (0, -len(cols) % side, 0, -len(rows) % side))  # by 0, which is what a masked cell has
    height, width = block.shape[1] // side, block.shape[2] // side
    visible = _visible_cells(hidden, len(rows), len(cols), side, block.device)
    down, along = (layer.heads, height, side, -1), (layer.heads, height, width, side)
    if how == "max":
        reduced = farthest(farthest(block.view(down), 2).view(along), 3)
    else:
        reduced = block.view(down).sum(dim=2).view(along).sum(dim=3) / visible.to(block).clamp(min=1)
    return Reduced(reduced.float(), visible, how)


def _visible_cells(
    hidden: Bool[Tensor, "N C"] | None, rows: int, cols: int, side: int, device: torch.device
) -> Float[Tensor, "R2 C2"]:
    """How many cells of each block are visible, of so many rows and columns that begin with a block."""
    bottom, right = -rows % side, -cols % side
    height, width = (rows + bottom) // side, (cols + right) // side
    if hidden is None:
        tall, wide = (torch.full((count,), float(side), device=device) for count in (height, width))
        tall[-1] -= bottom
        wide[-1] -= right
        return tall[:, None] * wide[None, :]
    cells = F.pad((~hidden).float(), (0, right, 0, bottom))
    return cells.view(height, side, -1).sum(dim=1).view(height, width, side).sum(dim=-1)
