"""Strings of spoken words: clips joined with pauses, at other speeds and levels, in rooms and under noise.

Each string knows where its words are. Everything is drawn from one generator: the same seed makes the same string.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from heedmap.model.training.speech.clips import RATE, Clip

LONGEST = 9.5  # seconds of a string: what is longer is drawn again with other pauses and speeds
HUM = 50  # Hz of the mains
FADE = 0.005  # seconds over which a clip begins and ends, so that no click tells where


@dataclass(frozen=True)
class Spoken:
    """A recording at `RATE` in [-1, 1], the words in it, and the stretch of seconds of each."""

    samples: Float[np.ndarray, "samples"]
    words: list[str]
    bounds: list[tuple[float, float]]


@dataclass(frozen=True)
class Variety:
    """How much strings differ from what was recorded.

    pause: seconds between two words, the mean of an exponential distribution above `least`. around: seconds of quiet
    before the first word and after the last, at most. speed: the largest ratio of a clip's length to its own, either
    way. level: decibels between words, either way. noise: the share of strings under noise. signal: decibels of the
    words above it, least and most. room: the share of strings said in a room.
    """

    pause: float = 0.18
    least: float = 0.0
    around: float = 0.5
    speed: float = 1.18
    level: float = 5.0
    noise: float = 0.6
    signal: tuple[float, float] = (8.0, 45.0)
    room: float = 0.2


TRAINING = Variety()
CLEAN = Variety(speed=1.0, level=0.0, noise=0.0, room=0.0)
"""As it was recorded; only the pauses are made."""


class Vocabulary:
    """Clips by their speaker and word, from which strings are drawn."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = list(clips)
        by_speaker: dict[str, list[Clip]] = defaultdict(list)
        for clip in clips:
            by_speaker[clip.speaker].append(clip)
        self.by_speaker: Mapping[str, list[Clip]] = by_speaker
        self.by_word: dict[str, list[Clip]] = defaultdict(list)
        for clip in clips:
            self.by_word[clip.word].append(clip)
        self.speakers, self.words = sorted(by_speaker), sorted(self.by_word)

    def of_one(self, rng: np.random.Generator, count: int) -> list[Clip]:
        """So many clips of one speaker."""
        theirs = self.by_speaker[self.speakers[rng.integers(len(self.speakers))]]
        return [theirs[rng.integers(len(theirs))] for _ in range(count)]

    def any(self, rng: np.random.Generator) -> Clip:
        """A clip of any word, all words alike, by whomever."""
        clips = self.by_word[self.words[rng.integers(len(self.words))]]
        return clips[rng.integers(len(clips))]


def compose(rng: np.random.Generator, clips: Sequence[Clip], variety: Variety, others: Sequence[Clip] = ()) -> Spoken:
    """The words of clips one after the other.

    others: clips that babble in the background; without them noise is without voices.
    """
    while True:
        spoken = _joined(rng, clips, variety)
        if len(spoken.samples) <= LONGEST * RATE:
            break
    samples = spoken.samples
    if rng.random() < variety.room:
        samples = in_room(rng, samples)
    if rng.random() < variety.noise:
        samples = samples + noise(rng, len(samples), others) * _loudness(samples) * 10 ** (
            -rng.uniform(*variety.signal) / 20
        )
    peak = float(np.abs(samples).max())
    return Spoken((samples / max(1.0, peak)).astype(np.float32), spoken.words, spoken.bounds)


def _joined(rng: np.random.Generator, clips: Sequence[Clip], variety: Variety) -> Spoken:
    overall = variety.speed ** rng.uniform(-0.8, 0.8)
    lead, tail = rng.uniform(0, variety.around, size=2)
    parts: list[tuple[int, Float[np.ndarray, "samples"]]] = []  # where each begins
    bounds: list[tuple[float, float]] = []
    after = float(lead)  # where the last word ended, and before that the quiet
    for clip in clips:
        ratio = overall * variety.speed ** rng.uniform(-0.2, 0.2)
        samples = stretched(clip.samples.astype(np.float32) / 32768, ratio)
        samples = (
            samples / max(_loudness(samples), 1e-4) * 0.1 * 10 ** (rng.uniform(-variety.level, variety.level) / 20)
        )
        start, stop = clip.start * ratio / RATE, clip.stop * ratio / RATE
        pause = variety.least + rng.exponential(variety.pause) if parts else 0.0
        begin = max(0.0, after + pause - start)  # of the clip; margins of two clips may overlap, words do not
        parts.append((round(begin * RATE), faded(samples)))
        bounds.append((begin + start, begin + stop))
        after = begin + stop
    end = max((begin + len(samples) for begin, samples in parts), default=0)
    whole = np.zeros(max(end, round((after + tail) * RATE), round(0.3 * RATE)), dtype=np.float32)
    for begin, samples in parts:
        whole[begin : begin + len(samples)] += samples
    return Spoken(whole, [clip.word for clip in clips], bounds)


def stretched(samples: Float[np.ndarray, "samples"], ratio: float) -> Float[np.ndarray, "longer"]:
    """The same sound so many times as long, and lower by as much: other voices of the same words."""
    import soxr

    if ratio == 1:
        return samples
    made: Float[np.ndarray, "longer"] = soxr.resample(samples, RATE, RATE * ratio, quality="LQ")
    return made


def faded(samples: Float[np.ndarray, "samples"]) -> Float[np.ndarray, "samples"]:
    """Rising from nothing and falling to it at the ends."""
    width = min(round(FADE * RATE), len(samples) // 2)
    ramp = np.linspace(0, 1, width, dtype=np.float32)
    samples = samples.copy()
    samples[:width] *= ramp
    samples[len(samples) - width :] *= ramp[::-1]
    return samples


def in_room(rng: np.random.Generator, samples: Float[np.ndarray, "samples"]) -> Float[np.ndarray, "samples"]:
    """With an echo that dies away: noise under an exponential, 60 dB down within 0.1 to 0.6 s (Polack 1988)."""
    time = np.arange(round(0.3 * RATE)) / RATE
    echo = rng.standard_normal(len(time), dtype=np.float32) * 10 ** (-3 * time / rng.uniform(0.1, 0.6))
    echo *= rng.uniform(0.1, 0.7) / np.sqrt((echo**2).sum())
    echo[0] += 1
    echo = echo.astype(np.float32)
    size = 1 << (len(samples) + len(time) - 1).bit_length()
    mixed = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)[: len(samples)]
    return mixed.astype(np.float32)


def noise(rng: np.random.Generator, length: int, others: Sequence[Clip] = ()) -> Float[np.ndarray, "samples"]:
    """Noise of mean power 1: of some colour, a hum, or where there are clips of others their babble; or two of them."""
    kinds = ("colour", "colour", "hum", "babble") if others else ("colour", "colour", "hum")
    total = np.zeros(length, dtype=np.float32)
    for _ in range(rng.integers(1, 3)):
        kind = kinds[rng.integers(len(kinds))]
        if kind == "colour":
            size = 1 << (length - 1).bit_length()
            spectrum = np.fft.rfft(rng.standard_normal(size, dtype=np.float32))
            fall = np.maximum(np.arange(len(spectrum), dtype=np.float32), len(spectrum) / 40) ** -rng.uniform(0, 1.2)
            part = np.fft.irfft(spectrum * fall.astype(np.float32), size)[:length]
        elif kind == "hum":
            period = np.arange(RATE // HUM, dtype=np.float32) * (
                2 * np.pi * HUM / RATE
            )  # of the mains, and its overtones
            wave = sum(rng.exponential() * np.sin(period * n + rng.uniform(0, 2 * np.pi)) for n in range(1, 11))
            part = np.resize(wave, length)
        else:
            part = np.zeros(length, dtype=np.float32)
            for _ in range(round(length / RATE * rng.uniform(1, 8)) + 1):
                clip = others[int(rng.integers(len(others)))].samples[:length]
                at = rng.integers(length - len(clip) + 1)
                part[at : at + len(clip)] += clip
        total += (part / max(np.sqrt(np.mean(np.square(part))), 1e-9) * rng.uniform(0.2, 1)).astype(np.float32)
    return total / max(float(np.sqrt(np.mean(np.square(total)))), 1e-9)


def _loudness(samples: Float[np.ndarray, "samples"]) -> float:
    """The root of the mean power where it is not quiet; of silence a level that words have."""
    power = np.square(samples)
    loud = power[power > power.max(initial=0) * 1e-3]
    return float(np.sqrt(loud.mean())) if len(loud) else 0.1
