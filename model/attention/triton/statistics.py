"""What kind of head each is: all numbers of `AttentionMap.statistics` in one pass over the rows' visible cells."""

# ruff: noqa: N803 - what is compiled into a kernel is written large, as everywhere in Triton

from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.attention.triton.language import (
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

NAMES = ("entropy", "distance", "sink", "diagonal", "max")
TILE = 64  # cells a side
FLOAT_COLS = 32  # keys a tile of float32, whose products leave registers for fewer
PROGRAMS = 1024  # wanted at once: several for each of a large card's 132 processors
LEAST_RUN = 16  # tiles of keys a program has at least, where the keys are shared out because rows are few


@kernel("count", "queries", "run", "keys", "low", "high", "stop", "origin", "group")
def _statistics(  # type: ignore[no-untyped-def]
    q, k, lse, bias, q_head, q_row, k_head, k_row, lse_head, bias_head, group,
    parts, index, count, queries, run,
    keys, low, high, stop, origin, scale, cap,
    D: tl.constexpr, CHUNK: tl.constexpr, CAPPED: tl.constexpr, BIASED: tl.constexpr, WIDEN: tl.constexpr,
    ROWS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    head = tl.program_id(2).to(tl.int64)
    q += head * q_head
    k += head // group * k_head
    bias += head * bias_head
    place = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    row_inside = place < count
    rows = tl.load(index + place, mask=row_inside, other=0).to(tl.int32)
    first = tl.maximum(rows + low, 0)
    last = tl.where(row_inside, tl.minimum(rows + high, stop), 0)
    left = tl.program_id(1) * run
    begin = tl.maximum(left, tl.min(tl.where(row_inside, first, keys), 0) // COLS * COLS)
    end = tl.minimum(left + run, tl.max(last, 0))
    base = denominator(lse + head * lse_head, rows, row_inside)
    held = block(q, rows, row_inside, q_row, 0, D, CHUNK, WIDEN)
    same = (rows.to(tl.int64) * keys // queries).to(tl.int32)

    entropy = tl.zeros((ROWS,), dtype=tl.float32)
    distance = tl.zeros((ROWS,), dtype=tl.float32)
    sink = tl.zeros((ROWS,), dtype=tl.float32)
    diagonal = tl.zeros((ROWS,), dtype=tl.float32)
    largest = tl.zeros((ROWS,), dtype=tl.float32)
    for start in range(begin, end, COLS):
        cols = start + tl.arange(0, COLS)
        col_inside = cols < keys
        product = products(held, q, rows, row_inside, q_row, k, cols, col_inside, k_row, ROWS, COLS, D, CHUNK, WIDEN)
        exponent = exponents(
            product, bias, rows, row_inside, cols, col_inside, base, first, last, origin, scale, cap, CAPPED, BIASED
        )
        weight = tl.exp(exponent)
        entropy -= tl.sum(weight * tl.where(exponent == float("-inf"), 0.0, exponent), 1)
        distance += tl.sum(weight * tl.abs(cols[None, :] - rows[:, None]).to(tl.float32), 1)
        sink += tl.sum(tl.where(cols[None, :] == 0, weight, 0.0), 1)
        diagonal += tl.sum(tl.where(cols[None, :] == same[:, None], weight, 0.0), 1)
        largest = tl.maximum(largest, tl.max(weight, 1))

    heads, splits = tl.num_programs(2), tl.num_programs(1)
    to = parts + (head * splits + tl.program_id(1)) * count + place
    step = heads.to(tl.int64) * splits * count
    tl.store(to, entropy, mask=row_inside)
    tl.store(to + step, distance, mask=row_inside)
    tl.store(to + 2 * step, sink, mask=row_inside)
    tl.store(to + 3 * step, diagonal, mask=row_inside)
    tl.store(to + 4 * step, largest, mask=row_inside)


def statistics(problem: Problem, rows: Int[Tensor, "R"]) -> dict[str, Float[Tensor, "H"]]:
    """`AttentionMap.statistics` of these rows, ascending: means over them, on the map's device."""
    heads, queries, keys = problem.shape
    columns = FLOAT_COLS if problem.q.dtype == torch.float32 else TILE
    tall, wide = triton.cdiv(len(rows), TILE), triton.cdiv(keys, columns)
    splits = max(1, min(PROGRAMS // (tall * heads), wide // LEAST_RUN))
    run = triton.cdiv(wide, splits) * columns
    splits = triton.cdiv(wide * columns, run)
    parts = torch.empty(len(NAMES), heads, splits, len(rows), device=problem.q.device)
    sizes: dict[str, Any] = {"ROWS": TILE, "COLS": columns, "num_warps": 4, "num_stages": 2}
    _statistics[(tall, splits, heads)](
        *tensors(problem), parts, rows, len(rows), queries, run, *numbers(problem), **constants(problem), **sizes
    )
    totals = torch.cat([parts[:4].sum(dim=2), parts[4:].amax(dim=2)]).sum(dim=-1, dtype=torch.float64)
    return dict(zip(NAMES, (totals / len(rows)).float().unbind(), strict=True))
