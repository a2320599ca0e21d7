"""A captioner, served: what it reads, answers and refuses, and that its maps are its own."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from heedmap.model.contract import (
    Foretelling,
    Measurable,
    Objective,
    Parameters,
    Prediction,
    Request,
    Served,
    check_edits,
)
from heedmap.model.errors import CheckpointError, HeedmapError, InputError
from heedmap.model.load import load
from heedmap.model.native import checkpoint
from heedmap.model.native.captioner import Captioner, features_of, patch_axis
from heedmap.model.native.feature_transformer import FeatureTransformerConfig, FrameInput, PatchInput
from heedmap.model.native.translator import Translator
from heedmap.model.trace.trace import Trace
from heedmap.model.training.scenes.captions import tokenizer
from tests.model.watching import Notes

WHAT = PatchInput(side=32)
ALL = Objective(tokens="all")
CAPTION = "two red apples to the left of a dog"
SILENT: list[dict[str, Any]] = [{"kind": "silence", "site": "cross", "layer": -1, "head": 1}]
SETS: list[list[dict[str, Any]]] = [
    SILENT,
    [{"kind": "silence", "site": "encoder", "layer": 0, "head": 0, "how": "uniform"}],
    [{"kind": "cut", "site": "cross", "query": 3, "key": 2}],
    [{"kind": "temper", "site": "decoder", "layer": 1, "head": 0, "temperature": 2.0}, *SILENT],
    [],
]


def write(folder: Path, **more: Any) -> Path:
    """A random checkpoint of a few thousand parameters."""
    torch.manual_seed(3)
    tokens = tokenizer()
    shape = {"width": 32, "feed_forward": 48, "heads": 4, "kv_heads": 2, "encoder_layers": 2, "decoder_layers": 2}
    facts: dict[str, Any] = {"task": "image-to-text", "input": WHAT, "languages": ("en", "zh"), "max_positions": 20}
    config = FeatureTransformerConfig(vocabulary=len(tokens), **{**shape, **facts, **more})
    checkpoint.save(folder, checkpoint.build(config), tokens)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Captioner:
    loaded = load(write(tmp_path_factory.mktemp("seeing") / "tiny"))
    assert isinstance(loaded, Captioner)
    return loaded


def png(width: int = 32, height: int = 32, seed: int = 0, plain: bool = False) -> dict[str, bytes]:
    """A picture: noise, or nothing at all."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.full_like(pixels, 255) if plain else pixels).save(file, "PNG")
    return {"image": file.getvalue()}


def test_it_says_what_it_is(model: Captioner) -> None:
    assert isinstance(model, Served)
    assert isinstance(model, Measurable)
    assert isinstance(model, Foretelling)
    facts = model.describe()
    assert facts["task"] == "image-to-text"
    assert facts["parameters"]["tgt_lang"] == {"default": "en", "choices": ["en", "zh"]}
    assert [(site["name"], site["layers"], site["heads"], site["keys"]) for site in facts["sites"]] == [
        ("encoder", 2, 4, "source"),
        ("decoder", 2, 4, "prefix"),
        ("cross", 2, 4, "source"),
    ]


def test_patches_have_boxes_in_the_picture_as_it_came() -> None:
    axis = patch_axis((96, 48), WHAT)
    assert axis.size == (96, 48)
    assert axis.labels[:5] == ["0,0", "0,1", "0,2", "0,3", "1,0"]
    assert axis.boxes is not None
    assert axis.boxes[0] == (0, 0, 24, 12)
    assert axis.boxes[6] == (48, 12, 72, 24)
    assert axis.boxes[15] == (72, 36, 96, 48)
    assert not any(axis.special)


def test_a_picture_of_the_networks_size_is_read_as_it_is(model: Captioner) -> None:
    picture = png(seed=4)
    pixels = np.asarray(Image.open(io.BytesIO(picture["image"])))
    features = model.read(picture).features
    assert torch.equal(features, features_of([pixels], WHAT)[0])
    assert features[5].reshape(3, 8, 8)[1, 2, 3] == pytest.approx(pixels[8 + 2, 8 + 3, 1] / 127.5 - 1)


@pytest.mark.parametrize(
    "inputs",
    [png(plain=True), png(1, 1), png(7, 300), png(640, 480, seed=2)],
    ids=["nothing", "a-pixel", "tall", "noise"],
)
def test_any_picture_is_answered(model: Captioner, inputs: dict[str, bytes]) -> None:
    [answer] = model.predict([Request(inputs)])
    assert isinstance(answer, Prediction)
    assert answer.output == {"generated_text": answer.text}
    assert len(answer.axes["source"]) == 16


@pytest.mark.parametrize(
    ("request_", "field", "said"),
    [
        (Request("a dog"), "inputs", "image-to-text reads an image, and this is a text"),
        (Request({"audio": b"x"}), "inputs", "and this is a recording"),
        (Request({"image": b"none"}), "inputs.image", "no format that is read"),
        (Request({"image": b""}), "inputs.image", "no bytes"),
        (Request({**png(), "text": "a"}), "inputs.text", "reads no text beside it"),
        (Request(png(), None, Parameters(tgt_lang="fr")), "parameters.tgt_lang", "writes en, zh, and not 'fr'"),
        (Request(png(), " "), "target", "empty"),
        (Request(png(), "dog " * 30), "target", "31 tokens, the model has positions for 20"),
        (Request(png(), None, Parameters(prefix=(5000,))), "parameters.prefix.0", "no token 5,000"),
        (
            Request(png(), edits=check_edits([{"kind": "replace", "token": 0, "by": "dog"}])),
            "edits.0",
            "no text whose tokens",
        ),
        (
            Request(png(), edits=check_edits([{"kind": "cut", "site": "cross", "query": 0, "key": 99}])),
            "edits.0.key",
            "99",
        ),
        (Request(png(), CAPTION, objective=Objective(tokens=(90,))), "objective.tokens", "90"),
    ],
)
def test_what_it_cannot_use_is_said(model: Captioner, request_: Request, field: str, said: str) -> None:
    answers: list[Any] = model.trace([request_, Request(png(), CAPTION)])
    assert isinstance(answers[0], InputError), answers[0]
    assert answers[0].field is not None
    assert answers[0].field.startswith(field)
    assert said in str(answers[0])
    assert isinstance(answers[1], Trace), "its neighbour is answered"


def test_the_language_opens_the_output(model: Captioner) -> None:
    pictures = [Request(png(), None, Parameters(tgt_lang=language)) for language in (None, "en", "zh")]
    usual, english, chinese = model.predict(pictures)
    for answer, opening in ((usual, "<en>"), (english, "<en>"), (chinese, "<zh>")):
        assert isinstance(answer, Prediction)
        assert answer.axes["prefix"].labels[0] == opening
        assert answer.axes["prefix"].special[0]
        assert answer.axes["prefix"].ids[1:] == answer.axes["target"].ids[:-1]
    assert isinstance(usual, Prediction)
    assert isinstance(english, Prediction)
    assert usual.score == english.score


def test_a_batch_is_what_each_is_alone(model: Captioner) -> None:
    requests = [Request(png(seed=seed), None, Parameters(max_new_tokens=6)) for seed in range(3)]
    requests += [Request(png(seed=1), CAPTION), Request(png(seed=1), "一只狗", Parameters(tgt_lang="zh"))]
    together = model.predict(requests)
    for request, answer in zip(requests, together, strict=True):
        [alone] = model.predict([request])
        assert isinstance(alone, Prediction)
        assert isinstance(answer, Prediction)
        assert (answer.text, answer.tokens) == (alone.text, alone.tokens)
        assert answer.score == pytest.approx(alone.score, abs=1e-4)


def test_a_given_caption_is_scored_token_by_token(model: Captioner) -> None:
    [answer] = model.predict([Request(png(), CAPTION)])
    assert isinstance(answer, Prediction)
    ids = model.tokenizer.encode(CAPTION).ids
    opened = torch.tensor([[model.openings["en"], *ids[:-1]]])
    features = model.read(png()).features[None]
    logits = model.network(features, torch.tensor([16]), opened)[0].log_softmax(-1)
    assert answer.score == pytest.approx(float(sum(logits[at, token] for at, token in enumerate(ids))), abs=1e-4)
    assert answer.tokens == model.tokenizer.encode(CAPTION).labels


def test_its_maps_are_what_the_network_weighed(model: Captioner) -> None:
    traces = model.trace([Request(png(seed=seed), CAPTION) for seed in range(2)])
    for seed, trace in enumerate(traces):
        assert isinstance(trace, Trace)
        assert trace.certificate.max_error < 1e-5
        assert trace.model["task"] == "image-to-text"
        assert trace.site_axes["cross"] == ("target", "source")
        read = model.network.read(model.read(png(seed=seed)).features[None], torch.tensor([16]))
        layer: Any = model.network.encoder[0]
        normed = layer.attention_norm(read)[0]
        q, k = (projection(normed) for projection in (layer.attention.query, layer.attention.key))
        q, k = q.view(16, 4, 8).transpose(0, 1), k.view(16, 2, 8).transpose(0, 1).repeat_interleave(2, dim=0)
        weights = (q @ k.mT / 8**0.5).softmax(-1)
        assert torch.allclose(trace.map("encoder", 0).dense(), weights, atol=1e-5)
        assert torch.allclose(trace.map("cross", 1).dense().sum(-1), torch.ones(4, 10), atol=1e-5)


def test_what_it_writes_can_be_watched(model: Captioner) -> None:
    request = Request(png(), None, Parameters(max_new_tokens=5))
    [answer] = model.predict([request])
    heard = Notes()
    [watched] = model.predict([request], heard)
    assert isinstance(answer, Prediction)
    assert isinstance(watched, Prediction)
    assert "".join(token.text for token in heard.tokens) == watched.text == answer.text


def test_edits_in_a_batch_are_passes_alone(model: Captioner) -> None:
    request = Request(png(), CAPTION, Parameters(), ALL)

    def value(edits: list[dict[str, Any]]) -> float:
        [trace] = model.trace([Request(png(), CAPTION, Parameters(), ALL, check_edits(edits))])
        assert isinstance(trace, Trace), trace
        assert trace.objective is not None
        return float(trace.objective["value"])

    [trace] = model.trace([request])
    assert isinstance(trace, Trace)
    checked = [check_edits(edits) for edits in SETS]
    values = [number for some in model.values_under(request, trace.prediction, checked) for number in some]
    assert values == pytest.approx([value([]), *map(value, SETS)], abs=1e-4)
    assert len({round(number, 4) for number in values}) == len(SETS)  # the last set changes nothing
    with pytest.raises(InputError) as caught:
        list(model.values_under(request, trace.prediction, [check_edits([{"kind": "replace", "token": 0, "by": 5}])]))
    assert caught.value.field == "edits.0"


def test_the_gradient_of_a_head_is_what_silencing_it_shows(model: Captioner) -> None:
    """-sum <dO, O> of a head, against the objective with that head's output scaled down a little."""
    [trace] = model.trace([Request(png(), CAPTION, Parameters(), ALL)])
    assert isinstance(trace, Trace)
    layer: Any = list(model.network.decoder_layers())[1]
    weight = layer.cross.output.weight
    kept = weight.detach().clone()
    values = []
    for scale in (1.01, 0.99):
        with torch.no_grad():
            weight[:, 8:16] = kept[:, 8:16] * scale
            values.append(float(model.passes.value(ALL, model.read(png()), trace.prediction)))
            weight.copy_(kept)
    layer_map = trace.map("cross", 1)
    assert layer_map.d_output is not None
    output = layer_map.dense()[1] @ layer_map.v[0]
    estimated = float((layer_map.d_output[1] * output).sum())
    assert estimated == pytest.approx((values[0] - values[1]) / 0.02, rel=0.02, abs=1e-3)


def test_what_else_could_stand_there(model: Captioner) -> None:
    request = Request(png(), CAPTION)
    [answer] = model.predict([request])
    assert isinstance(answer, Prediction)
    places = list(model.likeliest(request, answer, 3))
    assert len(places) == len(answer.tokens)
    total = sum(place.written.log_probability for place in places)
    assert total == pytest.approx(answer.score, abs=1e-3)


def test_networks_for_something_else_are_refused(tmp_path: Path) -> None:
    hears = write(tmp_path / "hears", task="automatic-speech-recognition", input=FrameInput())
    with pytest.raises(CheckpointError, match="not for image-to-text"):
        Captioner(checkpoint.load(hears))
    with pytest.raises(CheckpointError, match="does not translate"):
        Translator.load(hears)
    with pytest.raises(HeedmapError):
        load(f"{write(tmp_path / 'sees')}?task=translation")
