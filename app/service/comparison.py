"""Two traces compared: which heads, by how much, in which rows, and cell by cell. Runs on the reading worker."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from heedmap.app.errors import TooLarge
from heedmap.app.requests.comparison import CompareRequest
from heedmap.app.service.finite import require_map
from heedmap.model.attention.maps import AttentionMap, span
from heedmap.model.attention.tiles import How
from heedmap.model.errors import RangeError
from heedmap.model.measures.comparison import ROWS, compared_rows, differences, divergences
from heedmap.model.measures.matching import Match, match_axes
from heedmap.model.trace.trace import Trace

CELLS = 1 << 29  # of all maps whose heads are ranked, about ten seconds of a CPU: of longer ones fewer rows are taken
LEAST_ROWS = 16  # that are taken in any case
WINDOW_CELLS = 1 << 26  # under a window of differences: about two seconds of a CPU


@dataclass(frozen=True)
class Pairing:
    """A layer of the first trace and one of the second; of each one head, or all in pairs where `head` is None."""

    layer: int
    other_layer: int
    head: int | None
    other_head: int | None


@dataclass(frozen=True)
class Comparison:
    """What of two traces is compared, and how their axes match.

    names: of the axes, queries and keys, of each trace.
    """

    one: Trace
    other: Trace
    site: str
    names: tuple[tuple[str, str], tuple[str, str]]
    queries: Match
    keys: Match
    pairings: list[Pairing]

    @property
    def maps(self) -> int:
        """How many pairs of heads are compared."""
        return sum(self.one.map(self.site, p.layer).heads if p.head is None else 1 for p in self.pairings)

    def layers(self, pairing: Pairing) -> tuple[AttentionMap, AttentionMap]:
        """The maps of both traces, of one head each or of all."""
        one = require_map(self.one.map(self.site, pairing.layer))
        other = require_map(self.other.map(self.site, pairing.other_layer))
        if pairing.head is None or pairing.other_head is None:
            return one, other
        return one.head(pairing.head), other.head(pairing.other_head)


def compared(one: Trace, other: Trace, body: CompareRequest) -> Comparison:
    """What a request asks of two traces.

    Raises:
        RangeError: a site, layer or head that one of them does not have; its field says which. ParameterError: their
        axes do not match at all.
    """
    pairings = paired(one, other, body)
    names = one.site_axes[body.site], other.site_axes[body.site]
    queries, keys = (
        match_axes(one.axes[mine], other.axes[its], side)
        for side, mine, its in zip(("queries", "keys"), *names, strict=True)
    )
    return Comparison(one, other, body.site, names, queries, keys, pairings)


def paired(one: Trace, other: Trace, body: CompareRequest) -> list[Pairing]:
    """The layers and heads that are compared with each other.

    Raises:
        RangeError: there are none such, or not as many in both traces.
    """
    for trace, which in ((one, "first"), (other, "second")):
        if body.site not in trace.layers:
            sites = ", ".join(trace.layers)
            raise RangeError(f"the {which} trace has no site {body.site[:100]!r}: it has {sites}", field="site")
    mine, its = one.layers[body.site], other.layers[body.site]
    layer, head = _number(body.layer, len(mine), "layer", "layer"), _number(body.head, mine[0].heads, "head", "head")
    other_layer, other_head = (
        _number(wanted, count, name, f"other.{name}" if given is not None else name)
        for name, given, wanted, count in (
            ("layer", body.other.layer, _first(body.other.layer, body.layer), len(its)),
            ("head", body.other.head, _first(body.other.head, body.head), its[0].heads),
        )
    )
    for name, first, second, counts in (
        ("layer", layer, other_layer, (len(mine), len(its))),
        ("head", head, other_head, (mine[0].heads, its[0].heads)),
    ):
        if (first is None) != (second is None):
            raise RangeError(f"name a {name} of the first trace too, or of neither", field=name)
        if first is None and counts[0] != counts[1]:
            raise RangeError(
                f"{body.site} has {counts[0]} {name}s in the first trace and {counts[1]} in the second: name the "
                f"{name} to compare, and other.{name}",
                field=name,
            )
    layers = (
        [(layer, other_layer)] if layer is not None and other_layer is not None else [(i, i) for i in range(len(mine))]
    )
    return [Pairing(first, second, head, other_head) for first, second in layers]


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _number(value: int | None, count: int, name: str, field: str) -> int | None:
    """A layer or a head counted from 0."""
    if value is None:
        return None
    if not -count <= value < count:
        raise RangeError(f"{name} {value} does not exist: there are {name}s 0 to {count - 1}", field=field)
    return value % count


def ranked(comparison: Comparison, top: int) -> Iterator[dict[str, Any] | None]:
    """A row for each pair of heads, in their order; None comes between, where others may have their turn.

    top: so many of the rows that differ most.
    """
    share = CELLS // max(1, comparison.maps * max(comparison.keys.lengths))
    rows = compared_rows(comparison.queries, max(LEAST_ROWS, min(ROWS, share)))
    labels = comparison.one.axes[comparison.names[0][0]].labels
    for pairing in comparison.pairings:
        comparison.other.check()
        one, other = comparison.layers(pairing)
        parts = []
        for part in comparison.one.watched(divergences(one, other, rows, comparison.keys)):
            parts.append(part.cpu())
            yield None
        values = torch.cat(parts, dim=-1)
        for index, row in enumerate(values):
            order = row.argsort(descending=True)[:top].tolist()
            yield {
                "layer": pairing.layer,
                "head": index if pairing.head is None else pairing.head,
                "other": {
                    "layer": pairing.other_layer,
                    "head": index if pairing.other_head is None else pairing.other_head,
                },
                "divergence": float(row.mean()),
                "rows": [
                    {
                        "row": rows[at][0],
                        "other": rows[at][1],
                        "label": labels[rows[at][0]],
                        "divergence": float(row[at]),
                    }
                    for at in order
                ],
                "compared": len(rows),
            }


def window(comparison: Comparison, body: CompareRequest) -> tuple[range, range]:
    """The rows and columns of the first that a difference is wanted of.

    Raises:
        RangeError: they are not inside the map. TooLarge: there are too many cells under it.
    """
    shape = comparison.queries.lengths[0], comparison.keys.lengths[0]
    rows, cols = (
        span(slice(*(bounds or (0, length))), length, name)
        for bounds, length, name in ((body.rows, shape[0], "rows"), (body.cols, shape[1], "cols"))
    )
    if len(rows) * len(cols) > WINDOW_CELLS:
        raise TooLarge(
            f"there are {len(rows) * len(cols):,} cells under this window, at most {WINDOW_CELLS:,} are compared at "
            "once: ask for fewer rows or cols",
            field="rows",
        )
    return rows, cols


def difference(comparison: Comparison, rows: range, cols: range, level: int, how: How) -> Iterator[NDArray[np.float32]]:
    """The second map less the first, some rows of blocks at a time, NaN where nothing has a partner."""
    comparison.other.check()
    one, other = comparison.layers(comparison.pairings[0])
    places = slice(rows.start, rows.stop), slice(cols.start, cols.stop)
    strips = differences(one, other, comparison.queries, comparison.keys, *places, level, how)
    for strip in comparison.one.watched(strips):
        yield strip.cpu().numpy()
