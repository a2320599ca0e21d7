"""Texts of recordings, as transformers' own pipeline writes them, and axes as long as the model's attention."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.errors import CheckpointError, EmptyInput, InputTooLong, ParameterError
from heedmap.model.hub.tasks.ctc import FramewiseRecognition
from heedmap.model.hub.tasks.speech_recognition import SpeechRecognition, SpeechT5
from heedmap.model.hub.tasks.transformers_generate import end_tokens
from heedmap.model.hub.tasks.whisper import Whisper
from tests.model.hub import media_checkpoints as checkpoints
from tests.model.hub.answers import answered, opened, total, traced
from tests.model.hub.media_checkpoints import as_wav, speech

SOUNDS = [speech(0.73), speech(0.5, seed=1)]
SHORT = {"max_new_tokens": 6}
FRAMEWISE = {"wav2vec2": checkpoints.wav2vec2, "hubert": checkpoints.hubert}
WRITING = {"whisper": checkpoints.whisper, "speecht5": checkpoints.speecht5}
EVERY = {**FRAMEWISE, **WRITING}


def request_of(sound: np.ndarray, target: str | None = None, rate: int = 16_000, **parameters: Any) -> Request:
    """A request about a recording."""
    return Request({"audio": as_wav(sound, rate)}, target, Parameters(**{**SHORT, **parameters}))


def pipeline(folder: Path, sound: np.ndarray, *, writing: bool, **options: Any) -> dict[str, Any]:
    """transformers' own way."""
    kwargs = {"generate_kwargs": {"max_new_tokens": 6, "num_beams": 1, **options}} if writing else options
    transcript = hf.pipeline("automatic-speech-recognition", model=str(folder))(sound.copy(), **kwargs)
    assert isinstance(transcript, dict)
    return transcript


@pytest.mark.parametrize("name", EVERY)
def test_texts_are_those_of_the_pipeline(tmp_path: Path, name: str) -> None:
    folder = EVERY[name](tmp_path)
    predictions = answered(opened(folder, SpeechRecognition), *[request_of(sound) for sound in SOUNDS])
    for prediction, sound in zip(predictions, SOUNDS, strict=True):
        assert prediction.text == pipeline(folder, sound, writing=name in WRITING)["text"]
        assert prediction.text
        assert prediction.to_json() == {
            "text": prediction.text,
            "tokens": prediction.tokens,
            "score": prediction.score,
            **({"finish_reason": "length"} if name in WRITING else {}),
        }


@pytest.mark.parametrize("name", WRITING)
def test_beams_are_those_of_generate(tmp_path: Path, name: str) -> None:
    task = opened(WRITING[name](tmp_path), SpeechRecognition)
    parameters = {"beam_size": 3, **({"language": "en"} if name == "whisper" else {})}
    predictions = answered(task, *[request_of(sound, **parameters) for sound in SOUNDS])
    for prediction, sound in zip(predictions, SOUNDS, strict=True):
        tensors = task.prepare(request_of(sound)).tensors
        options = {"language": "en", "force_unique_generate_call": True} if name == "whisper" else {}
        written = task.loaded.model.generate(**tensors, **options, num_beams=3, max_new_tokens=6)[0]
        ids = prediction.axes["target"].ids
        assert ids == written[1 : len(ids) + 1].tolist()
        assert set(written[len(ids) + 1 :].tolist()) <= {task.loaded.config.pad_token_id}


def test_a_recording_of_another_rate_is_resampled(tmp_path: Path) -> None:
    task = opened(checkpoints.wav2vec2(tmp_path), SpeechRecognition)
    times = np.arange(44_100) / 44_100
    [item] = [task.prepare(request_of(0.1 * np.sin(2 * np.pi * 300 * times), rate=44_100))]
    assert item.tensors["input_values"].shape == (1, 16_000)
    assert item.axes["frames"].duration == 1.0


@pytest.mark.parametrize("name", FRAMEWISE)
def test_frames_are_as_many_as_the_model_attends_to(tmp_path: Path, name: str) -> None:
    task = opened(FRAMEWISE[name](tmp_path), SpeechRecognition)
    assert isinstance(task, FramewiseRecognition)
    assert not task.batchable
    for sound in SOUNDS:
        item = task.prepare(request_of(sound))
        task.loaded.model.set_attn_implementation("eager")
        with torch.inference_mode():
            weights = task.forward({**item.tensors, "output_attentions": True}).attentions
        assert weights[0].shape[-1] == len(item.axes["frames"])
    assert task.site_axes("encoder", item.axes) == ("frames", "frames")


@pytest.mark.parametrize("kind", ["word", "char"])
@pytest.mark.parametrize("name", FRAMEWISE)
def test_chunks_are_those_of_the_pipeline(tmp_path: Path, name: str, kind: str) -> None:
    folder = FRAMEWISE[name](tmp_path)
    [prediction] = answered(opened(folder, SpeechRecognition), request_of(SOUNDS[0], return_timestamps=kind))
    theirs = pipeline(folder, SOUNDS[0], writing=False, return_timestamps=kind)
    chunks = prediction.to_json()["chunks"]
    assert [chunk["text"] for chunk in chunks] == [chunk["text"] for chunk in theirs["chunks"]]
    for chunk, other in zip(chunks, theirs["chunks"], strict=True):
        assert chunk["timestamp"] == pytest.approx(list(other["timestamp"]))


def test_a_frames_score_is_that_of_its_likeliest_token(tmp_path: Path) -> None:
    task = opened(checkpoints.hubert(tmp_path), SpeechRecognition)
    [prediction] = answered(task, request_of(SOUNDS[0]))
    item = task.prepare(request_of(SOUNDS[0]))
    with torch.inference_mode():
        logits = task.forward(task.collate([item])).logits[0].double()
    assert prediction.score == pytest.approx(float(logits.log_softmax(dim=-1).amax(dim=-1).sum()), abs=1e-4)


def test_a_given_text_is_scored_over_all_ways_to_say_it(tmp_path: Path) -> None:
    task = opened(checkpoints.hubert(tmp_path), SpeechRecognition)
    sound = SOUNDS[0][:1_680]  # five frames
    [prediction] = answered(task, request_of(sound, target="TO"))
    item = task.prepare(request_of(sound))
    with torch.inference_mode():
        rows = task.forward(task.collate([item])).logits[0].double().log_softmax(dim=-1)
    assert len(rows) == 5
    first, second = task.loaded.tokenizer.convert_tokens_to_ids(["T", "O"])
    ways = [
        path
        for path in itertools.product((0, first, second), repeat=5)
        if [token for token, _ in itertools.groupby(path) if token] == [first, second]
    ]
    sums = torch.tensor([sum(float(rows[at, token]) for at, token in enumerate(path)) for path in ways])
    assert prediction.score == pytest.approx(float(sums.double().logsumexp(dim=0)), abs=1e-4)
    assert (prediction.text, prediction.tokens) == ("TO", ["T", "O"])


def test_silence_says_nothing(tmp_path: Path) -> None:
    task = opened(checkpoints.wav2vec2(tmp_path), SpeechRecognition)
    with torch.no_grad():
        task.loaded.model.lm_head.bias[0] += 1_000  # the blank
    [prediction] = answered(task, request_of(SOUNDS[0], return_timestamps="word"))
    assert prediction.to_json() == {"text": "", "tokens": [], "score": pytest.approx(0.0), "chunks": []}
    assert Prediction.from_json(prediction.to_json(), prediction.axes).text == ""


@pytest.mark.parametrize("name", WRITING)
@pytest.mark.parametrize("target", [None, "Where is it?"])
def test_a_writers_axes_are_as_long_as_its_attention(tmp_path: Path, name: str, target: str | None) -> None:
    task = opened(WRITING[name](tmp_path), SpeechRecognition)
    [prediction], outputs = traced(task, request_of(SOUNDS[0], target))
    source, wrote, prefix = (prediction.axes[axis] for axis in ("source", "target", "prefix"))
    assert outputs.encoder_attentions[0].shape[-1] == len(source)
    assert outputs.decoder_attentions[0].shape[-2:] == (len(wrote), len(prefix))
    assert outputs.cross_attentions[0].shape[-2:] == (len(wrote), len(source))
    assert prefix.ids[1:] == wrote.ids[:-1]
    assert prefix.ids[0] == task.loaded.config.decoder_start_token_id
    began = 3 if name == "whisper" else 0
    after = 0 if target is None else 1  # the row in which the end token is read answers nothing any more
    assert len(prediction.tokens) == len(wrote) - after
    answer = outputs.logits[0, : len(wrote) - after]
    assert prediction.score == pytest.approx(total(answer, wrote.ids[began : len(wrote) - after]), abs=1e-4)
    if target is not None:
        assert prediction.text == target
        assert wrote.special == [True] * began + [False] * (len(wrote) - began - 2) + [True] * 2
        assert prefix.ids[-1] == wrote.ids[-1] == wrote.ids[-2] == end_tokens(task.loaded.model)[0]
        spoken = "".join(target[start:stop] for start, stop in wrote.spans)
        assert spoken == target.replace(" ", "")
    for site, axes in {
        "encoder": ("source",) * 2,
        "decoder": ("target", "prefix"),
        "cross": ("target", "source"),
    }.items():
        assert task.site_axes(site, prediction.axes) == axes


@pytest.mark.parametrize(
    ("name", "inputs", "parameters", "error", "field", "message"),
    [
        ("whisper", "a text", {}, ParameterError, "inputs", "reads a recording, and this is a text"),
        ("wav2vec2", {"image": b"x"}, {}, ParameterError, "inputs", "and this is an image"),
        ("hubert", {"audio": b""}, {}, EmptyInput, "inputs.audio", "no bytes"),
        ("speecht5", {"audio": b"RIFF nothing"}, {}, ParameterError, "inputs.audio", "cannot be decoded"),
        ("wav2vec2", 0.02, {}, ParameterError, "inputs.audio", "lasts 20 ms, the model needs 25 ms"),
        ("whisper", 0.5, {"language": "Klingon"}, ParameterError, "language", "'Klingon'; it knows de, en, fr"),
        ("wav2vec2", 0.5, {"language": "de"}, ParameterError, "language", "knows one language"),
        ("speecht5", 0.5, {"language": "de"}, ParameterError, "language", "knows one language"),
        ("wav2vec2", 0.5, {"return_timestamps": True}, ParameterError, "return_timestamps", 'each "word" or "char"'),
        ("whisper", 0.5, {"return_timestamps": "word"}, ParameterError, "return_timestamps", "true, not 'word'"),
        ("speecht5", 0.5, {"return_timestamps": True}, ParameterError, "return_timestamps", "tells no seconds"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, name: str, inputs: Any, parameters: Any, error: type[Exception], field: str, message: str
) -> None:
    task = opened(EVERY[name](tmp_path), SpeechRecognition)
    body = {"audio": as_wav(speech(inputs))} if isinstance(inputs, float) else inputs
    with pytest.raises(error, match=message) as caught:
        task.prepare(Request(body, None, Parameters(**parameters)))
    assert caught.value.field == (f"parameters.{field}" if field in parameters else field)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("target", "message"), [("hello", "capitals alone"), ("TOOT" * 9, "needs 53 frames, and")])
def test_what_cannot_have_been_said_is_refused(tmp_path: Path, target: str, message: str) -> None:
    task = opened(checkpoints.hubert(tmp_path), SpeechRecognition)
    with pytest.raises(ParameterError, match=message) as caught:
        task.prepare(request_of(SOUNDS[0], target))
    assert caught.value.field == "target"


def test_three_hours_are_refused(tmp_path: Path) -> None:
    task = opened(checkpoints.wav2vec2(tmp_path), SpeechRecognition)
    with pytest.raises(InputTooLong, match="lasts 10,800 s, at most 120 s are read"):
        task.prepare(request_of(np.zeros(3 * 3600 * 1_000, dtype=np.float32), rate=1_000))


def test_checkpoints_that_cannot_hear_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="how sew divides a recording is not known; known are whisper, wav2vec2"):
        SpeechRecognition.for_config(hf.SEWConfig())
    checkpoints.hubert(tmp_path / "deaf")
    (tmp_path / "deaf" / "preprocessor_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no preprocessor_config\.json"):
        opened(tmp_path / "deaf", SpeechRecognition)
    checkpoints.whisper(tmp_path / "other")
    hf.WhisperFeatureExtractor(feature_size=16, chunk_length=2).save_pretrained(tmp_path / "other")
    with pytest.raises(CheckpointError, match="makes 200 frames of 2 s, and the encoder hears 100"):
        opened(tmp_path / "other", SpeechRecognition)


@pytest.mark.parametrize("name", EVERY)
def test_the_example_can_be_answered(tmp_path: Path, name: str) -> None:
    task = opened(EVERY[name](tmp_path), SpeechRecognition)
    [prediction] = answered(task, Request(task.example, None, Parameters(**SHORT)))
    assert prediction.score is not None
    if isinstance(task, SpeechT5 | Whisper):
        assert answered(task, Request(task.example, task.probe_target))[0].text == task.probe_target
