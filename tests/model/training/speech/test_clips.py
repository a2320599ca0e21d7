"""Reading clips, where their words lie, and splits by speaker."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from heedmap.model.errors import InputError
from heedmap.model.training.speech.clips import (
    Clip,
    by_hash,
    by_name,
    read_commands,
    read_spoken_digits,
    word_bounds,
)


def test_a_word_lies_where_the_mean_magnitude_is_a_twentieth_of_its_peak() -> None:
    # Means over 4 samples, from 2 before to 1 after each; the only loud samples are 10 to 13, of magnitude 1. The means
    # at 9 to 14 see 1, 2, 3, 4, 3, 2 of them, at 15 still one; at 8 and at 16 none.
    samples = np.zeros(20, dtype=np.int16)
    samples[10:14] = 100
    assert word_bounds(samples, rate=160) == (9, 16)
    samples[0] = 15  # its means, at 0 to 2, are 3.75: under 5% of the peak's 100
    assert word_bounds(samples, rate=160) == (9, 16)
    samples[0] = 21  # 5.25
    assert word_bounds(samples, rate=160) == (0, 16)


def test_of_silence_all_is_word() -> None:
    assert word_bounds(np.zeros(50, dtype=np.int16), rate=160) == (0, 50)


def archive(path: Path, names: list[str], rate: int = 8000) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            sound = io.BytesIO()
            soundfile.write(sound, np.full(100, 0.5), rate, "PCM_16", format=name.rsplit(".", 1)[1].upper())
            file.writestr(name, sound.getvalue())
        file.writestr("README.md", "what it is")
    return path


def test_spoken_digits_are_read_by_their_names(tmp_path: Path) -> None:
    clips = read_spoken_digits(archive(tmp_path / "d.zip", ["7_theo_0.flac", "set/recordings/0_george_12.wav"]))
    assert [(c.word, c.speaker, c.index) for c in clips] == [("seven", "theo", 0), ("zero", "george", 12)]
    assert np.abs(clips[0].samples - 16384).max() <= 1


def test_of_commands_other_words_are_left_out(tmp_path: Path) -> None:
    clips = read_commands(archive(tmp_path / "c.zip", ["go/0a0b_1.flac", "bird/0a0b_2.flac", "no/en-us+f3_5.flac"]))
    assert [(c.word, c.speaker, c.index) for c in clips] == [("go", "0a0b", 1), ("no", "en-us+f3", 5)]


@pytest.mark.parametrize("names", [[], ["bird/0a0b_2.flac"]])
def test_an_archive_without_words_is_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(InputError, match="no clip of a known word"):
        read_commands(archive(tmp_path / "c.zip", names))


def test_what_is_no_zip_or_of_another_rate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match="no zip archive"):
        read_commands(tmp_path / "x.zip")
    with pytest.raises(InputError, match="16,000 samples a second"):
        read_commands(archive(tmp_path / "c.zip", ["go/0a0b_1.flac"], rate=16_000))


def clip(speaker: str, index: int = 9) -> Clip:
    return Clip("go", speaker, index, np.zeros(1, dtype=np.int16), 0, 1)


def test_a_split_by_hash_shares_no_speaker_and_moves_nobody() -> None:
    clips = [clip(f"{number:08x}") for number in range(400) for _ in range(2)]
    parts = by_hash(clips, test=0.2, valid=0.1)
    speakers = [{c.speaker for c in part} for part in (parts.train, parts.valid, parts.test)]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 400
    assert 55 < len(speakers[2]) < 105
    again = by_hash([*clips, clip("newcomer")], test=0.2, valid=0.1)
    assert speakers[2] <= {c.speaker for c in again.test}


def test_a_split_by_name_holds_out_the_named_whatever_their_accent() -> None:
    parts = by_name([clip("theo"), clip("en-gb+f5"), clip("george"), clip("george", 4)], held=("theo", "f5"))
    assert [[c.speaker for c in part] for part in (parts.train, parts.valid, parts.test)] == [
        ["george"], ["george"], ["theo", "en-gb+f5"],
    ]  # fmt: skip
