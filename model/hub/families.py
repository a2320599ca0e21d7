"""What is known of transformers' model families, and cannot be read from a checkpoint: one record each.

A family is a model type, of a whole model or of one of its towers. Nothing else in `model/hub` names one: a family that
has no record is served with the defaults, as far as they go, and refused in a sentence where they do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

CLASS, DISTILLATION = "[CLS]", "[DIST]"  # labels of positions that are no patches


@dataclass(frozen=True)
class Family:
    """What is known of one model type; the defaults are what is taken for granted of any other.

    Args:
        task: what its head is for, where transformers' tables of heads leave that open: texts to texts are
            text2text-generation unless something is said, and pictures to texts image-text-to-text.
        masked_pretraining: whether its head for pretraining holds one that fills masks, which can be served.
        encoder_decoder: whether one stack attends to the other's output though its configuration need not say so.
        shared_layers: whether several layers are one module, which attends again and again in one pass.
        before_patches: labels of the positions of a vision tower before its patches, registers left out; None where the
            layout is not known, and no picture can be shown.
        windowed_layer: the class of the layers that cut the grid of patches into shifted windows; the grid of a
            tower that has them is halved at each of its stages. None: every patch attends to all.
        captions: how its decoder writes about a picture: as any decoder does with an encoder ("decoder"), or as a
            language model that goes on from a prompt ("prompt"). None: not known, and such a model cannot be served.
        picture_prompt: what it was trained on, to chat about a picture, for checkpoints without a template of their
            own: {image} is its mark for a picture, {text} the question. None: it reads no pictures among text.
        merged_patches: whether a picture has patches of any number, and a token of the text for each square of them.
        label_tokens: how many tokens every text that is compared with a picture is filled up to, attended to as in
            training; None: texts are as long as they are.
        independent_labels: whether each such text has a probability of its own, instead of a share in all.
        recording: what it hears: a spectrogram of one length, or a waveform of any, over which unpadded convolutions
            make one position of each of their outputs. None: not known, and no recording can be read.
        transcribes: whether a decoder writes what was heard, instead of a letter for each position.
    """

    task: str | None = None
    masked_pretraining: bool = True
    encoder_decoder: bool = False
    shared_layers: bool = False
    before_patches: tuple[str, ...] | None = None
    windowed_layer: str | None = None
    captions: Literal["decoder", "prompt"] | None = None
    picture_prompt: str | None = None
    merged_patches: bool = False
    label_tokens: int | None = None
    independent_labels: bool = False
    recording: Literal["spectrogram", "waveform"] | None = None
    transcribes: bool = False


UNKNOWN = Family()
_WITH_CLASS = Family(before_patches=(CLASS,))
_WAVEFORM = Family(recording="waveform")
_TRANSLATION, _SUMMARIES = Family(task="translation"), Family(task="summarization")

FAMILIES: Mapping[str, Family] = {
    # Text. ELECTRA's pretraining tells replaced tokens from real ones.
    "electra": Family(masked_pretraining=False),
    "albert": Family(shared_layers=True),
    **dict.fromkeys(("marian", "m2m_100", "nllb-moe", "fsmt"), _TRANSLATION),
    **dict.fromkeys(("pegasus", "pegasus_x", "bigbird_pegasus"), _SUMMARIES),
    "encoder-decoder": Family(encoder_decoder=True),
    # Pictures: towers.
    **dict.fromkeys(("beit", "data2vec-vision", "dinov2", "dinov2_with_registers", "dinov3_vit"), _WITH_CLASS),
    **dict.fromkeys(("vit", "vit_msn"), _WITH_CLASS),
    **dict.fromkeys(("clip_vision_model", "metaclip_2_vision_model", "blip_vision_model"), _WITH_CLASS),
    "deit": Family(before_patches=(CLASS, DISTILLATION)),
    "siglip_vision_model": Family(before_patches=()),
    "qwen2_vl_vision": Family(before_patches=()),
    "swin": Family(before_patches=(), windowed_layer="SwinLayer"),
    "donut-swin": Family(before_patches=(), windowed_layer="DonutSwinLayer"),
    # Pictures with text. GIT and Pix2Struct write captions too; how is not known yet, and they are refused by name.
    "siglip": Family(label_tokens=64, independent_labels=True),
    "vision-encoder-decoder": Family(task="image-to-text", encoder_decoder=True, captions="decoder"),
    "blip": Family(task="image-to-text", captions="prompt"),
    **dict.fromkeys(("git", "pix2struct"), Family(task="image-to-text")),
    "llava": Family(picture_prompt="USER: {image}\n{text} ASSISTANT:"),
    "qwen2_vl": Family(
        picture_prompt="<|im_start|>user\n<|vision_start|>{image}<|vision_end|>{text}<|im_end|>\n<|im_start|>assistant\n",
        merged_patches=True,
    ),
    # Sound.
    "whisper": Family(recording="spectrogram", transcribes=True),
    **dict.fromkeys(("wav2vec2", "wav2vec2-conformer", "hubert", "wavlm", "unispeech", "unispeech-sat"), _WAVEFORM),
    "data2vec-audio": _WAVEFORM,
    "speecht5": Family(recording="waveform", transcribes=True),
    "speech-encoder-decoder": Family(encoder_decoder=True),
}


def family_of(config: Any) -> Family:
    """What is known of the family of a transformers configuration, which may be a tower's."""
    return FAMILIES.get(str(config.model_type), UNKNOWN)


def supported(field: str) -> str:
    """The model types with another value of this field than the default, for a message that refuses the others."""
    default = getattr(UNKNOWN, field)
    return ", ".join(name for name, family in FAMILIES.items() if getattr(family, field) != default)
