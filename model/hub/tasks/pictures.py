"""What the tasks that see have in common: a request's picture as tensors, and where in it the tensors lie."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from heedmap.model.contract import Inputs
from heedmap.model.errors import CheckpointError, ParameterError
from heedmap.model.hub.axes.image import Geometry, before, geometry, vision_config
from heedmap.model.hub.loaded import Loaded
from heedmap.model.kinds import wrong_kind
from heedmap.model.media import open_image

GREY, COLOURED = 1, 3  # channels
CHANNELS = ("num_channels", "in_channels", "in_chans")  # what configurations call their number


def tower_of(loaded: Loaded) -> Any:
    """The configuration of what a checkpoint sees with.

    Raises:
        CheckpointError: it has no image processor, or how it sees a picture is not known.
    """
    if loaded.image_processor is None:
        raise CheckpointError("the checkpoint has no preprocessor_config.json, so nothing says how it sees a picture")
    config = vision_config(loaded.config)
    before(config)
    normalisation(loaded.image_processor, channels_of(config))
    return config


def channels_of(config: Any) -> int:
    """How many channels a vision tower of this configuration reads: 1 of a grey picture, 3 of a coloured one.

    Raises:
        CheckpointError: another number, for which nothing says what the channels stand for.
    """
    channels = next((value for name in CHANNELS if (value := getattr(config, name, None)) is not None), COLOURED)
    if channels not in (GREY, COLOURED):
        raise CheckpointError(
            f"the model reads pictures of {channels} channels; those of 1 (grey) and of 3 (RGB) can be served"
        )
    return int(channels)


def normalisation(processor: Any, channels: int) -> dict[str, list[float]]:
    """Mean and standard deviation for pictures of so many channels, where the processor has another number of them.

    One value holds for every channel, and three equal ones for the only one.

    Raises:
        CheckpointError: there are other numbers of values, which differ.
    """
    options = {}
    for name in ("image_mean", "image_std"):
        values = getattr(processor, name, None)
        if not isinstance(values, Sequence) or len(values) == channels or not getattr(processor, "do_normalize", False):
            continue
        if len(set(values)) != 1:
            raise CheckpointError(
                f"preprocessor_config.json has {len(values)} different values of {name} for pictures of {channels} "
                f"channel{'' if channels == 1 else 's'}: write as many as there are channels, or one for all"
            )
        options[name] = [float(values[0])] * channels
    return options


def picture_of(inputs: Inputs, task: str, reads: str = "an image") -> Image:
    """The picture of a request of this task.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    if not isinstance(inputs, Mapping) or not isinstance(inputs.get("image"), bytes):
        raise wrong_kind(inputs, task, reads)
    return open_image(inputs["image"])


def preprocess(loaded: Loaded, picture: Image) -> tuple[dict[str, Tensor], Geometry]:
    """The image processor's tensors of a picture, and where its pixels lie in it.

    Raises:
        ParameterError: the processor refuses the picture.
    """
    processor, channels = loaded.image_processor, channels_of(vision_config(loaded.config))
    options: dict[str, Any] = normalisation(processor, channels)
    if channels == GREY:
        picture = picture.convert("L")
        options["do_convert_rgb"] = False
    try:
        processed: Mapping[str, Any] = processor(images=[picture], return_tensors="pt", **options)
    except ValueError as error:  # a side of no pixels after resizing, and the like
        raise ParameterError(
            f"the model's image processor refuses the picture: {error}", field="inputs.image"
        ) from error
    tensors = {name: value for name, value in processed.items() if isinstance(value, Tensor)}
    pixels = tensors["pixel_values"]
    if "image_grid_thw" in tensors:  # patches already cut
        _, rows, columns = (int(side) for side in tensors["image_grid_thw"][0])
        shape = (rows * int(processor.patch_size), columns * int(processor.patch_size))
    else:
        shape = (pixels.shape[-2], pixels.shape[-1])
    return tensors, geometry(processor, picture.size, shape)


def one_shape(processor: Any) -> bool:
    """Whether an image processor makes pictures of every shape into tensors of one, which can share a batch."""
    size = getattr(processor, "size", None)
    exact = bool(getattr(processor, "do_resize", False) and size is not None and size.height and size.width)
    return exact or bool(getattr(processor, "do_center_crop", False))


def ranked(labels: Mapping[int, str] | Sequence[str], scores: Tensor, top: int) -> list[dict[str, Any]]:
    """The best labels with their scores, best first; equal ones in the order in which they stand."""
    order = torch.sort(scores, descending=True, stable=True).indices[:top].tolist()
    return [{"label": labels[index], "score": float(scores[index])} for index in order]
