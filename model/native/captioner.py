"""A native captioner, served: a picture in, what it writes about it and traces out."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from heedmap.model.contract import Axis
from heedmap.model.errors import ParameterError
from heedmap.model.kinds import wrong_kind
from heedmap.model.media import open_image
from heedmap.model.native.feature_passes import Source
from heedmap.model.native.feature_transformer import PatchInput, patches
from heedmap.model.native.features import FeatureModel
from heedmap.model.prediction import Inputs


class Captioner(FeatureModel):
    """What a decoder writes about a picture that an encoder saw in patches, as `generated_text`.

    Axes: `source`, the patches; `target`; `prefix`, what the decoder had read at each position of the target. A picture
    of any size is resized to the network's square.
    """

    task = "image-to-text"
    spoken = "tgt_lang"
    key = "generated_text"

    def read(self, inputs: Inputs) -> Source:
        """The patches of a picture, with their boxes in it.

        Raises:
            InputError: there is none, or it cannot be read; or there is a text beside it.
        """
        if not isinstance(inputs, Mapping) or not isinstance(inputs.get("image"), bytes):
            raise wrong_kind(inputs, self.task, "an image")
        if inputs.get("text") is not None:
            raise ParameterError("this model writes about a picture and reads no text beside it", field="inputs.text")
        what = self.network.config.input
        assert isinstance(what, PatchInput), "a captioner sees"
        picture = open_image(inputs["image"])
        resized = picture.resize((what.side, what.side), Image.Resampling.BILINEAR)
        return Source(features_of([np.asarray(resized)], what)[0], patch_axis(picture.size, what))


def features_of(pictures: Sequence[np.ndarray], what: PatchInput) -> Float[Tensor, "B K E"]:
    """What a network reads of pictures of its own size, (S S 3) bytes each."""
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return patches(pixels.float() / 127.5 - 1, what.patch)


def patch_axis(size: tuple[int, int], what: PatchInput) -> Axis:
    """The axis of a picture's patches, row by row, with boxes in a picture of this width and height."""
    cells = [(row, column) for row in range(what.grid) for column in range(what.grid)]
    across, down = (length / what.grid for length in size)
    boxes = [(c * across, r * down, (c + 1) * across, (r + 1) * down) for r, c in cells]
    count = len(cells)
    return Axis(
        "image",
        [f"{row},{column}" for row, column in cells],
        [-1] * count,
        [(0, 0)] * count,
        [False] * count,
        boxes=[*boxes],
        size=size,
    )
