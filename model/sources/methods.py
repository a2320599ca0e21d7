"""Scores of spans by gradients, by ablations and by attention, each judged by removals that nothing was fitted to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedmap.model.sources import fit

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ablations:
    """Random subsets of the spans (N S), 1 where one is kept, and the answer's logit-probability under each (N).

    fitted: so many are fitted to; the others are held out.
    """

    masks: Array
    observed: Array
    fitted: int

    def agreement(self, table: Array) -> float | None:
        """How far the sum of scores (S) of what is kept foretells the order of what came: ContextCite's LDS."""
        return fit.spearman(self.masks[self.fitted :] @ table, self.observed[self.fitted :])

    def line(self, x: Array, sparse: bool) -> tuple[Array, dict[str, Any]]:
        """Weights of the columns of x (N, ...) fitted to what came, and how good they are where they were not."""
        fitted = (fit.lasso if sparse else fit.ridge)(x[: self.fitted], self.observed[: self.fitted])
        share = fit.r2(fitted(x[self.fitted :]), self.observed[self.fitted :])
        used = int(np.count_nonzero(fitted.weights))
        return fitted.weights, {"fit": {"r2": share, "penalty": fitted.penalty, "bias": fitted.bias, "used": used}}


def scored(
    method: Sequence[str],
    sums: Mapping[str, Array],
    ablations: Ablations,
    head_weights: Sequence[Sequence[float]] | None,
) -> tuple[dict[str, dict[str, Any]], dict[str, Array]]:
    """What there is to say of each method, and its scores (S).

    Args:
        method: gradient, ablation, attention.
        sums: of gradient and of attention what each head says of each span (L, H, S).
        head_weights: of each layer and head, for attention; those that fit best unless given.
    """
    methods: dict[str, dict[str, Any]] = {}
    tables: dict[str, Array] = {}
    for name in method:
        more: dict[str, Any] = {}
        if name == "gradient":
            tables[name] = sums[name].sum(axis=(0, 1))
        elif name == "ablation":
            tables[name], more = ablations.line(ablations.masks, sparse=True)
        else:
            features = sums[name].reshape(-1, sums[name].shape[2]).T
            if head_weights is None:
                weights, more = ablations.line(ablations.masks @ features, sparse=False)
            else:
                weights = np.array(head_weights, dtype=np.float64).reshape(-1)
            tables[name] = features @ weights
            more["head_weights"] = weights.reshape(sums[name].shape[:2]).tolist()
        methods[name] = {"agreement": ablations.agreement(tables[name]), **more}
    return methods, tables


def best(table: Array, ranges: Sequence[tuple[int, int]], count: int) -> list[int]:
    """The places of the largest scores, the largest first, among spans that have tokens."""
    there = [place for place, (first, last) in enumerate(ranges) if first < last]
    return sorted(there, key=lambda place: -float(table[place]))[:count]
