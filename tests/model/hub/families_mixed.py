"""The families that write about a picture: captioners and vision-language decoders."""

from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor

from tests.model.hub.families_vision import CLASSED, TEXT_TOWER, TOWER, composed, vision_inputs
from tests.model.hub.family import (
    CAUSAL,
    ENCODED,
    FULL,
    HEADS,
    PATCHES,
    TARGET,
    THREE,
    THREE_MASKS,
    TOKENS,
    WIDTH,
    Family,
    attended,
    configured,
    crossed,
    ids,
    written,
)

IMAGE = 5  # the id of the token that stands for a piece of the picture
GRIDS = ((4, 4), (4, 8))  # patches of Qwen2-VL's two pictures, which are of any size; four of them make one token
MERGED = (4, 8)


GPT2 = {"n_embd": WIDTH, "n_layer": 2, "n_head": HEADS, "n_positions": 64}
READER = {"add_cross_attention": True, "is_decoder": True}
QWEN2_SHAPE = {"embed_dim": WIDTH, "hidden_size": WIDTH, "num_heads": HEADS, "mlp_ratio": 2}
QWEN2_VISION = {**QWEN2_SHAPE, "depth": 2, "patch_size": 8}
QWEN2_ROTARY = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
QWEN2_TEXT = {**TEXT_TOWER, "num_key_value_heads": 2, "rope_parameters": QWEN2_ROTARY}


def captioned() -> dict[str, Tensor]:
    """Pictures and what is said of them."""
    return {**vision_inputs(), "input_ids": ids(TARGET, 0, 2), "attention_mask": attended(TARGET)}


def mixed_inputs(pieces: tuple[int, int]) -> dict[str, Tensor]:
    """Texts with a picture of so many tokens inside: a word, the picture, the rest."""
    lengths = tuple(1 + piece + tokens for piece, tokens in zip(pieces, TOKENS, strict=True))
    text = ids(lengths, 0, 1)
    for row, piece in enumerate(pieces):
        text[row, 1 : 1 + piece] = IMAGE
    return {"input_ids": text, "attention_mask": attended(lengths)}


def llava() -> dict[str, Tensor]:
    """Pictures of one size."""
    return {**mixed_inputs((PATCHES, PATCHES)), **vision_inputs()}


def qwen2_vl() -> dict[str, Tensor]:
    """Pictures of two sizes, their patches laid end to end."""
    text = mixed_inputs(MERGED)
    patches = sum(high * wide for high, wide in GRIDS)
    return {
        **text,
        "mm_token_type_ids": (text["input_ids"] == IMAGE).long(),
        "pixel_values": torch.randn(patches, 3 * 2 * 8 * 8, generator=torch.Generator().manual_seed(6)),
        "image_grid_thw": torch.tensor([(1, high, wide) for high, wide in GRIDS]),
    }


def captioner(name: str, decoder: Callable[[], Any]) -> Family:
    """A picture's encoder, and a decoder of another family that attends to it."""
    vit = configured("vit", **TOWER)
    return Family(
        name,
        "VisionEncoderDecoderModel",
        lambda: transformers.VisionEncoderDecoderConfig(encoder=vit().to_dict(), decoder=decoder().to_dict()),
        lambda: {**vision_inputs(), **written(0), "decoder_attention_mask": attended(TARGET)},
        THREE,
        crossed((CLASSED, CLASSED)),
        ENCODED,
        masks=THREE_MASKS,
    )


def qwen2_vl_alone(inputs: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """One text with its picture, without padding."""
    areas = [high * wide for high, wide in GRIDS]
    length = int(inputs["attention_mask"][row].sum())
    cut = {name: value[row : row + 1] for name, value in inputs.items() if name != "pixel_values"}
    texts = {name: value if name == "image_grid_thw" else value[:, :length] for name, value in cut.items()}
    return {**texts, "pixel_values": inputs["pixel_values"].split(areas)[row]}


def mixed(patches: tuple[int, int], pieces: tuple[int, int]) -> tuple[dict[str, tuple[int, int]], ...]:
    """The lengths of a vision-language decoder."""
    totals = [1 + piece + tokens for piece, tokens in zip(pieces, TOKENS, strict=True)]
    return tuple({"vision": (p, p), "decoder": (t, t)} for p, t in zip(patches, totals, strict=True))


MIXED = [
    captioner("vision-encoder-decoder", configured("gpt2", **GPT2, **READER)),
    captioner("vision-encoder-bert", configured("bert", **READER)),  # a decoder whose stack is called encoder
    Family(
        "blip",
        "BlipForConditionalGeneration",
        composed("blip", None, None, parts={"text_config": {"encoder_hidden_size": WIDTH, "sep_token_id": 3}}),
        captioned,
        THREE,
        crossed((CLASSED, CLASSED)),
        hooked={
            "encoder": r"vision_model\.encoder\.layers\.\d+\.self_attn",
            "decoder": r"text_decoder\.bert\.encoder\.layer\.\d+\.attention\.self",
            "cross": r"text_decoder\.bert\.encoder\.layer\.\d+\.crossattention\.self",
        },
        masks=THREE_MASKS,
        follows=False,
        baseline="eager",
    ),
    Family(
        "llava",
        "LlavaForConditionalGeneration",
        composed(
            "llava",
            "clip_vision_model",
            "llama",
            parts={"text_config": {"num_key_value_heads": 2}},
            image_token_index=IMAGE,
            image_seq_length=PATCHES,
        ),
        llava,
        {"vision": 2, "decoder": 2},
        mixed((CLASSED, CLASSED), (PATCHES, PATCHES)),
        {"decoder": "attentions"},
        hooked={"vision": r"vision_tower\..*layers\.\d+\.self_attn"},
        kv_heads={"decoder": 2},
        masks={"vision": (FULL, FULL), "decoder": (CAUSAL, CAUSAL)},
    ),
    Family(
        "qwen2-vl",
        "Qwen2VLForConditionalGeneration",
        configured(
            "qwen2_vl",
            vision_config=QWEN2_VISION,
            text_config=QWEN2_TEXT,
            image_token_id=IMAGE,
            video_token_id=6,
            vision_start_token_id=3,
            vision_end_token_id=4,
        ),
        qwen2_vl,
        {"vision": 2, "decoder": 2},
        mixed((16, 32), MERGED),
        {"decoder": "attentions"},
        hooked={"vision": r"visual\.blocks\.\d+\.attn"},
        kv_heads={"decoder": 2},
        batched=False,
        split=qwen2_vl_alone,
        masks={"vision": (FULL, FULL), "decoder": (CAUSAL, CAUSAL)},
    ),
]
