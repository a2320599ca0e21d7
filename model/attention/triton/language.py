"""What the kernels share: they hold a tile of rows x columns of one head's scores in registers and nothing else.

Products of float32 are exact (no TF32); those of half precision are summed in float32.
"""

# ruff: noqa: N803 - what is compiled into a kernel is written large, as everywhere in Triton

import inspect
from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl
from triton import knobs

from heedmap.model.attention.triton.problem import Problem

LEAST_DOT = 16  # the smallest side that a product of tiles may have
# Values of a row that lie in shared memory: two tiles of 128 rows fit beside each other on any card since Ampere.
HALF_CHUNK = 128
FLOAT_CHUNK = 32  # float32 is multiplied from registers, where more of a row would not fit
HALF_TILE, FLOAT_TILE = 128, 64  # cells a side of a tile


def interpreted() -> bool:
    """Whether Triton's interpreter runs the kernels, on the host: slow, for tests."""
    return bool(knobs.runtime.interpret)


def device_function(function: Callable[..., Any]) -> Any:
    """A function that kernels call."""
    return triton.jit(inspect.unwrap(function))  # type checkers that wrap it are none of Triton's business


def kernel(*lengths: str) -> Callable[[Callable[..., Any]], Any]:
    """A kernel; it is not compiled again for other values of these arguments."""

    def decorate(function: Callable[..., Any]) -> Any:
        return triton.jit(inspect.unwrap(function), do_not_specialize=lengths)

    return decorate


def constants(problem: Problem) -> dict[str, Any]:
    """What is compiled into a kernel for such a problem, the same for all of them."""
    size, half = problem.q.shape[2], problem.q.dtype != torch.float32
    padded = max(LEAST_DOT, 1 << (size - 1).bit_length())
    return {
        "D": size,
        "CHUNK": min(padded, HALF_CHUNK if half else FLOAT_CHUNK),
        "CAPPED": problem.cap > 0,
        "BIASED": problem.bias is not None,
        "WIDEN": interpreted(),  # which cannot multiply bfloat16
    }


def tensors(problem: Problem) -> tuple[Any, ...]:
    """The arguments that every kernel begins with."""
    q, k, lse, bias = problem.q, problem.k, problem.lse, problem.bias
    strides = (q.stride(0), q.stride(1), k.stride(0), k.stride(1), lse.stride(0))
    bias_stride = 0 if bias is None or bias.shape[0] == 1 else bias.stride(0)
    group = q.shape[0] // k.shape[0]
    return q, k, lse, lse if bias is None else bias, *strides, bias_stride, group


def numbers(problem: Problem) -> tuple[Any, ...]:
    """The arguments that come last: the mask, where the bias begins, and the score's."""
    band = problem.band
    return problem.k.shape[1], band.low, band.high, band.stop, problem.origin, problem.scale, problem.cap


@device_function
def block(base, index, inside, stride, first, D: tl.constexpr, CHUNK: tl.constexpr, WIDEN: tl.constexpr):  # type: ignore[no-untyped-def]
    """Some rows of queries or keys, from the value `first` on: what is outside, or beyond the head size, is 0."""
    place = first + tl.arange(0, CHUNK)
    pointers = base + index.to(tl.int64)[:, None] * stride + place[None, :]
    if D % CHUNK == 0:
        values = tl.load(pointers, mask=inside[:, None], other=0.0)
    else:
        values = tl.load(pointers, mask=inside[:, None] & (place[None, :] < D), other=0.0)
    if WIDEN:
        values = values.to(tl.float32)
    return values


@device_function
def products(  # type: ignore[no-untyped-def]
    held, q, rows, row_inside, q_row, k, cols, col_inside, k_row,
    ROWS: tl.constexpr, COLS: tl.constexpr, D: tl.constexpr, CHUNK: tl.constexpr, WIDEN: tl.constexpr,
):  # fmt: skip
    """<q_i, k_j>; `held` are the first values of the queries, which stay while the keys go by."""
    total = tl.zeros((ROWS, COLS), dtype=tl.float32)
    if D <= CHUNK:
        keys = block(k, cols, col_inside, k_row, 0, D, CHUNK, WIDEN)
        total = tl.dot(held, tl.trans(keys), total, input_precision="ieee")
    else:
        for first in range(0, D, CHUNK):
            queries = block(q, rows, row_inside, q_row, first, D, CHUNK, WIDEN)
            keys = block(k, cols, col_inside, k_row, first, D, CHUNK, WIDEN)
            total = tl.dot(queries, tl.trans(keys), total, input_precision="ieee")
    return total


@device_function
def score(product, scale, cap, CAPPED: tl.constexpr):  # type: ignore[no-untyped-def]
    """scale * product, or cap * tanh(scale * product): it grows with the product."""
    scaled = product * scale
    if CAPPED:
        small = tl.exp(-2.0 * tl.abs(scaled))
        tanh = (1.0 - small) / (1.0 + small)
        scaled = tl.where(scaled < 0, -tanh, tanh) * cap
    return scaled


@device_function
def denominator(lse, rows, inside):  # type: ignore[no-untyped-def]
    """The rows' log-sum-exps; infinite for one that sees nothing or does not exist: its weights are then 0."""
    base = tl.load(lse + rows, mask=inside, other=float("inf"))
    return tl.where(base == float("-inf"), float("inf"), base)


@device_function
def exponents(  # type: ignore[no-untyped-def]
    product, bias, rows, row_inside, cols, col_inside, base, first, last, origin, scale, cap,
    CAPPED: tl.constexpr, BIASED: tl.constexpr,
):  # fmt: skip
    """Logarithms of weights, -inf where the cell is hidden."""
    value = score(product, scale, cap, CAPPED)
    if BIASED:
        inside = row_inside[:, None] & col_inside[None, :]
        value += tl.load(bias + (cols[None, :] - rows[:, None] + origin), mask=inside, other=0.0).to(tl.float32)
    visible = (cols[None, :] >= first[:, None]) & (cols[None, :] < last[:, None])
    return tl.where(visible, value - base[:, None], float("-inf"))
