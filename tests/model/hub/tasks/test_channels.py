"""Pictures have the channels that a model reads: grey for one, RGB for three; others are refused at load."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from heedmap.model.contract import Request
from heedmap.model.errors import CheckpointError
from heedmap.model.hub.served import HubModel
from heedmap.model.trace.trace import Trace
from tests.model.hub import media_checkpoints as checkpoints
from tests.model.hub.media_checkpoints import as_png, picture
from tests.model.hub.serving import ask, served

COLOURED = picture(60, 40)
GREY = COLOURED.convert("L")
ONE = {"image_mean": [0.4], "image_std": [0.3]}
LABELS = ("a girl", "the station")


def grey_clip(folder: Path) -> Path:
    """A CLIP of one channel, whose processor was not told so: three equal values, and pictures made into RGB."""
    checkpoints.clip(folder, vision_config={**checkpoints.TOWER, "num_channels": 1})
    return changed(folder, image_mean=[0.4] * 3, image_std=[0.3] * 3)


def changed(folder: Path, **values: Any) -> Path:
    """The folder with other values in its preprocessor_config.json."""
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    return folder


def pixels(folder: Path, image: Any) -> torch.Tensor:
    """What transformers' own processor makes of a picture in this mode, with one mean and one deviation."""
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    actual: torch.Tensor = processor(images=[image], return_tensors="pt", do_convert_rgb=False, **ONE)["pixel_values"]
    return actual


def classified(folder: Path) -> list[float]:
    """transformers' own scores of the grey picture, in the order of the labels."""
    with torch.inference_mode():
        model = hf.AutoModelForImageClassification.from_pretrained(folder)
        return [float(score) for score in model(pixels(folder, GREY)).logits[0].softmax(-1)]


def folder_of(family: str, folder: Path) -> Path:
    """A classifier of one channel."""
    if family == "vit":
        return checkpoints.vit(folder, hf.ViTImageProcessorPil(size=checkpoints.SQUARE, **ONE), num_channels=1)
    return changed(getattr(checkpoints, family)(folder, num_channels=1), **ONE)


@pytest.mark.parametrize("family", ["vit", "beit", "dinov2", "swin"])
def test_a_model_of_one_channel_sees_grey(tmp_path: Path, family: str) -> None:
    folder = folder_of(family, tmp_path)
    model, expected = served(folder, "image-classification"), classified(folder)
    for image in (COLOURED, GREY):  # whatever the file has
        actual = ask(model, {"image": as_png(image)}, top_k=7)
        scores = {entry["label"]: entry["score"] for entry in actual.output}
        assert [scores[name] for name in checkpoints.LABELS] == pytest.approx(expected, abs=1e-6)


def test_boxes_are_those_of_the_picture_in_colour(tmp_path: Path) -> None:
    grey, coloured = folder_of("dinov2", tmp_path / "grey"), checkpoints.dinov2(tmp_path / "coloured")
    axes = [
        ask(served(folder, "image-classification"), {"image": as_png(COLOURED)}).axes["patches"]
        for folder in (grey, coloured)
    ]
    assert axes[0] == axes[1]
    assert axes[0].size == (60, 40)
    assert any(box is not None for box in axes[0].boxes or [])


def test_clips_tower_of_one_channel(tmp_path: Path) -> None:
    folder = grey_clip(tmp_path)
    model = served(folder, "zero-shot-image-classification")
    actual = ask(model, {"image": as_png(COLOURED)}, candidate_labels=LABELS)
    with torch.inference_mode():
        others = hf.CLIPModel.from_pretrained(folder)
        texts = hf.AutoTokenizer.from_pretrained(folder)(
            [f"This is a photo of {label}." for label in LABELS], padding=True, return_tensors="pt"
        )
        expected = others(**texts, pixel_values=pixels(folder, GREY)).logits_per_image[0].softmax(-1)
    scores = {entry["label"]: entry["score"] for entry in actual.output}
    assert [scores[label] for label in LABELS] == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_captioner_of_one_channel_is_traced(tmp_path: Path) -> None:
    folder = changed(checkpoints.captioner(tmp_path, hf.ViTConfig(**{**checkpoints.TOWER, "num_channels": 1})), **ONE)
    model = served(folder, "image-to-text")
    assert isinstance(model, HubModel)
    [trace, other] = model.trace([Request({"image": as_png(image)}) for image in (GREY, picture(60, 40, seed=3))])
    assert isinstance(trace, Trace)
    assert isinstance(other, Trace)
    assert trace.certificate.warning is None
    assert not np.allclose(trace.map("encoder", 0).dense(), other.map("encoder", 0).dense())


def test_one_value_holds_for_three_channels(tmp_path: Path) -> None:
    checkpoints.vit(tmp_path)
    expected = ask(served(tmp_path, "image-classification"), {"image": as_png(COLOURED)})
    changed(tmp_path, image_mean=[0.5], image_std=[0.5])
    assert ask(served(tmp_path, "image-classification"), {"image": as_png(COLOURED)}).output == expected.output


def test_values_that_fit_no_channel_are_refused(tmp_path: Path) -> None:
    folder = changed(checkpoints.vit(tmp_path, num_channels=1), image_mean=[0.1, 0.2, 0.3])
    with pytest.raises(CheckpointError, match="3 different values of image_mean for pictures of 1 channel: write"):
        served(folder, "image-classification")


@pytest.mark.parametrize("channels", [2, 4, 12])
def test_other_numbers_of_channels_are_refused(tmp_path: Path, channels: int) -> None:
    folder = checkpoints.vit(tmp_path, num_channels=channels)
    with pytest.raises(CheckpointError, match=rf"pictures of {channels} channels; those of 1 \(grey\) and of 3"):
        served(folder, "image-classification")
