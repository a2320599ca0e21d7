"""How good a captioner of scenes is, and whether it looks at what it names: on combinations that it never saw."""

import io
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from heedmap.model.contract import Parameters, Prediction, Request
from heedmap.model.errors import CheckpointError
from heedmap.model.load import load
from heedmap.model.native.captioner import Captioner
from heedmap.model.native.feature_transformer import PatchInput
from heedmap.model.trace.trace import Trace
from heedmap.model.training.scenes.captions import LANGUAGES, captions, named
from heedmap.model.training.scenes.drawings import SEEN, UNSEEN, drawings
from heedmap.model.training.scenes.nouns import NOUNS
from heedmap.model.training.scenes.scene import SIDE, Box, Painter, Picture, drawn_by_lot

PARTS = {"valid": (SEEN, 1), "test, seen drawings": (SEEN, 2), "test, unseen drawings": (UNSEEN, 3)}
"""Styles and seed of each: the head that points best is chosen on the first."""
SCENES = 500  # of each part
BATCH = 50
_GRID = PatchInput(side=SIDE).grid

Head = tuple[int, int]


@dataclass(frozen=True)
class Scores:
    """Of one part. exact: the share of captions that are one of the scene's, by language.

    pointing: the share of nouns whose row of the head has its largest weight on a patch with its centre in the box of
    what the noun names; chance: that of a patch drawn at random; centre: that of the picture's middle.
    """

    scenes: int
    exact: dict[str, float]
    pointing: float
    chance: float
    centre: float
    nouns: int


@dataclass(frozen=True)
class Report:
    """Scores by part, and the cross head, layer and number, whose pointing they tell."""

    head: Head
    scores: dict[str, Scores]


def evaluate(
    folder: Path,
    data: Path,
    device: str = "cpu",
    scenes: int = SCENES,
    report: Callable[[str], None] = lambda part: None,
) -> Report:
    """Caption held-out scenes of each part with the checkpoint in `folder`, and see where its heads look.

    Args:
        data: the folder of the drawings' archives. report: is told of each part that begins.

    Raises:
        CheckpointError: it is no captioner. InputError: an archive is missing.
    """
    model = load(folder, device)
    if not isinstance(model, Captioner):
        raise CheckpointError(f"{folder} holds no captioner of Heedmap's own")
    drawn = drawings(data, NOUNS)
    scores: dict[str, Scores] = {}
    head: Head | None = None
    for part, (styles, seed) in PARTS.items():
        report(part)
        pictures = held_out(Painter({style: drawn[style] for style in styles}), seed, scenes)
        exact = {language: _exact(model, pictures, language) for language in LANGUAGES}
        hits, rows = pointing(model, pictures)
        if head is None:
            head = max(hits, key=lambda each: hits[each])
        shares = [_shares(box) for picture in pictures for box in picture.boxes]
        chance, centre = (float(np.mean([share[n] for share in shares])) for n in (0, 1))
        scores[part] = Scores(len(pictures), exact, hits[head] / rows, chance, centre, rows)
    assert head is not None, "there are parts"
    return Report(head, scores)


def held_out(painter: Painter, seed: int, count: int) -> list[Picture]:
    """Pictures of scenes whose combination no scene that trains has."""
    rng = random.Random(seed)
    return [painter.paint(drawn_by_lot(rng, held_out=True), rng) for _ in range(count)]


def png(picture: Picture) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    Image.fromarray(picture.pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


def _exact(model: Captioner, pictures: Sequence[Picture], language: str) -> float:
    """The share of captions that are one of the scene's."""
    right = 0
    parameters = Parameters(tgt_lang=language)
    for some in _batches(pictures):
        answers = model.predict([Request({"image": png(each)}, None, parameters) for each in some])
        for picture, answer in zip(some, answers, strict=True):
            right += isinstance(answer, Prediction) and answer.text in captions(picture.scene, language)
    return right / len(pictures)


def pointing(model: Captioner, pictures: Sequence[Picture]) -> tuple[Counter[Head], int]:
    """Of each cross head how many nouns' rows are largest in the box of what they name, and how many nouns there are.

    The captions are given, in English; a token's row is that which writes it.
    """
    hits: Counter[Head] = Counter()
    nouns = 0
    for some in _batches(pictures):
        requests = [Request({"image": png(each)}, captions(each.scene, "en")[0]) for each in some]
        for picture, trace in zip(some, model.trace(requests), strict=True):
            assert isinstance(trace, Trace), trace
            where = noun_rows(picture, trace.prediction.tokens)
            nouns += len(where)
            for layer in range(len(trace.layers["cross"])):
                weights = trace.map("cross", layer).dense().numpy()
                for head, rows in enumerate(weights):
                    hits[layer, head] += sum(_inside(int(rows[row].argmax()), box) for row, box in where)
    return hits, nouns


def noun_rows(picture: Picture, tokens: Sequence[str]) -> list[tuple[int, Box]]:
    """The row of each group's noun in an English caption, and the group's box."""
    words = [token.removeprefix("▁") for token in tokens]
    return [
        (words.index(named(group, "en").split()[-1]), box)
        for group, box in zip(picture.scene.groups, picture.boxes, strict=True)
    ]


def _inside(patch: int, box: Box) -> bool:
    """Whether a patch's centre lies in a box."""
    x, y = ((place + 0.5) * SIDE / _GRID for place in (patch % _GRID, patch // _GRID))
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _shares(box: Box) -> tuple[float, float]:
    """The share of patches whose centre lies in a box, and 1 where the picture's middle does, else 0."""
    within = sum(_inside(patch, box) for patch in range(_GRID**2)) / _GRID**2
    middle = SIDE / 2
    return within, float(box[0] <= middle <= box[2] and box[1] <= middle <= box[3])


def _batches(pictures: Sequence[Picture]) -> Iterable[Sequence[Picture]]:
    return (pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH))
