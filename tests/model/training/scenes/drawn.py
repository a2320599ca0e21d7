"""Drawings for tests: a disc or a square of a colour of its own for each noun, nothing of anybody's."""

from pathlib import Path

import numpy as np

from heedmap.model.training.scenes.drawings import CACHE, SIDE, STYLES
from heedmap.model.training.scenes.nouns import NOUNS


def drawn() -> dict[str, np.ndarray]:
    """Of each style a drawing of each noun; styles differ in how dark they are."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    disc, square = x**2 + y**2 < 26**2, np.maximum(abs(x), abs(y)) < 26
    styles = {}
    for dark, style in enumerate(STYLES):
        drawings = np.zeros((len(NOUNS), SIDE, SIDE, 4), np.uint8)
        for place in range(len(NOUNS)):
            inked = disc if place % 2 else square
            colour = [(place * 67) % 200 + 20, (place * 31) % 200 + 20, (place * 101) % 200 + 20]
            drawings[place][inked] = [*(part - 10 * dark for part in colour), 255]
        styles[style.name] = drawings
    return styles


def kept(folder: Path) -> Path:
    """A folder in which these lie as if they had been drawn there."""
    folder.mkdir(parents=True, exist_ok=True)
    codes = np.array([noun.code for noun in NOUNS])
    with (folder / CACHE).open("wb") as out:
        np.savez_compressed(out, allow_pickle=False, codes=codes, **drawn())
    return folder
