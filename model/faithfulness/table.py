"""The table of all measures: mean curves over inputs with their intervals, against random orders and each other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heedmap.model.faithfulness.curves import METRICS, Chance, Curves, against_chance
from heedmap.model.robustness.statistics import Interval, bootstrap

SUMMARY = "degradation"  # what a measure's own verdict and rank are by: both curves have a part in it
LEAST_INPUTS = 5  # for an interval of a difference: of fewer the bootstrap has hardly any samples to draw

Array = NDArray[np.float64]


def table(
    measures: Mapping[str, Mapping[int, Curves]], random: Mapping[int, Sequence[Curves]], grid: Array
) -> dict[str, Any]:
    """A row for each measure, the best first, and what random orders come to.

    Args:
        measures: of each, the curves of the inputs in which it is defined, by their numbers.
        random: of each input the curves of as many random orders.
        grid: the fractions at which curves are told.
    """
    numbers = {name: _numbers(curves) for name, curves in measures.items() if curves}
    rows = [_row(name, measures[name], numbers[name], random, grid) for name in numbers]
    for row in rows:
        own = numbers[row["measure"]]
        row["beats"] = [other for other in numbers if other != row["measure"] and _beats(own, numbers[other])]
    rows.sort(key=lambda row: -float(row[SUMMARY]["mean"]))
    return {"fractions": grid.tolist(), "measures": rows, "random": _random(random, grid)}


def chance(name: str, curves: Mapping[int, Curves], random: Mapping[int, Sequence[Curves]]) -> Chance:
    """A metric's mean over inputs beside that of each random order over the same inputs."""
    value = float(np.mean([each.metrics()[name] for each in curves.values()]))
    seeds = np.array([[each.metrics()[name] for each in random[number]] for number in curves]).mean(axis=0)
    return against_chance(value, seeds, METRICS[name])


def _row(
    measure: str,
    curves: Mapping[int, Curves],
    numbers: Mapping[int, Mapping[str, float]],
    random: Mapping[int, Sequence[Curves]],
    grid: Array,
) -> dict[str, Any]:
    row: dict[str, Any] = {"measure": measure, "inputs": len(curves), "curves": _curves(list(curves.values()), grid)}
    for name in METRICS:
        interval = bootstrap(np.array([each[name] for each in numbers.values()]))
        row[name] = {**interval.to_json(), **chance(name, curves, random).to_json()}
    row["verdict"] = row[SUMMARY]["verdict"]
    return row


def _numbers(curves: Mapping[int, Curves]) -> dict[int, dict[str, float]]:
    return {number: each.metrics() for number, each in curves.items()}


def _beats(own: Mapping[int, Mapping[str, float]], other: Mapping[int, Mapping[str, float]]) -> bool:
    """Whether a measure is surely better than another, input by input."""
    both = [number for number in own if number in other]
    if len(both) < LEAST_INPUTS:
        return False
    return bool(bootstrap(np.array([own[number][SUMMARY] - other[number][SUMMARY] for number in both])).low > 0)


def _curves(curves: Sequence[Curves], grid: Array) -> dict[str, Any]:
    deletion, insertion = (np.stack(part) for part in zip(*(each.on(grid) for each in curves), strict=True))
    return {"deletion": _lists(bootstrap(deletion)), "insertion": _lists(bootstrap(insertion))}


def _lists(interval: Interval) -> dict[str, list[float]]:
    return {part: getattr(interval, part).tolist() for part in ("mean", "low", "high")}


def _random(random: Mapping[int, Sequence[Curves]], grid: Array) -> dict[str, Any]:
    """Random orders as a measure's row: an input's own numbers are the means over its orders."""
    flat = [[each.metrics() for each in curves] for curves in random.values()]
    means = {name: np.array([np.mean([each[name] for each in own]) for own in flat]) for name in METRICS}
    sides = [[np.mean([each.on(grid)[side] for each in own], axis=0) for own in random.values()] for side in (0, 1)]
    curves = {
        name: _lists(bootstrap(np.stack(side))) for name, side in zip(("deletion", "insertion"), sides, strict=True)
    }
    return {"curves": curves, **{name: bootstrap(values).to_json() for name, values in means.items()}}
