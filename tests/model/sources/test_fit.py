"""Fits against planted functions, and against what their definitions demand."""

import numpy as np
import pytest

from heedmap.model.sources import fit
from heedmap.model.sources.methods import Ablations, best, scored

DRAW = np.random.default_rng(7)


def masks(count: int, spans: int) -> fit.Array:
    return (DRAW.random((count, spans)) < 0.5).astype(float)


def test_lasso_recovers_a_planted_sparse_function_of_more_spans_than_ablations() -> None:
    x, planted = masks(48, 80), np.zeros(80)
    planted[[3, 17, 60]] = 4.0, -2.0, 1.0
    line = fit.lasso(x, x @ planted - 5)
    assert line.weights == pytest.approx(planted, abs=0.06)
    assert line.bias == pytest.approx(-5, abs=0.1)
    assert set(np.argsort(-np.abs(line.weights))[:3]) == {3, 17, 60}
    unseen = masks(20, 80)
    share = fit.r2(line(unseen), unseen @ planted - 5)
    assert share is not None
    assert share > 0.999


def test_lasso_is_the_least_of_its_objective() -> None:
    x, y = masks(40, 12), DRAW.normal(size=40)
    line = fit.lasso(x, y)
    scale = x.std(axis=0)
    slope = ((x - x.mean(axis=0)) / scale).T @ (y - line(x)) / len(y)
    inside = line.weights == 0
    assert np.abs(slope[inside]).max(initial=0) <= line.penalty + 1e-6
    assert slope[~inside] == pytest.approx(line.penalty * np.sign(line.weights[~inside]), abs=1e-6)


def test_of_noise_next_to_nothing_is_learned() -> None:
    x, y = masks(64, 30), np.random.default_rng(3).normal(size=64)
    assert np.count_nonzero(fit.lasso(x, y).weights) < 15


@pytest.mark.parametrize("how", [fit.lasso, fit.ridge])
def test_where_nothing_changes_every_weight_is_zero(how: object) -> None:
    assert callable(how)
    line = how(masks(10, 4), np.full(10, -3.0))
    assert not line.weights.any()
    assert line.bias == -3
    assert not how(np.ones((10, 4)), DRAW.normal(size=10)).weights.any()


def test_ridge_is_the_closed_form_and_its_penalty_that_of_leaving_each_out() -> None:
    x = DRAW.normal(size=(20, 6))
    y = x @ np.array([1.0, -1, 0.5, 0, 0, 0]) + DRAW.normal(size=20)
    line = fit.ridge(x, y)

    def solved(some: fit.Array, values: fit.Array, penalty: float) -> fit.Linear:
        centred = some - some.mean(axis=0)
        weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(6), centred.T @ (values - values.mean()))
        return fit.Linear(weights, float(values.mean() - some.mean(axis=0) @ weights), penalty)

    right = solved(x, y, line.penalty)
    assert line.weights == pytest.approx(right.weights)
    assert line.bias == pytest.approx(right.bias)
    errors, step = {}, fit.RIDGE[0] / fit.RIDGE[1]
    for penalty in (line.penalty / step, line.penalty, line.penalty * step):
        each = [solved(np.delete(x, at, 0), np.delete(y, at), penalty) for at in range(20)]
        errors[penalty] = sum((y[at] - one(x[at][None])[0]) ** 2 for at, one in enumerate(each))
    assert errors[line.penalty] == min(errors.values())


def test_ranks_by_hand() -> None:
    assert fit.spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 15])) == pytest.approx(0.5)
    assert fit.spearman(np.array([1.0, 1, 2]), np.array([3.0, 3, 9])) == pytest.approx(1)
    assert fit.spearman(np.array([1.0, 1]), np.array([3.0, 4])) is None
    assert fit.spearman(np.array([]), np.array([])) is None
    assert fit.r2(np.array([1.0]), np.array([1.0])) is None


def test_logits_by_hand_and_finite_at_the_ends() -> None:
    values = fit.logits(np.log(np.array([0.5, 0.25, 1.0])))
    assert values[:2] == pytest.approx([0, np.log(1 / 3)])
    assert np.isfinite(values).all()
    assert fit.logits(np.array([-800.0]))[0] == pytest.approx(-800)


def test_methods_are_judged_by_what_they_were_not_fitted_to() -> None:
    planted = np.array([2.0, 0, 0, -1, 0])
    x = masks(40, 5)
    ablations = Ablations(x, x @ planted, 32)
    heads = np.stack([planted, DRAW.normal(size=5)])[None]  # of one layer the first head looks where it matters
    sums = {"gradient": heads, "attention": heads}
    methods, tables = scored(["gradient", "ablation", "attention"], sums, ablations, None)
    assert tables["gradient"] == pytest.approx(heads.sum(axis=(0, 1)))
    assert tables["ablation"] == pytest.approx(planted, abs=0.05)
    assert tables["attention"] == pytest.approx(planted, abs=0.05)
    assert methods["attention"]["head_weights"][0] == pytest.approx([1, 0], abs=0.05)
    assert methods["ablation"]["agreement"] > 0.95
    again, same = scored(["attention"], {"attention": heads}, ablations, [[1.0, 0.0]])
    assert same["attention"] == pytest.approx(planted)
    assert again["attention"]["head_weights"] == [[1.0, 0.0]]
    assert again["attention"]["agreement"] == pytest.approx(1)
    assert best(planted, [(0, 1), (0, 0), (1, 2), (2, 3), (3, 4)], 2) == [0, 2]
