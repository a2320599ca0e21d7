"""Where in a model attention happens: a site for every attention module, from its name and its surroundings."""

import re
from collections.abc import Iterable

CROSS = {
    "encoder_attn", "EncDecAttention", "crossattention", "cross_attn", "cross_attention", "encoder_decoder_attention",
    "crossattn",
}  # fmt: skip
VISION = {"vision_model", "vision_tower", "visual", "vision_encoder", "image_encoder"}
TEXT = {"text_model", "language_model", "text_decoder", "text_encoder", "qformer"}
STAGE = re.compile(r"(?:^|\.)layers\.(\d+)\.blocks\.\d+\.")


class Sites:
    """The sites of one model.

    An encoder-decoder has encoder, decoder and cross, whatever its encoder reads; two towers are text and vision, but
    a text tower that is a language model is the decoder; a hierarchy of windows has a site for each of its stages; any
    other stack is the encoder, or the decoder where it is causal.

    Args:
        names: of all modules of the model.
        encoder_decoder: whether one stack attends to the other's output.
        causal: whether the text stack is a language model.
        staged: names of modules whose resolution changes from stage to stage.
    """

    def __init__(
        self, names: Iterable[str], *, encoder_decoder: bool, causal: bool, staged: frozenset[str] = frozenset()
    ) -> None:
        parts = [set(name.split(".")) for name in names]
        self.captioner = any("text_decoder" in part for part in parts) and any(part & VISION for part in parts)
        self.encoder_decoder = encoder_decoder or self.captioner
        self.towers = any(part & VISION for part in parts) and any(part & TEXT for part in parts)
        self.causal, self.staged = causal, staged

    def of(self, name: str) -> str:
        """The site of the attention module of this name."""
        parts = name.split(".")
        if CROSS & set(parts):
            return "cross"
        if name in self.staged and (stage := STAGE.search(name)):
            return f"stage{stage.group(1)}"
        if self.encoder_decoder:
            first = next((part for part in parts if part in {"encoder", "decoder"} | VISION | TEXT), "encoder")
            return "decoder" if first in {"decoder"} | TEXT else "encoder"
        if self.towers:
            if VISION & set(parts):
                return "vision"
            return "decoder" if self.causal else "text"
        return "decoder" if self.causal else "encoder"
