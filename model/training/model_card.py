"""The model card: what a checkpoint is, what it was trained on, how good it is and what it cannot do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heedmap.model.card import CARD as CARD_FILE
from heedmap.model.training.evaluate import Scores

LICENCE = "apache-2.0"
CARD = """
# {name}

{kind} that translates German to English, trained from scratch with `heedmap train` to
ship with Heedmap: small enough to serve on a laptop's CPU, good enough that its attention means something.

| | |
|---|---|
| architecture | {shape} |
| parameters | {parameters:,} |
| weights | float16 safetensors, served in float32 |
| tokenizer | byte-pair encoding, {vocabulary:,} shared entries, trained on the training part alone |
| longest input | {positions} tokens; it has seen sentences of up to 100 |

## Scores

On held-out sentences that share no sentence of either language with the training part, against every reference that
each has:

| part | sentences | decoding | BLEU | chrF |
|---|---|---|---|---|
{rows}

Signatures: `{bleu}`, `{chrf}`.
Again: `heedmap evaluate --checkpoint model/weights/{name} --references tests/data/de-en/test.jsonl --beam-size {beam}`.

## Data

The English-German sentence pairs of the Tatoeba project by way of manythings.org/anki, edition of 2018-05-13, licence
CC BY 2.0 FR. Attribution: www.manythings.org/anki and tatoeba.org. SHA-256 of the archive:
`{sha256}`.

Split by connected groups (pairs joined by an equal sentence of either language stay together), seed {split_seed}:
{train:,} pairs to train, {valid:,} source sentences to validate, {test:,} to test.

## Training

{recipe}{alignment}

## What it cannot do

- It knows short, everyday sentences. Long or technical text, names it has never seen and anything other than German
  come out wrong, often fluently so: what it does not know it makes up.
- It translates one sentence at a time and knows nothing of the one before.
- Its data was written by volunteers; what they say about people, and how often they say it, it repeats.
- Its attention shows what its heads read. That is evidence about the model, not an explanation of the translation.
"""

ALIGNMENT = """

Cross head {head} of layer {layer} was taught to align (Garg et al. 2019), its loss weighted {weight}{alone}: read it in
the row of a token as {reading}. `heedmap align` and `POST /v1/align` use it."""

ALONE = (
    ", alone; the projections of the decoder behind it were then fitted, by least squares, to what they added before"
)


def _alignment(facts: Mapping[str, Any]) -> str:
    alone = ALONE if facts.get("alone") else ""
    return ALIGNMENT.format(**{**facts, "alone": alone})


def _recipe(recipe: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in recipe.items())


def write_card(folder: Path, facts: Mapping[str, Any], scores: Mapping[tuple[str, str], Scores], beam: int) -> None:
    """Write the card of a translation checkpoint as README.md.

    Args:
        folder: the checkpoint, whose name the card takes.
        facts: what `train_translation` wrote down: config, parameters, data_sha256, split_seed, pairs, recipe.
        scores: by part and decoding, as ("test", "beam 5").
        beam: the beam size that the card's command names.
    """
    config, pairs = facts["config"], facts["pairs"]
    if config["architecture"] == "transformer":
        kind = "A Transformer encoder-decoder (pre-norm)"
        shape = (
            f"pre-norm Transformer, {config['encoder_layers']} encoder and {config['decoder_layers']} decoder layers, "
            f"width {config['width']}, {config['heads']} heads, feed-forward {config['feed_forward']}"
        )
    else:
        kind = "A GRU encoder-decoder with additive attention (Bahdanau et al. 2015)"
        shape = f"bidirectional GRU encoder, GRU decoder, one additive attention head, width {config['width']}"
    rows = [
        f"| {part} | {score.sentences:,} | {decoding} | {score.bleu:.1f} | {score.chrf:.1f} |"
        for (part, decoding), score in scores.items()
    ]
    first = next(iter(scores.values()))
    runs = [facts["start"]["recipe"], facts["recipe"]] if "start" in facts else [facts["recipe"]]
    recipe = ". Then, from there: ".join(map(_recipe, runs))
    text = CARD.format(
        name=folder.name,
        kind=kind,
        shape=shape,
        parameters=facts["parameters"],
        vocabulary=config["vocabulary"],
        positions=config["max_positions"],
        rows="\n".join(rows),
        bleu=first.bleu_signature,
        chrf=first.chrf_signature,
        beam=beam,
        sha256=facts["data_sha256"],
        split_seed=facts["split_seed"],
        recipe=f"AdamW, linear warm-up and cosine decay; {recipe}.",
        alignment=_alignment(facts["alignment"]) if "alignment" in facts else "",
        **pairs,
    )
    _write(folder, text, "translation", [config["source_language"], config["target_language"]])


TEXT_CARD = """
# {name}

A small causal language model on bytes, trained from scratch with `heedmap train` on Shakespeare's plays, to look
into: its text is long, its heads are few, and what many of them do has a name.

| | |
|---|---|
| architecture | Llama's: rotary positions, RMS norms, gated feed-forward |
| size | {layers} layers, width {width}, {heads} query and {kv_heads} key/value heads |
| sliding windows | {windows} |
| parameters | {parameters:,} |
| weights | float16 safetensors, served in float32 |
| tokenizer | none: a token is a byte of UTF-8 |
| longest input | {positions:,} bytes; it has learnt from windows of up to {longest} |

## Scores

Bits per byte, every byte predicted from up to {longest} before it and at least half as many: {scores}. The parts are
the last tenth of the text, in two halves, which it has not been trained on. The checkpoint is that of epoch
{epoch:.0f}, the best on the validation part.

## Data

The plays of Shakespeare as character models are usually shown on ("Tiny Shakespeare", {characters:,} characters),
public domain. SHA-256 of the file: `{sha256}`.

## Training

{recipe}

## What it cannot do

- It writes lines that look like a play's and mean nothing.
- Past its training length it goes on, since most layers see a window alone, but its last layer sees everything and was
  never shown so much.
- Its attention shows what its heads read. That is evidence about the model, not an explanation of what it writes.
"""


def write_text_card(folder: Path, facts: Mapping[str, Any], bits: Mapping[str, float]) -> None:
    """Write the card of a language model as README.md.

    Args:
        folder: the checkpoint, whose name the card takes.
        facts: what `train_text` wrote down: config, parameters, data_sha256, characters, recipe, lengths, best.
        bits: bits per byte of each held-out part.
    """
    config = facts["config"]
    recipe = _recipe(facts["recipe"])
    text = TEXT_CARD.format(
        name=folder.name,
        layers=len(config["windows"]),
        width=config["width"],
        heads=config["heads"],
        kv_heads=config["kv_heads"],
        windows=", ".join(str(window or "none") for window in config["windows"]) + " bytes, layer by layer",
        parameters=facts["parameters"],
        positions=config["max_positions"],
        longest=max(facts["lengths"]),
        scores=", ".join(f"{value:.3f} ({part})" for part, value in bits.items()),
        epoch=facts["best"]["epoch"],
        characters=sum(facts["characters"].values()),
        sha256=facts["data_sha256"],
        recipe=f"AdamW, linear warm-up and cosine decay; {recipe}; windows of {facts['lengths']} bytes, one of these "
        "lengths drawn for each batch.",
    )
    _write(folder, text, "text-generation", [config["language"]])


def _write(folder: Path, text: str, task: str, languages: list[str]) -> None:
    """The card as huggingface_hub writes it: metadata, then the text."""
    from huggingface_hub import ModelCard, ModelCardData

    data = ModelCardData(license=LICENCE, language=languages, pipeline_tag=task, tags=[task, "attention", "heedmap"])
    ModelCard(f"---\n{data.to_yaml()}\n---\n{text}").save(folder / CARD_FILE)
