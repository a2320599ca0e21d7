"""Estimated effects against a finite difference, edited attention by its definition, and a dense search."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from heedmap.model.attention.operators import spread
from heedmap.model.contract import Objective, Parameters, Request, check_edits
from heedmap.model.errors import InputError, ParameterError, RangeError
from heedmap.model.load import load
from heedmap.model.measures import edge_effects, effects
from heedmap.model.measures.correlation import correlation, pearson, spearman
from heedmap.model.measures.cut_effect import CutEffect
from heedmap.model.measures.edge_effects import Edge, top_edges
from heedmap.model.measures.effects import Estimate, estimates, head_effects
from heedmap.model.measures.gradient_attention import GradientAttention
from heedmap.model.native.tokenizer import Tokenizer
from heedmap.model.trace.trace import Trace
from tests.conftest import write_tiny
from tests.model import edited
from tests.model.measures.layers import random_layer, traced

SENTENCE, TARGET = "Wo ist der Bahnhof?", "The station is there."
Edits = list[dict[str, Any]]


def recorded(model: Any, edits: Edits | None = None, **objective: Any) -> Trace:
    wanted = Objective(**(objective or {"tokens": "all"}))
    [trace] = model.trace([Request(SENTENCE, TARGET, Parameters(), wanted, check_edits(edits or []))])
    assert isinstance(trace, Trace), trace
    return trace


@pytest.fixture(scope="module")
def model(tiny: Path) -> Any:
    served: Any = load(tiny)
    served.network.double()
    return served


@pytest.fixture(scope="module")
def trace(model: Any) -> Trace:
    return recorded(model)


def estimated(trace: Trace, edits: Edits, **more: Any) -> list[Estimate]:
    return [part for part in estimates(trace, check_edits(edits), **more) if part is not None]


def attentions(network: Any) -> Iterator[tuple[str, int, Any]]:
    for index, layer in enumerate(network.encoder):
        yield "encoder", index, layer.attention
    for index, layer in enumerate(network.decoder):
        yield "decoder", index, layer.attention
        yield "cross", index, layer.cross


@pytest.mark.parametrize("objective", [{"tokens": "all"}, {"tokens": [1], "minus": ["is"]}])
def test_silencing_is_the_slope_of_fading_a_head_out(model: Any, objective: dict[str, Any]) -> None:
    """The objective as a head's part of the output projection is taken down, in float64, from both sides."""
    grids = dict(part for part in head_effects(recorded(model, **objective)) if part is not None)
    step = 1e-5
    for site, index, attention in attentions(model.network):
        for head in (0, 3):
            columns = slice(head * attention.size, (head + 1) * attention.size)
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    attention.output.weight[:, columns] *= 1 - sign * step
                    values.append(recorded(model, **objective).objective["value"])  # type: ignore[index]
                    attention.output.weight[:, columns] /= 1 - sign * step
            slope = (values[0] - values[1]) / (2 * step)
            assert float(grids[site][index, head]) == pytest.approx(slope, rel=1e-4, abs=1e-6), (site, index, head)


EDITS: Edits = [
    {"kind": "silence", "site": "cross", "layer": 1, "head": 2},
    {"kind": "silence", "site": "decoder", "layer": "all", "head": "all"},
    {"kind": "silence", "site": "decoder", "layer": 0, "head": 1, "how": "uniform"},
    {"kind": "silence", "site": "encoder", "layer": 1, "head": "all", "how": "uniform"},
    {"kind": "temper", "site": "cross", "layer": 0, "head": 3, "temperature": 2.5},
    {"kind": "temper", "site": "decoder", "layer": 1, "head": "all", "temperature": 0.4},
    {"kind": "cut", "site": "cross", "layer": 1, "head": 0, "query": 2, "key": 3},
    {"kind": "cut", "site": "decoder", "query": [2, None], "key": [0, 2]},
    {"kind": "cut", "site": "encoder", "layer": 0, "query": "all", "key": [1, 4], "mass": "drop"},
    {"kind": "cut", "site": "decoder", "layer": 0, "head": -1, "key": "all", "mass": "drop"},
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: f"{edit['kind']}-{edit['site']}")
def test_an_estimate_is_the_gradient_times_what_the_definition_changes(
    trace: Trace, edit: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_effects, "CELLS", 40)  # several strips a layer
    layers, total = trace.layers[edit["site"]], 0.0
    for index, layer in enumerate(layers):
        scores = layer.score(layer.q, spread(layer.k, layer.heads))
        inputs = scores, spread(layer.v, layer.heads), layer.visible()
        before = edited.attention(*inputs, [], index, len(layers))[2]
        after = edited.attention(*inputs, [edit], index, len(layers))[2]
        assert layer.d_output is not None
        total += float((layer.d_output.double() * (after - before)).sum())
    [estimate] = estimated(trace, [edit])
    assert estimate.effect == pytest.approx(total, rel=1e-5, abs=1e-7)
    assert estimate.reason is None


def test_patched_outputs_have_an_estimate_where_the_other_trace_is_at_hand(model: Any, trace: Trace) -> None:
    donor = recorded(model, [{"kind": "temper", "site": "encoder", "layer": 0, "head": "all", "temperature": 5.0}])
    patch = {"kind": "patch", "site": "cross", "layer": 1, "head": 2, "trace": "t", "query": [1, 4]}
    mine, theirs = (each.layers["cross"][1].head(2) for each in (trace, donor))
    assert mine.d_output is not None
    change = (theirs.dense() @ theirs.v - mine.dense() @ mine.v)[0, 1:4]
    [estimate] = estimated(trace, [patch], donors={"t": donor})
    assert estimate.effect == pytest.approx(float((mine.d_output[0, 1:4] * change).sum()), rel=1e-4)
    assert estimated(trace, [patch]) == [Estimate(None, effects.NEEDS_DONOR)]
    assert estimated(trace, [{**patch, "what": "weights"}], donors={"t": donor}) == [
        Estimate(None, effects.NEEDS_WEIGHTS)
    ]


def test_what_no_gradient_tells_says_why(trace: Trace) -> None:
    place = {"kind": "silence", "site": "cross", "layer": 0, "head": 0}
    made = estimated(trace, [{**place, "how": "mean", "corpus": ["Ja."]}, {"kind": "replace", "token": 0, "by": 7}])
    assert made == [Estimate(None, effects.NEEDS_PASSES), Estimate(None, effects.NEEDS_INPUT)]


def test_a_head_whose_output_was_patched_already_has_no_estimate(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = load(write_tiny(tmp_path / "model", tokenizer, positions=32))  # a random model writes on to the end
    mean = {"kind": "silence", "site": "cross", "layer": 0, "head": 1, "how": "mean", "corpus": ["Ja."]}
    other = recorded(model, [mean])
    grids = dict(part for part in head_effects(other) if part is not None)
    assert torch.isnan(grids["cross"]).nonzero().tolist() == [[0, 1]]
    assert estimated(other, [{**EDITS[0], "layer": 0, "head": 1}]) == [Estimate(None, effects.REPLACED)]


def test_uniform_silence_of_all_heads_is_that_of_each(trace: Trace) -> None:
    grids = dict(part for part in head_effects(trace, "uniform") if part is not None)
    for site, grid in grids.items():
        edits = [
            {"kind": "silence", "site": site, "layer": layer, "head": head, "how": "uniform"}
            for layer, head in np.ndindex(tuple(grid.shape))
        ]
        each = [estimate.effect for estimate in estimated(trace, edits)]
        assert grid.flatten().tolist() == pytest.approx(each, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("mass", ["renormalise", "drop"])
def test_top_edges_are_those_of_a_dense_computation(mass: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [random_layer(4, 9, 9, causal=True, seed=seed) for seed in range(2)]
    made = replace(traced({"decoder": layers}), objective={"tokens": "all", "value": 0.0})
    measure, sign = (CutEffect(), 1) if mass == "renormalise" else (GradientAttention(), -1)
    dense = sign * torch.stack([measure.window(layer, slice(None), slice(None)) for layer in layers])
    order = dense.abs().flatten().argsort(descending=True)[:25]
    right = [(*np.unravel_index(int(at), dense.shape), float(dense.flatten()[at])) for at in order]
    for cells in (1 << 22, 70):
        monkeypatch.setattr(edge_effects, "CELLS", cells)
        *pauses, found = top_edges(made, "decoder", 25, mass)
        assert set(pauses) == {None}
        assert found is not None
        assert [(e.layer, e.head, e.query, e.key) for e in found] == [row[:4] for row in right]
        assert [edge.effect for edge in found] == pytest.approx([row[4] for row in right], rel=1e-5)
    assert len(pauses) > 2
    edge = found[0]
    assert edge.edit(mass).to_json()["mass"] == mass
    assert isinstance(edge, Edge)


def test_edges_whose_cut_leaves_nothing_are_not_among_them() -> None:
    layers = [random_layer(2, 1, 1, causal=True)]
    made = replace(traced({"decoder": layers}), objective={"tokens": "all", "value": 0.0})
    *_, found = top_edges(made, "decoder", 5)
    assert found == []


@pytest.mark.parametrize(
    ("edit", "kind", "field"),
    [
        ({**EDITS[0], "head": 4}, RangeError, "edits.1.head"),
        ({**EDITS[0], "layer": 2}, RangeError, "edits.1.layer"),
        ({**EDITS[0], "site": "vision"}, RangeError, "edits.1.site"),
        ({"kind": "cut", "site": "cross", "query": 50, "key": 0}, RangeError, "edits.1.query"),
        ({"kind": "cut", "site": "cross", "query": 1, "key": "all"}, ParameterError, "edits.1"),
        ({"kind": "cut", "site": "decoder", "query": 0, "key": 0}, ParameterError, "edits.1"),
        (
            {"kind": "silence", "site": "cross", "layer": 0, "head": 9, "how": "mean", "corpus": ["a"]},
            RangeError,
            "edits.1.head",
        ),
    ],
)
def test_an_edit_that_is_none_of_the_trace_is_named(
    trace: Trace, edit: dict[str, Any], kind: type[InputError], field: str
) -> None:
    with pytest.raises(kind) as caught:
        estimated(trace, [EDITS[0], edit])
    assert caught.value.field == field


def test_a_trace_without_an_objective_says_how_to_get_one(model: Any) -> None:
    [plain] = model.trace([Request(SENTENCE, TARGET)])
    for work in (head_effects(plain), top_edges(plain, "cross", 3), estimates(plain, ())):
        with pytest.raises(ParameterError, match="post its input again with one") as caught:
            list(work)
        assert caught.value.field == "objective"


def test_correlations_by_hand() -> None:
    assert pearson([1, 2, 3], [2, 4, 6]) == 1
    assert pearson([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert spearman([1, 2, 3, 40], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert spearman([1, 1, 2], [5, 5, 9]) == 1, "equal numbers share their rank"
    assert pearson([1, 1, 1], [1, 2, 3]) is None
    assert pearson([1, 2], [1, 2]) is None
    nan = float("nan")
    assert correlation([1, nan, 2, 3], [3, 0, 2, 1]) == {"pearson": -1, "spearman": -1, "pairs": 3}
