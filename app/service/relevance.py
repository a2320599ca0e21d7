"""Measures of traces, read in turns."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from heedmap.app.service.finite import require, require_map
from heedmap.model.measures.base import TraceMeasure
from heedmap.model.trace.trace import Trace

MOST_ROWS = 256  # that are carried at once: 32 MiB at 32,768 keys


def rows(trace: Trace, measure: TraceMeasure, site: str, part: range) -> Iterator[NDArray[np.float32] | None]:
    """Rows of a measure, (R, K), at the end; None before, wherever others may have their turn.

    Raises:
        NotFinite: what it is made of is no finite number.
    """
    for layer in trace.watched(iter(trace.layers[site])):
        require_map(layer)
        yield None
    for values in trace.watched(measure.rows(trace, site, part)):
        yield None if values is None else require(values.float().cpu().numpy(), "values")
