"""Texts as people write them: mistyped, with letters swapped, in the wrong case, with words left out.

A strength is the share of what could be changed that is, rounded to the nearest whole number: 0 changes nothing, and 1
all of it. The same generator makes the same changes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from heedmap.model.errors import ParameterError
from heedmap.model.robustness.keyboards import QWERTY, Keyboard

WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Perturbed:
    """A text that was changed, and the half-open ranges of characters of the original that were, in order."""

    text: str
    touched: list[tuple[int, int]]


def share_of(strength: float, most: int) -> int:
    """How many of so many are changed.

    Raises:
        ParameterError: the strength is not from 0 to 1.
    """
    if not 0 <= strength <= 1:
        raise ParameterError(f"a strength is from 0 to 1, got {strength:g}", field="strengths")
    return int(np.floor(strength * most + 0.5))


def typing_errors(text: str, strength: float, draw: np.random.Generator, keyboard: Keyboard = QWERTY) -> Perturbed:
    """Letters replaced by keys around theirs, a key half as far four times as often; cases stay."""
    places = [at for at, character in enumerate(text) if character.isalpha() and keyboard.near(character)]
    characters = list(text)
    chosen = _chosen(places, strength, draw)
    for at in chosen:
        keys, distances = zip(*keyboard.near(text[at]), strict=True)
        odds = np.array(distances) ** -2.0
        key = str(keys[int(draw.choice(len(keys), p=odds / odds.sum()))])
        characters[at] = key.upper() if text[at].isupper() and len(key.upper()) == 1 else key
    return Perturbed("".join(characters), [(at, at + 1) for at in chosen])


def swaps(text: str, strength: float, draw: np.random.Generator) -> Perturbed:
    """Neighbouring letters that differ, swapped: of all pairs that do not overlap, read from the left."""
    pairs, at = [], 0
    while at + 1 < len(text):
        if text[at].isalpha() and text[at + 1].isalpha() and text[at] != text[at + 1]:
            pairs.append(at)
            at += 1
        at += 1
    characters = list(text)
    chosen = _chosen(pairs, strength, draw)
    for at in chosen:
        characters[at], characters[at + 1] = characters[at + 1], characters[at]
    return Perturbed("".join(characters), [(at, at + 2) for at in chosen])


def casing(text: str, strength: float, draw: np.random.Generator) -> Perturbed:
    """Letters in the other case, where that is one letter too."""
    places = [at for at, c in enumerate(text) if c.swapcase() != c and len(c.swapcase()) == 1]
    characters = list(text)
    chosen = _chosen(places, strength, draw)
    for at in chosen:
        characters[at] = text[at].swapcase()
    return Perturbed("".join(characters), [(at, at + 1) for at in chosen])


def dropped_words(text: str, strength: float, draw: np.random.Generator) -> Perturbed:
    """Words left out with the space after them, never all: the strength is the share of all words but one."""
    words = [match.span() for match in WORD.finditer(text)]
    count = share_of(strength, max(0, len(words) - 1))
    chosen = sorted(int(index) for index in draw.choice(len(words), count, replace=False)) if count else []
    kept, at = [], 0
    for index in chosen:
        start, stop = words[index]
        end = words[index + 1][0] if index + 1 < len(words) else stop
        kept.append(text[at:start])
        at = end
    text = "".join([*kept, text[at:]])
    return Perturbed(text.rstrip() if chosen else text, [words[index] for index in chosen])


def _chosen(places: list[int], strength: float, draw: np.random.Generator) -> list[int]:
    """Some of these, in order."""
    count = share_of(strength, len(places))
    return sorted(int(at) for at in draw.choice(places, count, replace=False)) if count else []


Perturbation = Callable[[str, float, np.random.Generator], Perturbed]


def perturbations(keyboard: Keyboard = QWERTY) -> dict[str, Perturbation]:
    """All of them, by name."""
    return {
        "typing_errors": lambda text, strength, draw: typing_errors(text, strength, draw, keyboard),
        "swaps": swaps,
        "casing": casing,
        "dropped_words": dropped_words,
    }
