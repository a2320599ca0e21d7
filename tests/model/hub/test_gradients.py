"""Gradients of transformers' models: every family that follows the interface, and every task with an objective."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from heedmap.model.attention.maps import AttentionMap
from heedmap.model.attention.operators import spread
from heedmap.model.contract import Objective, Parameters, Request
from heedmap.model.errors import InputError, ParameterError
from heedmap.model.hub.attention.recorder import prepare, record
from heedmap.model.hub.served import HubModel
from heedmap.model.trace.trace import Trace
from tests.model.hub import checkpoints, media_checkpoints
from tests.model.hub.families import BY_NAME, FAMILIES
from tests.model.hub.family import Family
from tests.model.hub.reference import reference_gradients
from tests.model.hub.serving import served

EXACT = 2e-4  # of a layer's largest gradient in float32: layers that amplify rounding, forth and back
FOLLOWING = [family for family in FAMILIES if family.follows]
TEXT = "The girl is reading a book."


def value(outputs: Any) -> Tensor:
    """A number that depends on all of a model's output."""
    for name in ("logits", "logits_per_image", "start_logits", "last_hidden_state"):
        if outputs.get(name) is not None:
            output: Tensor = outputs[name]
            weights = (torch.arange(output.numel(), dtype=torch.float64) * 1.7).sin().view(output.shape)
            return (output.double() * weights).sum()
    raise AssertionError(list(outputs))


def of_weights(layer: AttentionMap) -> Tensor:
    assert layer.d_output is not None
    gradient: Tensor = layer.d_output @ spread(layer.v, layer.heads).mT
    return gradient.masked_fill(~layer.visible(), 0)


@pytest.mark.parametrize("family", FOLLOWING, ids=lambda family: family.name)
def test_every_familys_gradients_are_its_eager_models(family: Family) -> None:
    inputs = family.split(family.inputs(), 0)
    wiring = prepare(family.build("eager"))
    wiring.model.requires_grad_(False)
    with record(wiring, gradients=True) as recorder:
        recorder.differentiate(value(wiring.model(**inputs)))
    maps = recorder.maps(0, family.lengths[0])
    expected = reference_gradients(family, inputs, value)
    assert expected.keys() == family.sites.keys()
    if family.name == "qwen2-vl":  # its reference puts the pieces of its vision tower together outside the graph
        del expected["vision"]
    for site, layers in expected.items():
        assert len(layers) == len(maps[site])
        for index, (right, layer) in enumerate(zip(layers, maps[site], strict=True)):
            queries, keys = layer.shape
            ours, right = of_weights(layer), right[0, :, :queries, :keys].masked_fill(~layer.visible(), 0)
            assert (ours - right).abs().max() <= EXACT * right.abs().max(), (site, index)


def test_a_family_that_gives_weights_alone_says_so() -> None:
    wiring = prepare(BY_NAME["bloom"].build("eager"))
    with pytest.raises(InputError, match="weights alone") as caught, record(wiring, gradients=True):
        pass
    assert caught.value.field == "objective"


def traced(model: HubModel, inputs: Any, target: str | None = None, wanted: Any = None, **parameters: Any) -> Trace:
    settings = Parameters(**{"max_new_tokens": 5, **parameters}) if target is None else Parameters(**parameters)
    [trace] = model.trace([Request(inputs, target, settings, None if wanted is None else Objective(**wanted))])
    if isinstance(trace, Exception):
        raise trace
    return trace


def logits_of(model: HubModel, trace: Trace) -> Tensor:
    """Of the output's tokens, by the model alone."""
    ids = {name: torch.tensor([axis.ids]) for name, axis in trace.axes.items()}
    with torch.no_grad():
        if "prefix" in ids:
            outputs = model.loaded.model(input_ids=ids["source"], decoder_input_ids=ids["prefix"])
            logits: Tensor = outputs.logits[0]
        else:
            logits = model.loaded.model(input_ids=ids["tokens"]).logits[0, -len(trace.prediction.tokens) - 1 : -1]
    return logits.log_softmax(dim=-1)


def has_gradients(trace: Trace) -> bool:
    layers = [layer for maps in trace.layers.values() for layer in maps]
    assert trace.certificate.warning is None
    return all(layer.d_output is not None and bool(layer.d_output.any()) for layer in layers[:-1])


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("llama", "text-generation"),
        ("gpt2", "text-generation"),
        ("t5", "text2text-generation"),
        ("bart", "summarization"),
        ("marian", "translation"),
    ],
)
@pytest.mark.parametrize("target", [None, "Wo ist der Bahnhof?"])
def test_a_text_is_differentiated_by_its_tokens(name: str, task: str, target: str | None, tmp_path: Path) -> None:
    model = served(getattr(checkpoints, name)(tmp_path), task)
    trace = traced(model, TEXT, target, {"tokens": [0, -1]})
    logits = logits_of(model, trace)
    axis = trace.axes["target"] if "target" in trace.axes else trace.axes["tokens"]
    ids = axis.ids[-len(trace.prediction.tokens) :]
    assert trace.objective is not None
    assert trace.objective["value"] == pytest.approx(float(logits[0, ids[0]] + logits[-1, ids[-1]]), abs=1e-4)
    assert has_gradients(trace)
    whole = traced(model, TEXT, target, {"tokens": "all"})
    assert whole.objective is not None
    assert whole.objective["value"] == pytest.approx(whole.prediction.score, abs=1e-3)
    other = traced(model, TEXT, target, {"tokens": [0], "minus": [7]})
    assert other.objective is not None
    assert other.objective["value"] == pytest.approx(float(logits[0, ids[0]] - logits[0, 7]), abs=1e-4)


def test_the_value_is_that_of_the_same_pass_without_gradients_beside_others(tmp_path: Path) -> None:
    model = served(checkpoints.llama(tmp_path), "text-generation")
    requests = [
        Request(TEXT, " is"),
        Request("Hello", " there", objective=Objective(tokens="all")),
        Request(TEXT, " a"),
    ]
    first, second, third = model.trace(requests)
    assert isinstance(second, Trace)
    assert second.objective is not None
    for trace in (first, third):
        assert isinstance(trace, Trace)
        assert trace.objective is None
        assert trace.layers["decoder"][0].d_output is None


def test_a_class_is_differentiated_by_its_label(tmp_path: Path) -> None:
    model = served(checkpoints.bert(tmp_path, "sequence-classification"), "text-classification")
    trace = traced(model, TEXT, None, {"label": "fair"}, function_to_apply="none")
    scores = {entry["label"]: entry["score"] for entry in trace.prediction.output}
    assert trace.objective == {"label": "fair", "value": pytest.approx(scores["fair"], abs=1e-5)}
    both = traced(model, TEXT, None, {"label": 2, "minus": ["bad"]}, function_to_apply="none")
    assert both.objective is not None
    assert both.objective["value"] == pytest.approx(scores["good"] - scores["bad"], abs=1e-5)
    assert has_gradients(trace)
    for wanted, field in (
        ({"label": "great"}, "objective.label"),
        ({"label": 3}, "objective.label"),
        ({"tokens": "all"}, "objective.tokens"),
        ({"label": "bad", "minus": ["great"]}, "objective.minus.0"),
    ):
        with pytest.raises(ParameterError) as caught:
            traced(model, TEXT, None, wanted)
        assert caught.value.field == field


def test_masks_labels_of_tokens_answers_and_similarities_have_objectives(tmp_path: Path) -> None:
    masked = served(checkpoints.bert(tmp_path / "masked", "masked"), "fill-mask")
    trace = traced(masked, "The [MASK] is reading a [MASK].", None, {"tokens": [1]})
    best = trace.prediction.output[1][0]["score"]
    assert trace.objective is not None
    assert trace.objective["value"] == pytest.approx(float(torch.tensor(best).log()), abs=1e-4)
    assert has_gradients(trace)
    with pytest.raises(InputError, match="token 2 does not exist: the output has 2"):
        traced(masked, "The [MASK] is reading a [MASK].", None, {"tokens": [2]})
    with pytest.raises(InputError, match="no mask"):
        traced(masked, TEXT, None, {"tokens": [0]})
    entities = served(checkpoints.bert(tmp_path / "entities", "token-classification"), "token-classification")
    assert has_gradients(traced(entities, TEXT, None, {"tokens": [2], "minus": ["B-PER"]}))
    asked = {"question": "Who is reading?", "context": TEXT}
    answering = served(checkpoints.bert(tmp_path / "answers", "question-answering"), "question-answering")
    assert has_gradients(traced(answering, asked, None, {"tokens": "all"}))
    near = served(checkpoints.bert(tmp_path / "near"), "sentence-similarity")
    sentences = {"source_sentence": TEXT, "sentences": ["Hello", "The girl is a book."]}
    trace = traced(near, sentences, None, {"label": 1})
    assert trace.objective == {"label": 1, "value": pytest.approx(trace.prediction.output[1], abs=1e-5)}
    assert has_gradients(trace)
    features = served(checkpoints.bert(tmp_path / "features"), "feature-extraction")
    with pytest.raises(ParameterError, match="feature-extraction answers with nothing"):
        traced(features, TEXT, None, {"tokens": "all"})


def test_pictures_and_recordings_have_objectives(tmp_path: Path) -> None:
    picture = {"image": media_checkpoints.as_png(media_checkpoints.picture())}
    recording = {"audio": media_checkpoints.as_wav(media_checkpoints.speech())}
    for make in ("vit", "swin"):
        seen = served(getattr(media_checkpoints, make)(tmp_path / make), "image-classification")
        label = traced(seen, picture).prediction.output[0]["label"]
        assert has_gradients(traced(seen, picture, None, {"label": label}))
    clip = served(media_checkpoints.clip(tmp_path / "clip"), "zero-shot-image-classification")
    labels = ("a red ball", "a green field")
    trace = traced(clip, picture, None, {"label": "a green field"}, candidate_labels=labels)
    assert "green" in "".join(trace.axes["text"].labels).lower()
    assert has_gradients(trace)
    heard = served(media_checkpoints.whisper(tmp_path / "whisper"), "automatic-speech-recognition")
    trace = traced(heard, recording, None, {"tokens": "all"})
    assert trace.objective is not None
    assert trace.objective["value"] == pytest.approx(trace.prediction.score, abs=1e-3)
    assert has_gradients(trace)
    framewise = served(media_checkpoints.wav2vec2(tmp_path / "ctc"), "automatic-speech-recognition")
    with pytest.raises(ParameterError, match="leave the objective out"):
        traced(framewise, recording, None, {"tokens": "all"})
