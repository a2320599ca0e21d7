"""The one "best head": which head of a site shows most, for the page, the terminal and whoever asks the service.

Of a cross site it is the head that was taught to align, where the model has one, else the one that aligns best; of any
other the one of the last layer that looks most sharply at something other than a sink. Plain numpy, so that a client
without PyTorch chooses as the service does.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedmap.model.prediction import Axis
from heedmap.model.taught_head import Reading

CROSS = "cross"

MOST_CELLS = 1 << 24
"""Cells of all maps of a site that are looked through: 64 MiB of float32, some tenths of a second of a CPU. A
sentence model's maps are a hundredth of that; longer ones have no head that reads as an alignment at a glance."""


def token_rows(weights: NDArray[np.floating[Any]], reading: Reading) -> NDArray[np.floating[Any]]:
    """A cross map (..., Q, K) with each target token's row at its place, as it is read.

    Of the last token, which is never an input, the row that wrote it stands in both readings.
    """
    if reading == "output":
        return weights
    return np.concatenate([weights[..., 1:, :], weights[..., -1:, :]], axis=-2)


def too_many(layers: int, heads: int, shape: Sequence[int]) -> bool:
    """Whether a site's maps, of this shape (Q, K), are more than is looked through for its best head."""
    return layers * heads * shape[0] * shape[1] > MOST_CELLS


def alignment_scores(weights: NDArray[np.floating[Any]], queries: Axis, keys: Axis) -> NDArray[np.float64]:
    """How well each head reads as a word alignment, 0 to 1, of a layer's maps (H, Q, K); shape (H,).

    Sharp, on words rather than end marks, covering the source, and roughly in reading order: the mean of each row's
    largest weight, times the share of keys that are some row's largest, times how near the order of those keys is to
    that of the rows. They multiply, because a head that misses one of them does not align: one that stares at the full
    stop is sharp, one that spreads evenly covers. Special tokens are left out of rows and keys, not of the weights.
    """
    rows, columns = _content(queries), _content(keys)
    if not rows.size or not columns.size:
        return np.zeros(len(weights))
    block = np.asarray(weights, np.float64)[:, rows][:, :, columns]
    best = block.argmax(axis=2)
    sharp = block.max(axis=2).mean(axis=1)
    covered = np.array([np.unique(keys_seen).size for keys_seen in best]) / min(rows.size, columns.size)
    apart = np.abs((np.arange(rows.size) + 0.5) / rows.size - (best + 0.5) / columns.size)
    # Half a sentence away counts as out of order; nearer counts in part, since languages move their verbs.
    ordered = np.maximum(0, 1 - 2 * apart).mean(axis=1)
    scores: NDArray[np.float64] = sharp * np.minimum(1, covered) * ordered
    return scores


def best_aligning(scores: Iterable[NDArray[np.float64]]) -> tuple[int, int]:
    """Layer and head of the largest of the scores that each layer's heads have; of equals the first."""
    choices = [(float(score), layer, head) for layer, row in enumerate(scores) for head, score in enumerate(row)]
    _, layer, head = max(choices, key=lambda choice: choice[0])
    return layer, head


def sharpest(rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Layer and head of the last layer's head that looks most sharply at neither key 0, where heads rest, nor itself.

    Args:
        rows: the statistics of a site's heads, as `AttentionMap.statistics` has them, each with its layer and head.
    """
    heads = list(rows)
    last = max(row["layer"] for row in heads)
    best = max((row for row in heads if row["layer"] == last), key=_sharpness)
    return int(best["layer"]), int(best["head"])


def _sharpness(row: Mapping[str, Any]) -> float:
    return float(row["max"] * (1 - row["diagonal"]) * (1 - row["sink"]))


def _content(axis: Axis) -> NDArray[np.intp]:
    """The places of what is a part of the input or the output."""
    return np.flatnonzero(~np.asarray(axis.special, np.bool_))
