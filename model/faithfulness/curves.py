"""Curves of an objective as parts are removed in an order, what they sum up to, and how far that is from chance."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5)  # of DeYoung et al. 2020
STEPS = 10  # of a curve: an area of a monotonous one is right to a twentieth of its height
# Deviations from the mean of random orders that are beyond chance: with 5 of them, the fewest, one order in fourteen is
# so good by luck (Student's t with 4 degrees of freedom at 2 / sqrt(1 + 1/5)); with 10 one in twenty-two.
BEYOND = 2.0
LEAST_SEEDS = 5
SAME = 1e-9  # of the values' size: a spread under this is rounding

Verdict = Literal["better than chance", "no better than chance", "worse than chance"]
Values = Mapping[frozenset[int], float]
Array = NDArray[np.float64]

METRICS: Mapping[str, int] = {
    "comprehensiveness": 1,
    "sufficiency": -1,
    "deletion": -1,
    "insertion": 1,
    "degradation": 1,
}
"""What sums a curve up: 1 where more is better, -1 where less is.

comprehensiveness: the mean drop of the objective without the top fractions; sufficiency: that with them alone (DeYoung
et al. 2020, ERASER). deletion, insertion: the area under the objective's change against the fraction that is removed,
or that alone is there (Petsiuk et al. 2018, RISE). degradation: insertion less deletion (Schulz et al. 2020).
"""


@dataclass(frozen=True)
class Plan:
    """How many of the units are removed, or left, in the passes of one order.

    curve: along the curves, from 0 to all. tops: of DeYoung's fractions, at least one each.
    """

    units: int
    curve: tuple[int, ...]
    tops: tuple[int, ...]

    @classmethod
    def of(cls, units: int, steps: int = STEPS, fractions: Sequence[float] = FRACTIONS) -> "Plan":
        """For so many units."""
        curve = sorted({round(units * step / steps) for step in range(steps + 1)})
        return cls(units, tuple(curve), tuple(max(1, math.ceil(fraction * units - 1e-9)) for fraction in fractions))

    def sets(self, order: Sequence[int]) -> list[frozenset[int]]:
        """All sets of removed units that an order's numbers are made of, each once."""
        counts = sorted({*self.curve, *self.tops})
        every = [removed for count in counts for removed in (top(order, count), rest(order, count))]
        return list(dict.fromkeys(every))


def top(order: Sequence[int], count: int) -> frozenset[int]:
    """The most important ones."""
    return frozenset(order[:count])


def rest(order: Sequence[int], count: int) -> frozenset[int]:
    """All but the most important ones."""
    return frozenset(order[count:])


@dataclass(frozen=True, eq=False)
class Curves:
    """What became of the objective, as its change from that of the whole input, which is 0.

    fractions: of the units. deletion: without the top fraction; insertion: with that alone.
    """

    fractions: Array
    deletion: Array
    insertion: Array
    comprehensiveness: float
    sufficiency: float

    @classmethod
    def of(cls, order: Sequence[int], plan: Plan, values: Values) -> "Curves":
        """From the objective's values without each of the plan's sets."""
        whole = values[frozenset()]

        def changes(removed: Iterable[frozenset[int]]) -> Array:
            return np.array([values[each] - whole for each in removed])

        return cls(
            np.array(plan.curve, np.float64) / plan.units,
            changes(top(order, count) for count in plan.curve),
            changes(rest(order, count) for count in plan.curve),
            -float(changes(top(order, count) for count in plan.tops).mean()),
            -float(changes(rest(order, count) for count in plan.tops).mean()),
        )

    def metrics(self) -> dict[str, float]:
        """The numbers of `METRICS`."""
        deletion = float(np.trapezoid(self.deletion, self.fractions))
        insertion = float(np.trapezoid(self.insertion, self.fractions))
        return {
            "comprehensiveness": self.comprehensiveness,
            "sufficiency": self.sufficiency,
            "deletion": deletion,
            "insertion": insertion,
            "degradation": insertion - deletion,
        }

    def on(self, grid: Array) -> tuple[Array, Array]:
        """Deletion and insertion at other fractions, along straight lines."""
        return np.interp(grid, self.fractions, self.deletion), np.interp(grid, self.fractions, self.insertion)


@dataclass(frozen=True)
class Chance:
    """A number beside those of random orders.

    mean, sd: of these. z: deviations by which it is better than their mean, negative where worse; None where they are
    all alike. fraction: of these, how many it beats, ties half.
    """

    mean: float
    sd: float
    z: float | None
    fraction: float

    @property
    def verdict(self) -> Verdict:
        """Whether an order is any good."""
        if self.z is None or abs(self.z) < BEYOND:
            return "no better than chance"
        return "better than chance" if self.z > 0 else "worse than chance"

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        random = {"mean": self.mean, "sd": self.sd}
        return {"random": random, "z": self.z, "fraction": self.fraction, "verdict": self.verdict}


def against_chance(value: float, random: Array, better: int) -> Chance:
    """A number, and the same of at least two random orders; better: 1 where more is better, -1 where less is."""
    mean, sd = float(random.mean()), float(random.std(ddof=1))
    size = max(float(np.abs(random).max()), abs(value), 1e-30)
    alike = sd <= SAME * size
    gains = better * (value - random)
    beaten = np.where(np.abs(gains) <= SAME * size, 0.5, gains > 0)
    return Chance(mean, sd, None if alike else better * (value - mean) / sd, float(beaten.mean()))


def random_order(units: int, seed: int, which: int = 0) -> list[int]:
    """A random order: its own for each seed and input."""
    return [int(unit) for unit in np.random.default_rng([seed, which]).permutation(units)]
