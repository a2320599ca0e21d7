"""Measures against their formulas, and a registry that describes itself."""

import pytest
import torch

from heedmap.model.attention.kernels import attend
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal
from heedmap.model.attention.scores import ScaledDot
from heedmap.model.errors import RangeError
from heedmap.model.measures.registry import MEASURES, measure


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
        assert all(described[field] for field in ("description", "cost", "example"))


def test_an_unknown_measure_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RangeError, match="weights, value-norm") as caught:
        measure("magic")
    assert caught.value.field == "measure"
