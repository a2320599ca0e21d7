"""Kinds of heads, told by their statistics: what the literature found heads to do.

The page's `static/js/map/grid/kinds.js` has the same rule for one trace; a test holds the numbers together.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.measures.alignment import CROSS

LEAST = 0.3
"""The mean weight from which a head is of a kind: that from which Gu et al. 2025, "When attention sink emerges in
language models", call a first key a sink. Of more than three kinds no head can be: its weights sum to 1."""
ABOVE_EVEN = 1.5
"""Times the weight of a head that looks at all keys alike: of short texts that is much, and says nothing of it."""

TOLD = ("previous", "duplicate", "induction", "sink")  # the kinds that a statistic of the same name tells
ALIGNS = "aligns"
KINDS = (ALIGNS, *TOLD)


def even_weight(layer: AttentionMap) -> float:
    """The weight that a key has of a head that looks at all keys alike, a mean over the map's rows.

    Of a causal map the i-th row sees i + 1 keys; of any other all are counted, as if all were seen.
    """
    rows, keys = layer.shape
    if layer.mask.describe()["kind"] != "causal":
        return 1 / keys
    return float(np.mean(1 / np.minimum(np.arange(rows) + 1, keys)))


def least_weight(even: float) -> float:
    """The least mean weight of a kind, where a head that looks at all keys alike gives each so much."""
    return max(LEAST, ABOVE_EVEN * even)


def kinds_of(
    site: str, place: tuple[int, int], values: Mapping[str, Any], even: float, aligner: tuple[int, int] | None
) -> list[str]:
    """What kinds a head is of, in the order of `KINDS`.

    place: its layer and head. values: its means by statistic, None where there is none. even: `even_weight` of its
    site. aligner: the cross head that aligns best, by its layer and head.
    """
    told = [kind for kind in TOLD if (values.get(kind) or 0.0) >= least_weight(even)]
    return [ALIGNS, *told] if site == CROSS and place == aligner else told
