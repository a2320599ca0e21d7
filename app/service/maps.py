"""What the routes read from a trace: windows, thumbnails, statistics of heads, in numpy. Runs on the reading worker."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from heedmap.app.render.figures import WEIGHTS, map_title
from heedmap.app.render.wire import to_square
from heedmap.app.requests.schemas import Head
from heedmap.app.service.finite import require, require_map
from heedmap.model.attention.maps import span
from heedmap.model.attention.tiles import below, reduce_strips, size_at
from heedmap.model.errors import RangeError
from heedmap.model.measures.alignment import CROSS, alignment_scores, best_aligning, sharpest, too_many
from heedmap.model.measures.base import CellMeasure
from heedmap.model.measures.head_statistics import STATISTICS
from heedmap.model.measures.of_heads import of_heads
from heedmap.model.measures.registry import cell_measure, defined_on
from heedmap.model.taught_head import TaughtHead
from heedmap.model.trace.trace import Trace

FINE = 16  # blocks under a thumbnail's pixel: its edges fall between cells, and a sixteenth is not seen
STRIP = 1 << 20  # weights that are computed at one go: 10 ms, and what comes with a reading of the mask as much again
ROWS = 1024  # of a long map, whose statistics are taken: every row of what a sentence model reads
RANGE = re.compile(r"([0-9]*):([0-9]*)")


@dataclass(frozen=True)
class Place:
    """Where in a trace a window lies: site, layer and head as numbers from 0, rows and columns inside the map."""

    site: str
    layer: int
    head: Head
    heads: int
    rows: range
    cols: range
    queries: str
    keys: str
    measure: str

    @property
    def cells(self) -> int:
        """Weights in the answer."""
        return (self.heads if self.head == "all" else 1) * len(self.rows) * len(self.cols)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns as a map takes them."""
        return slice(self.rows.start, self.rows.stop), slice(self.cols.start, self.cols.stop)

    @property
    def title(self) -> str:
        """What a figure of it is called."""
        return map_title(self.site, self.layer, self.head, self.measure)

    @property
    def plain(self) -> bool:
        """Whether values are weights, so at most 1."""
        return self.measure == WEIGHTS

    @property
    def signed(self) -> bool:
        """Whether values may be negative."""
        return cell_measure(self.measure).signed


def parse_range(text: str | None, field: str) -> slice:
    """`a:b`, half open; either end may be left out.

    Raises:
        RangeError: it does not read so.
    """
    if text is None:
        return slice(None)
    match = RANGE.fullmatch(text)
    if match is None or len(text) > 40:
        raise RangeError(f"expected a half-open range such as 0:64, got {text[:40]!r}", field=field)
    start, stop = match.groups()
    return slice(int(start) if start else None, int(stop) if stop else None)


def locate(
    trace: Trace,
    site: str,
    layer: int,
    head: Head,
    rows: slice = slice(None),
    cols: slice = slice(None),
    name: str = WEIGHTS,
) -> Place:
    """Check a window against a trace; runs no torch.

    Raises:
        RangeError: site, layer, head, rows or cols lie outside, or no measure has that name; its field says which.
        ParameterError: the measure is not defined there.
    """
    cell_measure(name)
    layer_map = trace.map(site, layer)
    defined_on(name, layer_map)
    if isinstance(head, int):
        if not -layer_map.heads <= head < layer_map.heads:
            raise RangeError(f"head {head} does not exist: {site} has heads 0 to {layer_map.heads - 1}", field="head")
        head %= layer_map.heads
    queries, keys = trace.site_axes[site]
    return Place(
        site,
        layer % len(trace.layers[site]),
        head,
        layer_map.heads,
        span(rows, layer_map.shape[0], "rows"),
        span(cols, layer_map.shape[1], "cols"),
        queries,
        keys,
        name,
    )


def defined_throughout(trace: Trace, site: str, name: str) -> None:
    """Make sure that every layer of a site has a measure.

    Raises:
        RangeError: no measure has that name, or no site. ParameterError: it is not defined at one of them.
    """
    for layer in range(len(trace.layers.get(site, []))):
        defined_on(name, trace.map(site, layer))


def weights(trace: Trace, place: Place) -> NDArray[np.float32]:
    """The exact values of a window, (R, C) or with head "all" (H, R, C)."""
    how = cell_measure(place.measure)
    layer_map = trace.map(place.site, place.layer)
    if isinstance(place.head, int):
        layer_map = layer_map.head(place.head)
    require_map(layer_map, *place.slices)
    block = require(_numpy(how.window(layer_map, *place.slices)), "weights")
    if place.head == "all":
        return block
    if place.head == "mean":
        mean: NDArray[np.float32] = block.mean(axis=0)
        return mean
    most, least = block.max(axis=0), block.min(axis=0)  # of what has a sign, the one farthest from 0
    farthest: NDArray[np.float32] = np.where(most >= -least, most, least)
    return farthest


def strips(trace: Trace, place: Place) -> Iterator[NDArray[np.float32]]:
    """`weights`, some rows at a time, to be joined on the last axis but one: between two others have their turn."""
    heads = 1 if isinstance(place.head, int) else place.heads
    step = max(1, STRIP // (heads * max(1, len(place.cols))))
    for start in range(place.rows.start, place.rows.stop, step):
        yield weights(trace, replace(place, rows=range(start, min(start + step, place.rows.stop))))


def other_values(name: str) -> CellMeasure | None:
    """The measure of this name as reductions take it: None stands for the weights, which have kernels of their own."""
    return None if name == WEIGHTS else cell_measure(name)


def visible(trace: Trace, place: Place) -> NDArray[np.bool_]:
    """Which cells of a window the mask leaves visible, (R, C): for representations that show it."""
    cells: NDArray[np.bool_] = trace.map(place.site, place.layer).visible(*place.slices).cpu().numpy()
    return cells


Picture = tuple[NDArray[np.float32], NDArray[np.bool_]]


def thumbnails(trace: Trace, site: str, size: int, name: str = WEIGHTS) -> Iterator[Picture | None]:
    """All heads of a site, small, a head at a time: values (size, size), and which pixels have a visible cell.

    None comes between, where a long map is not done yet: others may have their turn.

    A pixel is the largest value of the cells under it, of what has a sign the farthest from 0; of a map over 16 times
    its size, to a sixteenth of a pixel.
    """
    values, signed = other_values(name), cell_measure(name).signed
    for layer_map in trace.watched(iter(trace.layers[site])):
        require_map(layer_map)
        level = 0
        while max(size_at(length, level + 1) for length in layer_map.shape) >= FINE * size:
            level += 1
        whole = [range(size_at(length, level)) for length in layer_map.shape]
        parts = []
        for _, part in trace.watched(reduce_strips(layer_map, whole[0], whole[1], level, values=values)):
            parts.append(part)
            yield None
        blocks = below(parts)
        visible = to_square(_numpy(blocks.visible) > 0, size)
        pictures = require(_numpy(blocks.values), "weights")
        yield from ((to_square(picture, size, signed=signed), visible) for picture in pictures)


def heads(trace: Trace, most: int = ROWS) -> Iterator[list[dict[str, Any]]]:
    """One row per head, a layer at a time: site, layer, head, and the measures of heads, by their `statistic`.

    Of a map of more rows than `most` they are taken from so many, spread evenly. None stands for what is not defined:
    what needs a token that stands in two places, or keys that are the queries' own tokens.
    """
    for site, layers in trace.layers.items():
        for layer, layer_map in trace.watched(enumerate(layers)):
            require_map(layer_map)
            columns = {name: each.values.numpy() for name, each in of_heads(trace, site, layer, most).items()}
            require([columns[name] for name in STATISTICS], "statistics")
            rows = []
            for head in range(layer_map.heads):
                values = {name: of[head] for name, of in columns.items()}
                place = {"site": site, "layer": layer, "head": head}
                rows.append(place | {name: None if np.isnan(value) else value for name, value in values.items()})
            yield rows


def best_heads(trace: Trace, rows: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any] | None] | None]:
    """Each site with its best head, or with None where its maps are too long to be looked through.

    None alone comes between, where a layer is done: others may have their turn. `rows` is what `heads` yields.
    Of `cross` it is the head that was taught to align, where a token's row is that which writes it: read in the row
    after, its map is off by one to the eye, and another head shows the words better.
    """
    for site, layers in trace.layers.items():
        place = None
        taught = TaughtHead.of(trace.model, len(layers), layers[0].heads) if site == CROSS else None
        if taught is not None and taught.reading == "output":
            yield site, asdict(taught)
            continue
        if not too_many(len(layers), layers[0].heads, layers[0].shape):
            if site == CROSS:
                queries, keys = (trace.axes[name] for name in trace.site_axes[site])
                scores = []
                for layer_map in trace.watched(iter(layers)):
                    weights = require(_numpy(layer_map.dense()), "weights")
                    scores.append(alignment_scores(weights, queries, keys))
                    yield None
                if taught is not None:
                    scores[taught.layer][taught.head] = -1  # less than any other has
                place = best_aligning(scores)
            else:
                place = sharpest(row for row in rows if row["site"] == site)
        yield site, None if place is None else {"layer": place[0], "head": place[1]}


def _numpy(block: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = block.float().cpu().numpy()
    return array
