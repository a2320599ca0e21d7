"""Blocks of maps reduced to one value each, of all heads of a layer in one launch; no cell is written.

A program holds a tile of queries and lets a run of the keys that they may see go by. Of each tile of products only the
largest in each row of a block is looked at again: scale, soft-cap and log-sum-exp keep the order, so they are applied
to one value of 2^level, and the exponential to one of 4^level. A mean takes the exponential of every cell. Levels
whose blocks are larger than a tile are folded from the tile's.

What an overview of one causal head of 131,072 tokens, D 64, costs (level 6, 2,048 blocks a side), beside the fused
forward of that head:

    products          131,072^2 / 2 * 64 * 2 = 1.1e12 operations       the forward has twice as many: 2.2e12
    maxima            8.6e9 comparisons, one a cell                     the forward: as many exponentials besides
    read from memory  q and k, 34 MB in bfloat16, 67 MB in float32      the forward: values besides
    read from cache   each tile of queries its keys: 8.6 GB in          the forward: twice as much
                      bfloat16 (tiles of 128), 34 GB in float32 (64)
    written           2,048^2 cells, 17 MB, and as much of counts       the forward: 17 MB in bfloat16

So it is bound by half of the forward's products. On an H100 or H200 1.1e12 operations take 1.1 ms in bfloat16 at the
peak of 990 Tflop/s, and 16 ms in float32 at 67 Tflop/s, where a forward takes 5 and 69: with a tile's reductions, which
are not hidden behind the products of the same program, an estimate of 0.5 to 1.5 of the forward in bfloat16 and of 0.25
to 0.6 in float32.
"""

# ruff: noqa: N803, N806 - what is compiled into a kernel is written large, as everywhere in Triton

from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.triton.language import (
    FLOAT_TILE,
    HALF_CHUNK,
    HALF_TILE,
    block,
    constants,
    denominator,
    exponents,
    kernel,
    numbers,
    products,
    score,
    tensors,
)
from heedmap.model.attention.triton.problem import Problem

LEAST_SIDE = 16  # of the blocks that large tiles are made for: those of smaller ones leave too much in registers
REGISTERS = 128  # a thread of eight warps, so that two programs share a processor and hide each other's reductions
RUN = 16  # tiles of keys that one program lets go by: enough to make up for its start, few enough to share the work


def largest_side(problem: Problem) -> int:
    """Cells a side of the largest blocks that the kernel makes; larger ones are folded from these."""
    light = problem.q.dtype != torch.float32 and problem.q.shape[2] <= HALF_CHUNK and problem.bias is None
    return HALF_TILE if light else FLOAT_TILE


@kernel("row_start", "row_stop", "col_start", "col_stop", "keys", "low", "high", "stop", "origin", "group")
def _overview(  # type: ignore[no-untyped-def]
    q, k, lse, bias, q_head, q_row, k_head, k_row, lse_head, bias_head, group,
    values, counts, row_start, row_stop, col_start, col_stop,
    keys, low, high, stop, origin, scale, cap,
    D: tl.constexpr, CHUNK: tl.constexpr, CAPPED: tl.constexpr, BIASED: tl.constexpr, WIDEN: tl.constexpr,
    TILE: tl.constexpr, SIDE: tl.constexpr, RUN: tl.constexpr, MEAN: tl.constexpr,
):  # fmt: skip
    PARTS: tl.constexpr = TILE // SIDE
    head = tl.program_id(2).to(tl.int64)
    q += head * q_head
    k += head // group * k_head
    bias += head * bias_head
    top = row_start + tl.program_id(0) * TILE
    bottom = tl.minimum(top + TILE, row_stop)
    left = col_start + tl.program_id(1) * RUN * TILE
    begin = left + tl.maximum(top + low - left, 0) // TILE * TILE  # the run that some of these rows see
    end = tl.minimum(tl.minimum(left + RUN * TILE, col_stop), tl.minimum(bottom - 1 + high, stop))

    rows = top + tl.arange(0, TILE)
    row_inside = rows < bottom
    first = tl.maximum(rows + low, 0)
    last = tl.where(row_inside, tl.minimum(rows + high, stop), 0)
    base = denominator(lse + head * lse_head, rows, row_inside)
    held = block(q, rows, row_inside, q_row, 0, D, CHUNK, WIDEN)
    height, width = tl.cdiv(row_stop - row_start, SIDE), tl.cdiv(col_stop - col_start, SIDE)
    down = (top - row_start) // SIDE + tl.arange(0, PARTS)

    for start in range(begin, end, TILE):
        cols = start + tl.arange(0, TILE)
        col_inside = cols < keys
        product = products(held, q, rows, row_inside, q_row, k, cols, col_inside, k_row, TILE, TILE, D, CHUNK, WIDEN)
        if MEAN or BIASED:
            reduced = exponents(
                product, bias, rows, row_inside, cols, col_inside, base, first, last, origin, scale, cap,
                CAPPED, BIASED,
            )  # fmt: skip
            if MEAN:
                reduced = tl.exp(reduced)
            if SIDE > 1:
                reduced = tl.reshape(reduced, (TILE, PARTS, SIDE))
                reduced = tl.sum(reduced, 2) if MEAN else tl.max(reduced, 2)
        else:
            reduced = product
            if (start < bottom - 1 + low) | (start + TILE > tl.minimum(top + high, stop)):  # some of it is hidden
                visible = (cols[None, :] >= first[:, None]) & (cols[None, :] < last[:, None])
                reduced = tl.where(visible, product, float("-inf"))
            if SIDE > 1:
                reduced = tl.max(tl.reshape(reduced, (TILE, PARTS, SIDE)), 2)
            hidden = reduced == float("-inf")
            reduced = tl.where(hidden, float("-inf"), score(reduced, scale, cap, CAPPED) - base[:, None])
        if not MEAN:
            reduced = tl.where(reduced == reduced, reduced, float("inf"))  # a maximum would pass over what is no number
        if SIDE > 1:
            reduced = tl.reshape(reduced, (PARTS, SIDE, PARTS))
            reduced = tl.sum(reduced, 1) if MEAN else tl.max(reduced, 1)

        edges = start + tl.arange(0, PARTS) * SIDE
        seen = tl.minimum(last[:, None], edges[None, :] + SIDE) - tl.maximum(first[:, None], edges[None, :])
        seen = tl.sum(tl.reshape(tl.maximum(seen, 0), (PARTS, SIDE, PARTS)), 1).to(tl.float32)
        reduced = reduced / tl.maximum(seen, 1.0) if MEAN else tl.exp(reduced)

        along = (start - col_start) // SIDE + tl.arange(0, PARTS)
        inside = (down < height)[:, None] & (along < width)[None, :]
        to = down.to(tl.int64)[:, None] * width + along[None, :]
        tl.store(values + head * height * width + to, reduced, mask=inside)
        tl.store(counts + to, seen, mask=inside & (head == 0))


def overview(
    problem: Problem, rows: range, cols: range, side: int, mean: bool
) -> tuple[Float[Tensor, "H R C"], Float[Tensor, "R C"]]:
    """Values of the blocks of side x side cells under these rows and columns of cells, and their visible cells.

    rows and cols begin at a block's first cell; side: a power of 2, `largest_side` at most. The largest weight of a
    block with a weight that is no number is infinite.
    """
    heads, device = problem.shape[0], problem.q.device
    height, width = (triton.cdiv(len(part), side) for part in (rows, cols))
    values = torch.zeros(heads, height, width, device=device)  # blocks that the mask hides are not visited
    counts = torch.zeros(height, width, device=device)
    tile = largest_side(problem) if side >= LEAST_SIDE else FLOAT_TILE
    grid = (triton.cdiv(len(rows), tile), triton.cdiv(len(cols), RUN * tile), heads)
    sizes: dict[str, Any] = {"TILE": tile, "SIDE": side, "RUN": RUN, "MEAN": mean}
    launch = {"num_warps": 8 if tile == HALF_TILE else 4, "num_stages": 2}
    if tile == HALF_TILE and torch.version.hip is None:  # an option of NVIDIA's compiler alone
        launch["maxnreg"] = REGISTERS
    _overview[grid](
        *tensors(problem), values, counts, rows.start, rows.stop, cols.start, cols.stop, *numbers(problem),
        **constants(problem), **sizes, **launch,
    )  # fmt: skip
    return values, counts
