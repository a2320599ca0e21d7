"""The packed product is used where it agrees with the plain one, and nothing depends on its being there."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from heedmap.model.native import packed_linear
from heedmap.model.native.packed_linear import PackedLinear

PRODUCT, SUM = packed_linear.OPERATORS.product, packed_linear.OPERATORS.sum


@pytest.fixture(autouse=True)
def untried() -> Iterator[None]:
    packed_linear.forget()
    yield
    packed_linear.forget()


def absent(*_: Any) -> Any:
    raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute")


BROKEN: dict[str, tuple[str, Callable[..., Any]]] = {
    "no reordering": ("reorder", absent),
    "no product": ("product", absent),
    "no sum": ("sum", absent),
    "another signature": ("product", lambda x, weight: None),
    "no bias": ("product", lambda x, weight, bias, after: PRODUCT(x, weight, None, after)),
    "no rectifier": ("product", lambda x, weight, bias, after: PRODUCT(x, weight, bias, "none")),
    "no residual": ("sum", lambda x, residual, weight, bias: PRODUCT(x, weight, bias, "none")),
    "not a number": ("sum", lambda *given: SUM(*given) * torch.nan),
    "another type": ("product", lambda *given: PRODUCT(*given).double()),
}


def agrees(layer: nn.Linear) -> PackedLinear:
    packed = PackedLinear(layer)
    with torch.inference_mode():
        for rows in (1, 7):
            x, residual = torch.randn(rows, layer.in_features), torch.randn(rows, layer.out_features)
            expected = F.linear(x, layer.weight, layer.bias)
            torch.testing.assert_close(packed(x), expected)
            torch.testing.assert_close(packed.rectified(x), expected.relu())
            torch.testing.assert_close(packed.added(x, residual), expected + residual)
    return packed


def test_this_build_packs_where_it_has_the_operators() -> None:
    whole = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    assert (agrees(nn.Linear(8, 12)).packed is not None) == whole


@pytest.mark.parametrize("name", BROKEN)
def test_operators_that_are_not_sound_are_not_used(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(packed_linear.OPERATORS, *BROKEN[name])
    for bias in (True, False):
        assert agrees(nn.Linear(8, 12, bias=bias)).packed is None
    assert len(caplog.records) == 1, "tried once"
