"""Words spoken by synthesised voices: espeak-ng's English accents in its many variants, and flite's voices.

Both programs come with Debian (`apt-get install espeak-ng flite`). What they say differs a little by their versions.
"""

import io
import random
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from heedmap.model.errors import InputError
from heedmap.model.training.speech.clips import MARGIN, RATE, WORDS, word_bounds

ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")
UNUSUAL = (
    "whisper",
    "robo",
    "Robot",
    "Demonic",
    "croak",
    "fast",
    "serious",
    "Storm",
    "UniRobot",
)  # not as people speak
VARIANTS = 160  # pairs of an accent and a variant, each with a pitch and a speed of its own
FLITE = ("kal", "awb", "kal16", "rms", "slt")
FLITE_STYLES = 8  # pitches and speeds of each
SECONDS = 20.0  # that one word may take to be said: more, and the program hangs


def variants() -> list[str]:
    """espeak-ng's variants of a voice that sound like people.

    Raises:
        InputError: the program is not installed.
    """
    lines = _run(["espeak-ng", "--voices=variant"]).decode().splitlines()[1:]
    names = sorted({line.split()[4].removeprefix("!v/") for line in lines if "!v/" in line})
    return [name for name in names if not any(part in name for part in UNUSUAL) and " " not in name]


def say(voice: str, word: str, pitch: int, speed: int) -> Float[np.ndarray, "samples"]:
    """A word by a voice of espeak-ng ("en-us+f3") or flite ("flite+slt"), at `RATE`, in [-1, 1].

    pitch: 0 to 99; speed: words a minute. Flite takes a mean of 70 to 270 Hz and a stretch of time instead.
    """
    import soundfile
    import soxr

    program, _, name = voice.partition("+")
    if program == "flite":
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "word.wav"
            settings = {"int_f0_target_mean": 70 + 2 * pitch, "duration_stretch": 160 / speed}
            more = [part for key, value in settings.items() for part in ("--setf", f"{key}={value:.3f}")]
            _run(["flite", "-voice", name, *more, "-t", word, "-o", str(out)])
            data = out.read_bytes()
    else:
        data = _run(["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", word])
    samples, rate = soundfile.read(io.BytesIO(_sized(data)), dtype="float32")
    resampled: Float[np.ndarray, "samples"] = soxr.resample(samples, rate, RATE)
    clipped: Float[np.ndarray, "samples"] = np.clip(resampled, -1, 1)
    return clipped


def _sized(data: bytes) -> bytes:
    """A WAV file whose header tells the length, which a program that writes into a pipe does not know."""
    return (
        data[:4]
        + (len(data) - 8).to_bytes(4, "little")
        + data[8:40]
        + (len(data) - 44).to_bytes(4, "little")
        + data[44:]
    )


def all_voices(seed: int) -> Iterator[tuple[str, str, int, int]]:
    """Speaker, voice, pitch and speed of every voice; a speaker's name ends in the variant's, or flite's voice's."""
    rng = random.Random(seed)
    names = variants()
    for index in range(VARIANTS):
        accent, variant = ACCENTS[index % len(ACCENTS)], names[index % len(names)]
        yield f"{accent}+{variant}", f"{accent}+{variant}", rng.randint(25, 75), rng.randint(110, 210)
    for name in FLITE:
        for style in range(FLITE_STYLES):
            speaker = f"flite{style}+{name}"
            pitch = rng.randint(40, 75) if name == "slt" else rng.randint(0, 40)  # a woman's, and men's
            yield speaker, f"flite+{name}", pitch, rng.randint(120, 200)


def write_voices(path: Path, seed: int = 20261128) -> int:
    """Every word by every voice into a zip of FLAC files, {word}/{speaker}_{n}; the number of clips.

    Raises:
        InputError: a program is not installed, or fails.
    """
    import soundfile

    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for speaker, voice, pitch, speed in all_voices(seed):
            for word in WORDS:
                file = io.BytesIO()
                soundfile.write(file, cut(say(voice, word, pitch, speed)), RATE, "PCM_16", format="FLAC")
                archive.writestr(f"{word}/{speaker}_5.flac", file.getvalue())
                count += 1
    return count


def cut(samples: Float[np.ndarray, "samples"]) -> Float[np.ndarray, "samples"]:
    """A word with no more than `MARGIN` of quiet on each side."""
    start, stop = word_bounds(samples)
    margin = round(MARGIN * RATE)
    return samples[max(0, start - margin) : stop + margin]


def _run(command: list[str]) -> bytes:
    try:
        return subprocess.run(command, check=True, capture_output=True, timeout=SECONDS).stdout  # noqa: S603
    except FileNotFoundError as error:
        raise InputError(f"{command[0]} is not installed: apt-get install espeak-ng flite") from error
    except subprocess.SubprocessError as error:
        raise InputError(f"{' '.join(command)} failed: {error}") from error
