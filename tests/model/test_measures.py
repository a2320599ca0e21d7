"""Measures against their formulas, and a registry that describes itself."""

from dataclasses import replace

import pytest
import torch

from heedmap.model.attention.kernels import attend
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal
from heedmap.model.attention.scores import ScaledDot
from heedmap.model.errors import ParameterError, RangeError
from heedmap.model.measures.base import CellMeasure
from heedmap.model.measures.registry import MEASURES, defined_on, measure


def layer() -> AttentionMap:
    torch.manual_seed(8)
    q, k, v = torch.randn(1, 4, 6, 8), torch.randn(1, 2, 6, 8), torch.randn(1, 2, 6, 8)
    done = attend(q, k, v, Causal())
    return AttentionMap(q[0], k[0], v[0], done.lse[0], ScaledDot.for_size(8), Causal())


def test_value_norm_is_the_weight_times_the_values_length() -> None:
    built = layer()
    got = measure("value-norm").window(built, slice(2, 6), slice(1, 4))
    dense = built.dense()
    for head in range(4):
        for i in range(2, 6):
            for j in range(1, 4):
                expected = dense[head, i, j] * built.v[head // 2, j].square().sum().sqrt()
                assert got[head, i - 2, j - 1].item() == pytest.approx(expected.item(), abs=1e-6)


def test_weights_are_the_map_itself() -> None:
    built = layer()
    assert torch.equal(measure("weights").window(built, slice(None), slice(None)), built.dense())


def test_every_measure_describes_itself() -> None:
    for name, one in MEASURES.items():
        described = one.describe()
        assert described["name"] == name
        texts = ("description", "formula", "source", "range", "cost", "where", "example", "kind")
        assert all(described[field] and isinstance(described[field], str) for field in texts)
        assert described["signed"] is one.signed
        assert not isinstance(one, CellMeasure) or described["encoding"] == one.encoding


def test_an_unknown_measure_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RangeError, match="weights, value-norm") as caught:
        measure("magic")
    assert caught.value.field == "measure"


def test_a_measure_that_is_undefined_is_refused_with_those_that_are_defined() -> None:
    alone = replace(layer(), v=torch.zeros(2, 6, 0))
    with pytest.raises(ParameterError, match=r"value-norm is not defined here: .*no values.* Here there are weights$"):
        defined_on("value-norm", alone)
    assert defined_on("weights", alone).name == "weights"
