"""Whether a head makes what it looks at likelier: its output circuit, read at the tokens of an input."""

from collections.abc import Sequence
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from heedmap.model.attention.operators import spread

KEYS = 256  # of a longer input, spread evenly: as many products with the output projection as a short one has


class Unembedding:
    """What reads tokens from what attention adds to: a model's output embedding, (V M)."""

    def __init__(self, weight: Float[Tensor, "V M"]) -> None:
        self.weight = weight.detach()

    @cached_property
    def mean(self) -> Float[Tensor, "M"]:
        """That of all tokens, in float32: a large one's takes a tenth of a second, once."""
        with torch.inference_mode(False):
            mean: Tensor = self.weight.mean(dim=0, dtype=torch.float32)
        return mean

    def directions(self, tokens: Int[Tensor, "K"]) -> Float[Tensor, "K M"]:
        """What raises each token's logit over the mean of all, in float32."""
        return self.weight[tokens.to(self.weight.device)].float() - self.mean


def copying(
    v: Float[Tensor, "G K E"], parts: Float[Tensor, "H E M"], unembedding: Unembedding, ids: Sequence[int]
) -> Float[Tensor, "H"] | None:
    """sum_j c_j / sum_j |c_j| of each head, c_j = <v_j W_O, u(t_j) - mean u>; 0 where all c_j are.

    Args:
        v: values; parts: each head's part of the output projection.
        ids: of the keys' tokens, negative where a key is none; None where none is.
    """
    places = torch.tensor([at for at, token in enumerate(ids) if 0 <= token < len(unembedding.weight)])
    if not len(places):
        return None
    if len(places) > KEYS:
        places = places[torch.linspace(0, len(places) - 1, KEYS).round().long()]
    directions = unembedding.directions(torch.tensor(list(ids))[places])
    read = parts.to(v.device) @ directions.to(v.device).mT  # H E K
    values = spread(v[:, places.to(v.device)].detach().float(), len(parts))
    logits = (values * read.mT).sum(dim=-1)  # H K
    total = logits.abs().sum(dim=-1)
    return (logits.sum(dim=-1) / total.clamp(min=torch.finfo(torch.float32).tiny)).cpu()
