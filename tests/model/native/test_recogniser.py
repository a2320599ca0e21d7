"""A tiny network that hears, from a recording's bytes to words, axes and traces; and what it says to bad recordings."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.edits import Silence
from heedmap.model.errors import EmptyInput, HeedmapError, InputTooLong, ParameterError
from heedmap.model.load import load, peek
from heedmap.model.native import checkpoint
from heedmap.model.native.feature_transformer import FeatureTransformer, FeatureTransformerConfig, FrameInput
from heedmap.model.native.recogniser import Recogniser
from heedmap.model.objective import Objective
from heedmap.model.trace.trace import Trace
from heedmap.model.training.speech.words import word_tokenizer

WORDS = ("one", "two", "stop")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = word_tokenizer(WORDS, ["<en>"])
    config = FeatureTransformerConfig(
        task="automatic-speech-recognition",
        input=FrameInput(bands=40, longest=200, stride=4),
        vocabulary=len(tokenizer),
        width=16,
        feed_forward=32,
        heads=2,
        kv_heads=2,
        encoder_layers=1,
        decoder_layers=2,
        max_positions=8,
    )
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("tiny") / "hears"
    checkpoint.save(path, FeatureTransformer(config), tokenizer)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load(folder)


def recording(seconds: float, rate: int = 8000, channels: int = 1, level: float = 0.1, kind: str = "WAV") -> bytes:
    """Noise, the same for the same length."""
    samples = np.random.default_rng(1).standard_normal((round(seconds * rate), channels)) * level
    file = io.BytesIO()
    soundfile.write(file, samples.clip(-1, 1), rate, format=kind)
    return file.getvalue()


def one(model: Any, data: bytes, **more: Any) -> Prediction:
    [answer] = model.predict([Request({"audio": data}, **more)])
    assert isinstance(answer, Prediction), answer
    return answer


def refusal(model: Any, inputs: Any, **more: Any) -> HeedmapError:
    [answer] = model.predict([Request(inputs, **more)])
    assert isinstance(answer, HeedmapError)
    return answer


def test_it_is_served_for_what_its_config_says(model: Any, folder: Path) -> None:
    assert isinstance(model, Recogniser)
    described = model.describe()
    assert described["task"] == peek(str(folder))["task"] == "automatic-speech-recognition"
    assert [(s["name"], s["layers"], s["queries"], s["keys"]) for s in described["sites"]] == [
        ("encoder", 1, "source", "source"), ("decoder", 2, "target", "prefix"), ("cross", 2, "target", "source"),
    ]  # fmt: skip


def test_the_encoders_places_are_seconds_of_the_recording(model: Any) -> None:
    source = one(model, recording(0.5)).axes["source"]
    # 50 frames of 10 ms, a place for each four: the last for two of them.
    assert source.kind == "audio"
    assert source.duration == pytest.approx(0.5)
    assert source.seconds is not None
    assert source.seconds[:2] == [(0.0, 0.04), (0.04, 0.08)]
    assert len(source) == 13
    assert source.labels[-1] == "0.48 s"
    assert not any(source.special)


def test_alone_and_in_a_batch_it_hears_the_same(model: Any) -> None:
    recordings = [recording(seconds) for seconds in (0.3, 1.13, 0.77)]
    target = "one stop"
    alone = [model.trace([Request({"audio": data}, target)])[0] for data in recordings]
    together = model.trace([Request({"audio": data}, target) for data in recordings])
    for one_, other in zip(alone, together, strict=True):
        assert isinstance(one_, Trace)
        assert isinstance(other, Trace)
        assert one_.axes["source"] == other.axes["source"]
        for layer in (0, 1):
            difference = one_.map("cross", layer).dense() - other.map("cross", layer).dense()
            assert difference.abs().max() < 1e-5
    predicted = model.predict([Request({"audio": data}) for data in recordings])
    assert [p.text for p in predicted] == [one(model, data).text for data in recordings]


def test_a_trace_is_certified_and_its_rows_sum_to_one(model: Any) -> None:
    [trace] = model.trace([Request({"audio": recording(0.6)}, "two one")])
    assert trace.certificate.relative_error < 1e-5
    weights = trace.map("cross", 1).dense()
    assert weights.shape == (2, 3, 15)  # two words and the end; 60 frames
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 3), atol=1e-5)
    assert trace.axes["target"].labels == ["▁two", "▁one", "</s>"]
    assert trace.axes["prefix"].labels == ["<en>", "▁two", "▁one"]
    assert trace.axes["target"].spans[:2] == [(0, 3), (4, 7)]


def test_objectives_and_edits(model: Any) -> None:
    data = {"audio": recording(0.4)}
    [trace] = model.trace([Request(data, "two", objective=Objective(tokens=(0,)))])
    assert trace.objective is not None
    silent = Silence(kind="silence", site="cross", layer=1, head=0)
    [plain], [edited] = model.predict([Request(data, "two")]), model.predict([Request(data, "two", edits=(silent,))])
    assert plain.score != edited.score


@pytest.mark.parametrize(
    "data",
    [
        recording(1.0, level=0.0),
        recording(1.0, rate=44_100, channels=2),
        recording(0.1, rate=16_000),
        recording(1.9, rate=48_000, kind="FLAC"),
        recording(1.0, level=100.0),
    ],
    ids=["silence", "stereo at 44.1 kHz", "a tenth of a second", "nearly the longest", "clipped noise"],
)
def test_unusual_recordings_are_answered(model: Any, data: bytes) -> None:
    answer = one(model, data)
    assert answer.finish_reason in ("stop", "length")
    assert answer.output is None


def test_the_same_sound_at_another_rate_has_the_same_axis(model: Any) -> None:
    assert one(model, recording(0.5, rate=16_000)).axes["source"] == one(model, recording(0.5)).axes["source"]


def test_what_is_too_long_or_too_short_is_told(model: Any) -> None:
    minute = refusal(model, {"audio": recording(60.0)})
    assert isinstance(minute, InputTooLong)
    assert "lasts 60 s, the model hears 2 s at once" in str(minute)
    blink = refusal(model, {"audio": recording(0.01)})
    assert isinstance(blink, ParameterError)
    assert "lasts 10 ms, the model needs 12.6 ms" in str(blink)
    assert blink.field == minute.field == "inputs.audio"


def test_what_is_no_recording_is_told(model: Any) -> None:
    assert isinstance(refusal(model, {"audio": b""}), EmptyInput)
    assert "no audio format" in str(refusal(model, {"audio": b"what is this"}))
    assert "cannot be decoded" in str(refusal(model, {"audio": recording(0.5)[:20] + b"x" * 30}))
    assert "reads a recording, and this is a text" in str(refusal(model, "one two"))
    assert "reads a recording, and this is an image" in str(refusal(model, {"image": b"x"}))


def test_it_tells_no_seconds_and_knows_one_language(model: Any) -> None:
    data = {"audio": recording(0.5)}
    told = refusal(model, data, parameters=Parameters(return_timestamps=True))
    assert told.field == "parameters.return_timestamps"
    assert refusal(model, data, parameters=Parameters(language="fr")).field == "parameters.language"
    assert one(model, recording(0.5), parameters=Parameters(language="en")).axes["prefix"].labels[0] == "<en>"


def test_words_that_it_does_not_know_are_unknown(model: Any) -> None:
    assert one(model, recording(0.5), target="one elephant").tokens == ["▁one", "elephant", "</s>"]
