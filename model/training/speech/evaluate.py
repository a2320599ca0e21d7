"""How well a network hears: word errors of people it has not heard, and whether it looks where the words are."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from heedmap.model.contract import Prediction, Request, Served
from heedmap.model.load import load
from heedmap.model.prediction import Axis
from heedmap.model.trace.trace import Trace
from heedmap.model.training.speech.clips import RATE, Clip, SpeakerSplit
from heedmap.model.training.speech.strings import CLEAN, Spoken, Variety, Vocabulary, compose

STRINGS = 200  # of each set: a word error rate of 10% is known to about 1%
SINGLES = 400  # clips of each set, at most
TIMED = 60  # strings whose attention is read; of the validation part as many to choose the head by
BATCH = 16
SEED = 20261128
QUIET = 0.25  # seconds around a single word
NOISY = Variety(speed=1.0, level=0.0, noise=1.0, signal=(10.0, 10.0), room=0.0)


@dataclass(frozen=True)
class HeardSet:
    """A set's scores.

    clean, noisy: word error rates of strings as they are, and 10 dB above noise. right: the share of single words.
    """

    name: str
    words: int
    clean: float
    noisy: float
    singles: int
    right: float


@dataclass(frozen=True)
class Reading:
    """How a word's second is read off the maps.

    A cross head; the row that writes the word ("output") or that reads it ("input"); and the mean of the row's seconds
    ("mean") or its largest ("peak").
    """

    layer: int
    head: int
    row: str
    of: str


@dataclass(frozen=True)
class Timing:
    """Mean absolute seconds from a word's true middle to where a head looks, and to two guesses.

    uniform: a second drawn evenly. proportional: the middle of the word's share of the time.
    """

    words: int
    attended: float
    uniform: float
    proportional: float


@dataclass(frozen=True)
class Report:
    """All scores of a checkpoint."""

    heard: list[HeardSet]
    reading: Reading
    timings: dict[str, Timing]


def evaluate(
    folder: Path,
    parts: Mapping[str, SpeakerSplit],
    device: str = "cpu",
    report: Callable[[HeardSet], None] = lambda row: None,
) -> Report:
    """Hear every held-out set with the checkpoint in a folder.

    Raises:
        CheckpointError: it is none.
    """
    model = load(folder, device)
    return Report(hear(model, parts, report), *timing(model, parts))


def held_out(parts: Mapping[str, SpeakerSplit]) -> dict[str, list[Clip]]:
    """The test clips by set, the few speakers of spoken-digits each for itself."""
    held: dict[str, list[Clip]] = {}
    for name, part in parts.items():
        if name != "spoken-digits":
            held[name] = part.test
            continue
        for speaker in sorted({clip.speaker for clip in part.test}):
            held[f"{name}: {speaker}"] = [clip for clip in part.test if clip.speaker == speaker]
    return held


def strings(clips: Sequence[Clip], count: int, seed: int, variety: Variety = CLEAN) -> list[Spoken]:
    """So many strings of one to six words, each of one speaker."""
    rng, vocabulary = np.random.default_rng(seed), Vocabulary(clips)
    return [compose(rng, vocabulary.of_one(rng, 1 + index % 6), variety) for index in range(count)]


def singles(clips: Sequence[Clip], count: int, seed: int) -> list[Spoken]:
    """Clips each alone, with a quarter of a second of quiet around."""
    rng = np.random.default_rng(seed)
    chosen = [clips[index] for index in sorted(rng.permutation(len(clips))[:count])]
    return [Spoken(np.pad(c.samples / np.float32(32768), round(QUIET * RATE)), [c.word], [(0.0, 0.0)]) for c in chosen]


def wav(samples: Float[np.ndarray, "samples"]) -> bytes:
    """A recording as a file, 16 bits a sample."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, RATE, "PCM_16", format="WAV")
    return file.getvalue()


def transcribed(model: Served[Any], spoken: Sequence[Spoken]) -> list[list[str]]:
    """The words that a model hears in each."""
    heard: list[list[str]] = []
    for start in range(0, len(spoken), BATCH):
        requests = [Request({"audio": wav(each.samples)}) for each in spoken[start : start + BATCH]]
        answers = model.predict(requests)
        heard += [answer.text.split() if isinstance(answer, Prediction) else [] for answer in answers]
    return heard


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """The least number of words to replace, leave out and put in that make one of the other (Levenshtein 1966)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def error_rate(model: Served[Any], spoken: Sequence[Spoken]) -> float:
    """Word errors a word said."""
    heard = transcribed(model, spoken)
    errors = sum(word_errors(each.words, words) for each, words in zip(spoken, heard, strict=True))
    return errors / sum(len(each.words) for each in spoken)


def hear(
    model: Served[Any], parts: Mapping[str, SpeakerSplit], report: Callable[[HeardSet], None] = lambda row: None
) -> list[HeardSet]:
    """The scores of every held-out set."""
    rows = []
    for name, clips in held_out(parts).items():
        clean, noisy = strings(clips, STRINGS, SEED), strings(clips, STRINGS, SEED + 1, NOISY)
        alone = singles(clips, SINGLES, SEED)
        right = sum(heard == each.words for each, heard in zip(alone, transcribed(model, alone), strict=True))
        words = sum(len(each.words) for each in clean)
        rates = error_rate(model, clean), error_rate(model, noisy)
        rows.append(HeardSet(name, words, *rates, len(alone), right / len(alone)))
        report(rows[-1])
    return rows


def timing(model: Served[Any], parts: Mapping[str, SpeakerSplit]) -> tuple[Reading, dict[str, Timing]]:
    """Where the words' rows look, under teacher forcing of what was said.

    Returns:
        The reading that is best on the validation parts, and its errors on every held-out set.
    """
    valid = [s for part in parts.values() if part.valid for s in strings(part.valid, TIMED // 2, SEED + 2)]
    sites = {site["name"]: site for site in model.describe()["sites"]}
    readings = [
        Reading(layer, head, row, of)
        for layer in range(sites["cross"]["layers"])
        for head in range(sites["cross"]["heads"])
        for row in ("output", "input")
        for of in ("mean", "peak")
    ]
    traces = recorded(model, valid)
    best = min(readings, key=lambda reading: timed(valid, traces, reading).attended)
    scores = {}
    for name, clips in held_out(parts).items():
        spoken = strings(clips, TIMED, SEED + 3)
        scores[name] = timed(spoken, recorded(model, spoken), best)
    return best, scores


def recorded(model: Served[Any], spoken: Sequence[Spoken]) -> list[Trace]:
    """A trace of each, with the words that were said as the output."""
    traces: list[Trace] = []
    for each in spoken:
        [trace] = model.trace([Request({"audio": wav(each.samples)}, " ".join(each.words))])
        if isinstance(trace, Exception):
            raise trace
        traces.append(trace)
    return traces


def timed(spoken: Sequence[Spoken], traces: Sequence[Trace], reading: Reading) -> Timing:
    """The errors of one reading over strings and their traces."""
    errors = [
        abs(second - (start + stop) / 2)
        for each, trace in zip(spoken, traces, strict=True)
        for second, (start, stop) in zip(attended_seconds(trace, reading, len(each.words)), each.bounds, strict=True)
    ]
    guesses = [guess for each in spoken for guess in chances(each)]
    uniform, proportional = (float(np.mean([guess[side] for guess in guesses])) for side in (0, 1))
    return Timing(len(errors), float(np.mean(errors)), uniform, proportional)


def attended_seconds(trace: Trace, reading: Reading, words: int) -> list[float]:
    """The second at which a head looks for each of the first words of the output."""
    weights = trace.map("cross", reading.layer).head(reading.head).dense()[0].numpy()
    rows = weights[1 : words + 1] if reading.row == "input" else weights[:words]
    return [row_second(row, trace.axes["source"], reading.of) for row in rows]


def row_second(row: Float[np.ndarray, "K"], axis: Axis, of: str) -> float:
    """The second that a row of weights stands for: their mean over the middles of the places, or its largest's."""
    assert axis.seconds is not None, "the encoder's axis is a recording's"
    middles = np.array([(start + stop) / 2 for start, stop in axis.seconds])
    if of == "peak":
        return float(middles[row.argmax()])
    return float((row * middles).sum() / row.sum())


def chances(spoken: Spoken) -> list[tuple[float, float]]:
    """Of each word the error of two guesses, in seconds.

    A second drawn evenly, on average; and the middle of the word's share of the recording, were all words as long.
    """
    length, count = len(spoken.samples) / RATE, len(spoken.words)
    return [
        ((middle**2 + (length - middle) ** 2) / (2 * length), abs((place + 0.5) / count * length - middle))
        for place, middle in enumerate((start + stop) / 2 for start, stop in spoken.bounds)
    ]
