"""Networks that read features: patches and frames, against values worked by hand and against each other."""

from typing import Any

import pytest
import torch

from heedmap.model.attention.positions import sinusoidal
from heedmap.model.native import checkpoint
from heedmap.model.native.feature_transformer import (
    FeatureTransformer,
    FeatureTransformerConfig,
    FrameInput,
    PatchInput,
    patches,
)

SHAPE: dict[str, Any] = {"width": 16, "feed_forward": 24, "heads": 2, "kv_heads": 2, "vocabulary": 30}
SHAPE |= {"encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0, "max_positions": 12}
SEES = FeatureTransformerConfig(task="image-to-text", input=PatchInput(side=12, patch=4), **SHAPE)
HEARS = FeatureTransformerConfig(task="automatic-speech-recognition", input=FrameInput(bands=5, longest=40), **SHAPE)


def network(config: FeatureTransformerConfig) -> FeatureTransformer:
    torch.manual_seed(1)
    built = checkpoint.build(config)
    assert isinstance(built, FeatureTransformer)
    return built.eval()


def test_patches_are_cut_row_by_row() -> None:
    pixels = torch.arange(3 * 16.0).reshape(1, 3, 4, 4)
    cut = patches(pixels, 2)
    assert cut.shape == (1, 4, 12)
    assert cut[0, 1].tolist() == [2, 3, 6, 7, 18, 19, 22, 23, 34, 35, 38, 39]
    assert cut[0, 2].tolist() == [8, 9, 12, 13, 24, 25, 28, 29, 40, 41, 44, 45]


def test_a_patch_knows_its_row_and_its_column() -> None:
    read = network(SEES).input
    along = sinusoidal(torch.arange(3), 8)
    assert torch.equal(read.positions[5], torch.cat([along[1], along[2]]))
    assert SEES.input.size == 48


@pytest.mark.parametrize(("stride", "places"), [(1, [1, 2, 7, 8]), (2, [1, 1, 4, 4]), (4, [1, 1, 2, 2])])
def test_frames_become_places(stride: Any, places: list[int]) -> None:
    config = HEARS.model_copy(update={"input": FrameInput(bands=5, longest=40, stride=stride)})
    built = network(config)
    lengths = torch.tensor([1, 2, 7, 8])
    assert built.places(lengths).tolist() == places
    for length, count in zip(lengths.tolist(), places, strict=True):
        assert built.encode(torch.randn(1, length, 5), torch.tensor([length])).shape == (1, count, 16)


def test_padding_behind_a_recording_changes_nothing() -> None:
    built, frames = network(HEARS), torch.randn(23, 5)
    target = torch.tensor([[2, 5, 6]])
    alone = built(frames[None], torch.tensor([23]), target)
    both = torch.zeros(2, 31, 5)
    both[0, :23], both[1] = frames, torch.randn(31, 5)
    together = built(both, torch.tensor([23, 31]), target.expand(2, -1))
    assert torch.allclose(together[0], alone[0], atol=1e-5)


def test_steps_are_what_one_pass_is() -> None:
    built, features = network(SEES), torch.randn(2, 9, 48)
    lengths, target = torch.tensor([9, 9]), torch.tensor([[2, 5, 6, 7], [2, 8, 9, 3]])
    whole = built(features, lengths, target)
    state = built.start(built.encode(features, lengths), lengths)
    steps = [built.decode(target[:, step : step + 1], state) for step in range(4)]
    assert torch.allclose(torch.cat(steps, dim=1), whole, atol=1e-5)
    assert torch.allclose(built.hidden(features, lengths, target) @ built.output_weight.T, whole, atol=1e-5)


def test_what_the_encoder_reads_can_be_given() -> None:
    built, features = network(SEES), torch.randn(1, 9, 48)
    lengths = torch.tensor([9])
    read = built.read(features, lengths)
    given = built.encode(torch.zeros_like(features), lengths, embeddings=read)
    assert torch.equal(given, built.encode(features, lengths))
    assert not torch.allclose(built.encode(features.flip(1), lengths), given)


def test_a_configuration_comes_back_from_its_checkpoint(tmp_path: Any) -> None:
    from heedmap.model.training.scenes.captions import tokenizer

    tokens = tokenizer()
    config = SEES.model_copy(update={"vocabulary": len(tokens), "languages": ("en", "zh")})
    checkpoint.save(tmp_path, network(config), tokens)
    loaded = checkpoint.load(tmp_path)
    assert loaded.network.config == config
    assert loaded.tokenizer.encode("two red apples").labels == ["▁two", "▁red", "▁apples", "</s>"]
