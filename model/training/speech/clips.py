"""Single spoken words: reading the sets, where the word lies in its clip, and a split by speaker."""

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int16

from heedmap.model.errors import InputError

RATE = 8000  # samples a second, of every set
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COMMANDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
WORDS = (*DIGITS, *COMMANDS)

SPOKEN_DIGIT = re.compile(r"(?:^|/)(?P<word>[0-9])_(?P<speaker>[a-z]+)_(?P<index>[0-9]+)\.(?:flac|wav)$")
COMMAND = re.compile(r"(?:^|/)(?P<word>[a-z]+)/(?P<speaker>[^/]+)_(?P<index>[0-9]+)\.(?:flac|wav)$")

QUIET = 0.05  # of the peak of the mean magnitude: what is fainter at a clip's ends is no part of the word
SMOOTHING = 0.025  # seconds that a mean is of
MARGIN = 0.12  # seconds left on each side of the word, where a clip is cut

HELD_SPEAKERS = ("lucas", "theo")  # of spoken-digits: the one that is hardest to other people's models, and a usual one
HELD_VOICES = ("slt", "f5", "m7", "Andrea", "anika", "aunty", "edward", "iven", "linda", "marcelo", "steph", "victor")


@dataclass(frozen=True)
class Clip:
    """One word as somebody said it: samples at `RATE`, and the half-open stretch of them that is the word."""

    word: str
    speaker: str
    index: int
    samples: Int16[np.ndarray, "samples"]
    start: int
    stop: int


@dataclass(frozen=True)
class SpeakerSplit:
    """Three parts of a set that share no speaker."""

    train: list[Clip]
    valid: list[Clip]
    test: list[Clip]


def word_bounds(
    samples: Float[np.ndarray, "samples"] | Int16[np.ndarray, "samples"], rate: int = RATE
) -> tuple[int, int]:
    """Where a word begins and ends in its clip: the half-open stretch outside of which all is quiet.

    Quiet is where the magnitude, in means of 25 ms, is under 5% of the largest such mean; of silence, all is word.
    """
    width = round(SMOOTHING * rate)
    sums = np.concatenate([[0.0], np.abs(samples.astype(np.float64)).cumsum()])
    left = np.arange(len(samples)) - width // 2
    means = sums[np.clip(left + width, 0, len(samples))] - sums[np.clip(left, 0, len(samples))]
    (loud,) = np.nonzero(means >= QUIET * means.max())
    return int(loud[0]), int(loud[-1]) + 1


def read_spoken_digits(path: Path) -> list[Clip]:
    """The Free Spoken Digit Dataset: a zip with files {digit}_{speaker}_{index}, FLAC or WAV, anywhere in it.

    Raises:
        InputError: it is no such zip.
    """
    return list(_read(path, SPOKEN_DIGIT))


def read_commands(path: Path) -> list[Clip]:
    """Speech Commands, or words of synthesised voices: a zip with files {word}/{speaker}_{n}, FLAC or WAV.

    Raises:
        InputError: it is no such zip.
    """
    return list(_read(path, COMMAND))


def _read(path: Path, pattern: re.Pattern[str]) -> Iterator[Clip]:
    try:
        with zipfile.ZipFile(path) as archive:
            count = 0
            for name in sorted(archive.namelist()):
                match = pattern.search(name)
                if match is None:
                    continue
                word = match["word"]
                word = DIGITS[int(word)] if word.isdecimal() else word
                if word in WORDS:
                    samples = _samples(archive.read(name), name)
                    count += 1
                    yield Clip(word, match["speaker"], int(match["index"]), samples, *word_bounds(samples))
    except zipfile.BadZipFile as error:
        raise InputError(f"{path.name} is no zip archive") from error
    if not count:
        raise InputError(f"{path.name} holds no clip of a known word")


def _samples(data: bytes, name: str) -> Int16[np.ndarray, "samples"]:
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16")
    except soundfile.SoundFileError as error:
        raise InputError(f"{name} cannot be read: {error}") from error
    if rate != RATE or samples.ndim != 1 or not len(samples):
        raise InputError(f"{name} has {rate:,} samples a second, {RATE:,} of one channel are expected")
    made: Int16[np.ndarray, "samples"] = samples
    return made


def by_hash(clips: Sequence[Clip], test: float, valid: float) -> SpeakerSplit:
    """A split of many speakers: each goes where the SHA-256 of the name says, so that more data moves nobody.

    test, valid: the shares of speakers.
    """
    parts = SpeakerSplit([], [], [])
    for clip in clips:
        place = int(hashlib.sha256(clip.speaker.encode()).hexdigest()[:8], 16) / 16**8
        part = parts.test if place < test else parts.valid if place < test + valid else parts.train
        part.append(clip)
    return parts


def by_name(clips: Sequence[Clip], held: Sequence[str]) -> SpeakerSplit:
    """A split of few speakers: those named test; of the others, clips 0 to 4 of each word validate.

    A speaker's name may have a part before a "+" (a voice that a variant is of), which does not count.
    """
    parts = SpeakerSplit([], [], [])
    for clip in clips:
        name = clip.speaker.rsplit("+", 1)[-1]
        part = parts.test if name in held else parts.valid if clip.index < 5 else parts.train
        part.append(clip)
    return parts
