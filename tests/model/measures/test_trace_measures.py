"""Measures through all layers: two layers by hand, and beside numpy, cuts of the graph and the paper's equations."""

from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.errors import InputTooLong, ParameterError, RangeError
from heedmap.model.measures import base, flow, relevance
from heedmap.model.measures.registry import defined_at
from heedmap.model.trace.trace import Trace
from tests.model.measures.layers import given, random_layer, traced

Array = NDArray[np.float64]
FIRST, SECOND = torch.tensor([[[1.0, 0.0], [0.5, 0.5]]]), torch.tensor([[[1.0, 0.0], [0.25, 0.75]]])


def of(name: str, trace: Trace, site: str, rows: range | None = None) -> Tensor:
    every = range(trace.map(site, 0).shape[0]) if rows is None else rows
    *_, values = defined_at(name, trace, site).rows(trace, site, every)
    assert values is not None
    return values


def mean(layer: AttentionMap) -> Array:
    return layer.dense().double().mean(dim=0).numpy()


def test_rollout_of_two_layers_by_hand() -> None:
    """Halved with the identity they are (1, 0; 1/4, 3/4) and (1, 0; 1/8, 7/8)."""
    trace = traced({"encoder": [given(FIRST), given(SECOND)]})
    expected = torch.tensor([[1.0, 0.0], [1 / 8 + 7 / 8 * 1 / 4, 7 / 8 * 3 / 4]])
    torch.testing.assert_close(of("rollout", trace, "encoder"), expected)
    torch.testing.assert_close(of("rollout", trace, "encoder", range(1, 2)), expected[1:])


def test_flow_of_two_layers_by_hand() -> None:
    """From the second position to the first: 1/8 at once and 1/4 later; to the second what the first layer lets."""
    trace = traced({"encoder": [given(FIRST), given(SECOND)]})
    torch.testing.assert_close(of("flow", trace, "encoder"), torch.tensor([[1.0, 0.0], [0.375, 0.75]]))


def test_relevance_of_two_layers_by_hand() -> None:
    """One value each, 1 and -1, gradients 1: what is positive of A dA is (1, 0; 1/2, 0) and (1, 0; 1/4, 0)."""
    v, d_output = torch.tensor([[[1.0], [-1.0]]]), torch.ones(1, 2, 1)
    trace = traced({"encoder": [given(FIRST, v, d_output), given(SECOND, v, d_output)]})
    # (2, 0; 1/4, 1) (2, 0; 1/2, 1)
    torch.testing.assert_close(of("relevance", trace, "encoder"), torch.tensor([[4.0, 0.0], [1.0, 1.0]]))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("strip", [1, 50, 1 << 20])
def test_rollout_is_numpys_product_of_matrices(causal: bool, strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "STRIP", strip)
    layers = [random_layer(4, 7, 7, causal=causal, seed=seed) for seed in range(3)]
    product = np.eye(7)
    for layer in layers:
        product = (mean(layer) / 2 + np.eye(7) / 2) @ product
    got = of("rollout", traced({"decoder": layers}), "decoder", range(2, 5))
    np.testing.assert_allclose(got, product[2:5], atol=1e-6)


def least_cut(shares: list[Array], query: int, key: int) -> float:
    """The smallest capacity whose loss separates the two, over all sets of nodes: the maximum flow, by duality."""
    size, top = len(shares[0]), len(shares)
    inner = [(level, place) for level in range(top + 1) for place in range(size)]
    inner = [node for node in inner if node not in ((top, query), (0, key)) and node[0] not in (0, top)]
    capacities = []
    for some in chain.from_iterable(combinations(inner, count) for count in range(len(inner) + 1)):
        # Other inputs drain nothing, so they stand on the source's side; other outputs give nothing, wherever.
        side = {(top, query), *some, *((0, place) for place in range(size) if place != key)}
        capacities.append(
            sum(
                shares[level - 1][place, end]
                for level, place in side
                if level
                for end in range(size)
                if (level - 1, end) not in side
            )
        )
    return float(min(capacities))


def test_flow_is_the_least_cut() -> None:
    layers = [random_layer(2, 3, 3, seed=seed) for seed in range(3)]
    shares = [mean(layer) / 2 + np.eye(3) / 2 for layer in layers]
    got = of("flow", traced({"encoder": layers}), "encoder", range(1, 3))
    for row, query in enumerate((1, 2)):
        for key in range(3):
            assert float(got[row, key]) == pytest.approx(least_cut(shares, query, key), abs=1e-5)


def positive(layer: AttentionMap) -> Array:
    """The mean over heads of what is positive of gradient x attention."""
    assert layer.d_output is not None
    gradients = layer.d_output @ layer.v.repeat_interleave(2, dim=0).mT
    return (layer.dense() * gradients).clamp(min=0).double().mean(dim=0).numpy()


def test_relevance_of_one_stack_is_the_papers_rule() -> None:
    layers = [random_layer(4, 6, 6, seed=seed) for seed in range(3)]
    whole = np.eye(6)
    for layer in layers:
        whole = whole + positive(layer) @ whole
    got = of("relevance", traced({"encoder": layers}), "encoder", range(1, 4))
    np.testing.assert_allclose(got, whole[1:4], atol=1e-5, rtol=1e-5)


def normalised(whole: Array) -> Array:
    added = whole - np.eye(len(whole))
    return added / added.sum(axis=-1, keepdims=True) + np.eye(len(whole))


def test_relevance_across_two_stacks_is_the_papers_rules() -> None:
    """Equations 5 to 10 of Chefer et al. 2021: ss is the decoder, qq the encoder."""
    encoder = [random_layer(4, 5, 5, seed=seed) for seed in range(2)]
    decoder = [random_layer(4, 3, 3, seed=seed) for seed in range(2, 4)]
    cross = [random_layer(4, 3, 5, seed=seed) for seed in range(4, 6)]
    qq, ss, sq = np.eye(5), np.eye(3), np.zeros((3, 5))
    for layer in encoder:
        qq = qq + positive(layer) @ qq
    for own, over in zip(decoder, cross, strict=True):
        weights = positive(own)
        ss, sq = ss + weights @ ss, sq + weights @ sq
        sq = sq + normalised(ss).T @ positive(over) @ normalised(qq)
    trace = traced({"encoder": encoder, "decoder": decoder, "cross": cross})
    np.testing.assert_allclose(of("relevance", trace, "cross"), sq, atol=1e-5, rtol=1e-4)


def test_no_strip_of_a_rollout_is_larger_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is linear in the length: no window of a map is wider than a strip."""
    monkeypatch.setattr(base, "STRIP", 4 * 40 * 8)
    sizes: list[int] = []
    window = AttentionMap.window

    def noted(layer: AttentionMap, rows: slice = slice(None), cols: slice = slice(None)) -> Tensor:
        block = window(layer, rows, cols)
        sizes.append(block.numel())
        return block

    monkeypatch.setattr(AttentionMap, "window", noted)
    of("rollout", traced({"decoder": [random_layer(4, 40, 40, causal=True)] * 2}), "decoder", range(39, 40))
    assert len(sizes) == 1 + 5  # of the last layer the row alone, of the one before all
    assert max(sizes) <= 4 * 40 * 8


def test_what_a_trace_lacks_is_said() -> None:
    encoder, cross = random_layer(2, 4, 4), random_layer(2, 3, 4)
    trace = traced({"encoder": [encoder], "cross": [cross]})
    for name in ("rollout", "flow"):
        with pytest.raises(ParameterError, match=rf"{name} is not defined at cross: .*: take encoder"):
            defined_at(name, trace, "cross")
    with pytest.raises(ParameterError, match="the decoder, of which this trace has no attention"):
        defined_at("relevance", trace, "cross")
    bare = traced({"encoder": [replace(encoder, d_output=None, delta=None)]})
    with pytest.raises(ParameterError, match=r"relevance is not defined at encoder: .*no objective.*rollout, flow"):
        defined_at("relevance", bare, "encoder")
    with pytest.raises(RangeError, match="weights is a measure of a cell, not of a trace: there are rollout, flow"):
        defined_at("weights", trace, "encoder")
    with pytest.raises(RangeError, match="site"):
        defined_at("rollout", trace, "decoder")


def test_what_would_take_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "MOST_EDGES", 15)
    monkeypatch.setattr(relevance, "MOST_POSITIONS", 3)
    square = [random_layer(2, 4, 4)]
    with pytest.raises(InputTooLong, match="up to 3 positions, and encoder has 4: rollout"):
        of("flow", traced({"encoder": square}), "encoder")
    with pytest.raises(InputTooLong, match="up to 3 positions a side"):
        of("relevance", traced({"encoder": square, "decoder": square, "cross": square}), "cross")
