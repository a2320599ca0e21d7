"""Certificates: a true map passes, a false one is told, weights without queries and keys say so."""

import math

import pytest
import torch
from torch import Tensor

from heedmap.model.attention.biases import recognise
from heedmap.model.attention.kernels import plain
from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.masks import Causal, Full, Mask
from heedmap.model.attention.scores import ScaledDot, SoftCapped
from heedmap.model.trace.certificate import certify
from heedmap.model.trace.recorder import Recorder


def layer(mask: Mask, bias: Tensor | None = None, dtype: torch.dtype = torch.float32) -> tuple[AttentionMap, Tensor]:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, heads, 9, 8).to(dtype) for heads in (4, 2, 2))
    score = ScaledDot(1 / math.sqrt(8))
    output, lse = plain(q, k, v, mask, bias, score)
    kept = None if bias is None else recognise(bias[0])
    return AttentionMap(q[0], k[0], v[0], lse[0].float(), score, mask, kept), output[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_true_map_passes(dtype: torch.dtype) -> None:
    layer_map, output = layer(Causal(), torch.randn(1, 4, 9, 9), dtype)
    certificate = certify({"decoder": [layer_map]}, {"decoder": [output]}, {"decoder": ["plain"]})
    assert certificate.warning is None
    assert certificate.rows_checked == 36
    assert certificate.relative_error is not None
    assert certificate.tolerance is not None
    assert 0 <= certificate.relative_error <= certificate.tolerance
    assert certificate.errors["decoder"][0] is not None
    assert max(certificate.errors["decoder"][0]) == certificate.max_error


def test_a_map_without_its_bias_is_told() -> None:
    layer_map, output = layer(Full(), torch.randn(1, 4, 9, 9))
    wrong = AttentionMap(layer_map.q, layer_map.k, layer_map.v, layer_map.lse, layer_map.score, layer_map.mask)
    certificate = certify({"encoder": [wrong]}, {"encoder": [output]}, {"encoder": ["plain"]})
    assert certificate.warning is not None
    assert "do not take these maps as the model's" in certificate.warning


def test_a_map_of_nothing_but_nan_is_told() -> None:
    layer_map, output = layer(Full())
    certificate = certify({"encoder": [layer_map]}, {"encoder": [output * math.nan]}, {"encoder": ["plain"]})
    assert certificate.warning is not None


def test_weights_alone_are_kept_to_the_bit_and_said_to_be_unchecked() -> None:
    weights = torch.softmax(torch.randn(2, 3, 5, 5).masked_fill(torch.ones(5, 5).triu(1) > 0, -math.inf), dim=-1)
    recorder = Recorder()
    recorder.record_weights("decoder", weights)
    maps = recorder.maps(1, {"decoder": (4, 4)})
    torch.testing.assert_close(maps["decoder"][0].dense(), weights[1, :, :4, :4], atol=1e-7, rtol=0)
    assert isinstance(maps["decoder"][0].mask, Causal)
    certificate = recorder.certify(1, maps)
    assert (certificate.max_error, certificate.rows_checked, certificate.kernel) == (None, 0, "eager")
    assert certificate.warning is not None
    assert certificate.errors == {"decoder": [None]}


def test_a_soft_capped_score_worked_by_hand() -> None:
    one = torch.tensor([[1.0]])
    assert SoftCapped(scale=2.0, cap=4.0)(one, one).item() == pytest.approx(4 * math.tanh(0.5))
