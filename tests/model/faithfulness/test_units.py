"""Tokens and edges: what is cut of them, and the scores that measures give them, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from heedmap.model.attention.masks import Causal
from heedmap.model.contract import AnyEdit
from heedmap.model.errors import InputTooLong, ParameterError
from heedmap.model.faithfulness import units
from heedmap.model.faithfulness.units import Edges, Tokens, Units, ordered
from heedmap.model.measures.base import Measure
from heedmap.model.measures.registry import MEASURES
from heedmap.model.trace.trace import Trace
from tests.model.measures.layers import axis, given, random_layer, traced

ENCODER = torch.tensor([[[0.5, 0.2, 0.3], [0.1, 0.6, 0.3], [0.4, 0.4, 0.2]]])
CROSS = torch.tensor([[[0.7, 0.1, 0.2], [0.2, 0.5, 0.3]], [[0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]])


def special(trace: Trace, name: str, places: list[int]) -> Trace:
    """The trace with special tokens on an axis."""
    old = trace.axes[name]
    axes = {**trace.axes, name: replace(old, special=[at in places for at in range(len(old))])}
    return replace(trace, prediction=replace(trace.prediction, axes=axes))


def translation(last: bool = True) -> Trace:
    """An encoder and a cross layer over three source tokens, whose last is special."""
    trace = traced({"encoder": [given(ENCODER)], "cross": [given(CROSS)]})
    return special(trace, "source", [2] if last else [])


def cuts(edits: tuple[AnyEdit, ...]) -> list[tuple[Any, ...]]:
    return [(e.site, e.query, e.key, e.mass) for e in edits if e.kind == "cut"]  # type: ignore[union-attr]


def measure(name: str) -> Measure:
    return MEASURES[name]


def order(of: Units, name: str) -> list[int]:
    return ordered(measure(name), of.scores(measure(name)))


def test_a_token_is_cut_wherever_the_input_is_read_and_special_ones_stay() -> None:
    tokens = Tokens(translation())
    assert [unit["token"] for unit in tokens.describe()] == [0, 1]
    assert cuts(tokens.edits(frozenset({0, 1}))) == [
        ("encoder", "all", (0, 2), "renormalise"),
        ("cross", "all", (0, 2), "renormalise"),
    ]
    assert tokens.edits(frozenset()) == ()


def test_where_nothing_is_kept_rows_see_themselves_and_the_last_cut_drops_the_mass() -> None:
    tokens = Tokens(translation(last=False))
    one = cuts(tokens.edits(frozenset({1})))
    assert one == [
        ("encoder", (0, 1), (1, 2), "renormalise"),
        ("encoder", (2, 3), (1, 2), "renormalise"),
        ("cross", "all", (1, 2), "renormalise"),
    ]
    assert cuts(tokens.edits(frozenset({0, 1, 2})))[-1] == ("cross", "all", (0, 3), "drop")


def test_weights_of_tokens_are_sums_over_the_cells_that_are_cut() -> None:
    """Columns of the encoder and of both heads of cross; the diagonal is out where it stays."""
    kept = Tokens(translation())
    np.testing.assert_allclose(kept.scores(measure("weights")), [1.0 + 1.3, 1.2 + 1.7], atol=1e-6)
    free = Tokens(translation(last=False))
    np.testing.assert_allclose(free.scores(measure("weights")), [0.5 + 1.3, 0.6 + 1.7, 0.6 + 1.0], atol=1e-6)
    assert order(kept, "weights") == [1, 0]
    assert order(free, "weights") == [1, 0, 2]


def test_rollout_of_tokens_is_the_sum_over_rows_of_the_encoder() -> None:
    tokens = Tokens(translation())
    expected = ((ENCODER[0] + torch.eye(3)) / 2).sum(dim=0)[:2]
    np.testing.assert_allclose(tokens.scores(measure("rollout")), expected, atol=1e-6)


def test_what_a_cut_does_ranks_the_other_way_round() -> None:
    layer = random_layer(4, 5, 5)
    tokens = Tokens(special(traced({"encoder": [layer]}), "source", [0]))
    window = measure("cut-effect").window(layer, slice(None), slice(None))  # type: ignore[attr-defined]
    expected = window.double().sum(dim=(0, 1))[1:]
    np.testing.assert_allclose(tokens.scores(measure("cut-effect")), expected, atol=1e-5)
    assert order(tokens, "cut-effect") == expected.argsort().tolist()


def test_the_output_on_the_same_axis_is_no_input() -> None:
    """Of a causal stack, a token is cut from the rows behind it; the last two tokens were written."""
    layer = random_layer(2, 5, 5, causal=True)
    trace = traced({"decoder": [layer]})
    axes = {"tokens": axis(range(5))}
    trace = replace(
        trace,
        site_axes={"decoder": ("tokens", "tokens")},
        prediction=replace(trace.prediction, axes=axes, tokens=["3", "4"]),
    )
    tokens = Tokens(trace)
    assert len(tokens) == 3
    assert isinstance(layer.mask, Causal)
    assert cuts(tokens.edits(frozenset({1}))) == [
        ("decoder", (0, 1), (1, 2), "renormalise"),
        ("decoder", (2, 5), (1, 2), "renormalise"),
    ]
    dense = layer.dense().double()
    dense.diagonal(dim1=1, dim2=2).zero_()
    np.testing.assert_allclose(tokens.scores(measure("weights")), dense.sum(dim=(0, 1))[:3], atol=1e-6)


def test_rows_that_the_objective_depends_on() -> None:
    layer = random_layer(2, 4, 4)
    assert layer.d_output is not None
    assert units.objective_rows(layer) == [0, 1, 2, 3]
    assert units.objective_rows(replace(layer, d_output=None)) == [0, 1, 2, 3]
    one = torch.zeros_like(layer.d_output)
    one[0, 2, 1] = 0.5
    assert units.objective_rows(replace(layer, d_output=one)) == [2]


def test_edges_are_cells_between_positions_and_neighbours_are_cut_together() -> None:
    edges = Edges(translation())
    assert [tuple(unit.values()) for unit in edges.describe()] == [
        ("encoder", 0, 1),
        ("encoder", 1, 0),
        ("encoder", 2, 0),
        ("encoder", 2, 1),
        ("cross", 0, 0),
        ("cross", 0, 1),
        ("cross", 1, 0),
        ("cross", 1, 1),
    ]
    assert cuts(edges.edits(frozenset({2, 3, 5}))) == [
        ("encoder", 2, (0, 2), "renormalise"),
        ("cross", 0, (1, 2), "renormalise"),
    ]
    expected = [0.2, 0.1, 0.4, 0.4, 0.8, 0.9, 0.5, 0.8]
    np.testing.assert_allclose(edges.scores(measure("weights")), expected, atol=1e-6)


def test_a_row_whose_edges_all_go_drops_its_mass() -> None:
    edges = Edges(translation(last=False))
    own = [number for number, cell in enumerate(edges.cells) if cell[:2] == ("cross", 1)]
    assert cuts(edges.edits(frozenset(own))) == [("cross", 1, (0, 3), "drop")]


def values_only() -> Trace:
    weights: Tensor = torch.full((2, 3, 3), 1 / 3)
    return traced({"encoder": [given(weights)]})


@pytest.mark.parametrize("name", ["value-norm", "gradient", "cut-effect", "relevance", "entropy"])
def test_what_is_not_defined_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=name):
        Tokens(values_only()).scores(measure(name))


def test_edges_know_no_measure_of_the_whole_way() -> None:
    with pytest.raises(ParameterError, match="single edges"):
        Edges(values_only()).scores(measure("rollout"))


def test_an_input_without_a_token_of_its_own_or_with_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match="no token"):
        Tokens(special(values_only(), "source", [0, 1, 2]))
    monkeypatch.setattr(units, "MOST_TOKENS", 2)
    with pytest.raises(InputTooLong, match="3 tokens"):
        Tokens(values_only())
    monkeypatch.setattr(units, "MOST_EDGES", 5)
    with pytest.raises(InputTooLong, match="6 edges"):
        Edges(values_only())
