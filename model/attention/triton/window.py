"""The exact weights of any rows and a run of columns, of all heads in one launch."""

# ruff: noqa: N803 - what is compiled into a kernel is written large, as everywhere in Triton

from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.attention.triton.language import (
    LEAST_DOT,
    block,
    constants,
    denominator,
    exponents,
    kernel,
    numbers,
    products,
    tensors,
)
from heedmap.model.attention.triton.problem import Problem

TILE = 64  # cells a side: what is written costs more than what is multiplied


@kernel("count", "left", "right", "keys", "low", "high", "stop", "origin", "group")
def _window(  # type: ignore[no-untyped-def]
    q, k, lse, bias, q_head, q_row, k_head, k_row, lse_head, bias_head, group,
    weights, index, count, left, right,
    keys, low, high, stop, origin, scale, cap,
    D: tl.constexpr, CHUNK: tl.constexpr, CAPPED: tl.constexpr, BIASED: tl.constexpr, WIDEN: tl.constexpr,
    ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    head = tl.program_id(2).to(tl.int64)
    q += head * q_head
    k += head // group * k_head
    place = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    row_inside = place < count
    rows = tl.load(index + place, mask=row_inside, other=0).to(tl.int32)
    cols = left + tl.program_id(1) * COLS + tl.arange(0, COLS)
    col_inside = cols < right
    first = tl.maximum(rows + low, 0)
    last = tl.where(row_inside, tl.minimum(rows + high, stop), 0)
    value = tl.zeros((ROWS, COLS), dtype=tl.float32)
    start = left + tl.program_id(1) * COLS
    if (tl.max(last, 0) > start) & (tl.min(first, 0) < start + COLS):
        held = block(q, rows, row_inside, q_row, 0, D, CHUNK, WIDEN)
        product = products(held, q, rows, row_inside, q_row, k, cols, col_inside, k_row, ROWS, COLS, D, CHUNK, WIDEN)
        base = denominator(lse + head * lse_head, rows, row_inside)
        value = tl.exp(
            exponents(
                product, bias + head * bias_head, rows, row_inside, cols, col_inside, base, first, last,
                origin, scale, cap, CAPPED, BIASED,
            )
        )  # fmt: skip
    width = right - left
    to = weights + (head * count + place[:, None]) * width + (cols - left)[None, :]
    tl.store(to, value, mask=row_inside[:, None] & col_inside[None, :])


def window(problem: Problem, rows: Int[Tensor, "R"], cols: range) -> Float[Tensor, "H R C"]:
    """`AttentionMap.window` of these rows, ascending, and columns; float32."""
    heads = problem.shape[0]
    weights = torch.empty(heads, len(rows), len(cols), device=problem.q.device)
    tall = LEAST_DOT if len(rows) <= LEAST_DOT else TILE
    grid = (triton.cdiv(len(rows), tall), triton.cdiv(len(cols), TILE), heads)
    sizes: dict[str, Any] = {"ROWS": tall, "COLS": TILE, "num_warps": 4}
    _window[grid](
        *tensors(problem), weights, rows, len(rows), cols.start, cols.stop, *numbers(problem),
        **constants(problem), **sizes,
    )  # fmt: skip
    return weights
