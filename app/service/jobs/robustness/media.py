"""Pictures and recordings, perturbed: decoded once, and written again for the model to read."""

import io
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from heedmap.app.service.jobs.robustness.request import GRID, Name
from heedmap.model.media import open_audio, open_image
from heedmap.model.robustness.audio import white_noise
from heedmap.model.robustness.pictures import GREY, Pixels, blur, crop, gaussian_noise, occlusion

PIXELS = 1 << 22  # of a picture that is perturbed: larger ones are scaled down first, as every model does further

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of a picture's width and height."""


class Picture:
    """A picture, and what came with it."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        """Raises:
        InputError: it cannot be read.
        """
        image = open_image(inputs["image"])
        scale = (PIXELS / (image.width * image.height)) ** 0.5
        if scale < 1:
            image = image.resize((max(1, int(image.width * scale)), max(1, int(image.height * scale))))
        self.inputs, self.pixels = dict(inputs), np.asarray(image)

    def plain(self) -> dict[str, Any]:
        """The input as it is."""
        return self._written(self.pixels)

    def perturbed(self, name: Name, strength: float, draw: np.random.Generator) -> dict[str, Any]:
        """The input, perturbed."""
        match name:
            case "noise":
                return self._written(gaussian_noise(self.pixels, strength, draw))
            case "blur":
                return self._written(blur(self.pixels, strength))
            case "crop":
                return self._written(crop(self.pixels, strength, draw))
        assert name == "occlusion", name
        return self._written(occlusion(self.pixels, strength, draw))

    def occluded(self) -> Iterator[tuple[Box, dict[str, Any]]]:
        """The input with one cell of a grid hidden after the other.

        Source: Zeiler and Fergus, Visualizing and understanding convolutional networks, ECCV 2014.
        """
        height, width = self.pixels.shape[:2]
        tops, lefts = (np.linspace(0, side, GRID + 1).round().astype(int) for side in (height, width))
        for top, bottom in pairwise(tops):
            for left, right in pairwise(lefts):
                hidden = self.pixels.copy()
                hidden[top:bottom, left:right] = GREY
                yield (left / width, top / height, right / width, bottom / height), self._written(hidden)

    def _written(self, pixels: Pixels) -> dict[str, Any]:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)  # read again at once
        return {**self.inputs, "image": file.getvalue()}


class Recording:
    """A recording, one channel, at its own rate."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        """Raises:
        InputError: it cannot be read.
        """
        import soundfile  # an optional part: models that hear bring it

        self.rate = 16_000
        try:
            with soundfile.SoundFile(io.BytesIO(inputs["audio"])) as file:
                self.rate = file.samplerate
        except soundfile.SoundFileError:
            pass  # `open_audio` says what is wrong
        self.samples: NDArray[np.float32] = open_audio(inputs["audio"], self.rate)

    def plain(self) -> dict[str, Any]:
        """The input as it is."""
        return self._written(self.samples)

    def perturbed(self, name: Name, strength: float, draw: np.random.Generator) -> dict[str, Any]:
        """The input with noise, at this signal-to-noise ratio in decibels."""
        assert name == "noise", name
        return self._written(white_noise(self.samples, strength, draw))

    def _written(self, samples: NDArray[np.float32]) -> dict[str, Any]:
        import soundfile

        file = io.BytesIO()
        soundfile.write(file, samples, self.rate, format="WAV", subtype="FLOAT")  # which clips nothing
        return {"audio": file.getvalue()}


def opened(inputs: Mapping[str, Any]) -> Picture | Recording:
    """A picture or a recording.

    Raises:
        InputError: it cannot be read.
    """
    return Picture(inputs) if "image" in inputs else Recording(inputs)
