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
from model.attention.masks import ALL, NONE
from model.errors import RangeError

SIDE = 256  # pixels of a tile
# Cells computed at a time, in a square, since masks run along the diagonal: 4 MiB of float32, which stay in the cache.
BLOCK_CELLS = 1 << 20
OVERVIEW = 1024  # pixels of the coarsest level that is kept ready: about a screen


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
    parts = [part for _, part in reduce_strips(layer, rows, cols, level)]
    return Reduced(*(torch.cat([getattr(p, name) for p in parts]) for name in ("largest", "mean", "visible")))


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
    height = -(-len(rows) // side)
    width = max(side, math.isqrt(BLOCK_CELLS) // side * side)
    parts: list[Reduced] = []
    for start in range(cols.start, cols.stop, width):
        chunk = range(start, min(start + width, cols.stop))
        coverage = layer.mask.covers(rows, chunk)
        if coverage == NONE:
            empty = torch.zeros(height, -(-len(chunk) // side), device=layer.q.device)
            parts.append(Reduced(empty, empty, empty))
        else:
            parts.append(_block(layer, rows, chunk, side, whole=coverage == ALL))
    return Reduced(*(torch.cat([getattr(p, name) for p in parts], dim=1) for name in ("largest", "mean", "visible")))


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
