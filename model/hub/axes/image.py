"""Axes of pictures: which pixels of the upload each patch of a vision model was made from.

An image processor resizes and crops before the model cuts patches, so a patch's box is carried back through both. Where
a processor does something else than is known here, patches keep their row and column and have no box: none is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from heedmap.model.contract import Axis
from heedmap.model.errors import CheckpointError
from heedmap.model.hub.families import CLASS, family_of, supported

Box = tuple[float, float, float, float]

# Whose steps are: pad to a square where asked, resize, crop the centre, normalise, pad at the right and bottom.
PLAIN = ("PilBackend", "BeitImageProcessorPil", "LlavaImageProcessorPil")


@dataclass(frozen=True)
class Geometry:
    """How the processor's pixels lie in the upload: x = left + scale_x * column, y = top + scale_y * row.

    size: (width, height) of the upload. shape: (height, width) of the processor's output. known: false where the
    processor's steps are not known, and no box can be told.
    """

    size: tuple[int, int]
    shape: tuple[int, int]
    left: float = 0.0
    top: float = 0.0
    scale_x: float = 1.0
    scale_y: float = 1.0
    known: bool = True

    def box(self, top: int, left: int, height: int, width: int) -> Box | None:
        """A rectangle of the processor's pixels in those of the upload, clipped to both; None where that is empty."""
        if not self.known:
            return None
        columns = (self.left + self.scale_x * min(x, self.shape[1]) for x in (left, left + width))
        rows = (self.top + self.scale_y * min(y, self.shape[0]) for y in (top, top + height))
        x0, x1 = (min(max(x, 0.0), float(self.size[0])) for x in columns)
        y0, y1 = (min(max(y, 0.0), float(self.size[1])) for y in rows)
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def geometry(processor: Any, size: tuple[int, int], shape: tuple[int, int]) -> Geometry:
    """What the image processor did to a picture of this (width, height), given its output's (height, width)."""
    owners = {name: _owner(processor, name) for name in ("_preprocess", "resize")}
    if owners == {"_preprocess": "Qwen2VLImageProcessorPil", "resize": "Qwen2VLImageProcessorPil"}:
        return _resized(size, shape, shape)  # it resizes to whole patches, and nothing else
    if owners["_preprocess"] not in PLAIN or owners["resize"] != "PilBackend":
        return Geometry(size, shape, known=False)
    width, height = size
    across = down = 0
    if owners["_preprocess"] == "LlavaImageProcessorPil" and processor.do_pad:
        side = max(size)
        across, down = (side - width) // 2, (side - height) // 2
        width = height = side
    resized = _target(processor.size, height, width) if processor.do_resize else (height, width)
    processed = (processor.crop_size.height, processor.crop_size.width) if processor.do_center_crop else resized
    if processed != shape and not processor.do_pad:
        return Geometry(size, shape, known=False)
    placement = _resized((width, height), resized, shape)
    if processor.do_center_crop:
        crop = processor.crop_size
        rows, columns = _first(resized[0], crop.height), _first(resized[1], crop.width)
        placement = replace(placement, left=columns * placement.scale_x, top=rows * placement.scale_y)
    return replace(placement, size=size, left=placement.left - across, top=placement.top - down)


def vision_config(config: Any) -> Any:
    """The configuration of a model's vision tower, which may be the whole model's."""
    return getattr(config, "vision_config", None) or getattr(config, "encoder", None) or config


def before(config: Any) -> tuple[str, ...]:
    """Labels of the positions before the patches, in the order of the vision tower with this configuration.

    Raises:
        CheckpointError: the family's layout is not known.
    """
    labels = family_of(config).before_patches
    if labels is None:
        raise CheckpointError(
            f"how {config.model_type} lays out its patches is not known; known are {supported('before_patches')}"
        )
    registers = getattr(config, "num_register_tokens", 0) or 0
    return (*labels, *(f"[REG{index}]" for index in range(registers)))


def halves(config: Any) -> bool:
    """Whether the vision tower with this configuration halves its grid at each stage (Swin)."""
    return family_of(config).windowed_layer is not None


def patch_size(config: Any) -> tuple[int, int]:
    """Height and width of a patch in the processor's pixels."""
    size = config.patch_size
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def patch_axis(
    geometry: Geometry,
    patch: tuple[int, int],
    labels: Sequence[str] = (CLASS,),
    blocks: int = 1,
    grid: tuple[int, int] | None = None,
) -> Axis:
    """The axis of a grid of patches in raster order, after positions that are no patches.

    patch: height and width in the processor's pixels. labels: of the positions before the patches. blocks: the grid is
    read in blocks of so many patches a side, each in raster order (Qwen2-VL). grid: rows and columns, the whole patches
    of the processor's output unless given; what lies beyond the picture is special and has no box.
    """
    high, wide = patch
    rows, columns = grid or (geometry.shape[0] // high, geometry.shape[1] // wide)
    cells = [
        (row + inner, column + across)
        for row in range(0, rows, blocks)
        for column in range(0, columns, blocks)
        for inner in range(blocks)
        for across in range(blocks)
    ]
    boxes = [geometry.box(row * high, column * wide, high, wide) for row, column in cells]
    length = len(labels) + len(cells)
    return Axis(
        "image",
        [*labels, *(f"{row},{column}" for row, column in cells)],
        [-1] * length,
        [(0, 0)] * length,
        [*[True] * len(labels), *(geometry.known and box is None for box in boxes)],
        boxes=[*[None] * len(labels), *boxes],
        size=geometry.size,
    )


def picture_axes(geometry: Geometry, config: Any, name: str) -> dict[str, Axis]:
    """The axes of a vision tower: one of this name, or "stage0", "stage1", ... where it halves its grid at each stage.

    Raises:
        CheckpointError: the family's layout is not known.
    """
    labels, patch = before(config), patch_size(config)
    if not halves(config):
        return {name: patch_axis(geometry, patch, labels)}
    axes = {}
    for stage in range(len(config.depths)):
        high, wide = (side << stage for side in patch)
        grid = stage_grid(geometry, (high, wide), config.window_size)
        axes[f"stage{stage}"] = patch_axis(geometry, (high, wide), labels, grid=grid)
    return axes


def stage_grid(geometry: Geometry, patch: tuple[int, int], window: int) -> tuple[int, int]:
    """Rows and columns of a stage of Swin, those included that fill its last windows up.

    patch: height and width in the processor's pixels, at this stage.
    """
    rows, columns = (ceil(length / side) for length, side in zip(geometry.shape, patch, strict=True))
    window = min(rows, columns, window)  # a grid no larger than a window is one window
    return ceil(rows / window) * window, ceil(columns / window) * window


def _owner(processor: Any, method: str) -> str:
    """The class that a processor has this method from."""
    return next((each.__name__ for each in type(processor).__mro__ if method in vars(each)), "")


def _resized(size: tuple[int, int], resized: tuple[int, int], shape: tuple[int, int]) -> Geometry:
    return Geometry(size, shape, scale_x=size[0] / resized[1], scale_y=size[1] / resized[0])


def _target(size: Any, height: int, width: int) -> tuple[int, int]:
    """The (height, width) that transformers' own arithmetic resizes to, its rounding included."""
    from transformers.image_transforms import get_size_with_aspect_ratio
    from transformers.image_utils import get_image_size_for_max_height_width

    if size.shortest_edge and size.longest_edge:
        high, wide = get_size_with_aspect_ratio((height, width), size.shortest_edge, size.longest_edge)
    elif size.shortest_edge:
        long = int(size.shortest_edge * max(height, width) / min(height, width))
        high, wide = (long, size.shortest_edge) if width <= height else (size.shortest_edge, long)
    elif size.max_height and size.max_width:
        high, wide = get_image_size_for_max_height_width((height, width), size.max_height, size.max_width)
    else:
        high, wide = size.height, size.width
    return int(high), int(wide)


def _first(length: int, crop: int) -> int:
    """The first of the resized pixels that a centre crop keeps; negative where it pads a shorter side in front."""
    pad = ceil((max(crop, length) - length) / 2)
    return max(0, (length - crop) // 2 + pad) - pad
