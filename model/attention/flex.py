"""Attention through FlexAttention: masks, biases and soft-caps inside one compiled kernel, with its log-sum-exp.

It takes what the fixed kernels of `operators` cannot: soft-capped scores, windows and blocks without computing what
they hide, and biases that are functions of the offset without their matrix (Dong et al. 2024, arXiv 2412.05496). It is
public, but it is worth it only where it is compiled, on an accelerator, for inputs long enough to pay for that.
"""

import logging
import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import flex_attention as flex

from heedmap.model.attention.biases import Bias, Dense, Toeplitz, Windowed
from heedmap.model.attention.masks import Blocks, Both, Causal, Full, Given, Mask, Padding, SlidingWindow
from heedmap.model.attention.operators import TOLERANCE, formula, spread
from heedmap.model.attention.scores import ScaledDot, Score, SoftCapped
from heedmap.model.shapes import Keys, LogSumExp, Output, Queries, Values

SIDE = 128  # rows and keys of a block of the mask, FlexAttention's own
LEAST_CELLS = 1 << 20  # a head: below, compiling for a new kind of input costs more than the blocks save

Cell = Tensor  # an index, or the truth of one
Predicate = Callable[[Cell, Cell, Cell, Cell], Cell]

_logger = logging.getLogger(__name__)


class Coverage(NamedTuple):
    """Per block of a mask (B R C): whether some of its cells are visible, and whether all are."""

    some: Tensor
    whole: Tensor


def suits(q: Tensor, k: Tensor, v: Tensor, score: Score) -> bool:
    """Whether FlexAttention has a kernel for these inputs that is worth it."""
    return (
        q.is_cuda
        and q.dtype in (torch.float16, torch.bfloat16, torch.float32)
        and isinstance(score, ScaledDot | SoftCapped)
        and q.shape[2] * k.shape[2] >= LEAST_CELLS
        and min(q.shape[-1], v.shape[-1]) >= 16
        and sound(q.device, q.dtype)
    )


def attend(
    q: Queries,
    k: Keys,
    v: Values,
    mask: Mask | None,
    bias: Tensor | Bias | None,
    score: Score,
    run: Callable[..., Any] | None = None,
) -> tuple[Output, LogSumExp]:
    """Output and log-sum-exp.

    Args:
        q: queries (B H Q D); k: keys (B G K D); v: values (B G K E).
        bias: added to the scores: broadcast over (B H Q K), or a function of the indices.
        run: the kernel, compiled unless given.
    """
    assert isinstance(score, ScaledDot | SoftCapped)
    queries, keys, device = q.shape[2], k.shape[2], q.device
    mask = mask or Full()
    blocks = None
    if not isinstance(mask, Full):
        blocks = _block_mask(mask, queries, keys, device)
    modify = _modifier(score, bias, device)
    output, extra = (run or _compiled())(
        q,
        k,
        v,
        score_mod=modify,
        block_mask=blocks,
        scale=score.scale,
        enable_gqa=q.shape[1] != k.shape[1],
        return_aux=flex.AuxRequest(lse=True),
    )
    lse = extra.lse
    empty = lse == -math.inf
    return output.masked_fill(empty[..., None], 0), lse


@cache
def _compiled() -> Callable[..., Any]:
    # Lengths differ from call to call: one kernel for all of them.
    return torch.compile(flex.flex_attention, dynamic=True)


def _modifier(score: ScaledDot | SoftCapped, bias: Tensor | Bias | None, device: torch.device) -> Any:
    """What becomes of a scaled product: soft-capped, then biased; None where nothing does."""
    added = None if bias is None else _bias(bias, device)
    if isinstance(score, ScaledDot):
        if added is None:
            return None
        return lambda s, b, h, q, k: s + added(b, h, q, k)
    cap = score.cap
    if added is None:
        return lambda s, b, h, q, k: cap * torch.tanh(s / cap)
    return lambda s, b, h, q, k: cap * torch.tanh(s / cap) + added(b, h, q, k)


def _bias(bias: Tensor | Bias, device: torch.device) -> Predicate:
    match bias:
        case Toeplitz(values, queries):
            values, many, first = values.to(device), values.shape[0] > 1, queries - 1
            return lambda b, h, q, k: values[h if many else 0 * h, k - q + first]
        case Windowed(table, place):
            table, place, many = table.to(device), place.to(device), table.shape[0] > 1
            return lambda b, h, q, k: table[h if many else 0 * h, place[q], place[k]]
        case Dense(values):
            cells = values[None].to(device)
        case Tensor():
            cells = bias.to(device)
        case _:
            raise TypeError(f"no such bias: {type(bias).__name__}")
    every = [size > 1 for size in cells.shape]

    def added(*place: Cell) -> Cell:
        return cells[tuple(index if many else 0 * index for index, many in zip(place, every, strict=True))]

    return added


def _predicate(mask: Mask, device: torch.device) -> Predicate:
    """The mask as a function of (batch, head, query, key) indices."""
    match mask:
        case Causal(offset):
            return lambda b, h, q, k: k <= q + offset
        case SlidingWindow(size, offset):
            return lambda b, h, q, k: (q + offset - k).abs() < size
        case Padding(lengths):
            lengths = lengths.to(device)
            alone = len(lengths) == 1
            return lambda b, h, q, k: k < lengths[0 * b if alone else b]
        case Blocks(numbers):
            numbers = numbers.to(device)
            return lambda b, h, q, k: numbers[q] == numbers[k]
        case Given(cells):
            cells = cells.to(device)
            alone = cells.shape[0] == 1
            return lambda b, h, q, k: cells[0 * b if alone else b, q, k]
        case Both(first, second):
            one, other = _predicate(first, device), _predicate(second, device)
            return lambda b, h, q, k: one(b, h, q, k) & other(b, h, q, k)
    return lambda b, h, q, k: q >= 0


def coverage(mask: Mask, queries: int, keys: int, device: torch.device) -> Coverage:
    """Which blocks of `SIDE` x `SIDE` cells are worth computing: never fewer than are visible.

    Nothing of the map's size is made but for a mask that is given cell by cell.
    """
    rows, cols = (-(-length // SIDE) for length in (queries, keys))
    top, left = (torch.arange(count, device=device) * SIDE for count in (rows, cols))
    bottom, right = (top + SIDE - 1).clamp(max=queries - 1), (left + SIDE - 1).clamp(max=keys - 1)
    match mask:
        case Causal(offset):
            return Coverage(
                (left[None, :] <= bottom[:, None] + offset)[None], (right[None, :] <= top[:, None] + offset)[None]
            )
        case SlidingWindow(size, offset):
            least, most = top[:, None] + offset - right[None, :], bottom[:, None] + offset - left[None, :]
            return Coverage(
                ((least < size) & (most > -size))[None], (torch.maximum(most.abs(), least.abs()) < size)[None]
            )
        case Padding(lengths):
            lengths = lengths.to(device)[:, None, None]
            seen, whole = left[None, None, :] < lengths, right[None, None, :] < lengths
            return Coverage(seen.expand(-1, rows, -1), whole.expand(-1, rows, -1))
        case Blocks(numbers):
            (low, high), (least, most) = (_extremes(numbers.to(device)[:n]) for n in (queries, keys))
            some = (low[:, None] <= most[None, :]) & (high[:, None] >= least[None, :])
            same = (low == high)[:, None] & (least == most)[None, :] & (low[:, None] == least[None, :])
            return Coverage(some[None], same[None])
        case Given(cells):
            cells = cells.to(device)[:, :queries, :keys]
            over = (0, -keys % SIDE, 0, -queries % SIDE)
            hidden, visible = (
                torch.nn.functional.pad(x, over, value=False).view(-1, rows, SIDE, cols, SIDE) for x in (~cells, cells)
            )
            return Coverage(visible.any(dim=4).any(dim=2), ~hidden.any(dim=4).any(dim=2))
        case Both(first, second):
            one, other = (coverage(part, queries, keys, device) for part in (first, second))
            return Coverage(one.some & other.some, one.whole & other.whole)
    every = torch.ones(1, rows, cols, dtype=torch.bool, device=device)
    return Coverage(every, every if isinstance(mask, Full) else ~every)


def _extremes(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the largest number of each block."""
    filled = torch.cat([numbers, numbers[-1:].expand(-len(numbers) % SIDE)]).view(-1, SIDE)
    return filled.amin(dim=1), filled.amax(dim=1)


def _block_mask(mask: Mask, queries: int, keys: int, device: torch.device) -> Any:
    some, whole = coverage(mask, queries, keys, device)
    partial = (some & ~whole)[:, None]  # B 1 R C
    full = whole[:, None]
    return flex.BlockMask.from_kv_blocks(
        *_ordered(partial),
        *_ordered(full),
        BLOCK_SIZE=SIDE,
        mask_mod=_predicate(mask, device),
        seq_lengths=(queries, keys),
    )


def _ordered(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """How many blocks of each row count, and which: those first, in their order."""
    order = blocks.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    return blocks.sum(dim=-1, dtype=torch.int32), order.to(torch.int32).contiguous()


@cache
def sound(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the compiled kernel agrees with the formula here; tried at the first call."""
    try:
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            return _agrees(device, dtype)
    except Exception as error:  # a compiler may raise anything
        _logger.warning("FlexAttention cannot be used on %s in %s: %s", device, dtype, error)
        return False


def _agrees(device: torch.device, dtype: torch.dtype, run: Callable[..., Any] | None = None) -> bool:
    length, groups, heads, size = 150, 2, 4, 16
    ramp = torch.arange(2 * heads * length * size, device=device, dtype=torch.float64)
    q = (1.7 * ramp).sin().view(2, heads, length, size).to(dtype)
    k, v = ((n * ramp).sin().view(2, heads, length, size)[:, :groups].to(dtype).contiguous() for n in (2.7, 3.7))
    hidden = ~(Causal() & SlidingWindow(40)).visible(*(torch.arange(length, device=device),) * 2)[0]
    output, lse = attend(q, k, v, Causal() & SlidingWindow(40), None, SoftCapped(0.3, 2.0), run)
    scores = 2 * torch.tanh(0.3 * q.double() @ spread(k, heads).double().mT / 2)
    scores = scores.masked_fill(hidden, -math.inf)
    expected, denominators = scores.softmax(dim=-1) @ spread(v, heads).double(), scores.logsumexp(dim=-1)
    errors = [(output.double() - expected).abs().amax(), (lse.double() - denominators).abs().amax()]
    offsets = (0.1 * torch.arange(2 * length - 1, device=device)).sin()[None]
    output, lse = attend(q, k, v, None, Toeplitz(offsets, length), ScaledDot(0.3), run)
    bias = Toeplitz(offsets, length).cells(*(torch.arange(length, device=device),) * 2)[None]
    expected, denominators = formula(q, k, v, False, bias, 0.3)
    errors += [(output.double() - expected).abs().amax(), (lse.double() - denominators).abs().amax()]
    sound = output.dtype == dtype and all(float(error) <= TOLERANCE[dtype] for error in errors)
    if not sound:
        _logger.warning("FlexAttention disagrees with the formula on %s in %s: not used", device, dtype)
    return sound
