"""How well two lists of numbers go together."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST = 3  # pairs: two always lie on a line


def pearson(a: ArrayLike, b: ArrayLike) -> float | None:
    """Pearson's correlation, -1 to 1; None of fewer than three pairs, or where one list is constant."""
    x, y = (np.asarray(part, dtype=np.float64).ravel() for part in (a, b))
    if len(x) < LEAST:
        return None
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return None if norm == 0 else float(np.clip((x @ y) / norm, -1, 1))


def spearman(a: ArrayLike, b: ArrayLike) -> float | None:
    """Spearman's correlation, that of the ranks: equal numbers share the mean of theirs."""
    return pearson(_ranks(a), _ranks(b))


def correlation(estimated: ArrayLike, measured: ArrayLike) -> dict[str, Any]:
    """Both of them, and over how many pairs; those of which one is not known (NaN) are left out."""
    x, y = (np.asarray(part, dtype=np.float64).ravel() for part in (estimated, measured))
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = x[known], y[known]
    return {"pearson": pearson(x, y), "spearman": spearman(x, y), "pairs": len(x)}


def _ranks(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64).ravel()
    _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks
