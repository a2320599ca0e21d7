"""The shipped network of spoken words: as small as its card says, and it hears its examples and looks where they are."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from heedmap.model.contract import Prediction, Request
from heedmap.model.errors import InputTooLong
from heedmap.model.load import load
from heedmap.model.trace.trace import Trace

FOLDER = Path(__file__).resolve().parents[3] / "model" / "weights" / "digits"
EXAMPLES = {
    "1-slt.flac": ["three", "seven", "five"],
    "2-f5.flac": ["yes", "go", "left", "stop"],
    "3-m7.flac": ["nine", "zero", "two", "down"],
}


@pytest.fixture(scope="module")
def model() -> Any:
    return load(FOLDER)


def wav(samples: np.ndarray, rate: int = 8000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


def test_it_is_small_and_has_a_card(model: Any) -> None:
    described = model.describe()
    assert described["parameter_count"] <= 6_000_000
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 3_000_000
    assert described["licence"] == "cc-by-sa-4.0"
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    facts = json.loads((FOLDER / "training.json").read_text(encoding="utf-8"))
    assert f"{described['parameter_count']:,}" in card
    assert described["parameter_count"] == facts["parameters"]
    for part in ("## Scores", "## Data", "## Training", "## What it cannot do", "CC BY-SA 4.0", "CC BY 4.0", "slt"):
        assert part in card


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_hears_its_examples(model: Any, name: str) -> None:
    [answer] = model.predict([Request({"audio": (FOLDER / "examples" / name).read_bytes()})])
    assert isinstance(answer, Prediction)
    assert answer.text.split() == EXAMPLES[name]
    assert answer.finish_reason == "stop"


def test_the_examples_are_listed_as_recordings(model: Any) -> None:
    listed = model.describe()["examples"]
    assert [set(example) for example in listed] == [{"audio"}] * len(EXAMPLES)


def test_silence_is_no_word(model: Any) -> None:
    [answer] = model.predict([Request({"audio": wav(np.zeros(8000))})])
    assert isinstance(answer, Prediction)
    assert answer.text == ""
    assert answer.tokens == ["</s>"]


def test_noise_and_a_tenth_of_a_second_are_answered_and_a_minute_is_refused(model: Any) -> None:
    rng = np.random.default_rng(0)
    some = [rng.standard_normal(n) * 0.1 for n in (800, 24_000)]
    answers = model.predict([Request({"audio": wav(samples)}) for samples in some])
    assert all(isinstance(answer, Prediction) for answer in answers)
    [minute] = model.predict([Request({"audio": wav(rng.standard_normal(480_000) * 0.1)})])
    assert isinstance(minute, InputTooLong)


def test_some_head_looks_at_the_words_in_their_order(model: Any) -> None:
    data = (FOLDER / "examples" / "1-slt.flac").read_bytes()
    [trace] = model.trace([Request({"audio": data})])
    assert isinstance(trace, Trace)
    assert trace.certificate.relative_error < 1e-4
    source = trace.axes["source"]
    assert source.seconds is not None
    middles = np.array([(start + stop) / 2 for start, stop in source.seconds])
    ordered = []
    for layer in range(len(trace.layers["cross"])):
        seconds = trace.map("cross", layer).dense().numpy()[:, :3] @ middles
        ordered += [bool((np.diff(row) > 0.3).all()) for row in seconds]
    assert any(ordered)
