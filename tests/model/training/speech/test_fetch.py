"""Archives of other people's repositories become the sets that are known, or are refused."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from heedmap.model.errors import InputError
from heedmap.model.training.speech.clips import Clip, read_commands, read_spoken_digits
from heedmap.model.training.speech.fetch import SETS, ClipSet, commands, fetch, fingerprint, spoken_digits


def wav(samples: np.ndarray, rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, "PCM_16", format="WAV")
    return file.getvalue()


def archive(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as out:
        for name, content in files.items():
            out.writestr(name, content)
    return data.getvalue()


@pytest.fixture
def known() -> ClipSet:
    """A set of one digit, as the repository has it."""
    sample = np.array([16384, -16384] * 50, dtype=np.int16)
    names, samples = fingerprint([Clip("seven", "theo", 0, sample, 0, 100)])
    return replace(SETS[0], names=names, samples=samples)


def test_a_set_is_fetched_once_written_as_flac_and_checked(known: ClipSet, tmp_path: Path) -> None:
    asked: list[str] = []

    def get(address: str) -> bytes:
        asked.append(address)
        sound = wav(np.array([0.5, -0.5] * 50), 8000)
        return archive({"x-1/recordings/7_theo_0.wav": sound, "x-1/README.md": b"", "x-1/7_theo_9.wav": sound})

    for _ in range(2):
        path = fetch(tmp_path, known, get)
    assert len(asked) == 1
    assert asked[0].endswith("free-spoken-digit-dataset/archive/26eb9aaf76e81b692f806f9140c2d2777410d7a1.zip")
    assert [(clip.word, clip.speaker) for clip in read_spoken_digits(path)] == [("seven", "theo")]


def test_other_samples_are_refused(known: ClipSet, tmp_path: Path) -> None:
    other = archive({"x/recordings/7_theo_0.wav": wav(np.zeros(100), 8000)})
    with pytest.raises(InputError, match="other clips"):
        fetch(tmp_path, known, lambda _: other)


def test_commands_are_resampled_and_cut_to_the_word(tmp_path: Path) -> None:
    time = np.arange(8000) / 16_000
    sound = wav(
        np.pad(np.sin(2 * np.pi * 500 * time) * 0.5, 8000), 16_000
    )  # half a second within half a second of quiet
    data = archive(
        {
            "x/MLTK_keyworkSpotting/dataset/go/0a0b0c0d_nohash_1.wav": sound,
            "x/MLTK_keyworkSpotting/dataset/_unknown_/two_0a0b0c0e_nohash_0.wav": sound,
            "x/MLTK_keyworkSpotting/dataset/_unknown_/bird_0a0b0c0e_nohash_0.wav": sound,
            "x/MLTK_keyworkSpotting/dataset/_silence_/0a0b0c0e_nohash_0.wav": sound,
        }
    )
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        made = dict(commands(opened))
    assert sorted(made) == ["go/0a0b0c0d_1.flac", "two/0a0b0c0e_0.flac"]
    for samples in made.values():
        assert len(samples) / 8000 == pytest.approx(0.5 + 2 * 0.12, abs=0.03)


def test_what_is_no_recording_of_the_set_is_left_out() -> None:
    data = archive({"x/recordings/readme.txt": b"", "x/acquire_data/7_theo_0.wav": b""})
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert list(spoken_digits(opened)) == []


def test_the_order_of_clips_does_not_change_a_fingerprint() -> None:
    clips = [Clip(word, "a", 0, np.ones(3, dtype=np.int16), 0, 3) for word in ("go", "no")]
    assert fingerprint(clips) == fingerprint(clips[::-1])
    assert fingerprint(clips)[0] != fingerprint(clips[:1])[0]
    assert read_commands is SETS[1].read
