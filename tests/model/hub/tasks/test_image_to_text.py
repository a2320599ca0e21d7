"""Captions: as transformers' own `generate` writes them, with axes as long as the model's attention."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import EmptyInput, InputTooLong, ParameterError
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.image_to_text import BlipImageToText, ImageToText
from tests.model.hub import media_checkpoints as checkpoints
from tests.model.hub.answers import answered, opened, total, traced
from tests.model.hub.media_checkpoints import as_png, picture

PICTURES = [picture(60, 40), picture(40, 60, seed=1)]
SHORT = Parameters(max_new_tokens=6)
BEAMS = Parameters(max_new_tokens=6, beam_size=3)
SWIN = {"embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4, "patch_size": 2, "image_size": 21}


def pictured(image: Any, text: str | None = None, target: str | None = None, parameters: Parameters = SHORT) -> Request:
    """A request about a picture."""
    inputs = {"image": as_png(image)} | ({} if text is None else {"text": text})
    return Request(inputs, target, parameters)


def pixels(loaded: Loaded, *images: Any) -> dict[str, Any]:
    """What the image processor makes of pictures."""
    return dict(loaded.image_processor(images=list(images), return_tensors="pt"))


@pytest.mark.parametrize("parameters", [SHORT, BEAMS], ids=["greedy", "beams"])
@pytest.mark.parametrize("make", [checkpoints.captioner, checkpoints.blip], ids=["captioner", "blip"])
def test_captions_are_those_of_generate(tmp_path: Path, make: Any, parameters: Parameters) -> None:
    task = opened(make(tmp_path), ImageToText)
    predictions = answered(task, *[pictured(image, parameters=parameters) for image in PICTURES])
    assert predictions[0].text != predictions[1].text
    for prediction, image in zip(predictions, PICTURES, strict=True):
        written = task.loaded.model.generate(
            **pixels(task.loaded, image), max_new_tokens=6, num_beams=parameters.beam_size, do_sample=False
        )[0, 1:]
        ended = prediction.axes["target"].ids
        assert ended == written[: len(ended)].tolist()
        text = task.loaded.tokenizer.decode(written, skip_special_tokens=True)
        assert prediction.to_json() == {
            "text": text,
            "tokens": prediction.axes["target"].labels,
            "score": prediction.score,
            "finish_reason": "length" if len(prediction.axes["target"]) == 6 else "stop",
            "generated_text": text,
        }


@pytest.mark.parametrize("make", [checkpoints.captioner, checkpoints.blip], ids=["captioner", "blip"])
@pytest.mark.parametrize("target", [None, "The girl is reading."])
def test_a_captioners_axes_are_as_long_as_its_attention(tmp_path: Path, make: Any, target: str | None) -> None:
    task = opened(make(tmp_path), ImageToText)
    [prediction], outputs = traced(task, pictured(PICTURES[0], target=target))
    source, target_axis, prefix = (prediction.axes[name] for name in ("source", "target", "prefix"))
    assert len(source) == 17
    assert len(target_axis) == len(prefix) == outputs.logits.shape[1]
    assert prefix.ids[1:] == target_axis.ids[:-1]
    assert prediction.score == pytest.approx(total(outputs.logits[0], target_axis.ids), abs=1e-4)
    assert task.site_axes("cross", prediction.axes) == ("target", "source")
    assert task.site_axes("decoder", prediction.axes) == ("target", "prefix")
    assert task.site_axes("encoder", prediction.axes) == ("source", "source")
    if target is not None:
        assert prediction.text == target
        assert target_axis.special[-1], "a given caption is closed by the end token"
        assert [target[start:stop].lower() for start, stop in target_axis.spans[:3]] == ["the", "g", "i"]


def test_captions_of_a_batch_are_padded_on_the_right(tmp_path: Path) -> None:
    task = opened(checkpoints.captioner(tmp_path), ImageToText)
    assert task.batchable
    requests = [pictured(PICTURES[0], target="A book."), pictured(PICTURES[1], target="Where is the station?")]
    together, outputs = traced(task, *requests)
    assert outputs.logits.shape[1] == max(len(prediction.axes["target"]) for prediction in together)
    for row, (prediction, request) in enumerate(zip(together, requests, strict=True)):
        [alone], alone_maps = traced(task, request)
        assert alone.axes == prediction.axes
        assert alone.score == pytest.approx(prediction.score, abs=1e-4)
        length = len(prediction.axes["target"])
        torch.testing.assert_close(outputs.cross_attentions[-1][row, :, :length], alone_maps.cross_attentions[-1][0])


def test_an_encoder_of_stages_shows_the_decoder_its_last(tmp_path: Path) -> None:
    task = opened(checkpoints.captioner(tmp_path, hf.SwinConfig(**SWIN)), ImageToText)
    [prediction], outputs = traced(task, pictured(PICTURES[0]))
    lengths = {name: len(axis) for name, axis in prediction.axes.items()}
    assert (lengths["source"], lengths["stage0"], lengths["stage1"]) == (36, 144, 64)
    assert outputs.cross_attentions[0].shape[-1] == 36
    assert task.site_axes("stage1", prediction.axes) == ("stage1", "stage1")
    boxes = prediction.axes["source"].boxes
    assert boxes is not None
    assert boxes[-1] == pytest.approx((60 * 20 / 21, 40 * 20 / 21, 60, 40))


def test_blip_goes_on_from_a_prompt(tmp_path: Path) -> None:
    task = opened(checkpoints.blip(tmp_path), ImageToText)
    assert isinstance(task, BlipImageToText)
    predictions = answered(task, pictured(PICTURES[0], "a book"), pictured(PICTURES[0], "the station is"))
    for prediction, prompt in zip(predictions, ("a book", "the station is"), strict=True):
        tokens = task.loaded.tokenizer(prompt, return_tensors="pt")
        inputs = {name: tokens[name] for name in ("input_ids", "attention_mask")}
        written = task.loaded.model.generate(**pixels(task.loaded, PICTURES[0]), **inputs, max_new_tokens=6)[0]
        ids = prediction.axes["target"].ids
        assert [task.loaded.config.text_config.bos_token_id, *ids] == written[: len(ids) + 1].tolist()
        assert prediction.text == task.loaded.tokenizer.decode(written, skip_special_tokens=True)
        assert prediction.text.startswith(prompt)
    [prediction], outputs = traced(task, pictured(PICTURES[0], "a book"))
    axes = prediction.axes
    assert len(axes["target"]) == len(axes["prefix"]) == outputs.logits.shape[1]
    assert axes["prefix"].labels[:2] == ["[DEC]", "a"]
    began = len(task.prepare(pictured(PICTURES[0], "a book")).facts["start"]) - 1
    assert prediction.score == pytest.approx(total(outputs.logits[0], axes["target"].ids[began:]), abs=1e-4)


@pytest.mark.parametrize(
    ("make", "request_", "error", "field", "message"),
    [
        (
            checkpoints.captioner,
            Request("a text"),
            ParameterError,
            "inputs",
            "image-to-text reads an image, and this is a text",
        ),
        (
            checkpoints.captioner,
            pictured(PICTURES[0], "a prompt"),
            ParameterError,
            "inputs.text",
            "reads no text beside it",
        ),
        (checkpoints.captioner, pictured(PICTURES[0], target=" "), EmptyInput, "target", "empty"),
        (checkpoints.captioner, pictured(PICTURES[0], target="book " * 60), InputTooLong, "target", "positions for 40"),
        (checkpoints.blip, pictured(PICTURES[0], " "), EmptyInput, "inputs.text", "empty"),
        (checkpoints.blip, pictured(PICTURES[0], "book " * 60), InputTooLong, "inputs.text", "positions for 39"),
    ],
)
def test_what_a_captioner_cannot_use_is_refused(
    tmp_path: Path, make: Any, request_: Request, error: type[Exception], field: str, message: str
) -> None:
    task = opened(make(tmp_path), ImageToText)
    with pytest.raises(error, match=message) as caught:
        task.prepare(request_)
    assert caught.value.field == field  # type: ignore[attr-defined]


def test_a_caption_stops_where_the_positions_end(tmp_path: Path) -> None:
    for make, length in ((checkpoints.captioner, 40), (checkpoints.blip, 40)):
        task = opened(make(tmp_path / make.__name__), ImageToText)
        item = task.prepare(pictured(PICTURES[0], parameters=Parameters(max_new_tokens=500)))
        assert item.facts["limit"] == length
        assert answered(task, item.request)[0].score is not None
