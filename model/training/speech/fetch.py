"""The clips that `digits` learns from, out of the repositories that keep them: `make data`.

    python -m heedmap.model.training.speech.fetch FOLDER

Each set becomes a zip of FLAC files at 8 kHz, as `clips` reads it, whose content is compared with a SHA-256. What is
there already and right is left alone. The voices are synthesised here where their programs are installed (`voices`).
"""

import hashlib
import io
import os
import re
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from heedmap.model.errors import InputError
from heedmap.model.training.speech.clips import (
    MARGIN,
    RATE,
    WORDS,
    Clip,
    read_commands,
    read_spoken_digits,
    word_bounds,
)
from heedmap.model.training.speech.voices import write_voices

ARCHIVE = "https://github.com/{repository}/archive/{commit}.zip"
SECONDS = 600.0  # that an archive may take to arrive
DIGIT = re.compile(r"/recordings/(?P<name>[0-9]_[a-z]+_[0-9]+)\.wav$")
COMMAND = re.compile(
    r"/MLTK_keyworkSpotting/dataset/(?:_unknown_/)?(?P<word>[a-z]+)[/_]"
    r"(?P<speaker>[0-9a-f]{8})_nohash_(?P<index>[0-9]+)\.wav$"
)


@dataclass(frozen=True)
class ClipSet:
    """A set of clips: its file, where it comes from and under which licence.

    names, samples: SHA-256 of the names of its clips, and of names and samples; the second is None where the samples
    depend on a resampler's version. convert: an archive's files to names and samples.
    """

    file: str
    repository: str
    commit: str
    licence: str
    names: str
    samples: str | None
    read: Callable[[Path], list[Clip]]
    convert: Callable[[zipfile.ZipFile], Iterator[tuple[str, Float[np.ndarray, "samples"]]]]


def spoken_digits(archive: zipfile.ZipFile) -> Iterator[tuple[str, Float[np.ndarray, "samples"]]]:
    """The recordings as they are."""
    for name in sorted(archive.namelist()):
        if match := DIGIT.search(name):
            yield f"{match['name']}.flac", _read(archive.read(name))[0]


def commands(archive: zipfile.ZipFile) -> Iterator[tuple[str, Float[np.ndarray, "samples"]]]:
    """The known words, resampled to `RATE` and cut to the word with `MARGIN` on each side."""
    import soxr

    for name in sorted(archive.namelist()):
        match = COMMAND.search(name)
        if match is None or match["word"] not in WORDS:
            continue
        samples, rate = _read(archive.read(name))
        resampled = np.clip(soxr.resample(samples, rate, RATE, quality="VHQ"), -1, 1)
        start, stop = word_bounds(resampled)
        margin = round(MARGIN * RATE)
        yield (
            f"{match['word']}/{match['speaker']}_{match['index']}.flac",
            resampled[max(0, start - margin) : stop + margin],
        )


SETS = (
    ClipSet(
        "spoken-digits.zip",
        "Jakobovski/free-spoken-digit-dataset",
        "26eb9aaf76e81b692f806f9140c2d2777410d7a1",
        "CC BY-SA 4.0",
        "e3f43c9f274f4e893de9149b703370009aa95421e6069618cb772b9c1e54575f",
        "017800c535c9b3f832a3fd68440df64a6c332a19d387dba3738027d599c0aab6",
        read_spoken_digits,
        spoken_digits,
    ),
    ClipSet(
        "speech-commands.zip",
        "thegtagamer/PICO-tinyML-benchmark",
        "c66f6b0d78fe9218f6de9d07189691cfae077bee",
        "CC BY 4.0",
        "06741eb4c9e593ec5fa95dd38ac560305418fb327937e1a15e93171d7d449314",
        None,
        read_commands,
        commands,
    ),
)
VOICES = "voices.zip"


def fingerprint(clips: Sequence[Clip]) -> tuple[str, str]:
    """SHA-256 of the clips' names in order, and of names and samples."""
    names, samples = hashlib.sha256(), hashlib.sha256()
    for clip in sorted(clips, key=lambda clip: (clip.word, clip.speaker, clip.index)):
        line = f"{clip.word}/{clip.speaker}_{clip.index}\n".encode()
        names.update(line)
        samples.update(line)
        samples.update(clip.samples.astype("<i2").tobytes())
    return names.hexdigest(), samples.hexdigest()


def check(path: Path, known: ClipSet) -> None:
    """Compare a file with what it should hold.

    Raises:
        InputError: it holds something else.
    """
    names, samples = fingerprint(known.read(path))
    if names != known.names or known.samples not in (None, samples):
        raise InputError(f"{path.name} holds other clips than those that are known: remove it, then make data again")


def download(address: str) -> bytes:
    """What lies at an address.

    Raises:
        InputError: it cannot be had.
    """
    import httpx

    try:
        answer = httpx.get(address, follow_redirects=True, timeout=SECONDS)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise InputError(f"{address} cannot be fetched: {error}") from error
    return answer.content


def fetch(folder: Path, known: ClipSet, get: Callable[[str], bytes] = download) -> Path:
    """The file of a set in a folder, fetched and written if it is not there, and checked.

    Raises:
        InputError: it cannot be had, or is another.
    """
    import soundfile

    path = folder / known.file
    if not path.is_file():
        data = get(ARCHIVE.format(repository=known.repository, commit=known.commit))
        aside = path.with_suffix(".partial")
        with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as out:
            for name, samples in known.convert(archive):
                file = io.BytesIO()
                soundfile.write(file, samples, RATE, "PCM_16", format="FLAC")
                out.writestr(name, file.getvalue())
        os.replace(aside, path)
    check(path, known)
    return path


def _read(data: bytes) -> tuple[Float[np.ndarray, "samples"], int]:
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    return samples, int(rate)


def main() -> None:
    """Fetch every set into the folder that the command names, and synthesise the voices."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for known in SETS:
        print(f"{fetch(folder, known)}: {known.licence}")  # noqa: T201
    if not (folder / VOICES).is_file():
        aside = (folder / VOICES).with_suffix(".partial")
        write_voices(aside)
        os.replace(aside, folder / VOICES)
    print(folder / VOICES)  # noqa: T201


if __name__ == "__main__":
    main()
