"""Linear surrogates of what removals do, and how well they and other scores foretell it; numpy alone.

    lasso   min_w  |y - Xw - b|^2 / (2N) + alpha |w|_1     columns standardised (ContextCite, arXiv 2409.00729)
    ridge   min_w  |y - Xw - b|^2 + lambda |w|^2           (AT2, arXiv 2504.13752)

Penalties are chosen on the observations themselves: by five folds, and by leaving each out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PENALTIES = np.geomspace(1.0, 1e-3, 16)  # of the least that lets nothing in
RIDGE = np.geomspace(1e3, 1e-6, 28)  # of the largest squared singular value
FOLDS = 5
SWEEPS = 500
PRECISION = 1e-7  # of the observations' spread: a coefficient that moves less has arrived
SURE = 1e-9  # the least distance of a probability from 0 and 1 that a logit tells


@dataclass(frozen=True, eq=False)
class Linear:
    """A fitted function: x @ weights + bias. penalty: alpha or lambda, as it was chosen."""

    weights: Array
    bias: float
    penalty: float

    def __call__(self, x: Array) -> Array:
        """Its values at the rows of x."""
        values: Array = x @ self.weights + self.bias
        return values


def logits(log_probabilities: Array) -> Array:
    """log p - log(1 - p): what a sum of effects can be, where a probability ends at 1."""
    values = np.minimum(log_probabilities, np.log1p(-SURE))
    result: Array = values - np.log(-np.expm1(values))
    return result


def lasso(x: Array, y: Array) -> Linear:
    """The sparse linear function of best penalty, by five folds.

    Args:
        x: observations (N S); y: what came of each (N).
    """
    largest = float(np.abs(_standard(x)[0].T @ (y - y.mean())).max(initial=0.0)) / max(len(y), 1)
    if largest < 1e-12:  # nothing here changes anything
        return Linear(np.zeros(x.shape[1]), float(y.mean()), 0.0)
    alphas = largest * PENALTIES
    errors = np.zeros(len(alphas))
    for fold in range(FOLDS):
        out = np.arange(len(y)) % FOLDS == fold
        if out.any() and not out.all():
            for place, fitted in enumerate(_path(x[~out], y[~out], alphas)):
                errors[place] += ((fitted(x[out]) - y[out]) ** 2).sum()
    return _path(x, y, alphas[: int(errors.argmin()) + 1])[-1]


def _path(x: Array, y: Array, alphas: Array) -> list[Linear]:
    """The functions of penalties that fall, each begun where the last one ended, by coordinate descent."""
    standard, scale = _standard(x)
    gram, products = standard.T @ standard / len(y), standard.T @ (y - y.mean()) / len(y)
    weights, left = np.zeros(x.shape[1]), products.copy()  # left: products - gram @ weights
    least = PRECISION * max(float(y.std()), 1e-30)
    functions = []
    for alpha in alphas:
        for _ in range(SWEEPS):
            moved = 0.0
            for place in np.flatnonzero((weights != 0) | (np.abs(left) > alpha)):
                before = weights[place]
                pull = left[place] + before  # the column's own part of gram is 1
                weights[place] = np.sign(pull) * max(abs(pull) - alpha, 0.0)
                change = weights[place] - before
                if change:
                    left -= gram[:, place] * change
                    moved = max(moved, abs(change))
            if moved <= least:
                break
        mine = weights / scale
        functions.append(Linear(mine, float(y.mean() - x.mean(axis=0) @ mine), float(alpha)))
    return functions


def _standard(x: Array) -> tuple[Array, Array]:
    """Columns of mean 0 and spread 1, and their spreads; one that never varies is 0."""
    scale = x.std(axis=0)
    scale[scale < 1e-12] = np.inf
    return (x - x.mean(axis=0)) / scale, scale


def ridge(x: Array, y: Array) -> Linear:
    """The linear function of least squared error where each observation is left out in its turn.

    Args:
        x: observations (N H); y: what came of each (N).
    """
    centre, mean = x.mean(axis=0), float(y.mean())
    u, s, vt = np.linalg.svd(x - centre, full_matrices=False)
    if not len(s) or s[0] < 1e-12:
        return Linear(np.zeros(x.shape[1]), mean, 0.0)
    projected, best = u.T @ (y - mean), (np.inf, 0.0)
    for penalty in RIDGE * s[0] ** 2:
        shrunk = s**2 / (s**2 + penalty)
        leverage = np.minimum((u**2) @ shrunk + 1 / len(y), 1 - 1e-9)
        residual = (y - mean - u @ (shrunk * projected)) / (1 - leverage)
        best = min(best, (float((residual**2).sum()), float(penalty)))
    weights = vt.T @ (s / (s**2 + best[1]) * projected)
    return Linear(weights, mean - float(centre @ weights), best[1])


def r2(predicted: Array, observed: Array) -> float | None:
    """The share of variance that a prediction explains, 1 at best; None where there is none to explain."""
    total = float(((observed - observed.mean()) ** 2).sum()) if len(observed) else 0.0
    return None if total < 1e-24 else 1 - float(((observed - predicted) ** 2).sum()) / total


def spearman(one: Array, other: Array) -> float | None:
    """The correlation of ranks, ties sharing theirs; None where one of them never varies."""
    if len(one) < 2:
        return None
    a, b = _ranks(one), _ranks(other)
    spread = float(a.std() * b.std())
    return None if spread < 1e-12 else float(((a - a.mean()) * (b - b.mean())).mean()) / spread


def _ranks(values: Array) -> Array:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Array = (ends - (counts - 1) / 2)[places].astype(np.float64)
    return ranks
