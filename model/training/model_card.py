"""The model card: what a checkpoint is, what it was trained on, how good it is and what it cannot do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heedmap.model.card import CARD as CARD_FILE
from heedmap.model.training.evaluate import Scores
from heedmap.model.training.languages import languages

LICENCE = "apache-2.0"
CARD = """
# {name}

{kind} that translates {names[0]} to {names[1]}, trained from scratch with `heedmap train` to
ship with Heedmap: {purpose}.

| | |
|---|---|
| architecture | {shape} |
| parameters | {parameters:,} |
| weights | {weights}, served in float32 |
| tokenizer | {tokens}, {vocabulary:,} shared entries, trained on the training part alone |
| longest input | {positions} tokens; it has seen sentences of up to 100 |

## Scores

On held-out sentences that share no sentence of either language with the training part, against every reference that
each has:

{head}
{rows}

Signatures: `{bleu}`, `{chrf}`.
Again: `heedmap evaluate --checkpoint model/weights/{name} --references {test_file} --beam-size {beam}`.

## Data

{data} SHA-256 of the archive:
`{sha256}`.

Split by connected groups (pairs joined by an equal sentence of either language stay together), seed {split_seed}:
{train:,} pairs to train, {valid:,} source sentences to validate, {test:,} to test.

## Training

{recipe}{alignment}

## What it cannot do

- {limits}
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


def transformer_shape(config: Mapping[str, Any]) -> str:
    """A Transformer's layers and widths in a line."""
    return (
        f"pre-norm Transformer, {config['encoder_layers']} encoder and {config['decoder_layers']} decoder layers, "
        f"width {config['width']}, {config['heads']} heads, feed-forward {config['feed_forward']}"
    )


def recipe_line(recipe: Mapping[str, Any]) -> str:
    """A recipe in one line: each name with its value."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in recipe.items())


WEIGHTS = {
    "float16": "float16 safetensors",
    "int8": "safetensors, matrices in 8-bit rows with a float16 scale each, the rest float16",
}


def _table(scores: Mapping[str, Mapping[tuple[str, str], Scores]]) -> tuple[str, str]:
    """The head and the rows of the scores, by storage of the weights where there are several."""
    several = len(scores) > 1
    names = [*(["weights"] if several else []), "part", "sentences", "decoding", "BLEU", "chrF"]
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}"
    rows = [
        f"| {f'{storage} | ' if several else ''}{part} | {score.sentences:,} | {decoding} | {score.bleu:.1f} | "
        f"{score.chrf:.1f} |"
        for storage, those in scores.items()
        for (part, decoding), score in those.items()
    ]
    return head, "\n".join(rows)


def write_card(
    folder: Path, facts: Mapping[str, Any], scores: Mapping[str, Mapping[tuple[str, str], Scores]], beam: int
) -> None:
    """Write the card of a translation checkpoint as README.md.

    Args:
        folder: the checkpoint, whose name the card takes.
        facts: what `train_translation` wrote down: config, parameters, data_sha256, split_seed, pairs, recipe.
        scores: by storage of the weights, that of the folder last, then by part and decoding, as ("test", "beam 5").
        beam: the beam size that the card's command names.
    """
    config, pairs = facts["config"], facts["pairs"]
    if config["architecture"] == "transformer":
        kind = "A Transformer encoder-decoder (pre-norm)"
        shape = transformer_shape(config)
    else:
        kind = "A GRU encoder-decoder with additive attention (Bahdanau et al. 2015)"
        shape = f"bidirectional GRU encoder, GRU decoder, one additive attention head, width {config['width']}"
    head, rows = _table(scores)
    *_, (storage, those) = scores.items()
    first = next(iter(those.values()))
    between = languages(f"{config['source_language']}-{config['target_language']}")
    runs = [facts["start"]["recipe"], facts["recipe"]] if "start" in facts else [facts["recipe"]]
    recipe = ". Then, from there: ".join(map(recipe_line, runs))
    text = CARD.format(
        name=folder.name,
        kind=kind,
        shape=shape,
        parameters=facts["parameters"],
        vocabulary=config["vocabulary"],
        positions=config["max_positions"],
        head=head,
        rows=rows,
        weights=WEIGHTS[storage],
        names=between.names,
        purpose=between.purpose,
        tokens=between.tokens,
        test_file=between.test,
        data=between.data,
        limits=between.limits,
        bleu=first.bleu_signature,
        chrf=first.chrf_signature,
        beam=beam,
        sha256=facts["data_sha256"],
        split_seed=facts["split_seed"],
        recipe=f"AdamW, linear warm-up and cosine decay; {recipe}.",
        alignment=_alignment(facts["alignment"]) if "alignment" in facts else "",
        **pairs,
    )
    write(folder, text, "translation", [config["source_language"], config["target_language"]])


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
    recipe = recipe_line(facts["recipe"])
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
    write(folder, text, "text-generation", [config["language"]])


def write(folder: Path, text: str, task: str, languages: list[str]) -> None:
    """The card as huggingface_hub writes it: metadata, then the text."""
    from huggingface_hub import ModelCard, ModelCardData

    data = ModelCardData(license=LICENCE, language=languages, pipeline_tag=task, tags=[task, "attention", "heedmap"])
    ModelCard(f"---\n{data.to_yaml()}\n---\n{text}").save(folder / CARD_FILE)
