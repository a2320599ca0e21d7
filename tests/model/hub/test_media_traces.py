"""Checkpoints that see and hear, served: the maps of every site are as large as its axes, the predictions traced."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace
from tests.model.hub import media_checkpoints as checkpoints
from tests.model.hub.media_checkpoints import as_png, as_wav, picture, speech

PICTURES = [as_png(picture(60, 40)), as_png(picture(33, 47, seed=1))]
RECORDINGS = [as_wav(speech(0.73)), as_wav(speech(0.5, seed=1))]
LABELS = Parameters(candidate_labels=("a girl", "the station"))
SHORT = Parameters(max_new_tokens=5)
PATCHES = {"encoder": ("patches", "patches")}
WRITTEN = {"encoder": ("source", "source"), "decoder": ("target", "prefix"), "cross": ("target", "source")}
MIXED = {"vision": ("vision", "vision"), "decoder": ("tokens", "tokens")}
STAGES = {"stage0": ("stage0", "stage0"), "stage1": ("stage1", "stage1")}
SWIN = {"embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4, "patch_size": 2, "image_size": 21}

Sites = dict[str, tuple[str, str]]


def captioner_of_stages(folder: Path) -> Path:
    """A captioner whose encoder is a Swin."""
    return checkpoints.captioner(folder, hf.SwinConfig(**SWIN))


CASES: list[tuple[str, Callable[[Path], Path], str, Sites, list[Any], Parameters]] = [
    ("image-classification", checkpoints.vit, "fused", PATCHES, [{"image": each} for each in PICTURES], SHORT),
    ("image-classification", checkpoints.deit, "fused", PATCHES, [{"image": each} for each in PICTURES], SHORT),
    ("image-classification", checkpoints.beit, "fused", PATCHES, [{"image": each} for each in PICTURES], SHORT),
    ("image-classification", checkpoints.dinov2, "fused", PATCHES, [{"image": each} for each in PICTURES], SHORT),
    ("image-classification", checkpoints.swin, "fused", STAGES, [{"image": each} for each in PICTURES], SHORT),
    (
        "zero-shot-image-classification",
        checkpoints.clip,
        "fused",
        {"text": ("text", "text"), "vision": ("vision", "vision")},
        [{"image": each} for each in PICTURES],
        LABELS,
    ),
    ("image-to-text", checkpoints.captioner, "fused", WRITTEN, [{"image": each} for each in PICTURES], SHORT),
    (
        "image-to-text",
        captioner_of_stages,
        "fused",
        {**STAGES, "decoder": WRITTEN["decoder"], "cross": WRITTEN["cross"]},
        [{"image": each} for each in PICTURES],
        SHORT,
    ),
    (
        "image-to-text",
        checkpoints.blip,
        "eager",
        WRITTEN,
        [{"image": PICTURES[0], "text": "a"}, {"image": PICTURES[1]}],
        SHORT,
    ),
    (
        "image-text-to-text",
        checkpoints.llava,
        "fused",
        MIXED,
        [{"image": each, "text": "What?"} for each in PICTURES],
        SHORT,
    ),
    (
        "image-text-to-text",
        checkpoints.qwen2_vl,
        "fused",
        MIXED,
        [{"image": each, "text": "Where?"} for each in PICTURES],
        SHORT,
    ),
    (
        "automatic-speech-recognition",
        checkpoints.whisper,
        "fused",
        WRITTEN,
        [{"audio": each} for each in RECORDINGS],
        SHORT,
    ),
    (
        "automatic-speech-recognition",
        checkpoints.speecht5,
        "eager",
        WRITTEN,
        [{"audio": each} for each in RECORDINGS],
        SHORT,
    ),
    (
        "automatic-speech-recognition",
        checkpoints.wav2vec2,
        "fused",
        {"encoder": ("frames", "frames")},
        [{"audio": each} for each in RECORDINGS],
        SHORT,
    ),
    (
        "automatic-speech-recognition",
        checkpoints.hubert,
        "fused",
        {"encoder": ("frames", "frames")},
        [{"audio": each} for each in RECORDINGS],
        SHORT,
    ),
]


@pytest.mark.parametrize(
    ("task", "make", "attention", "sites", "inputs", "parameters"),
    CASES,
    ids=[f"{case[0]}-{case[1].__name__}" for case in CASES],
)
def test_every_site_is_traced(
    task: str,
    make: Callable[[Path], Path],
    attention: str,
    sites: Sites,
    inputs: list[Any],
    parameters: Parameters,
    tmp_path: Path,
) -> None:
    model = load(make(tmp_path / "checkpoint"))
    facts = model.describe()
    assert (facts["task"], facts["attention"]) == (task, attention)
    assert {site["name"]: (site["queries"], site["keys"]) for site in facts["sites"]} == sites
    assert facts["unrecorded"] == []
    requests = [Request(each, parameters=parameters) for each in inputs]
    for answer, trace in zip(model.predict(requests), model.trace(requests), strict=True):
        assert isinstance(answer, Prediction)
        assert isinstance(trace, Trace)
        assert (trace.prediction.text, trace.axes) == (answer.text, answer.axes)
        assert (trace.certificate.warning is None) == (attention == "fused"), "given weights cannot be recomputed"
        for site, (queries, keys) in sites.items():
            for layer in trace.layers[site]:
                assert layer.shape == (len(trace.axes[queries]), len(trace.axes[keys]))
                sums = layer.dense().sum(dim=-1)
                assert float((sums - 1).abs().max()) < 1e-4
        path = tmp_path / "trace.safetensors"
        trace.save(path)
        again = Trace.load(path)
        assert again.axes == trace.axes
        assert again.prediction.to_json() == trace.prediction.to_json()


def test_one_bad_picture_leaves_the_others_alone(tmp_path: Path) -> None:
    model = load(checkpoints.vit(tmp_path))
    good, bad, text, last = model.trace(
        [Request(each) for each in ({"image": PICTURES[0]}, {"image": b"?"}, "?", {"image": PICTURES[1]})]
    )
    assert isinstance(good, Trace)
    assert isinstance(last, Trace)
    assert [getattr(error, "field", None) for error in (bad, text)] == ["inputs.image", "inputs"]
