"""What the routes read from a trace: windows, thumbnails and heads' statistics, in numpy. Runs on the worker."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from app.schemas import Head
from app.wire import to_square
from model.attention.maps import span
from model.errors import RangeError
from model.measures import measure
from model.trace import Trace

BLOCK_CELLS = 1 << 22  # cells of a map reduced at a time: 16 MiB of float32
RANGE = re.compile(r"(\d*):(\d*)")


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
    def title(self) -> str:
        """What a figure of it is called."""
        head = "all heads" if self.head == "all" else f"head {self.head}"
        return f"{self.site} · layer {self.layer} · {head}" + ("" if self.plain else f" · {self.measure}")

    @property
    def plain(self) -> bool:
        """Whether values are weights, so at most 1."""
        return self.measure == "weights"


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
    name: str = "weights",
) -> Place:
    """Check a window against a trace; runs no torch.

    Raises:
        RangeError: site, layer, head, rows or cols lie outside, or no measure has that name; its field says which.
    """
    measure(name)
    layer_map = trace.map(site, layer)
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


def weights(trace: Trace, place: Place) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The exact values of a window, (R, C) or with head "all" (H, R, C), and which cells are visible (R, C)."""
    how = measure(place.measure)
    layer_map = trace.map(place.site, place.layer)
    rows, cols = slice(place.rows.start, place.rows.stop), slice(place.cols.start, place.cols.stop)
    visible: NDArray[np.bool_] = layer_map.visible(rows, cols).cpu().numpy()
    if isinstance(place.head, int):
        return _numpy(how.window(layer_map.head(place.head), rows, cols))[0], visible
    block = _numpy(how.window(layer_map, rows, cols))
    if place.head == "all":
        return block, visible
    return (block.mean(axis=0) if place.head == "mean" else block.max(axis=0)), visible


def thumbnails(trace: Trace, site: str, size: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """All heads of a site, small: weights (L, H, size, size), and which pixels have a visible cell (L, size, size).

    A pixel is the largest weight of the cells under it.

    Raises:
        RangeError: the trace has no such site.
    """
    layers, seen = [], []
    for index in range(len(trace.layers.get(site, ())) or 1):  # an unknown site is for `map` to name
        layer_map = trace.map(site, index)
        queries, keys = layer_map.shape
        step = max(1, BLOCK_CELLS // (layer_map.heads * keys))
        narrow, visible = [], []
        for start in range(0, queries, step):
            rows = slice(start, min(start + step, queries))
            narrow.append(_columns(_numpy(layer_map.window(rows)), size))
            visible.append(_columns(layer_map.visible(rows).cpu().numpy(), size))
        layers.append(_rows(np.concatenate(narrow, axis=-2), size))
        seen.append(_rows(np.concatenate(visible, axis=-2), size))
    return np.stack(layers), np.stack(seen)


def heads(trace: Trace) -> list[dict[str, Any]]:
    """One row per head: site, layer, head, and the statistics of `AttentionMap.statistics`."""
    rows: list[dict[str, Any]] = []
    for site, layers in trace.layers.items():
        for layer, layer_map in enumerate(layers):
            columns = {name: values.cpu().numpy() for name, values in layer_map.statistics().items()}
            for head in range(layer_map.heads):
                figures = {name: values[head] for name, values in columns.items()}
                rows.append({"site": site, "layer": layer, "head": head, **figures})
    return rows


def _numpy(block: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = block.float().cpu().numpy()
    return array


def _columns(block: NDArray[Any], size: int) -> NDArray[Any]:
    return to_square(block, size, axes=(-1,))


def _rows(block: NDArray[Any], size: int) -> NDArray[Any]:
    return to_square(block, size, axes=(-2,))
