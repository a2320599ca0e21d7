"""Curves and what they sum up to, by hand for three tokens; chance, by hand too."""

from itertools import chain, combinations

import numpy as np
import pytest

from heedmap.model.faithfulness.curves import METRICS, Curves, Plan, against_chance, random_order, rest, top
from heedmap.model.faithfulness.table import table

PARTS = (3.0, 2.0, 1.0)  # what each of three tokens adds
EVERY = chain.from_iterable(combinations(range(3), count) for count in range(4))
VALUES = {frozenset(removed): 10.0 - sum(PARTS[unit] for unit in removed) for removed in EVERY}
PLAN = Plan.of(3, steps=3)


def curves(order: list[int]) -> Curves:
    return Curves.of(order, PLAN, VALUES)


def test_the_right_order_of_three_tokens() -> None:
    """The top fractions of three are one token, four times, and two: 3 3 3 3 5 without them, 3 3 3 3 1 with them."""
    assert (PLAN.curve, PLAN.tops) == ((0, 1, 2, 3), (1, 1, 1, 1, 2))
    right = curves([0, 1, 2])
    assert right.fractions.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert right.deletion.tolist() == [0, -3, -5, -6]
    assert right.insertion.tolist() == [-6, -3, -1, 0]
    assert right.metrics() == pytest.approx(
        {
            "comprehensiveness": 3.4,
            "sufficiency": 2.6,
            "deletion": -11 / 3,
            "insertion": -7 / 3,
            "degradation": 4 / 3,
        }
    )


def test_the_reversed_order_of_three_tokens() -> None:
    wrong = curves([2, 1, 0])
    assert wrong.deletion.tolist() == [0, -1, -3, -6]
    assert wrong.insertion.tolist() == [-6, -5, -3, 0]
    assert wrong.metrics() == pytest.approx(
        {
            "comprehensiveness": 1.4,
            "sufficiency": 4.6,
            "deletion": -7 / 3,
            "insertion": -11 / 3,
            "degradation": -4 / 3,
        }
    )


def test_a_plan_names_each_set_once_and_the_sets_are_those_of_its_curves() -> None:
    sets = PLAN.sets([1, 0, 2])
    assert len(set(sets)) == len(sets) == 6
    assert set(sets) == {frozenset(s) for s in ((), (1,), (0, 1), (0, 1, 2), (0, 2), (2,))}
    assert top([1, 0, 2], 2) == {0, 1}
    assert rest([1, 0, 2], 2) == {2}
    assert Plan.of(200, 10).tops == (2, 10, 20, 40, 100)
    assert Plan.of(7, 10).curve == (0, 1, 2, 3, 4, 5, 6, 7)


def test_chance_by_hand() -> None:
    """Mean 2, deviation 1: 5 is three above, where more is better, and beats all of them."""
    random = np.array([1.0, 2.0, 3.0])
    more, less = against_chance(5.0, random, 1), against_chance(5.0, random, -1)
    assert (more.mean, more.sd, more.z, more.fraction) == (2, 1, 3, 1)
    assert (less.z, less.fraction, less.verdict) == (-3, 0, "worse than chance")
    assert more.verdict == "better than chance"
    even = against_chance(2.0, random, 1)
    assert (even.z, even.fraction, even.verdict) == (0, 0.5, "no better than chance")
    alike = against_chance(1.0, np.array([1.0, 1.0]), 1)
    assert (alike.z, alike.fraction, alike.verdict) == (None, 0.5, "no better than chance")


def test_random_orders_differ_by_seed_and_input_and_are_the_same_again() -> None:
    orders = [random_order(20, seed, which) for seed in range(3) for which in range(3)]
    assert len({tuple(order) for order in orders}) == 9
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert random_order(20, 2, 1) == orders[7]


def additive(parts: np.ndarray, order: list[int], plan: Plan) -> Curves:
    values = {s: -float(sum(parts[unit] for unit in s)) for s in (frozenset[int](), *plan.sets(order))}
    return Curves.of(order, plan, values)


def test_the_table_tells_the_right_order_from_the_wrong_one_and_from_a_random_one() -> None:
    plan, seeds = Plan.of(8), 10
    parts = [np.random.default_rng(number).exponential(size=8) for number in range(12)]
    random = {n: [additive(p, random_order(8, seed, n), plan) for seed in range(seeds)] for n, p in enumerate(parts)}
    orders = {
        "wrong": [np.argsort(p).tolist() for p in parts],
        "chance": [random_order(8, 1000, number) for number in range(12)],
        "right": [np.argsort(-p).tolist() for p in parts],
    }
    measures = {
        name: {number: additive(parts[number], order, plan) for number, order in enumerate(each)}
        for name, each in orders.items()
    }
    made = table(measures, random, np.linspace(0, 1, 11))
    assert [row["measure"] for row in made["measures"]] == ["right", "chance", "wrong"]
    assert [row["verdict"] for row in made["measures"]] == [
        "better than chance",
        "no better than chance",
        "worse than chance",
    ]
    assert [row["beats"] for row in made["measures"]] == [["wrong", "chance"], ["wrong"], []]
    right = made["measures"][0]
    for name, better in METRICS.items():
        assert right[name]["fraction"] == 1
        assert better * right[name]["mean"] > better * made["random"][name]["mean"]
        assert right[name]["low"] <= right[name]["mean"] <= right[name]["high"]
        assert right[name]["random"]["mean"] == pytest.approx(made["random"][name]["mean"])
    deletion = right["curves"]["deletion"]
    assert deletion["mean"][0] == 0
    assert len(deletion["mean"]) == len(deletion["low"]) == len(made["fractions"]) == 11


def test_one_input_beats_nobody_for_sure() -> None:
    plan = Plan.of(3)
    random = {0: [additive(np.array(PARTS), random_order(3, seed), plan) for seed in range(5)]}
    measures = {
        "a": {0: additive(np.array(PARTS), [0, 1, 2], plan)},
        "b": {0: additive(np.array(PARTS), [2, 1, 0], plan)},
    }
    assert [row["beats"] for row in table(measures, random, np.linspace(0, 1, 3))["measures"]] == [[], []]
