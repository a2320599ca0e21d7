"""What cutting cells of a map does to a trace's objective, to first order, and the cells where that is most."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.edits import Cut
from heedmap.model.errors import ParameterError
from heedmap.model.measures.cut_effect import LEAST_LEFT, CutEffect
from heedmap.model.measures.gradient import lacks_gradient, products
from heedmap.model.measures.gradient_attention import GradientAttention
from heedmap.model.trace.trace import Trace

CELLS = 1 << 22  # that are in memory at once, of all heads of a layer: 16 MiB in float32
Mass = Literal["renormalise", "drop"]


@dataclass(frozen=True)
class Edge:
    """A cell of a map, and what cutting it is estimated to do."""

    site: str
    layer: int
    head: int
    query: int
    key: int
    effect: float

    def edit(self, mass: Mass) -> Cut:
        """The cut."""
        return Cut(
            kind="cut", site=self.site, layer=self.layer, head=self.head, query=self.query, key=self.key, mass=mass
        )


def check_objective(trace: Trace) -> None:
    """Find that a trace has no gradients.

    Raises:
        ParameterError: it has none.
    """
    if trace.objective is None:
        raise ParameterError(
            'this trace has no objective to have an effect on: post its input again with one, such as "objective": '
            '{"tokens": "all"}, and ask the trace that comes of it',
            field="objective",
        )
    for site, layers in trace.layers.items():
        for layer in layers:
            if lacks := lacks_gradient(layer):
                raise ParameterError(f"effects cannot be estimated: {site}: {lacks}", field="objective")


def strips(layer: AttentionMap) -> Iterator[tuple[slice, slice]]:
    """Rows of a map with the columns that they may see, so few at a time that all heads' cells are in memory."""
    queries, keys = layer.shape
    step = max(1, CELLS // (layer.heads * keys))
    for start in range(0, queries, step):
        rows = range(start, min(start + step, queries))
        cols = layer.seen(rows)
        yield slice(rows.start, rows.stop), slice(cols.start, cols.stop)


def cut_effect(
    layer: AttentionMap, queries: tuple[int, int], keys: tuple[int, int], mass: Mass
) -> Iterator[float | None]:
    """The effect of cutting a rectangle of cells of all heads of a map, strip by strip: sums so far, None where a row
    would be left next to nothing.

    Raises:
        ParameterError: a row would be left nothing to see.
    """
    shape, total = layer.shape, 0.0
    first, last = queries[0], min(queries[1], shape[0])
    left, right = keys[0], min(keys[1], shape[1])
    step = max(1, CELLS // (layer.heads * max(1, right - left)))
    for start in range(first, last, step):
        rows, cols = slice(start, min(start + step, last)), slice(left, right)
        weights = layer.window(rows, cols).double()
        lost = (weights * products(layer, rows, cols)).sum(dim=-1)  # of the row's <dO_i, O_i>
        if mass == "drop":
            total -= float(lost.sum())
        else:
            gone = weights.sum(dim=-1)
            if bool((1 - gone <= LEAST_LEFT).any()):
                _check_left(layer, range(start, rows.stop), range(left, right))
                yield None
                return
            assert layer.delta is not None
            total += float(((gone * layer.delta[:, rows].double() - lost) / (1 - gone)).sum())
        yield total


def _check_left(layer: AttentionMap, rows: range, cols: range) -> None:
    """Raises:
    ParameterError: one of the rows sees none but these columns.
    """
    for row in rows:
        visible = layer.visible(slice(row, row + 1))[0]
        if int(visible.sum()) == int(visible[cols.start : cols.stop].sum()) > 0:
            raise ParameterError(
                f'query {row} is left nothing to see: keep a key, leave the query out, or take "mass": "drop"'
            )


def top_edges(trace: Trace, site: str, count: int, mass: Mass = "renormalise") -> Iterator[list[Edge] | None]:
    """The cells of a site's maps whose cut is estimated to do most, whatever the sign: None between parts, then they.

    Strip by strip, in memory that is linear in the length.

    Raises:
        ParameterError: the trace has no objective. RangeError: there is no such site.
    """
    check_objective(trace)
    trace.map(site, 0)
    measure = CutEffect() if mass == "renormalise" else GradientAttention()
    sign = 1.0 if mass == "renormalise" else -1.0
    kept = torch.zeros(0, 5, dtype=torch.float64)  # layer, head, query, key, effect
    for index, layer in enumerate(trace.layers[site]):
        for rows, cols in strips(layer):
            block = measure.window(layer, rows, cols)
            size = block.shape
            flat = block.flatten()
            best = flat.abs().topk(min(count, flat.numel())).indices
            effects = sign * flat[best].double().cpu()
            at = best.cpu()
            head, rest = at // (size[1] * size[2]), at % (size[1] * size[2])
            places = [torch.full_like(head, index), head, rest // size[2] + rows.start, rest % size[2] + cols.start]
            found = torch.stack([*(place.double() for place in places), effects], dim=1)
            kept = torch.cat([kept, found[found[:, 4] != 0]])
            kept = kept[kept[:, 4].abs().argsort(descending=True, stable=True)[:count]]
            yield None
    yield [
        Edge(site, int(layer), int(head), int(query), int(key), effect)
        for layer, head, query, key, effect in kept.tolist()
    ]
