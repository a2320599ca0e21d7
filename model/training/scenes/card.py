"""The card of a captioner of scenes: what it learnt from, how good it is, where it looks, what it cannot do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heedmap.model.training.model_card import recipe_line, write
from heedmap.model.training.scenes.captions import LANGUAGES, MOST
from heedmap.model.training.scenes.evaluate import Report
from heedmap.model.training.scenes.nouns import COLOURS, NOUNS
from heedmap.model.training.scenes.scene import HELD_OUT

CARD = """
# {name}

A small captioner: it says what stands in pictures composed of emoji drawings, how many, in which colour and where, in
English ("two red apples to the left of a dog") or in Chinese (两个红苹果在一只狗的左边). Trained from scratch with
`heedmap train` to ship with Heedmap: each word has a reason that can be seen in the picture.

| | |
|---|---|
| architecture | Transformer encoder of patches and decoder (pre-norm), {layers}, width {width}, {heads} heads |
| picture | {side} x {side} pixels in patches of {patch}; other sizes are resized |
| parameters | {parameters:,} |
| weights | float16 safetensors, served in float32 |
| tokenizer | words, {vocabulary:,} of both languages; the first token that the decoder reads says which |
| language | `parameters.tgt_lang`: {languages} |

## Scores

Scenes of combinations that no scene in training had (of {held_out} pairs of things that stand together, or numbers of
one thing, one was held out), {scenes} in each part. A caption is right if it is one of the scene's, word for word. The
unseen drawings are OpenMoji's; no scene in training had one.

| part | exact, English | exact, Chinese | pointing | chance | centre |
|---|---|---|---|---|---|
{rows}

Pointing: the share of nouns whose row of cross-attention has its largest weight on a patch whose centre lies in the
box of what the noun names, the caption given. Head {head} of layer {layer}, which points best in the validation part.
Chance is a patch drawn at random; centre is the middle of the picture. No head was taught to point.
Again: `heedmap evaluate --checkpoint model/weights/{name} --data data/npm`, after `make data`.

## Data

{nouns} things, {tinted} of them in {colours} colours; one to three groups on a plain or lightly textured ground, at
most {most} of a kind. The drawings are emoji out of npm packages, which `make data` fetches:

| package | version | drawings' licence | used for |
|---|---|---|---|
| @iconify-json/noto | {noto} | Apache-2.0, Noto Emoji, Google | training, examples, tests |
| @iconify-json/fluent-emoji-flat | {fluent} | MIT, Fluent Emoji, Microsoft | training, examples, tests |
| @iconify-json/openmoji | {openmoji} | CC BY-SA 4.0, OpenMoji, HfG Schwäbisch Gmünd | evaluation; none ships |

Nouns, plurals and measure words were written for this, after the names of Unicode's CLDR.

## Training

{seen:,} scenes, none twice. AdamW, linear warm-up and cosine decay; {recipe}. Beside the caption the encoder was taught
the name of what each patch shows (Jiang et al. 2021, token labelling); attention was taught nothing.

## What it cannot do

- It knows {nouns} things as emoji draw them. In a photograph, a picture of something else or of nothing it sees some of
  these all the same.
- It counts to five, and says one relation of at most three groups.
- Of two groups it may name either first; both captions are right.
- Its attention shows what its heads read. That is evidence about the model, not an explanation of the caption.
"""


def write_caption_card(folder: Path, facts: Mapping[str, Any], report: Report) -> None:
    """Write the card of a captioner as README.md.

    Args:
        folder: the checkpoint, whose name the card takes.
        facts: what `train_captions` wrote down: config, drawings, scenes, parameters, recipe.
    """
    config = facts["config"]
    rows = [
        f"| {part} | {' | '.join(f'{score.exact[language]:.1%}' for language in LANGUAGES)} | {score.pointing:.1%} | "
        f"{score.chance:.1%} | {score.centre:.1%} |"
        for part, score in report.scores.items()
    ]
    versions = {name.rpartition("/")[2]: each["version"] for name, each in facts["drawings"].items()}
    text = CARD.format(
        name=folder.name,
        layers=f"{config['encoder_layers']} and {config['decoder_layers']} layers",
        width=config["width"],
        heads=config["heads"],
        side=config["input"]["side"],
        patch=config["input"]["patch"],
        parameters=facts["parameters"],
        vocabulary=config["vocabulary"],
        languages=", ".join(config["languages"]),
        held_out=HELD_OUT,
        scenes=next(iter(report.scores.values())).scenes,
        rows="\n".join(rows),
        head=report.head[1],
        layer=report.head[0],
        nouns=len(NOUNS),
        tinted=sum(noun.tinted for noun in NOUNS),
        colours=len(COLOURS),
        most=MOST,
        noto=versions["noto"],
        fluent=versions["fluent-emoji-flat"],
        openmoji=versions["openmoji"],
        seen=facts["scenes"],
        recipe=recipe_line(facts["recipe"]),
    )
    write(folder, text, "image-to-text", list(LANGUAGES))
