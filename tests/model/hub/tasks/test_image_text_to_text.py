"""Answers to texts about pictures: as transformers' own `generate` has them, with axes as long as the attention."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import Cancelled, CheckpointError, EmptyInput, InputTooLong, ParameterError
from heedmap.model.hub.load import loading
from heedmap.model.hub.loaded import Loaded
from heedmap.model.hub.tasks.base import Item
from heedmap.model.hub.tasks.image_text_to_text import ImageTextToText
from heedmap.model.hub.tasks.image_to_text import ImageToText
from tests.model.hub import media_checkpoints as checkpoints
from tests.model.hub.answers import answered, opened, total, traced
from tests.model.hub.media_checkpoints import as_png, picture

PICTURES = [picture(60, 40), picture(40, 60, seed=1)]
SHORT = Parameters(max_new_tokens=6)
BEAMS = Parameters(max_new_tokens=6, beam_size=3)


def pictured(image: Any, text: str | None = None, target: str | None = None, parameters: Parameters = SHORT) -> Request:
    """A request about a picture."""
    inputs = {"image": as_png(image)} | ({} if text is None else {"text": text})
    return Request(inputs, target, parameters)


def pixels(loaded: Loaded, *images: Any) -> dict[str, Any]:
    """What the image processor makes of pictures."""
    return dict(loaded.image_processor(images=list(images), return_tensors="pt"))


def test_writing_can_be_cancelled(tmp_path: Path) -> None:
    for make, task_type, text in (
        (checkpoints.blip, ImageToText, None),
        (checkpoints.llava, ImageTextToText, "What is this?"),
    ):
        task = opened(make(tmp_path / make.__name__), task_type)
        steps = iter([False, False, True])
        with pytest.raises(Cancelled):
            task.predict([task.prepare(pictured(PICTURES[0], text))], lambda steps=steps: next(steps))


def llava_inputs(loaded: Loaded, text: str, image: Any) -> dict[str, Any]:
    """As transformers' own processor makes them."""
    options = {"patch_size": 8, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    processor = hf.LlavaProcessor(loaded.image_processor, loaded.tokenizer, **options)
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
    prompt = processor.apply_chat_template(turns, chat_template=checkpoints.LLAVA_TEMPLATE, add_generation_prompt=True)
    return dict(processor(images=image, text=prompt, return_tensors="pt"))


def qwen_inputs(loaded: Loaded, text: str, image: Any) -> dict[str, Any]:
    """By hand, for transformers' own processor needs torchvision: a quarter as many tokens as patches."""
    processed = pixels(loaded, image)
    pieces = int(processed["image_grid_thw"].prod()) // 4 * "<|image_pad|>"
    prompt = f"<|im_start|>user\n<|vision_start|>{pieces}<|vision_end|>{text}<|im_end|>\n<|im_start|>assistant\n"
    tokens = dict(loaded.tokenizer(prompt, return_tensors="pt"))
    return {**tokens, **processed, "mm_token_type_ids": (tokens["input_ids"] == loaded.config.image_token_id).int()}


MODELS = {
    "llava": (checkpoints.llava, llava_inputs, (17, 17)),
    "qwen2_vl": (checkpoints.qwen2_vl, qwen_inputs, (32, 32)),
}


@pytest.mark.parametrize("parameters", [SHORT, BEAMS], ids=["greedy", "beams"])
@pytest.mark.parametrize("name", MODELS)
def test_answers_are_those_of_generate(tmp_path: Path, name: str, parameters: Parameters) -> None:
    make, inputs_of, _ = MODELS[name]
    task = opened(make(tmp_path), ImageTextToText)
    texts = ["What is this?", "Where is the girl reading?"]
    requests = [pictured(image, text, parameters=parameters) for image, text in zip(PICTURES, texts, strict=True)]
    predictions = answered(task, *requests)
    for prediction, image, text in zip(predictions, PICTURES, texts, strict=True):
        inputs = inputs_of(task.loaded, text, image)
        options = {"max_new_tokens": 6, "num_beams": parameters.beam_size, "do_sample": False}
        began = inputs["input_ids"].shape[1]
        written = task.loaded.model.generate(**inputs, **options)[0]
        axis = prediction.axes["tokens"]
        assert axis.ids == written[: len(axis)].tolist()
        assert axis.ids[:began] == inputs["input_ids"][0].tolist()
        assert prediction.text == task.loaded.tokenizer.decode(written[began:], skip_special_tokens=True)
        assert prediction.to_json()["generated_text"] == prediction.text
        with torch.inference_mode():
            others = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask", "mm_token_type_ids")}
            ids = torch.tensor([axis.ids])
            kinds = {"mm_token_type_ids": (ids == task.mark).int()} if name == "qwen2_vl" else {}
            logits = task.loaded.model(input_ids=ids, **others, **kinds).logits[0, :-1]
        assert prediction.score == pytest.approx(total(logits, axis.ids[began:]), abs=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_the_axes_of_a_mixed_text_are_as_long_as_its_attention(tmp_path: Path, name: str) -> None:
    make, _, patches = MODELS[name]
    task = opened(make(tmp_path), ImageTextToText)
    lengths: list[int] = []
    towers = [
        m for n, m in task.loaded.model.named_modules() if ("vision_tower" in n or "visual" in n) and "v_proj" in n
    ]
    towers += [m for n, m in task.loaded.model.named_modules() if n.endswith("attn.qkv")]
    for part in towers:
        part.register_forward_hook(lambda _, __, output: lengths.append(output.shape[-2]))
    for target in (None, "A book."):
        [prediction], outputs = traced(task, pictured(PICTURES[0], "What is this?", target))
        assert outputs.attentions[0].shape[-1] == len(prediction.axes["tokens"])
    assert set(lengths) == {len(prediction.axes["vision"])} == {patches[0]}
    assert task.site_axes("vision", prediction.axes) == ("vision", "vision")
    assert task.site_axes("decoder", prediction.axes) == ("tokens", "tokens")


@pytest.mark.parametrize("name", MODELS)
def test_a_mixed_axis_tells_text_picture_and_output_apart(tmp_path: Path, name: str) -> None:
    task = opened(MODELS[name][0](tmp_path), ImageTextToText)
    text, target = "  Where is vision?", "A book."
    [prediction] = answered(task, pictured(PICTURES[0], text, target))
    axis = prediction.axes["tokens"]
    assert (axis.kind, axis.size) == ("mixed", (60, 40))
    assert axis.boxes is not None
    assert axis.segments is not None
    pieces = [label for label, box in zip(axis.labels, axis.boxes, strict=True) if box is not None]
    columns = 4
    rows = len(pieces) // columns
    assert pieces == [f"[{row},{column}]" for row in range(rows) for column in range(columns)]
    spoken: dict[int, str] = {0: "", 1: ""}
    for index in range(len(axis)):
        start, stop = axis.spans[index]
        if not axis.special[index]:
            spoken[axis.segments[index]] += (text, target)[axis.segments[index]][start:stop]
    assert spoken == {0: "Whereisvision?", 1: "Abook."}
    boxes = [box for box in axis.boxes if box is not None]
    assert boxes[0][:2] == ((14, 4) if name == "llava" else (0, 0))  # CLIP's processor crops 32 x 32 pixels
    assert boxes[-1][2:] == ((46, 36) if name == "llava" else (60, 40))


def test_llavas_of_a_batch_are_what_they_are_alone(tmp_path: Path) -> None:
    task = opened(checkpoints.llava(tmp_path), ImageTextToText)
    assert task.batchable
    requests = [pictured(PICTURES[0], "What?"), pictured(PICTURES[1], "Where is the station, Angela Smith?")]
    together, outputs = traced(task, *requests)
    for row, (prediction, request) in enumerate(zip(together, requests, strict=True)):
        [alone], alone_maps = traced(task, request)
        assert (alone.text, alone.axes) == (prediction.text, prediction.axes)
        length = len(alone.axes["tokens"])
        weights = outputs.attentions[-1][row, :, :length, :length]
        torch.testing.assert_close(weights, alone_maps.attentions[-1][0], atol=1e-5, rtol=1e-4)


def test_a_checkpoint_without_a_template_gets_its_familys_prompt(tmp_path: Path) -> None:
    for make, begin in ((checkpoints.llava, "▁USER:"), (checkpoints.qwen2_vl, "<|im_start|>user↵<|vision_start|>")):
        for template in (None, "{% for message in messages %}{{ 'Q: ' + message['content'] }}{% endfor %}"):
            folder = make(tmp_path / f"{make.__name__}{template is None}", template=template)
            task = opened(folder, ImageTextToText)
            axis = task.prepare(pictured(PICTURES[0], "What is this?")).axes["tokens"]
            assert "".join(axis.labels).startswith(begin)


def test_a_template_in_a_file_of_its_own_is_used(tmp_path: Path) -> None:
    folder = checkpoints.llava(tmp_path, template=None)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "Look! " + checkpoints.LLAVA_TEMPLATE}))
    axis = opened(folder, ImageTextToText).prepare(pictured(PICTURES[0], "What is this?")).axes["tokens"]
    assert "".join(axis.labels).startswith("▁Look!▁USER:")


@pytest.mark.parametrize(
    ("request_", "error", "field", "message"),
    [
        (Request("a text"), ParameterError, "inputs", r"reads an image with a text: .*, and this is a text"),
        (pictured(PICTURES[0]), ParameterError, "inputs", "and this is an image"),
        (pictured(PICTURES[0], "  "), EmptyInput, "inputs.text", "empty"),
        (pictured(PICTURES[0], "what is <image>?"), ParameterError, "inputs.text", "<image> stands for the picture"),
        (pictured(PICTURES[0], "what " * 60), InputTooLong, "inputs.text", "positions for 127"),
        (pictured(PICTURES[0], "what?", "book " * 60), InputTooLong, "target", "positions for 128"),
    ],
)
def test_what_a_vision_language_model_cannot_use_is_refused(
    tmp_path: Path, request_: Request, error: type[Exception], field: str, message: str
) -> None:
    task = opened(checkpoints.llava(tmp_path), ImageTextToText)
    with pytest.raises(error, match=message) as caught:
        task.prepare(request_)
    assert caught.value.field == field  # type: ignore[attr-defined]


def test_families_that_mix_otherwise_are_refused(tmp_path: Path) -> None:
    loaded = loading.load(checkpoints.captioner(tmp_path / "captioner"), ImageToText.auto_class)
    with pytest.raises(CheckpointError, match="how vision-encoder-decoder reads pictures among text is not known"):
        ImageTextToText(loaded)
    loaded = loading.load(checkpoints.llava(tmp_path / "llava"), ImageTextToText.auto_class)
    with pytest.raises(CheckpointError, match="how llava writes about a picture is not known"):
        ImageToText(loaded)


def test_a_tokenizer_without_the_pictures_token_is_refused(tmp_path: Path) -> None:
    folder = checkpoints.llava(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["image_token_index"] = 20  # a byte, which no prompt holds
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="does not know the token of a picture"):
        opened(folder, ImageTextToText)


def test_items_keep_the_pictures_tensors_alone(tmp_path: Path) -> None:
    item: Item = opened(checkpoints.qwen2_vl(tmp_path), ImageTextToText).prepare(pictured(PICTURES[0], "What?"))
    assert set(item.tensors) == {"pixel_values", "image_grid_thw"}
