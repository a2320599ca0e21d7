"""Scenes: one to three groups of things on a quiet ground, side by side or one above the other, and where they are."""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from heedmap.model.training.scenes.drawings import tinted
from heedmap.model.training.scenes.nouns import COLOURS, NOUNS

SIDE = 96  # pixels of a scene
SMALLEST, LARGEST = 16, 44  # pixels of a thing
TURN = 12.0  # degrees by which a thing is turned at most
COUNTS = {1: 5, 2: 4, 3: 2}  # by groups in the scene, the most things of one
HELD_OUT = 11  # of so many combinations one is for the test

Box = tuple[float, float, float, float]


class Arrangement(StrEnum):
    """How groups stand: alone, from left to right, from top to bottom."""

    alone = "alone"
    across = "across"
    down = "down"


@dataclass(frozen=True)
class Group:
    """Things of one kind: the places of noun and colour in their lists."""

    noun: int
    count: int
    colour: int | None = None


@dataclass(frozen=True)
class Scene:
    """What is to be seen: groups in order, from the left or from the top."""

    groups: tuple[Group, ...]
    arrangement: Arrangement

    @property
    def held_out(self) -> bool:
        """Whether no scene that trains has its combination: a number of one kind, or kinds that stand together."""
        return any(_held_out(*pair) for pair in self._combinations())

    def _combinations(self) -> list[tuple[int, int]]:
        if len(self.groups) == 1:
            (group,) = self.groups
            return [(group.noun, len(NOUNS) + group.count)]
        nouns = sorted(group.noun for group in self.groups)
        return [(first, second) for place, first in enumerate(nouns) for second in nouns[place + 1 :]]


@dataclass(frozen=True)
class Picture:
    """A scene as pixels, with the box of each group and, of each pixel, the group that it shows: -1 is the ground."""

    scene: Scene
    pixels: UInt8[np.ndarray, "S S 3"]
    boxes: tuple[Box, ...]
    shown: np.ndarray


def _held_out(first: int, second: int) -> bool:
    return (37 * first + 101 * second + first * second) % HELD_OUT == 0


def drawn_by_lot(rng: random.Random, held_out: bool) -> Scene:
    """A random scene of a combination that is held out, or of none that is."""
    while True:
        size = rng.choices((1, 2, 3), (0.25, 0.55, 0.2))[0]
        groups = []
        for noun in rng.sample(range(len(NOUNS)), size):
            colour = rng.randrange(len(COLOURS)) if NOUNS[noun].tinted else None
            groups.append(Group(noun, rng.randint(1, COUNTS[size]), colour))
        across = rng.random() < 0.5
        arrangement = Arrangement.alone if size == 1 else Arrangement.across if across else Arrangement.down
        scene = Scene(tuple(groups), arrangement)
        if scene.held_out == held_out:
            return scene


class Painter:
    """Makes pictures of scenes.

    Args:
        drawings: of each style a drawing of each noun (N S S 4).
    """

    def __init__(self, drawings: Mapping[str, UInt8[np.ndarray, "N S S 4"]]) -> None:
        self.styles = tuple(drawings)
        self._drawings = drawings
        self._things: dict[tuple[str, int, int | None], Image.Image] = {}

    def paint(self, scene: Scene, rng: random.Random) -> Picture:
        """A picture of a scene: drawings of one style a group, at random places that do not overlap."""
        ground = Image.fromarray(_ground(rng), "RGB")
        shown = np.full((SIDE, SIDE), -1, dtype=np.int64)
        boxes = []
        for index, (group, region) in enumerate(zip(scene.groups, _regions(scene, rng), strict=True)):
            style = rng.choice(self.styles)
            places = []
            for left, top, size in _places(region, group.count, rng):
                thing = self._thing(style, group).rotate(rng.uniform(-TURN, TURN), Image.Resampling.BILINEAR)
                if rng.random() < 0.5:
                    thing = thing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
                thing = thing.resize((size, size), Image.Resampling.BOX if size < 32 else Image.Resampling.BILINEAR)
                ground.paste(thing, (left, top), thing)
                solid = np.asarray(thing)[..., 3] > 96
                shown[top : top + size, left : left + size][solid] = index
                inked = thing.getchannel("A").point(lambda alpha: 255 * (alpha > 96)).getbbox() or (0, 0, size, size)
                places.append((left + inked[0], top + inked[1], left + inked[2], top + inked[3]))
            sides = tuple(zip(*places, strict=True))
            boxes.append((float(min(sides[0])), float(min(sides[1])), float(max(sides[2])), float(max(sides[3]))))
        return Picture(scene, np.asarray(ground), tuple(boxes), shown)

    def _thing(self, style: str, group: Group) -> Image.Image:
        key = style, group.noun, group.colour
        if key not in self._things:
            drawing = self._drawings[style][group.noun]
            self._things[key] = Image.fromarray(drawing if group.colour is None else tinted(drawing, group.colour))
        return self._things[key]


def _regions(scene: Scene, rng: random.Random) -> list[tuple[int, int, int, int]]:
    """Of each group the part of the picture that it has: left, top, width, height."""
    count = len(scene.groups)
    if count == 1:
        return [(0, 0, SIDE, SIDE)]
    shares = [math.sqrt(group.count) + rng.uniform(0.5, 1.5) for group in scene.groups]
    edges = [0, *(round(SIDE * sum(shares[: n + 1]) / sum(shares)) for n in range(count))]
    regions = []
    for start, stop in pairwise(edges):
        along, other = (start, stop - start), (0, SIDE)
        (left, width), (top, height) = (along, other) if scene.arrangement is Arrangement.across else (other, along)
        regions.append((left, top, width, height))
    return regions


def _places(region: tuple[int, int, int, int], count: int, rng: random.Random) -> list[tuple[int, int, int]]:
    """Left, top and size of each thing, in cells of a grid as square as the region lets them be."""
    left, top, width, height = region
    columns = max(range(1, count + 1), key=lambda c: min(width / c, height / math.ceil(count / c)))
    rows = math.ceil(count / columns)
    wide, high = width // columns, height // rows
    size = round(min(wide, high) * rng.uniform(0.7, 0.98))
    size = max(min(size, LARGEST, wide, high), min(SMALLEST, wide, high))
    cells = rng.sample([(column, row) for row in range(rows) for column in range(columns)], count)
    return [
        (left + c * wide + rng.randint(0, wide - size), top + r * high + rng.randint(0, high - size), size)
        for c, r in cells
    ]


def _ground(rng: random.Random) -> UInt8[np.ndarray, "S S 3"]:
    """A light ground: plain, or with a slope, stripes or grain."""
    noise = np.random.default_rng(rng.getrandbits(32))
    colour = noise.uniform(165, 255, 3).astype(np.float32)
    ground: Float[np.ndarray, "S S 3"] = np.broadcast_to(colour, (SIDE, SIDE, 3)).copy()
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    turn = noise.uniform(0, 2 * math.pi)
    along = x * math.cos(turn) + y * math.sin(turn)
    kind = noise.integers(4)
    if kind == 1:
        ground += (along * noise.uniform(10, 40))[..., None]
    elif kind == 2:
        ground += (np.sin(along * noise.uniform(20, 60)) * noise.uniform(3, 10))[..., None]
    elif kind == 3:
        ground += noise.normal(0, noise.uniform(2, 7), (SIDE, SIDE, 1))
    pixels: UInt8[np.ndarray, "S S 3"] = np.clip(ground, 0, 255).astype(np.uint8)
    return pixels
