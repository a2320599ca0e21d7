"""Where keys lie: how far apart two characters are under somebody's fingers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

NEAR = 1.5  # key widths: the keys around one, and none beyond them
STAGGER = (0.0, 0.5, 0.75, 1.25)  # by which the rows of a keyboard are moved to the right, in key widths (ISO 9995)


@dataclass(frozen=True)
class Keyboard:
    """A layout: the place of each character's key, in key widths from the left and rows from the top."""

    name: str
    places: Mapping[str, tuple[float, float]]

    def distance(self, one: str, other: str) -> float | None:
        """The distance of two keys in key widths; None where one of them is not on the keyboard."""
        first, second = (self.places.get(character.lower()) for character in (one, other))
        if first is None or second is None:
            return None
        across, down = first[0] - second[0], first[1] - second[1]
        return math.hypot(across, down)

    def near(self, character: str) -> list[tuple[str, float]]:
        """The keys around a character's own, with their distances, the nearest first."""
        others = [(key, self.distance(character, key)) for key in self.places if key != character.lower()]
        around = [(key, distance) for key, distance in others if distance is not None and distance <= NEAR]
        return sorted(around, key=lambda pair: (pair[1], pair[0]))


def layout(name: str, *rows: str) -> Keyboard:
    """A keyboard of four rows of keys, as somebody reads them from the left."""
    places: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        places |= {key: (STAGGER[number] + column, float(number)) for column, key in enumerate(row)}
    return Keyboard(name, places)


QWERTY = layout("qwerty", "1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./")
QWERTZ = layout("qwertz", "1234567890\u00df\u00b4", "qwertzuiop\u00fc+", "asdfghjkl\u00f6\u00e4#", "yxcvbnm,.-")
KEYBOARDS = {keyboard.name: keyboard for keyboard in (QWERTY, QWERTZ)}
