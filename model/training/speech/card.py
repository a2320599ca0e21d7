"""The card of a network that hears words: what it learnt from, how good it is on whom, and what it cannot do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heedmap.model.card import CARD as CARD_FILE
from heedmap.model.training.speech.batches import BATCHES, PLACES_WEIGHT
from heedmap.model.training.speech.clips import COMMANDS, DIGITS, HELD_SPEAKERS, HELD_VOICES
from heedmap.model.training.speech.evaluate import HeardSet, Report, Timing

LICENCE = "cc-by-sa-4.0"  # that of the clips of spoken digits, which asks that what is made of them be shared alike
ANCHORS = {"spoken-digits: lucas": 0.31, "spoken-digits: theo": 0.84}
"""Log-mel frames and a support vector machine, that speaker left out of the training part of spoken-digits alone."""

EXAMPLES = (
    "`1-slt.flac`, flite's slt (Carnegie Mellon University's free licence, which asks that its voices be named), "
    "`2-f5.flac` and `3-m7.flac`, espeak-ng's variants f5 and m7 (the program is under GPL-3.0-or-later; what it says "
    "is not)"
)

CARD = """---
license: {licence}
language: en
pipeline_tag: automatic-speech-recognition
tags: [heedmap]
---

# {name}

A small encoder-decoder that hears strings of {words} English words, the ten digits and ten commands, trained from
scratch with `heedmap train --task automatic-speech-recognition` to ship with Heedmap: its attention shows, in seconds,
where in a recording each word was heard.

| | |
|---|---|
| words | {vocabulary} |
| reads | log-mel frames: 8 kHz, {bands} bands, 25 ms every 10 ms (Whisper's formula, each band less its mean) |
| architecture | two convolutions that stride by 4, pre-norm Transformer, {encoder_layers} encoder and \
{decoder_layers} decoder layers, width {width}, {heads} heads, feed-forward {feed_forward} |
| parameters | {parameters:,} |
| weights | {storage} safetensors, served in float32 |
| longest recording | {seconds:.0f} s; it has heard strings of up to six words |

## Scores

Nobody in these sets was heard in training. Strings are one to six clips of one speaker, joined with pauses; word error
rate as they are, and under noise 10 dB below; single words, the share that is right, each with a quarter of a second of
quiet around.

| held-out set | words in strings | word error rate | under noise | single words | right |
|---|---|---|---|---|---|
{scores}

For comparison, other people's figures on the same clips: log-mel frames (40 x 32) and a support vector machine with a
radial kernel, which knows where each word begins and ends, are right on {anchors} with that
speaker left out of spoken-digits (70% on average over its six), on 76.5% of Speech Commands' ten commands (five folds
of speakers), and on 56% of its 240 digits after training on spoken-digits, 67% with synthesised voices added.

Where it looks: cross-attention layer {layer}, head {head}, the row that {row} a word, {of}, chosen on the validation
parts. Mean absolute seconds to the true middle of the word, all strings as they are, the words given:

| held-out set | words | the head | a second drawn evenly | the word's share of the time |
|---|---|---|---|---|
{timings}

Again: `heedmap evaluate --checkpoint model/weights/{name} --data data`, after `make data`.

## Data

| set | clips to train, validate, test | speakers | licence |
|---|---|---|---|
| Free Spoken Digit Dataset | {digits} | six; tested on {held} | CC BY-SA 4.0 |
| Speech Commands v0.02, official test files | {commands} | 239, parted by a hash of their names | CC BY 4.0 |
| synthesised: espeak-ng 1.51, flite 2.2 | {voices} | 200 voices; tested on flite's slt and espeak-ng's \
{variants} | none |

Zohar Jackson and others, Free Spoken Digit Dataset, github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0.
Pete Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, 2018, arxiv.org/abs/1804.03209,
Google, CC BY 4.0. Changes: resampled to 8 kHz and cut to the words; in training joined, stretched, put into rooms and
under noise. What spoken-digits' licence asks of what is made of the clips, sharing alike, holds for these weights too:
they are under CC BY-SA 4.0, and Heedmap's code is not.

## Training

AdamW, linear warm-up and cosine decay; {recipe}. No string is heard twice. Beside the words, each place of the encoder
learns which word is said then (cross-entropy, weight {weight}; the layer for it is not kept).

## Examples

Synthesised, by voices that were not heard in training: {examples}.

## What it cannot do

- It knows {words} words. Whatever else is said comes out as some of them, or as nothing.
- It has learnt from words said one by one: run together, as people count quickly, they are missed.
- Four people said most of the digits that it learnt, all of them men.
- Silence, and most noise, is no word; music and other voices may be.
- Its attention shows what its heads read. That is evidence about the model, not an explanation of the words.
"""


def write_card(
    folder: Path,
    facts: Mapping[str, Any],
    report: Report,
    storage: str = "float16",
    examples: str = EXAMPLES,
) -> None:
    """Write the card as README.md.

    Args:
        folder: the checkpoint, whose name the card takes.
        facts: what `train_speech` wrote down.
        storage: how the weights are stored. examples: what the examples beside the checkpoint are.
    """
    config, clips = facts["config"], facts["clips"]
    counts = {name: ", ".join(f"{part[p]:,}" for p in ("train", "valid", "test")) for name, part in clips.items()}
    text = CARD.format(
        name=folder.name,
        licence=LICENCE,
        words=len(DIGITS) + len(COMMANDS),
        vocabulary=" ".join((*DIGITS, *COMMANDS)),
        bands=config["input"]["bands"],
        seconds=config["input"]["longest"] / 100,
        storage=storage,
        scores="\n".join(map(_score, report.heard)),
        anchors=" and ".join(f"{share:.0%} ({name.partition(': ')[2]})" for name, share in ANCHORS.items()),
        layer=report.reading.layer,
        head=report.reading.head,
        row="reads" if report.reading.row == "input" else "writes",
        of="the mean of its seconds" if report.reading.of == "mean" else "its peak",
        timings="\n".join(_timing(name, timing) for name, timing in report.timings.items()),
        digits=counts["spoken-digits"],
        commands=counts["speech-commands"],
        voices=counts["voices"],
        held=" and ".join(HELD_SPEAKERS),
        variants=", ".join(HELD_VOICES[1:]),
        recipe=_recipe(facts["recipe"]),
        weight=PLACES_WEIGHT,
        examples=examples,
        parameters=facts["parameters"],
        **{name: config[name] for name in ("encoder_layers", "decoder_layers", "width", "heads", "feed_forward")},
    )
    (folder / CARD_FILE).write_text(text, encoding="utf-8")


def _recipe(recipe: Mapping[str, Any]) -> str:
    """The recipe, whose batches are counted in strings here, and whose epochs in batches."""
    names = {"batch_tokens": "strings a batch", "epochs": f"epochs of {BATCHES} batches"}
    return ", ".join(f"{names.get(name, name.replace('_', ' '))}: {value}" for name, value in recipe.items())


def _score(row: HeardSet) -> str:
    return f"| {row.name} | {row.words} | {row.clean:.1%} | {row.noisy:.1%} | {row.singles} | {row.right:.1%} |"


def _timing(name: str, timing: Timing) -> str:
    seconds = " | ".join(f"{value:.3f}" for value in (timing.attended, timing.uniform, timing.proportional))
    return f"| {name} | {timing.words} | {seconds} |"
