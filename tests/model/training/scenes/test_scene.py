"""Pictures of scenes: things where the caption says, boxes around them, combinations that are held out."""

import random
from itertools import pairwise

import numpy as np
import pytest

from heedmap.model.training.scenes.drawings import tinted
from heedmap.model.training.scenes.nouns import COLOURS
from heedmap.model.training.scenes.scene import (
    COUNTS,
    HELD_OUT,
    SIDE,
    Arrangement,
    Group,
    Painter,
    Scene,
    drawn_by_lot,
)
from tests.model.training.scenes.drawn import drawn


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter(drawn())


def test_groups_stand_as_the_scene_says_and_in_their_boxes(painter: Painter) -> None:
    rng = random.Random(1)
    for _ in range(60):
        picture = painter.paint(drawn_by_lot(rng, held_out=False), rng)
        assert picture.pixels.shape == (SIDE, SIDE, 3)
        for index, (left, top, right, bottom) in enumerate(picture.boxes):
            rows, columns = np.nonzero(picture.shown == index)
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (left, top, right, bottom)
        for before, behind in pairwise(picture.boxes):
            if picture.scene.arrangement is Arrangement.across:
                assert before[2] <= behind[0]
            else:
                assert before[3] <= behind[1]


@pytest.mark.parametrize("count", range(1, 6))
def test_there_are_as_many_things_as_the_scene_says(painter: Painter, count: int) -> None:
    picture = painter.paint(Scene((Group(2, count),), Arrangement.alone), random.Random(count))
    assert islands(picture.shown == 0) == count


def islands(inked: np.ndarray) -> int:
    """Connected parts, by flooding one after the other."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(inked), strict=True)}
    found = 0
    while left:
        found, waiting = found + 1, [left.pop()]
        while waiting:
            y, x = waiting.pop()
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            waiting += near
    return found


def test_the_same_lot_paints_the_same_picture(painter: Painter) -> None:
    one, other = (painter.paint(drawn_by_lot(rng, True), rng) for rng in (random.Random(9), random.Random(9)))
    assert one.scene == other.scene
    assert np.array_equal(one.pixels, other.pixels)


def test_what_is_held_out_no_training_scene_has() -> None:
    rng = random.Random(2)
    kept = [drawn_by_lot(rng, held_out=False) for _ in range(1500)]
    together = {pair for scene in kept for pair in pairs(scene)}
    numbers = {(scene.groups[0].noun, scene.groups[0].count) for scene in kept if len(scene.groups) == 1}
    for _ in range(100):
        scene = drawn_by_lot(rng, held_out=True)
        if len(scene.groups) == 1:
            assert (scene.groups[0].noun, scene.groups[0].count) not in numbers
        else:
            assert not pairs(scene) <= together
    assert all(group.count <= COUNTS[len(scene.groups)] for scene in kept for group in scene.groups)
    share = np.mean(
        [Scene((Group(a, 1), Group(b, 1)), Arrangement.across).held_out for a in range(70) for b in range(a)]
    )
    assert 0.5 / HELD_OUT < share < 2 / HELD_OUT


def pairs(scene: Scene) -> set[tuple[int, int]]:
    nouns = [group.noun for group in scene.groups]
    return {(a, b) for a in nouns for b in nouns if a < b}


def test_a_tint_changes_hues_alone() -> None:
    drawing = np.array([[(200, 40, 40, 255), (90, 90, 90, 255)], [(0, 0, 0, 255), (255, 255, 255, 0)]], dtype=np.uint8)
    names = [colour[0] for colour in COLOURS]
    green = tinted(drawing, names.index("green"))
    assert green[0, 0].tolist()[1] > 2 * green[0, 0].tolist()[0]
    assert green[0, 1].tolist() == drawing[0, 1].tolist()
    assert green[1].tolist() == drawing[1].tolist()
    # Hue 0, saturation min(1, 1.25 * 160 / 200), value 0.35 + 0.65 * 200 / 255.
    assert tinted(drawing, names.index("red"))[0, 0].tolist() == [219, 0, 0, 255]
