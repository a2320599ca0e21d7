"""Tiny maps on which a kernel is tried, and what the formula makes of them, in float64."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.operators import spread
from heedmap.model.attention.triton.problem import Band, Problem

# Of weights and means over rows of them; the distance is over the length. Float32's rounding is a hundredth of it, and
# what a wrong mask, group, bias or tile does is far more.
TOLERANCE = 1e-4
QUERIES, KEYS = 150, 170  # more than one of the largest tiles, and no multiple of any
SHORT = 10  # rows


def error(name: str, kernel: Callable[..., Any], like: Problem, constants: tuple[object, ...]) -> float:
    """How far a kernel is from the formula on a tiny map like this one; NaN where it makes some."""
    errors = []
    for band in (Band(-QUERIES, KEYS, KEYS), Band(-30, 21, KEYS - 7)):
        problem = _small(like, band)
        weights, visible = formula(problem)
        rows, cols = range(QUERIES), range(KEYS)
        if name == "overview":
            side, mean = constants
            assert isinstance(side, int)
            actual = kernel(problem, rows, cols, side, mean)
            errors += [_distance(*pair) for pair in zip(actual, _reduced(weights, visible, side, mean), strict=True)]
        else:
            index = torch.arange(1, QUERIES, 2, device=weights.device)
            if name == "window":
                part = cols[3:-5]
                for some in (index, index[:SHORT]):  # few rows have a kernel of their own
                    errors.append(_distance(kernel(problem, some, part), weights[:, some, part.start : part.stop]))
            else:
                made, expected = kernel(problem, index), _statistics(weights, index)
                errors += [_distance(made[key], expected[key]) / _unit(key) for key in expected]
    return max(errors, key=lambda each: math.inf if math.isnan(each) else each)


def formula(problem: Problem) -> tuple[Float[Tensor, "H Q K"], Float[Tensor, "Q K"]]:
    """The whole map in float64, and 1 for each visible cell."""
    heads, queries, keys = problem.shape
    scores = problem.scale * problem.q.double() @ spread(problem.k.double(), heads).mT
    if problem.cap:
        scores = problem.cap * torch.tanh(scores)
    rows, cols = (torch.arange(length, device=scores.device) for length in (queries, keys))
    if problem.bias is not None:
        scores = scores + problem.bias.double()[:, cols[None, :] - rows[:, None] + problem.origin]
    band, offset = problem.band, cols[None, :] - rows[:, None]
    visible = (offset >= band.low) & (offset < band.high) & (cols[None, :] < band.stop)
    lse = problem.lse.double()
    lse = torch.where(lse == -math.inf, math.inf, lse)  # the row sees nothing, whatever the mask shows
    return (scores - lse[..., None]).exp().masked_fill(~visible, 0), visible.double()


def _small(like: Problem, band: Band) -> Problem:
    """A map of the same kind: dtype, head size, grouped or not, soft-cap, bias."""
    device, dtype, size = like.q.device, like.q.dtype, like.q.shape[2]
    heads, groups = 2, 2 if like.q.shape[0] == like.k.shape[0] else 1
    q = _waves((heads, QUERIES, size), 0).to(device, dtype)
    k = _waves((groups, KEYS, size), 1).to(device, dtype)
    bias = like.bias
    if bias is not None:
        bias = _waves((heads, QUERIES + KEYS - 1), 2).to(device, bias.dtype)
    cap = 1.5 if like.cap else 0.0  # in reach of the scores
    lse = 3 + _waves((heads, QUERIES), 3).to(device, torch.float32)
    lse[:, 5] = -math.inf
    return Problem(q, k, lse, 2 / math.sqrt(size), cap, bias, QUERIES - 1, band)


def _reduced(
    weights: Float[Tensor, "H Q K"], visible: Float[Tensor, "Q K"], side: int, mean: object
) -> tuple[Float[Tensor, "H R C"], Float[Tensor, "R C"]]:
    def total(x: Tensor) -> Tensor:
        rows, cols = (-length % side for length in x.shape[-2:])
        return F.avg_pool2d(F.pad(x, (0, cols, 0, rows)), side) * side**2

    counts = total(visible[None])
    values = total(weights) / counts.clamp(min=1) if mean else F.max_pool2d(weights, side, ceil_mode=True)
    return values, counts[0]


def _statistics(weights: Float[Tensor, "H Q K"], index: Tensor) -> dict[str, Float[Tensor, "H"]]:
    weights, cols = weights[:, index], torch.arange(KEYS, device=weights.device)
    place = (index * KEYS // QUERIES)[None, :, None].expand(weights.shape[0], -1, 1)
    rows = {
        "entropy": torch.special.entr(weights).sum(dim=-1),
        "distance": (weights * (cols[None, :] - index[:, None]).abs()).sum(dim=-1),
        "sink": weights[..., 0],
        "diagonal": weights.gather(2, place)[..., 0],
        "max": weights.amax(dim=-1),
    }
    return {name: values.mean(dim=-1) for name, values in rows.items()}


def _unit(name: str) -> float:
    return float(KEYS) if name == "distance" else 1.0


def _distance(actual: Tensor, expected: Tensor) -> float:
    return float((actual.double() - expected).abs().amax()) if actual.shape == expected.shape else math.inf


def _waves(shape: tuple[int, ...], which: int) -> Tensor:
    """Numbers between -1 and 1 that take nothing from anybody's random generator."""
    return (torch.arange(math.prod(shape), dtype=torch.float64) * (1.7 + which) + which).sin().reshape(shape)
