"""How sure a mean over seeds is: bootstrap confidence intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
RESAMPLES = 2_000  # of which the ends of a 95% interval have fifty beyond them, each


@dataclass(frozen=True, eq=False)
class Interval:
    """A mean over the first axis of values, and the ends of its confidence interval, of the shape of one value."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def to_json(self) -> dict[str, float]:
        """mean, low and high of a single number."""
        return {"mean": float(self.mean), "low": float(self.low), "high": float(self.high)}


def bootstrap(values: NDArray[np.floating], level: float = LEVEL, seed: int = 0) -> Interval:
    """The mean over the first axis, and its percentile interval over samples with replacement; NaN is left out.

    Of one value the interval is the value. Source: Efron, Bootstrap methods: another look at the jackknife, Annals of
    Statistics 7(1), 1979.
    """
    values = np.asarray(values, np.float64)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    count = np.random.default_rng(seed).multinomial(len(values), np.full(len(values), 1 / len(values)), RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.tensordot(count, filled, 1) / np.tensordot(count, known.astype(np.float64), 1)
        mean = filled.sum(0) / known.sum(0)
    edges = (1 - level) / 2, (1 + level) / 2
    resampled = np.where(np.isnan(means), mean, means)  # a sample of nothing but what is left out
    low, high = np.quantile(resampled, edges, axis=0)
    return Interval(np.asarray(mean), np.asarray(low), np.asarray(high))
