"""What the kernels take of a map: the parts of it that they know, in the form in which they know them.

Every mask that they know leaves a query one run of keys, whose ends move with the query until they meet the ends of
the map; so does what several of them show together. Three numbers say it. Of biases they know the one that is a
function of the offset, of scores the product, soft-capped or not; a sink stands in the log-sum-exp already.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.biases import Bias, Toeplitz
from heedmap.model.attention.masks import Both, Causal, Full, Mask, Padding, SlidingWindow
from heedmap.model.attention.scores import ScaledDot, Score, SoftCapped

DTYPES = frozenset({torch.float32, torch.float16, torch.bfloat16})  # the kernels sum in float32: float64 is not theirs


@dataclass(frozen=True)
class Band:
    """Query i sees keys max(0, i + low) up to, not including, min(stop, i + high)."""

    low: int
    high: int
    stop: int

    def __and__(self, other: "Band") -> "Band":
        return Band(max(self.low, other.low), min(self.high, other.high), min(self.stop, other.stop))


def band_of(mask: Mask, queries: int, keys: int) -> Band | None:
    """The mask of so many queries and keys as a band, or None where it is none."""
    low, high = -queries, keys  # what hides nothing; also the furthest that makes a difference
    match mask:
        case Full():
            return Band(low, high, keys)
        case Causal(offset):
            return Band(low, _within(offset + 1, low, high), keys)
        case SlidingWindow(size, offset):
            return Band(_within(offset - size + 1, low, high), _within(offset + size, low, high), keys)
        case Padding(lengths):
            return Band(low, high, _within(int(lengths[0]), 0, keys))
        case Both(first, second):
            bands = band_of(first, queries, keys), band_of(second, queries, keys)
            return None if bands[0] is None or bands[1] is None else bands[0] & bands[1]
    return None


def _within(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))


@dataclass(frozen=True, eq=False)
class Problem:
    """The maps of H heads as the kernels take them.

    scale: of the products, over the cap where there is one; cap: 0 for none; bias: values by offset, j - i + origin;
    band: which keys a query sees.
    """

    q: Float[Tensor, "H Q D"]
    k: Float[Tensor, "G K D"]
    lse: Float[Tensor, "H Q"]
    scale: float
    cap: float
    bias: Float[Tensor, "#H N"] | None
    origin: int
    band: Band

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, Q, K)."""
        return self.q.shape[0], self.q.shape[1], self.k.shape[1]


def problem_of(
    q: Float[Tensor, "H Q D"],
    k: Float[Tensor, "G K D"],
    lse: Float[Tensor, "H Q"],
    score: Score,
    mask: Mask,
    bias: Bias | None,
) -> Problem | None:
    """What an `AttentionMap` holds, for the kernels; None where some of it is nothing that they know."""
    band = band_of(mask, q.shape[1], k.shape[1])
    known = q.dtype in DTYPES and k.dtype == q.dtype and lse.dtype == torch.float32 and q.shape[2] > 0
    if band is None or not known or not (bias is None or isinstance(bias, Toeplitz)):
        return None
    match score:
        case ScaledDot(scale) if scale > 0:  # the largest product is then the largest score
            cap = 0.0
        case SoftCapped(scale, cap) if scale > 0 and cap > 0:
            scale /= cap
        case _:
            return None
    values, origin = (None, 0) if bias is None else (_dense_last(bias.values.to(q.device)), bias.queries - 1)
    return Problem(_dense_last(q), _dense_last(k), lse.contiguous(), scale, cap, values, origin, band)


def _dense_last(x: Tensor) -> Tensor:
    """Neighbours along the last axis are neighbours in memory."""
    return x if x.stride(-1) == 1 else x.contiguous()
