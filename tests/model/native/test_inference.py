"""Generation's own arrangement of the Transformer gives the definition's logits."""

import pytest
import torch
from torch import nn

from heedmap.model.native import checkpoint, packed_linear
from heedmap.model.native.inference import InferenceTransformer
from heedmap.model.native.packed_linear import PackedLinear
from heedmap.model.native.tokenizer import END, PAD
from heedmap.model.native.transformer import Transformer, TransformerConfig


def network(kv_heads: int = 4, vocabulary: int = 50) -> Transformer:
    torch.manual_seed(5)
    built = checkpoint.build(
        TransformerConfig(
            source_language="de",
            target_language="en",
            vocabulary=vocabulary,
            width=32,
            feed_forward=48,
            heads=4,
            kv_heads=kv_heads,
            encoder_layers=2,
            decoder_layers=2,
            max_positions=80,
        )
    )
    assert isinstance(built, Transformer)
    return built.eval()


def batch(steps: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(6)
    source, lengths = torch.randint(4, 50, (4, 9)), torch.tensor([9, 5, 1, 7])
    source[torch.arange(9)[None] >= lengths[:, None]] = PAD
    target = torch.randint(4, 50, (4, steps))
    target[:, 0] = END
    return source, lengths, target


@pytest.fixture(params=["packed", "plain"])
def arrangement(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the packed product where this build has it, and without."""
    if request.param == "plain":
        monkeypatch.setattr(packed_linear, "available", lambda weight: False)
    return str(request.param)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_the_logits_are_the_networks(arrangement: str, kv_heads: int) -> None:
    plain = network(kv_heads)
    source, lengths, target = batch(40)  # more steps than a cache starts with
    with torch.inference_mode():
        expected = plain(source, lengths, target)
        engine = InferenceTransformer(plain)
        state = engine.start(source, lengths)
        got = torch.cat([engine.decode(target[:, i : i + 1], state) for i in range(40)], dim=1)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rows", [[2, 1], [3], [0, 0, 1, 1, 3, 3], [1, 0, 2, 3]])
def test_a_reordered_state_goes_on_with_its_rows(arrangement: str, rows: list[int]) -> None:
    plain = network()
    source, lengths, target = batch(6)
    kept = torch.tensor(rows)
    with torch.inference_mode():
        engine = InferenceTransformer(plain)
        state = engine.start(source, lengths)
        for step in range(4):
            engine.decode(target[:, step : step + 1], state)
        state.reorder(kept)
        swapped = torch.arange(len(rows)).flip(0)
        state.reorder(swapped)
        kept = kept[swapped]
        got = engine.decode(target[kept, 4:5], state)
        torch.testing.assert_close(got, plain(source, lengths, target)[kept, 4:5], atol=1e-5, rtol=0)


def test_packed_layers_are_linear_layers(arrangement: str) -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(24, 40), nn.Linear(24, 8)
    x, residual = torch.randn(5, 24), torch.randn(5, 48)
    with torch.inference_mode():
        layer = PackedLinear(first, second)
        expected = torch.cat([first(x), second(x)], dim=1)
        torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(layer.rectified(x), expected.relu(), atol=1e-5, rtol=0)
        torch.testing.assert_close(layer.added(x, residual), expected + residual, atol=1e-5, rtol=0)
        bare = PackedLinear.of_weight(first.weight)
        torch.testing.assert_close(bare(x), x @ first.weight.T, atol=1e-5, rtol=0)
    assert (layer.packed is None) == (arrangement == "plain" or not packed_linear.available(first.weight))
