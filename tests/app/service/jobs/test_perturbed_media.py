"""The job on pictures and recordings: curves, the regions that matter, and what cannot be read."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from heedmap.app.service.jobs.kind import Progress, Work
from heedmap.app.service.jobs.robustness.job import Robustness
from heedmap.app.service.jobs.robustness.media import PIXELS, Picture, Recording
from heedmap.app.service.jobs.robustness.request import GRID, RobustnessRequest
from heedmap.model.contract import Parameters
from heedmap.model.errors import InputError, ParameterError
from tests.model.hub import media_checkpoints
from tests.model.hub.serving import served

PICTURE = media_checkpoints.as_png(media_checkpoints.picture())
SPEECH = media_checkpoints.as_wav(media_checkpoints.speech())


def run(work: Work, **fields: Any) -> tuple[dict[str, Any], list[Progress]]:
    """What a request leads to, and the progress on the way."""
    body = RobustnessRequest(**{"seeds": 2, **fields})
    Robustness().check(body, work.facts)
    steps, told = Robustness().steps(body, work), []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return end.value, told


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Work:
    model = served(media_checkpoints.vit(tmp_path_factory.mktemp("vit") / "vit"), "image-classification")
    return Work("vit", model, model.describe())


def test_pictures_have_curves_and_regions(seeing: Work) -> None:
    made, told = run(seeing, inputs=[{"image": PICTURE}], strengths=[0.05, 0.5])
    tries = 2 * (2 + 1 + 2 + 2) + GRID * GRID
    assert told[-1] == Progress(1 + tries, 1 + tries, "pictures")
    assert (made["medium"], made["unit"], made["agreement"]) == ("image", "share", "scores")
    assert [row["perturbation"] for row in made["curves"][::2]] == ["noise", "blur", "crop", "occlusion"]
    for gentle, strong in zip(made["curves"][::2], made["curves"][1::2], strict=True):
        for curve in (gentle, strong):
            assert 0 <= curve["agreement"]["low"] <= curve["agreement"]["mean"] <= curve["agreement"]["high"] <= 1
        assert all(interval["mean"] > 0 for interval in strong["divergence"].values())
    assert len(made["regions"]) == GRID * GRID
    losses = [region["loss"] for region in made["regions"]]
    assert losses == sorted(losses, reverse=True)
    area = sum((right - left) * (bottom - top) for left, top, right, bottom in (r["box"] for r in made["regions"]))
    assert area == pytest.approx(1)
    assert made["heads"]
    assert made["tokens"] == made["flips"] == []


def test_a_recording_has_its_noise_in_decibels(tmp_path: Path) -> None:
    model = served(media_checkpoints.wav2vec2(tmp_path / "wav"), "automatic-speech-recognition")
    work = Work("wav", model, model.describe())
    made, told = run(work, inputs=[{"audio": SPEECH}], strengths=[40, 0])
    assert told[-1] == Progress(5, 5, "recordings")
    assert (made["medium"], made["unit"]) == ("audio", "dB")
    clean, noisy = made["curves"]
    site = next(iter(clean["divergence"]))
    assert 0 < clean["divergence"][site]["mean"] < noisy["divergence"][site]["mean"]


def test_what_cannot_be_read_is_left_out_or_fails_the_job(seeing: Work) -> None:
    broken = {"image": b"\x89PNG\r\n\x1a\n"}
    made, told = run(seeing, inputs=[broken, {"image": PICTURE}], perturbations=["blur"], strengths=[0.1])
    assert [row["input"] for row in made["refused"]] == [0]
    assert "cannot be read" in made["refused"][0]["detail"]
    assert told[-1].done == told[-1].of
    with pytest.raises(InputError, match="cannot be read") as caught:
        run(seeing, inputs=[broken], perturbations=["blur"])
    assert caught.value.field == "inputs.0.image"
    with pytest.raises(InputError) as caught:
        run(seeing, inputs=["a text"], perturbations=["swaps"])
    assert caught.value.field == "inputs.0"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"inputs": [{"image": PICTURE}], "perturbations": ["blur", "swaps"]}, "perturbations.1"),
        ({"inputs": [{"audio": SPEECH}], "perturbations": ["blur"]}, "perturbations.0"),
        ({"inputs": [{"audio": SPEECH}], "strengths": [10, 200]}, "strengths.1"),
        ({"inputs": [{"audio": SPEECH}], "strengths": [-30]}, "strengths.0"),
        ({"inputs": [{"image": PICTURE}], "strengths": [10]}, "strengths.0"),
    ],
)
def test_what_does_not_fit_the_medium_is_refused(seeing: Work, fields: Any, field: str) -> None:
    with pytest.raises(ParameterError) as refused:
        run(seeing, **fields)
    assert refused.value.field == field


def test_a_picture_is_written_as_it_was_read_and_a_large_one_smaller() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    plain = Picture({"image": file.getvalue(), "text": "what?"}).plain()
    assert plain["text"] == "what?"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(plain["image"]))), pixels)
    file = io.BytesIO()
    Image.new("RGB", (3000, 2000)).save(file, "PNG")
    large = Picture({"image": file.getvalue()}).pixels
    assert large.shape[0] * large.shape[1] <= PIXELS
    assert large.shape[1] / large.shape[0] == pytest.approx(1.5, abs=0.01)


def test_a_recording_keeps_its_rate_and_its_noise_is_not_clipped() -> None:
    import soundfile

    recording = Recording({"audio": SPEECH})
    noisy = recording.perturbed("noise", 0.0, np.random.default_rng(0))
    samples, rate = soundfile.read(io.BytesIO(noisy["audio"]), dtype="float32")
    assert rate == recording.rate == 16_000
    noise = samples - recording.samples
    ratio = 10 * np.log10(np.mean(recording.samples.astype(float) ** 2) / np.mean(noise.astype(float) ** 2))
    assert ratio == pytest.approx(0, abs=0.01)


def test_parameters_reach_the_model(seeing: Work) -> None:
    made, _ = run(
        seeing, inputs=[{"image": PICTURE}], perturbations=["blur"], strengths=[0.1], parameters=Parameters(top_k=1)
    )
    assert made["answers"][0]["text"]
