"""Labels for pictures, as transformers' own pipelines give them, and axes as long as the model's attention."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import CheckpointError, EmptyInput, InputTooLong, ParameterError
from heedmap.model.hub.tasks.base import Task
from heedmap.model.hub.tasks.image_classification import ImageClassification
from heedmap.model.hub.tasks.zero_shot_image_classification import ZeroShotImageClassification
from heedmap.model.watch import never
from tests.model.hub import media_checkpoints as checkpoints
from tests.model.hub.answers import answered, opened
from tests.model.hub.media_checkpoints import as_png, claimed, picture
from tests.model.hub.serving import served

LABELS = ("a girl", "the station", "coffee")
PICTURES = [picture(60, 40), picture(33, 80, seed=1), picture(32, 32, seed=2)]
CLASSIFIERS = {"vit": 17, "deit": 18, "beit": 17, "dinov2": 17}


def pictured(image: Any, **parameters: Any) -> Request:
    """A request about a picture."""
    return Request({"image": as_png(image)}, parameters=Parameters(**parameters))


def pipeline(name: str, folder: Path) -> Any:
    """transformers' own way."""
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    return hf.pipeline(name, model=str(folder), image_processor=processor)


def close(actual: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The same labels in the same order, with the same scores."""
    assert [entry["label"] for entry in actual] == [entry["label"] for entry in expected]
    assert [entry["score"] for entry in actual] == pytest.approx([entry["score"] for entry in expected], abs=1e-6)


def attended(task: Task, request: Request, *paths: str) -> list[int]:
    """The positions that the recorded pass attends to, by the model's own eager weights."""
    task.loaded.model.set_attn_implementation("eager")
    with torch.inference_mode():
        _, inputs = task.trace([task.prepare(request)], never)
        outputs = task.forward({**inputs, "output_attentions": True})
    parts = [outputs if not path else getattr(outputs, path) for path in paths]
    return [int(each.attentions[0].shape[-1]) for each in parts]


@pytest.mark.parametrize("name", [*CLASSIFIERS, "swin"])
def test_labels_are_those_of_the_pipeline(tmp_path: Path, name: str) -> None:
    folder = getattr(checkpoints, name)(tmp_path)
    theirs = pipeline("image-classification", folder)
    predictions = answered(opened(folder, ImageClassification), *[pictured(image) for image in PICTURES])
    assert len({round(prediction.score or 0, 3) for prediction in predictions}) == 3, "no two pictures look the same"
    for prediction, image in zip(predictions, PICTURES, strict=True):
        close(prediction.output, theirs(image))
        assert len(prediction.output) == 5
        assert prediction.to_json() == prediction.output
        assert (prediction.text, prediction.score) == tuple(prediction.output[0].values())


def test_the_callers_number_and_function_hold(tmp_path: Path) -> None:
    folder = checkpoints.vit(tmp_path)
    task, theirs = opened(folder, ImageClassification), pipeline("image-classification", folder)
    for options in ({"top_k": 2}, {"top_k": 99}, {"function_to_apply": "sigmoid"}, {"function_to_apply": "none"}):
        [prediction] = answered(task, pictured(PICTURES[0], **options))
        close(prediction.output, theirs(PICTURES[0], **options))


@pytest.mark.parametrize("kind", ["regression", "multi_label_classification"])
def test_the_checkpoints_kind_of_problem_holds(tmp_path: Path, kind: str) -> None:
    folder = checkpoints.vit(tmp_path, problem_type=kind)
    [prediction] = answered(opened(folder, ImageClassification), pictured(PICTURES[0]))
    close(prediction.output, pipeline("image-classification", folder)(PICTURES[0]))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_axes_are_as_long_as_the_attention(tmp_path: Path, name: str) -> None:
    task = opened(getattr(checkpoints, name)(tmp_path), ImageClassification)
    [prediction] = answered(task, pictured(PICTURES[0]))
    assert list(prediction.axes) == ["patches"]
    assert attended(task, pictured(PICTURES[0]), "") == [len(prediction.axes["patches"])] == [CLASSIFIERS[name]]
    assert task.site_axes("encoder", prediction.axes) == ("patches", "patches")


def test_swins_axes_hold_the_windows_of_each_stage(tmp_path: Path) -> None:
    task = opened(checkpoints.swin(tmp_path), ImageClassification)
    item = task.prepare(pictured(PICTURES[0]))
    assert {name: len(axis) for name, axis in item.axes.items()} == {"stage0": 144, "stage1": 64}
    assert task.site_axes("stage1", item.axes) == ("stage1", "stage1")
    task.loaded.model.set_attn_implementation("eager")
    with torch.inference_mode():
        weights = task.forward({**item.tensors, "output_attentions": True}).attentions
    assert [w.shape[0] * w.shape[-1] for w in weights] == [144, 64]  # windows times their cells


def test_pictures_that_keep_their_shapes_go_one_by_one(tmp_path: Path) -> None:
    task = opened(checkpoints.dinov2(tmp_path, crop=False), ImageClassification)
    assert not task.batchable
    theirs = pipeline("image-classification", tmp_path)
    predictions = answered(task, *[pictured(image) for image in PICTURES])
    assert [len(prediction.axes["patches"]) for prediction in predictions] == [4 * 6 + 1, 9 * 4 + 1, 4 * 4 + 1]
    for prediction, image in zip(predictions, PICTURES, strict=True):
        close(prediction.output, theirs(image))
        assert attended(task, pictured(image), "") == [len(prediction.axes["patches"])]


def test_a_batch_of_one_shape_goes_together(tmp_path: Path) -> None:
    task = opened(checkpoints.vit(tmp_path), ImageClassification)
    assert task.batchable
    items = [task.prepare(pictured(image)) for image in PICTURES]
    predictions, inputs = task.trace(items, never)
    assert predictions == []  # the recorded pass answers
    assert inputs["pixel_values"].shape == (3, 3, 32, 32)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_the_callers_labels_are_ranked_as_by_the_pipeline(tmp_path: Path, name: str) -> None:
    folder = getattr(checkpoints, name)(tmp_path)
    theirs = pipeline("zero-shot-image-classification", folder)
    task = opened(folder, ZeroShotImageClassification)
    predictions = answered(task, *[pictured(image, candidate_labels=LABELS) for image in PICTURES])
    for prediction, image in zip(predictions, PICTURES, strict=True):
        close(prediction.output, theirs(image, candidate_labels=list(LABELS)))
    template = "Angela has {}"
    [prediction] = answered(task, pictured(PICTURES[0], candidate_labels=LABELS, hypothesis_template=template, top_k=2))
    expected = theirs(PICTURES[0], candidate_labels=list(LABELS), hypothesis_template=template)
    close(prediction.output, expected[:2])


def test_the_recorded_pass_reads_the_best_labels_sentence(tmp_path: Path) -> None:
    task = opened(checkpoints.clip(tmp_path), ZeroShotImageClassification)
    request = pictured(PICTURES[0], candidate_labels=LABELS)
    [prediction] = answered(task, request)
    text, vision = prediction.axes["text"], prediction.axes["vision"]
    sentence = f"This is a photo of {prediction.text}."
    assert [sentence[start:stop].lower() for start, stop in text.spans if start < stop] == [
        label.replace("▁", "") for label, special in zip(text.labels, text.special, strict=True) if not special
    ]
    predictions = attended(task, request, "text_model_output", "vision_model_output")
    assert predictions == [len(text), len(vision)]
    assert [task.site_axes(site, prediction.axes)[0] for site in ("text", "vision")] == ["text", "vision"]


def test_the_sentences_of_a_batch_are_padded(tmp_path: Path) -> None:
    task = opened(checkpoints.clip(tmp_path), ZeroShotImageClassification)
    items = [
        task.prepare(pictured(image, candidate_labels=(label,))) for image, label in zip(PICTURES, LABELS, strict=True)
    ]
    predictions, inputs = task.trace(items, never)
    lengths = [len(prediction.axes["text"]) for prediction in predictions]
    assert len(set(lengths)) > 1
    assert inputs["attention_mask"].sum(dim=1).tolist() == lengths
    assert inputs["input_ids"].shape == (3, max(lengths))


def test_a_template_is_no_program(tmp_path: Path) -> None:
    task = opened(checkpoints.clip(tmp_path), ZeroShotImageClassification)
    request = pictured(PICTURES[0], candidate_labels=("a",), hypothesis_template="{} {0.__class__}")
    [sentence] = task.prepare(request).facts["sentences"]
    assert "class" in "".join(sentence.axis.labels).replace("▁", "")


@pytest.mark.parametrize(
    ("parameters", "field", "message"),
    [
        ({"candidate_labels": ("a", " ")}, "candidate_labels", "empty"),
        ({"candidate_labels": ("a",), "hypothesis_template": "a picture"}, "hypothesis_template", r"needs a \{\}"),
        ({"candidate_labels": ("word " * 40,)}, "candidate_labels", "tokens, the model has positions for 40"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(
    tmp_path: Path, parameters: dict[str, Any], field: str, message: str
) -> None:
    task = opened(checkpoints.clip(tmp_path), ZeroShotImageClassification)
    with pytest.raises((ParameterError, EmptyInput, InputTooLong), match=message) as caught:
        task.prepare(pictured(PICTURES[0], **parameters))
    assert caught.value.field == f"parameters.{field}"


def test_without_labels_there_is_a_trace_of_the_picture_and_no_answer(tmp_path: Path) -> None:
    checkpoints.clip(tmp_path)
    model = served(tmp_path, "zero-shot-image-classification")
    [refused, answer] = model.predict([pictured(PICTURES[0]), pictured(PICTURES[0], candidate_labels=LABELS)])
    assert isinstance(refused, ParameterError)
    assert "give the labels to choose from" in str(refused)
    assert refused.field == "parameters.candidate_labels"
    assert answer.output[0]["label"] in LABELS
    [plain, full] = model.trace([pictured(PICTURES[0]), pictured(PICTURES[0], candidate_labels=LABELS)])
    assert plain.prediction.to_json() == []
    assert [site["name"] for site in plain.sites()] == ["vision"]
    for layer in range(2):
        torch.testing.assert_close(plain.map("vision", layer).dense(), full.map("vision", layer).dense())


@pytest.mark.parametrize(
    ("inputs", "error", "field", "message"),
    [
        ("a text", ParameterError, "inputs", "image-classification reads an image, and this is a text"),
        ({"audio": b"RIFF"}, ParameterError, "inputs", "and this is a recording"),
        ({"image": b""}, EmptyInput, "inputs.image", "no bytes"),
        ({"image": claimed(50_000, 50_000)}, InputTooLong, "inputs.image", "50,000 x 50,000 pixels"),
        ({"image": as_png(PICTURES[0])[:-200]}, ParameterError, "inputs.image", "cannot be decoded"),
    ],
    ids=["text", "audio", "empty", "bomb", "truncated"],
)
def test_what_is_no_picture_is_refused(
    tmp_path: Path, inputs: Any, error: type[Exception], field: str, message: str
) -> None:
    task = opened(checkpoints.vit(tmp_path), ImageClassification)
    with pytest.raises(error, match=message) as caught:
        task.prepare(Request(inputs))
    assert caught.value.field == field  # type: ignore[attr-defined]


@pytest.mark.parametrize("make", [checkpoints.vit, checkpoints.swin], ids=["vit", "swin"])
def test_the_example_can_be_answered(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    task = opened(make(tmp_path), ImageClassification)
    [prediction] = answered(task, Request(task.example))
    assert len(prediction.output) == 5


def test_a_checkpoint_that_cannot_see_is_refused(tmp_path: Path) -> None:
    checkpoints.vit(tmp_path / "vit")
    (tmp_path / "vit" / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no preprocessor_config\.json"):
        opened(tmp_path / "vit", ImageClassification)
    pvt = hf.PvtForImageClassification(hf.PvtConfig(hidden_sizes=[40] * 4, depths=[1] * 4))
    checkpoints.save(tmp_path / "pvt", pvt, hf.PvtImageProcessorPil())
    with pytest.raises(CheckpointError, match="how pvt lays out its patches is not known"):
        opened(tmp_path / "pvt", ImageClassification)
