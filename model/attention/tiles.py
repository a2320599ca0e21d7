"""A map at any size: blocks of 2^level x 2^level cells reduced to one, by their largest weight and by their mean.

Nothing of the map's size is ever made. A strip of rows meets a strip of keys, the scores are reduced while they are in
the cache, and a block that the mask hides whole is not computed. The largest weight needs no exponential but that of
the reduced cell: exp is monotonic, so the maximum is taken over score minus log-sum-exp.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from model.attention.maps import AttentionMap
from model.attention.masks import ALL, NONE, SOME
from model.errors import RangeError

SIDE = 256  # pixels of a tile
# Cells computed at a time, in a square, since masks run along the diagonal: 4 MiB of float32, which stay in the cache.
BLOCK_CELLS = 1 << 20
LEAST = 256  # cells a side under which a part is computed whole: its own cost is then no more than a call's


@dataclass(frozen=True, eq=False)
class Reduced:
    """Blocks of a map, one cell each.

    largest: the largest weight of each block (R C); mean: over the block's visible cells (R C), or over all of them
    where `visible` says so; visible: how many of its cells the mask leaves visible (R C), 0 where the block is masked.
    """

    largest: Float[Tensor, "R C"]
    mean: Float[Tensor, "R C"]
    visible: Float[Tensor, "R C"]

    def coarser(self) -> "Reduced":
        """The next level: 2 x 2 of these blocks made one."""
        visible = _fold(self.visible).sum(dim=-1)
        total = _fold(self.mean * self.visible).sum(dim=-1)
        return Reduced(_fold(self.largest).amax(dim=-1), total / visible.clamp(min=1), visible)


def _fold(x: Float[Tensor, "R C"]) -> Float[Tensor, "R2 C2 4"]:
    """2 x 2 neighbours on an axis of their own; an odd edge is filled up with 0."""
    x = F.pad(x, (0, x.shape[1] % 2, 0, x.shape[0] % 2))
    rows, columns = x.shape
    return x.view(rows // 2, 2, columns // 2, 2).transpose(1, 2).reshape(rows // 2, columns // 2, 4)


def levels(shape: tuple[int, int]) -> int:
    """How many levels a map has: the last one is a single tile."""
    return max(1, math.ceil(math.log2(max(1, max(shape) / SIDE))) + 1)


def size_at(length: int, level: int) -> int:
    """Blocks along an axis of so many cells."""
    return -(-length // (1 << level))


def reduce(layer: AttentionMap, rows: range, cols: range, level: int) -> Reduced:
    """Blocks of one head's map, for the blocks rows x cols of this level.

    Raises:
        RangeError: the level or the blocks are not of this map.
    """
    return below([part for _, part in reduce_strips(layer, rows, cols, level)])


def below(parts: list[Reduced]) -> Reduced:
    """Strips of one map, from the top, made one."""
    return parts[0] if len(parts) == 1 else Reduced(*(torch.cat(same, dim=0) for same in _fields(parts)))


def reduce_strips(layer: AttentionMap, rows: range, cols: range, level: int) -> Iterator[tuple[range, Reduced]]:
    """`reduce`, a few rows of blocks at a time: what a caller that has other work to do wants.

    Raises:
        RangeError: the level or the blocks are not of this map.
    """
    if layer.heads != 1:
        raise RangeError("a map is reduced head by head: take `head(index)` first", field="head")
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
    cells = range(cols.start * side, min(cols.stop * side, keys))
    step = max(1, math.isqrt(BLOCK_CELLS) // side)
    for start in range(rows.start, rows.stop, step):
        part = range(start, min(start + step, rows.stop))
        yield part, _strip(layer, range(part.start * side, min(part.stop * side, queries)), cells, side)


def _strip(layer: AttentionMap, rows: range, cols: range, side: int) -> Reduced:
    """A strip of rows against all columns, some columns at a time."""
    width = max(side, math.isqrt(BLOCK_CELLS) // side * side)
    chunks = [range(start, min(start + width, cols.stop)) for start in range(cols.start, cols.stop, width)]
    return _beside([_part(layer, rows, chunk, side) for chunk in chunks])


def _part(layer: AttentionMap, rows: range, cols: range, side: int) -> Reduced:
    """A rectangle of cells: halved where the mask hides some of it, until a part is hidden, seen whole, or small."""
    coverage = layer.mask.covers(rows, cols)
    if coverage == NONE:
        empty = torch.zeros(-(-len(rows) // side), -(-len(cols) // side), device=layer.q.device)
        return Reduced(empty, empty, empty)
    least = max(side, LEAST)
    if coverage == SOME and max(len(rows), len(cols)) > least:
        tall, wide = (_halves(part, side, least) for part in (rows, cols))
        return below([_beside([_part(layer, row, col, side) for col in wide]) for row in tall])
    return _block(layer, rows, cols, side, whole=coverage == ALL)


def _halves(part: range, side: int, least: int) -> list[range]:
    """Two halves, cut between blocks, or the whole where it is small already."""
    if len(part) <= least:
        return [part]
    middle = part.start + -(-len(part) // (2 * side)) * side
    return [range(part.start, middle), range(middle, part.stop)]


def _beside(parts: list[Reduced]) -> Reduced:
    return parts[0] if len(parts) == 1 else Reduced(*(torch.cat(same, dim=1) for same in _fields(parts)))


def _fields(parts: list[Reduced]) -> list[list[Tensor]]:
    return [[getattr(part, name) for part in parts] for name in ("largest", "mean", "visible")]


def _block(layer: AttentionMap, rows: range, cols: range, side: int, *, whole: bool) -> Reduced:
    exponent = layer.exponents(slice(rows.start, rows.stop), slice(cols.start, cols.stop))[0]
    hidden = None if whole else ~layer.visible(slice(rows.start, rows.stop), slice(cols.start, cols.stop))
    if hidden is not None:
        exponent.masked_fill_(hidden, -math.inf)
    bottom, right = -len(rows) % side, -len(cols) % side
    if bottom or right:
        exponent = F.pad(exponent, (0, right, 0, bottom), value=-math.inf)
    height, width = exponent.shape[0] // side, exponent.shape[1] // side
    largest = exponent.view(-1, width, side).amax(dim=-1).view(height, side, width).amax(dim=1).exp_()
    total = exponent.exp_().view(-1, width, side).sum(dim=-1).view(height, side, width).sum(dim=1)
    if hidden is None:
        tall = torch.full((height,), float(side), device=exponent.device)
        tall[-1] -= bottom
        wide = torch.full((width,), float(side), device=exponent.device)
        wide[-1] -= right
        visible = tall[:, None] * wide[None, :]
    else:
        seen = F.pad((~hidden).to(exponent.dtype), (0, right, 0, bottom))
        visible = seen.view(-1, width, side).sum(dim=-1).view(height, side, width).sum(dim=1)
    return Reduced(largest.float(), (total / visible.to(total).clamp(min=1)).float(), visible.float())
