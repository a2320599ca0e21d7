"""Where patches lie in the picture as it was given: by hand, and by painting them and looking which inputs change."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image

from heedmap.model.contract import Axis
from heedmap.model.errors import CheckpointError
from heedmap.model.hub.axes.image import before, geometry, patch_axis, picture_axes, stage_grid

SQUARE = {"height": 32, "width": 32}


def cropping(short: int = 40, crop: int = 32) -> Any:
    """CLIP's way: the short side is scaled, the middle is cropped."""
    return hf.CLIPImageProcessorPil(size={"shortest_edge": short}, crop_size={"height": crop, "width": crop})


def axis_of(processor: Any, size: tuple[int, int], patch: int = 8, blocks: int = 1) -> Axis:
    """The axis of a picture of this (width, height) after it went through the processor."""
    processed = processor(images=[Image.new("RGB", size)], return_tensors="pt")
    if "image_grid_thw" in processed:
        _, rows, columns = processed["image_grid_thw"][0].tolist()
        shape = (rows * patch, columns * patch)
    else:
        shape = tuple(processed["pixel_values"].shape[-2:])
    return patch_axis(geometry(processor, size, shape), (patch, patch), (), blocks)


def boxes(axis: Axis) -> dict[str, Any]:
    """The boxes by their labels."""
    assert axis.boxes is not None
    return dict(zip(axis.labels, axis.boxes, strict=True))


def test_an_exact_resize_stretches_the_boxes() -> None:
    rectangles = boxes(axis_of(hf.ViTImageProcessorPil(size=SQUARE), (64, 48)))
    assert rectangles["0,0"] == (0, 0, 16, 12)
    assert rectangles["0,3"] == (48, 0, 64, 12)
    assert rectangles["3,1"] == (16, 36, 32, 48)
    assert len(rectangles) == 16


def test_a_crop_keeps_the_boxes_inside_it() -> None:
    rectangles = boxes(axis_of(cropping(), (120, 80)))  # halved to 60 x 40, cropped from (14, 4)
    assert rectangles["0,0"] == (28, 8, 44, 24)
    assert rectangles["3,3"] == (76, 56, 92, 72)
    assert all(box is not None and 28 <= box[0] < box[2] <= 92 for box in rectangles.values())


def test_a_tall_picture_is_cropped_above_and_below() -> None:
    rectangles = boxes(axis_of(cropping(), (40, 100)))  # as it is, cropped from (4, 34)
    assert rectangles["0,0"] == (4, 34, 12, 42)


def test_an_odd_rest_is_cropped_as_the_processor_does() -> None:
    rectangles = boxes(axis_of(cropping(), (45, 40)))  # 13 columns too many: 6 at the left, 7 at the right
    assert rectangles["0,0"] == (6, 4, 14, 12)


def test_a_crop_larger_than_the_picture_has_patches_of_nothing() -> None:
    axis = axis_of(cropping(short=8), (40, 8))  # padded by 12 rows above and below, cropped from column 4
    rectangles = boxes(axis)
    assert [rectangles[f"{row},0"] for row in range(4)] == [None, (4, 0, 12, 4), (4, 4, 12, 8), None]
    assert axis.special == [row in (0, 3) for row in range(4) for _ in range(4)]


def test_llava_pads_to_a_square_first() -> None:
    processor = hf.LlavaImageProcessorPil(size={"shortest_edge": 32}, crop_size=SQUARE, do_pad=True)
    axis = axis_of(processor, (64, 32))  # 16 rows of padding above, then halved
    rectangles = boxes(axis)
    assert [rectangles[f"{row},1"] for row in range(4)] == [None, (16, 0, 32, 16), (16, 16, 32, 32), None]


def test_class_token_distillation_token_and_registers_stand_first() -> None:
    layout = geometry(hf.ViTImageProcessorPil(size=SQUARE), (64, 48), (32, 32))
    deit = picture_axes(layout, hf.DeiTConfig(patch_size=16), "patches")["patches"]
    assert deit.labels == ["[CLS]", "[DIST]", "0,0", "0,1", "1,0", "1,1"]
    assert deit.special == [True, True, False, False, False, False]
    assert deit.boxes is not None
    assert deit.boxes[:3] == [None, None, (0, 0, 32, 24)]
    assert (deit.kind, deit.size, deit.ids, deit.spans) == ("image", (64, 48), [-1] * 6, [(0, 0)] * 6)
    registers = hf.Dinov2WithRegistersConfig(num_register_tokens=2)
    assert before(registers) == ("[CLS]", "[REG0]", "[REG1]")
    assert Axis.from_json(deit.to_json()) == deit


def test_swins_stages_have_their_own_grids() -> None:
    processor = hf.ViTImageProcessorPil(size={"height": 21, "width": 21})
    config = hf.SwinConfig(patch_size=2, window_size=4, depths=[2, 2])
    axes = picture_axes(geometry(processor, (42, 42), (21, 21)), config, "patches")
    assert list(axes) == ["stage0", "stage1"]
    assert [len(axis) for axis in axes.values()] == [12 * 12, 8 * 8]  # 11 x 11 and 6 x 6, filled up to whole windows
    first, second = (boxes(axis) for axis in axes.values())
    assert first["0,0"] == (0, 0, 4, 4)
    assert first["10,10"] == (40, 40, 42, 42)  # half a patch
    assert first["11,0"] is None
    assert second["2,1"] == (8, 16, 16, 24)
    assert second["5,5"] == (40, 40, 42, 42)
    special = dict(zip(axes["stage1"].labels, axes["stage1"].special, strict=True))
    assert [special[label] for label in ("0,0", "5,5", "5,6", "6,0")] == [False, False, True, True]


def test_a_grid_no_larger_than_a_window_is_one_window() -> None:
    layout = geometry(hf.ViTImageProcessorPil(size=SQUARE), (32, 32), (32, 32))
    assert stage_grid(layout, (8, 8), 7) == (4, 4)
    assert stage_grid(layout, (8, 8), 3) == (6, 6)


def test_qwen_reads_its_patches_in_blocks_of_four() -> None:
    processor = hf.Qwen2VLImageProcessorPil(patch_size=8, min_pixels=256, max_pixels=4096)
    axis = axis_of(processor, (64, 32), blocks=2)
    assert axis.labels[:6] == ["0,0", "0,1", "1,0", "1,1", "0,2", "0,3"]
    assert boxes(axis)["1,2"] == (16, 8, 24, 16)
    assert len(axis) == 4 * 8


def test_a_processor_that_is_not_known_gets_no_boxes() -> None:
    class Mirrored(hf.ViTImageProcessorPil):
        def _preprocess(self, images: Any, *args: Any, **options: Any) -> Any:
            return super()._preprocess([image[..., ::-1] for image in images], *args, **options)

    axis = axis_of(Mirrored(size=SQUARE), (64, 48))
    assert set(boxes(axis).values()) == {None}
    assert axis.special == [False] * 16
    assert axis.size == (64, 48)


def test_a_family_whose_layout_is_not_known_is_refused() -> None:
    with pytest.raises(CheckpointError, match="how pvt lays out its patches is not known; known are beit"):
        before(hf.PvtConfig())


PROCESSORS = {
    "stretched": (hf.ViTImageProcessorPil(size=SQUARE), 1),
    "cropped": (cropping(), 1),
    "cropped-larger": (cropping(short=24), 1),
    "longest": (hf.CLIPImageProcessorPil(size={"shortest_edge": 32, "longest_edge": 48}, do_center_crop=False), 1),
    "padded": (hf.LlavaImageProcessorPil(size={"shortest_edge": 32}, crop_size=SQUARE, do_pad=True), 1),
    "beit": (hf.BeitImageProcessorPil(size=SQUARE, do_center_crop=True, crop_size={"height": 24, "width": 24}), 1),
    "qwen": (hf.Qwen2VLImageProcessorPil(patch_size=8, min_pixels=256, max_pixels=2048), 2),
}


def embedded(processor: Any, pixels: np.ndarray) -> torch.Tensor:
    """What the patch embedding gets of each patch, in the order of its positions."""
    processed = processor(images=[Image.fromarray(pixels)], return_tensors="pt")
    if "image_grid_thw" in processed:
        return processed["pixel_values"]
    patches = torch.nn.functional.unfold(processed["pixel_values"], 8, stride=8)
    return patches[0].T


@pytest.mark.parametrize("size", [(96, 64), (57, 131), (200, 90)], ids=str)
@pytest.mark.parametrize("name", PROCESSORS)
def test_painting_a_box_changes_its_patch(name: str, size: tuple[int, int]) -> None:
    processor, blocks = PROCESSORS[name]
    axis = axis_of(processor, size, blocks=blocks)
    grey = np.full((size[1], size[0], 3), 128, dtype=np.uint8)
    plain = embedded(processor, grey)
    assert len(plain) == len(axis)
    assert axis.boxes is not None
    for index, box in enumerate(axis.boxes):
        if box is None:
            continue
        left, top, right, bottom = box
        across, down = (right - left) / 4, (bottom - top) / 4
        x0, x1, y0, y1 = (round(side) for side in (left + across, right - across, top + down, bottom - down))
        painted = grey.copy()
        painted[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)] = 255
        change = (embedded(processor, painted) - plain).abs().sum(dim=1)
        assert int(change.argmax()) == index, axis.labels[index]
        assert change[index] > 0.9 * change.sum()
