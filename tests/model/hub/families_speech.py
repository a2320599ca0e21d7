"""The families that hear: encoders over frames, and what writes down what was said."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.model.hub.family import (
    ENCODED,
    FULL,
    HEADS,
    THREE,
    THREE_MASKS,
    WIDTH,
    Family,
    attended,
    configured,
    crossed,
    square,
    written,
)

SECONDS = (0.2, 0.13)  # of two recordings at 16 kHz, one of them padded
RATE = 16_000
FRAMES = (9, 6)  # what the convolutions make of them
CONVOLUTIONS = {
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "feat_extract_norm": "layer",  # the kind that is trained with an attention mask
    "apply_spec_augment": False,
    "layerdrop": 0.0,
}
STACKS = {
    f"{end}_{name}": value
    for end in ("encoder", "decoder")
    for name, value in {"layers": 2, "attention_heads": HEADS, "ffn_dim": 48, "layerdrop": 0.0}.items()
}
START = {"decoder_start_token_id": 2, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}


def recordings() -> dict[str, Tensor]:
    """Two waveforms, the second one shorter and padded with silence."""
    samples = tuple(int(seconds * RATE) for seconds in SECONDS)
    sound = torch.randn(2, max(samples), generator=torch.Generator().manual_seed(4))
    mask = attended(samples)
    return {"input_values": sound * mask, "attention_mask": mask}


def hearing(name: str, model: str, config: Callable[[], Any]) -> Family:
    """One bidirectional stack over frames."""
    lengths, outputs, masks = square("encoder", *FRAMES), {"encoder": "attentions"}, {"encoder": (FULL, FULL)}
    return Family(name, model, config, recordings, {"encoder": 2}, lengths, outputs, masks=masks)


def spectrograms() -> dict[str, Tensor]:
    """Two mel spectrograms of Whisper's one length."""
    return {"input_features": torch.randn(2, 16, 60, generator=torch.Generator().manual_seed(5)), **written()}


SPEECH = [
    Family(
        "whisper",
        "WhisperForConditionalGeneration",
        configured("whisper", d_model=WIDTH, num_mel_bins=16, max_source_positions=30, **STACKS, **START),
        spectrograms,
        THREE,
        crossed((30, 30)),
        ENCODED,
        masks=THREE_MASKS,
    ),
    hearing("wav2vec2", "Wav2Vec2ForCTC", configured("wav2vec2", **CONVOLUTIONS)),
    hearing("hubert", "HubertForCTC", configured("hubert", **CONVOLUTIONS, do_stable_layer_norm=True)),
    Family(
        "speecht5",
        "SpeechT5ForSpeechToText",
        configured("speecht5", **CONVOLUTIONS, **STACKS, **START),
        lambda: {**recordings(), **written()},
        THREE,
        crossed(FRAMES),
        ENCODED,
        masks=THREE_MASKS,
        follows=False,
        baseline="eager",
    ),
]
