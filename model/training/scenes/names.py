"""Teaching an encoder the name of what each patch shows, beside what the decoder is taught (Jiang et al. 2021).

A caption says little about a hundred patches; a word for each of them makes an encoder learn in minutes. Attention is
taught nothing: which patches a word is written from, the decoder finds by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.native.tokenizer import PAD
from heedmap.model.native.transformer import EncoderDecoder
from heedmap.model.training.loss import smoothed_cross_entropy


@dataclass(frozen=True)
class PatchNames:
    """A loss of patches' names by the output projection, weighted beside the caption's."""

    weight: float = 0.5

    def hidden(
        self, network: EncoderDecoder, inputs: Sequence[Tensor], reference: Int[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B T M"], Float[Tensor, ""]]:
        """Hidden states of a batch under teacher forcing, and the weighted loss of the names in that pass."""
        features, lengths, target = inputs
        memory = network.encode(features, lengths)
        hidden = network.decode_hidden(target, network.start(memory, network.places(lengths)))
        dtype = torch.bfloat16 if torch.is_autocast_enabled(memory.device.type) else memory.dtype
        loss = smoothed_cross_entropy(memory.flatten(0, 1), network.output_weight, reference.flatten(), PAD, 0.0, dtype)
        return hidden, self.weight * loss
