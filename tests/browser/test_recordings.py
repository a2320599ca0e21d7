"""Recordings on the page: their wave, the attended seconds shaded, and what the browser cannot read."""

from pathlib import Path

import pytest
import soundfile
from playwright.sync_api import expect

from tests.model.hub.media_checkpoints import speech

from .conftest import Opener, text_of
from .media import RECORDING, begin, cell, weights

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(zoo: str) -> str:
    """The service with a model of every kind."""
    return zoo


@pytest.mark.parametrize("model", ["wav2vec2", "whisper"])
def test_attended_seconds_are_shaded(watch: Opener, model: str) -> None:
    watched, page = begin(watch, model, RECORDING)
    expect(page.locator("#file-size")).to_contain_text("0.8 s")
    summary = watched.ask()
    name = "frames" if model == "wav2vec2" else "source"
    axis = summary["axes"][name]
    text = summary["prediction"]["text"].split()
    place = "#prediction" if model == "wav2vec2" else "#target-sentence"
    assert text[0] in text_of(page, place)
    expect(page.locator("#play")).to_be_visible()
    row, _ = cell(page)
    matrix = weights(watched, summary)
    frames = [index for index, (start, _) in enumerate(axis["seconds"]) if start < axis["duration"]]
    strongest = frames[int(matrix[row, frames].argmax())]
    weakest = frames[int(matrix[row, frames].argmin())]
    colours = [
        page.evaluate("(share) => window.pixel('#wave canvas', share, 0.02)", sum(seconds) / 2 / axis["duration"])
        for seconds in (axis["seconds"][strongest], axis["seconds"][weakest])
    ]
    assert colours[0][2] < colours[1][2], "the strongest frame is redder"
    place_of_wave = page.locator("#wave").bounding_box()
    assert place_of_wave
    frame = frames[len(frames) // 2]
    moment = sum(axis["seconds"][frame]) / 2 / axis["duration"]
    page.mouse.move(place_of_wave["x"] + moment * place_of_wave["width"], place_of_wave["y"] + 20)
    band, at = ("#row-band", 0) if model == "wav2vec2" else ("#col-band", 1)
    expect(page.locator(band)).to_be_visible()
    assert cell(page)[at] == frame
    after = ["after the end"] if axis["seconds"][-1][0] >= axis["duration"] else []
    assert after == (["after the end"] if model == "whisper" else []), "Whisper hears silence up to its length"
    assert page.locator("#chips .chip").all_inner_texts() == after


def test_a_recording_the_browser_cannot_read_leaves_a_ruler(watch: Opener, tmp_path: Path) -> None:
    path = tmp_path / "speech.au"
    soundfile.write(path, speech(0.5), 16_000, format="AU")
    watched, page = begin(watch, "wav2vec2")
    page.set_input_files("#file", path)
    watched.ask()
    expect(page.locator("#scene-hint")).to_contain_text("the ruler")
    expect(page.locator("#play")).to_be_hidden()
    expect(page.locator("#wave")).to_be_visible()
