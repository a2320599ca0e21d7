"""Pictures as cameras and networks leave them: noisy, blurred, cut, or partly hidden.

Pixels are bytes of shape (rows, columns, 3). Strength 0 changes nothing. The same generator makes the same changes.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from heedmap.model.errors import ParameterError

Pixels = NDArray[np.uint8]
GREY = 128  # what hides a part: the middle of the range, so no edge stands out for its brightness alone


def gaussian_noise(pixels: Pixels, strength: float, draw: np.random.Generator) -> Pixels:
    """Noise on each value, of a standard deviation of strength x 255; what leaves the range is clipped."""
    _check(strength)
    noisy = pixels + draw.normal(0.0, strength * 255.0, pixels.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def blur(pixels: Pixels, strength: float) -> Pixels:
    """A Gaussian blur, of a standard deviation of strength x a tenth of the shorter side."""
    _check(strength)
    if not strength:
        return pixels.copy()
    radius = strength * min(pixels.shape[:2]) / 10
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def crop(pixels: Pixels, strength: float, draw: np.random.Generator) -> Pixels:
    """The share `strength` of the area cut away around a rectangle of the same proportions, enlarged to the whole."""
    _check(strength)
    height, width = pixels.shape[:2]
    tall, wide = (max(1, round(side * math.sqrt(1 - strength))) for side in (height, width))
    top, left = int(draw.integers(height - tall + 1)), int(draw.integers(width - wide + 1))
    part = pixels[top : top + tall, left : left + wide]
    if (tall, wide) == (height, width):
        return part.copy()
    return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BILINEAR))


def occlusion(pixels: Pixels, strength: float, draw: np.random.Generator) -> Pixels:
    """A grey rectangle of the picture's proportions over the share `strength` of its area."""
    _check(strength)
    height, width = pixels.shape[:2]
    tall, wide = (round(side * math.sqrt(strength)) for side in (height, width))
    top, left = int(draw.integers(height - tall + 1)), int(draw.integers(width - wide + 1))
    hidden = pixels.copy()
    hidden[top : top + tall, left : left + wide] = GREY
    return hidden


def _check(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise ParameterError(f"a strength is from 0 to 1, got {strength:g}", field="strengths")
