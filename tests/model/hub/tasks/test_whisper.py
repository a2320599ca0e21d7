"""Whisper: languages, seconds, limits, as in transformers' own `generate`, and axes as long as its attention."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from transformers.utils import ModelOutput

from heedmap.model.contract import Parameters, Request
from heedmap.model.errors import InputTooLong
from heedmap.model.hub.tasks.recordings import TASK
from heedmap.model.hub.tasks.speech_recognition import SpeechRecognition
from heedmap.model.hub.tasks.whisper import Whisper
from tests.model.hub import media_checkpoints as checkpoints
from tests.model.hub.answers import answered, opened, traced
from tests.model.hub.media_checkpoints import as_wav, speech
from tests.model.hub.serving import ask, served, trace

SOUNDS = [speech(0.73), speech(0.5, seed=1)]
SHORT = {"max_new_tokens": 6}


def spoken(sound: np.ndarray, target: str | None = None, rate: int = 16_000, **parameters: Any) -> Request:
    """A request about a recording."""
    return Request({"audio": as_wav(sound, rate)}, target, Parameters(**{**SHORT, **parameters}))


def pipeline(folder: Path, sound: np.ndarray, *, writing: bool, **options: Any) -> dict[str, Any]:
    """transformers' own way."""
    kwargs = {"generate_kwargs": {"max_new_tokens": 6, "num_beams": 1, **options}} if writing else options
    transcript = hf.pipeline("automatic-speech-recognition", model=str(folder))(sound.copy(), **kwargs)
    assert isinstance(transcript, dict)
    return transcript


def test_a_drawn_text_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    task = opened(checkpoints.whisper(tmp_path), SpeechRecognition)
    drawn = [
        answered(task, spoken(SOUNDS[0], do_sample=True, temperature=3.0, seed=seed, language="en"))[0]
        for seed in (1, 1, 2)
    ]
    assert drawn[0].axes == drawn[1].axes
    assert drawn[0].axes["target"].ids != drawn[2].axes["target"].ids
    forbidden = task.loaded.model.generation_config.begin_suppress_tokens
    assert drawn[0].axes["target"].ids[3] not in forbidden


def test_whisper_hears_the_language_or_is_told(tmp_path: Path) -> None:
    folder = checkpoints.whisper(tmp_path)
    task = opened(folder, SpeechRecognition)
    assert isinstance(task, Whisper)
    model = task.loaded.model
    for name, token in (("de", "<|de|>"), ("German", "<|de|>"), ("<|fr|>", "<|fr|>")):
        [prediction] = answered(task, spoken(SOUNDS[0], language=name))
        assert prediction.axes["target"].labels[:3] == [token, "<|transcribe|>", "<|notimestamps|>"]
        assert prediction.text == pipeline(folder, SOUNDS[0], writing=True, language=name)["text"]
    predictions = answered(task, *[spoken(sound) for sound in SOUNDS])
    for prediction, sound in zip(predictions, SOUNDS, strict=True):
        features = task.prepare(spoken(sound)).tensors["input_features"]
        [detected] = model.detect_language(input_features=features).tolist()
        assert prediction.axes["target"].ids[0] == detected


def test_whisper_in_a_batch_is_what_it_is_alone(tmp_path: Path) -> None:
    task = opened(checkpoints.whisper(tmp_path), SpeechRecognition)
    assert task.batchable
    requests = [spoken(sound, return_timestamps=True) for sound in SOUNDS]
    requests += [spoken(SOUNDS[1]), spoken(SOUNDS[0], "The station"), spoken(SOUNDS[0], language="en", beam_size=3)]
    for request, together in zip(requests[:2], traced(task, *requests[:2])[0], strict=True):
        [alone] = answered(task, request)
        assert (alone.text, alone.axes) == (together.text, together.axes)
        assert alone.score == pytest.approx(together.score, abs=1e-4)
    for request in requests[2:]:
        [one], outputs = traced(task, request)
        assert outputs.logits.shape[1] == len(one.axes["target"])


def test_whisper_writes_seconds_if_asked(tmp_path: Path) -> None:
    task = opened(checkpoints.whisper(tmp_path), SpeechRecognition)
    [prediction] = answered(task, spoken(SOUNDS[0], language="en", return_timestamps=True, max_new_tokens=12))
    features = task.prepare(spoken(SOUNDS[0])).tensors["input_features"]
    written = task.loaded.model.generate(
        input_features=features,
        language="en",
        return_timestamps=True,
        force_unique_generate_call=True,
        max_new_tokens=12,
    )[0]
    target = prediction.axes["target"]
    assert target.ids == written[1 : len(target) + 1].tolist()
    assert target.labels[:2] == ["<|en|>", "<|transcribe|>"], "and not <|notimestamps|>"
    seconds = [index for index, label in enumerate(target.labels) if label.endswith("0|>") or label[2:4] == "0."]
    assert seconds
    assert all(target.special[index] and target.spans[index] == (0, 0) for index in seconds)
    assert "<|" not in prediction.text
    chunks = prediction.to_json()["chunks"]
    assert "".join(chunk["text"] for chunk in chunks) == prediction.text
    assert chunks[0]["timestamp"][0] == float(target.labels[2].strip("<|>"))


def test_chunks_by_hand(tmp_path: Path) -> None:
    task = opened(checkpoints.whisper(tmp_path), SpeechRecognition)
    number = task.loaded.tokenizer.convert_tokens_to_ids
    end = number("<|endoftext|>")
    names = ["<|0.10|>", "t", "h", "<|0.40|>", "<|0.40|>", "e", "<|0.62|>"]
    assert task.chunks([*number(names), end]) == [
        {"timestamp": [0.1, 0.4], "text": "th"},
        {"timestamp": [0.4, 0.62], "text": "e"},
    ]
    assert task.chunks(number(["<|0.10|>", "t"])) == [{"timestamp": [0.1, None], "text": "t"}]
    assert task.chunks([end]) == []


def test_an_english_whisper_is_told_less(tmp_path: Path) -> None:
    folder = checkpoints.whisper(tmp_path, multilingual=False)
    task = opened(folder, SpeechRecognition)
    [prediction] = answered(task, spoken(SOUNDS[0]))
    assert prediction.axes["target"].labels[0] == "<|notimestamps|>"
    assert prediction.text == pipeline(folder, SOUNDS[0], writing=True)["text"]


def test_an_older_whisper_has_its_tokens_forced(tmp_path: Path) -> None:
    folder = checkpoints.whisper(tmp_path, multilingual=False, forced_decoder_ids=[[1, 306]])
    task = opened(folder, SpeechRecognition)
    assert task.start(Parameters()) == [297, 306]
    assert task.start(Parameters(return_timestamps=True)) == [297]


def test_what_whisper_writes_ends_with_its_positions(tmp_path: Path) -> None:
    task = opened(checkpoints.whisper(tmp_path), SpeechRecognition)
    item = task.prepare(spoken(SOUNDS[0], max_new_tokens=512))
    assert item.facts["limit"] == 36
    assert len(answered(task, item.request)[0].axes["target"]) <= 39
    with pytest.raises(InputTooLong, match="positions for 37") as caught:
        task.prepare(spoken(SOUNDS[0], target="?" * 37))
    assert caught.value.field == "target"


def test_what_whispers_rest_of_silence_is_special(tmp_path: Path) -> None:
    source = opened(checkpoints.whisper(tmp_path), SpeechRecognition).prepare(spoken(SOUNDS[0])).axes["source"]
    assert (source.kind, len(source), source.duration) == ("audio", 50, 0.73)
    assert source.special == [index * 0.02 >= 0.73 for index in range(50)]


def test_more_than_whisper_hears_at_once_is_refused(tmp_path: Path) -> None:
    task = opened(checkpoints.whisper(tmp_path), SpeechRecognition)
    task.prepare(spoken(speech(1.0)))
    for seconds in (1.5, 121.0):  # the model's own limit, also where the service's is passed as well
        with pytest.raises(InputTooLong, match=rf"lasts {seconds:g} s, the model hears 1 s at once: cut it") as caught:
            task.prepare(spoken(speech(seconds)))
        assert caught.value.field == "inputs.audio"


def test_a_trace_has_the_rows_that_timing_needs(tmp_path: Path) -> None:
    free = ask(
        served(checkpoints.whisper(tmp_path / "free"), TASK), {"audio": as_wav(SOUNDS[0], 16_000)}, language="en"
    )
    heads = [[0, 1], [1, 2], [1, 3]]
    end = next(token for at, token in enumerate(free.axes["target"].ids) if at > 8)
    model = served(checkpoints.whisper(tmp_path / "ends", eos_token_id=end, alignment_heads=heads), TASK)
    traced = trace(model, {"audio": as_wav(SOUNDS[0], 16_000)}, language="en")
    prediction, target, prefix = traced.prediction, traced.axes["target"], traced.axes["prefix"]
    assert prediction.finish_reason == "stop"
    assert target.ids[-2:] == [end, end] == [prefix.ids[-1]] * 2
    assert target.special[-1] is True
    assert len(prediction.tokens) == len(target) - 1
    cross = [traced.map("cross", layer).dense() for layer in range(2)]
    assert cross[0].shape == (4, len(target), len(traced.axes["source"]))

    reference = hf.WhisperForConditionalGeneration.from_pretrained(
        tmp_path / "ends", attn_implementation="eager"
    ).eval()
    features = model.runner.prepare(spoken(SOUNDS[0], language="en")).tensors["input_features"]
    with torch.no_grad():
        read = reference(input_features=features, decoder_input_ids=torch.tensor([prefix.ids]), output_attentions=True)
        reference_output = reference.generate(
            input_features=features,
            language="en",
            return_token_timestamps=True,
            return_dict_in_generate=True,
            force_unique_generate_call=True,
            num_frames=100,
            max_new_tokens=30,
        )
    for layer, weights in enumerate(cross):  # the last row too: what the decoder hears when it reads its end
        torch.testing.assert_close(weights, read.cross_attentions[layer][0], atol=1e-5, rtol=1e-4)
    # transformers' own timing, of the rows of this trace; it leaves the last one out.
    outputs = ModelOutput(
        sequences=reference_output["sequences"], cross_attentions=((*(weights[None, :, :-1] for weights in cross),),)
    )
    begun = len(prefix) - len(prediction.tokens) + 3
    times = reference._extract_token_timestamps(outputs, heads, num_frames=100, num_input_ids=begun)
    assert times[0].tolist()[: len(reference_output["token_timestamps"][0])] == pytest.approx(
        reference_output["token_timestamps"][0].tolist()
    )
    assert len(set(times[0].tolist())) > 2
