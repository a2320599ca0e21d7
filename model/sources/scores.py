"""What a trace says of spans: sums of a measure over the cells between a span and everything else, strip by strip.

    score(s) = sum over layers, heads, rows i, keys j of s of  A_ij dL/dA_ij

to first order what the answer loses where these weights are dropped. No more than a strip of a layer is in memory.
"""

from collections.abc import Callable, Generator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.errors import InputError
from heedmap.model.measures.base import STRIP
from heedmap.model.measures.registry import defined_on
from heedmap.model.trace.trace import Trace

Cells = Callable[[AttentionMap, slice, slice], Float[Tensor, "H R C"]]
GRADIENT = "gradient-attention"


def weights(layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
    """The weights of a block."""
    return layer.window(rows, cols)


def gradients(layer: AttentionMap, rows: slice, cols: slice) -> Float[Tensor, "H R C"]:
    """The weights times their gradients, of a block.

    Raises:
        ParameterError: the trace has no objective, or no values.
    """
    return defined_on(GRADIENT, layer).window(layer, rows, cols)


def between(
    trace: Trace, site: str, cells: Cells, ranges: Sequence[tuple[int, int]], rows: Sequence[int] | None, causal: bool
) -> Generator[None, None, NDArray[np.float64]]:
    """Sums over all layers and heads of a site: pauses between strips, and returns (L, H, S).

    Args:
        ranges: the tokens of each span, half open.
        rows: the queries that count, in order: all their cells on the span's keys. None: all queries, but for cells
            within a span; where everybody sees everybody, also those of the span's queries on other keys.
        causal: whether queries see no later keys.

    Raises:
        InputError: the maps are not what a cell is made of.
    """
    both, layers = rows is None and not causal, []
    for number in range(len(trace.layers[site])):
        sums = yield from _layer(trace.map(site, number), cells, ranges, rows, both)
        layers.append(sums)
    return np.stack(layers)


def _layer(
    layer: AttentionMap, cells: Cells, ranges: Sequence[tuple[int, int]], rows: Sequence[int] | None, both: bool
) -> Generator[None, None, NDArray[np.float64]]:
    queries, keys = layer.shape
    device, spans = layer.q.device, len(ranges)
    numbers = _numbers(ranges, max(queries, keys), device)
    total = torch.zeros(layer.heads, spans + 1, dtype=torch.float64, device=device)
    step = max(1, STRIP // (layer.heads * keys))
    for part in _strips(range(queries) if rows is None else rows, step):
        cols = layer.seen(part)
        block = cells(layer, slice(part.start, part.stop), slice(cols.start, cols.stop))
        sums = block.new_zeros(layer.heads, len(part), spans + 1)
        sums.index_add_(2, numbers[cols.start : cols.stop], block)
        if rows is None:  # a span's own rows on its own keys are no part of what goes from it to others
            mine = numbers[part.start : part.stop]
            sums.scatter_(2, mine[None, :, None].expand(layer.heads, -1, 1), 0)
            if both:
                total.index_add_(1, mine, sums.sum(dim=2).double())
        total += sums.sum(dim=1).double()
        yield
    if not bool(torch.isfinite(total).all()):
        raise InputError("the attention to this context holds what is no finite number", field="context")
    result: NDArray[np.float64] = total[:, :spans].cpu().numpy()
    return result


def _numbers(ranges: Sequence[tuple[int, int]], length: int, device: torch.device) -> Int[Tensor, "N"]:
    """Of each token its span's number; of those of none the number of spans."""
    numbers = torch.full((length,), len(ranges))
    for number, (first, last) in enumerate(ranges):
        numbers[first:last] = number
    return numbers.to(device)


def _strips(rows: Sequence[int], step: int) -> list[range]:
    """Rows in order, as runs of neighbours of at most so many."""
    strips: list[range] = []
    for row in rows:
        last = strips[-1] if strips else None
        if last is not None and last.stop == row and len(last) < step:
            strips[-1] = range(last.start, row + 1)
        else:
            strips.append(range(row, row + 1))
    return strips
