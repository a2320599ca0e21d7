"""The families that see: encoders over patches, in windows too, and CLIP's two towers."""

from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor

from tests.model.hub.family import (
    CAUSAL,
    FULL,
    HEADS,
    PATCHES,
    TOKENS,
    VOCABULARY,
    WIDTH,
    Family,
    configured,
    pixels,
    read,
    square,
)

TOWER = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
TEXT_TOWER = {
    **{name: value for name, value in TOWER.items() if "size" not in name},
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CLASSED = PATCHES + 1  # the class token stands before the patches


def vision_inputs() -> dict[str, Tensor]:
    """Inputs of a model that sees a picture."""
    return {"pixel_values": pixels()}


def vision(name: str, model: str, config: Callable[[], Any], length: int = CLASSED, **more: Any) -> Family:
    """One bidirectional stack over patches."""
    more.setdefault("masks", {"encoder": (FULL, FULL)})
    lengths, outputs = square("encoder", length), {"encoder": "attentions"}
    return Family(name, model, config, vision_inputs, {"encoder": 2}, lengths, outputs, **more)


def swin(name: str, window: int, height: int, width: int, stages: tuple[int, ...], **more: Any) -> Family:
    """Windowed attention in stages, each with a grid of half the side; every second layer shifts its windows."""
    shape = {"embed_dim": 16, "depths": [2] * len(stages), "num_heads": [2 * 2**stage for stage in range(len(stages))]}
    options = {"window_size": window, "image_size": (height, width), "patch_size": 2, "num_labels": 5, **shape}
    sites = {f"stage{stage}": 2 for stage in range(len(stages))}
    row = {site: (patches, patches) for site, patches in zip(sites, stages, strict=True)}
    heads = dict(zip(sites, shape["num_heads"], strict=True))
    hooked = {site: rf"encoder\.layers\.{site[-1]}\.blocks\.\d+\.attention" for site in sites}
    inputs = {"pixel_values": pixels(height, width)}
    return Family(
        name,
        "SwinForImageClassification",
        lambda: transformers.SwinConfig(**options),
        lambda: dict(inputs),
        sites,
        (row, row),
        hooked=hooked,
        heads=heads,
        **more,
    )


def composed(kind: str, vision_type: str | None, text_type: str | None, **options: Any) -> Callable[[], Any]:
    """A configuration of two parts."""
    towers = {
        "vision_config": {"model_type": vision_type, **TOWER},
        "text_config": {"model_type": text_type, **TEXT_TOWER},
    }
    for part, more in options.pop("parts", {}).items():
        towers[part].update(more)
    parts = {name: {k: v for k, v in part.items() if v is not None} for name, part in towers.items()}
    return lambda: configured(kind, **parts, **options)()


def clip() -> dict[str, Tensor]:
    """Two texts, each with the end token that CLIP pools, and two pictures."""
    texts = read()()
    texts["input_ids"][torch.arange(2), torch.tensor(TOKENS) - 1] = 2
    return {**texts, **vision_inputs()}


VISION = [
    vision("vit", "ViTForImageClassification", configured("vit", **TOWER, num_labels=5)),
    vision("deit", "DeiTForImageClassificationWithTeacher", configured("deit", **TOWER), CLASSED + 1),
    vision("beit", "BeitForImageClassification", configured("beit", **TOWER, use_relative_position_bias=True)),
    vision("dinov2", "Dinov2ForImageClassification", configured("dinov2", **TOWER)),
    swin("swin", 4, 32, 32, (256, 64)),
    # Grids of 12 x 10 and 6 x 5, filled up to 12 x 12 and 8 x 8; the model attends to the filling too.
    swin("swin-padded", 4, 24, 20, (144, 64)),
    # The last stage is one window: nothing is left to shift.
    swin("swin-whole", 4, 16, 16, (64, 16)),
    Family(
        "clip",
        "CLIPModel",
        composed("clip", None, None, projection_dim=16),
        clip,
        {"text": 2, "vision": 2},
        tuple({"text": (t, t), "vision": (CLASSED, CLASSED)} for t in TOKENS),
        {"text": "text_model_output.attentions", "vision": "vision_model_output.attentions"},
        masks={"text": (CAUSAL, CAUSAL), "vision": (FULL, FULL)},
    ),
]
