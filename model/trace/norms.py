"""How long each value is after its head's part of the output projection, and after the layer normalisation behind that.

By the Gram matrix of that part, W_O W_O^T (E x E): projected values, as wide as the model, are never made. A layer
normalisation is linear but for the number that it divides by, so that it joins the matrix: with C x = x - mean(x) and
its weight g, (W_O C g) (W_O C g)^T.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.operators import spread
from heedmap.model.attention.products import gram_of

CELLS = 1 << 24  # numbers that are multiplied at one go: 64 MiB in float32


@dataclass(frozen=True, eq=False)
class PostNorm:
    """What follows on an attention in a post-norm block: its output projection, the residual, a layer normalisation.

    projection, bias: in float32. weight, eps: the normalisation's; it may have no weight.
    """

    projection: Float[Tensor, "M N"]
    bias: Float[Tensor, "M"]
    weight: Float[Tensor, "M"] | None
    eps: float

    def scaled(self, x: Float[Tensor, "*B M"]) -> Float[Tensor, "*B M"]:
        """A part of the sum behind the normalisation, but for what that divides by: centred, times the weight."""
        centred = x.float() - x.float().mean(dim=-1, keepdim=True)
        return centred if self.weight is None else centred * self.weight.detach().to(centred)

    def gram(self, heads: int) -> Float[Tensor, "H E E"]:
        """The Gram matrix of each head's part of the projection, behind the normalisation."""
        return gram_of(self.scaled(self.projection.mT).mT.contiguous(), heads)


def deviations(summed: Float[Tensor, "*B M"], eps: float) -> Float[Tensor, "*B"]:
    """What a layer normalisation divides each row by, sqrt(var + eps), in float32."""
    variance: Tensor = summed.detach().float().var(dim=-1, unbiased=False)
    return (variance + eps).sqrt()


def output_norms(v: Float[Tensor, "G K E"], gram: Float[Tensor, "H E E"]) -> Float[Tensor, "H K"]:
    """||v_j W_O|| = sqrt(v_j (W_O W_O^T) v_j^T) of each head and key, in float32."""
    heads, size, _ = gram.shape
    gram = gram.to(v.device)
    parts = []
    for some in torch.split(v, max(1, CELLS // (heads * size)), dim=1):
        values = spread(some.detach().float(), heads)
        squares: Tensor = ((values @ gram) * values).sum(dim=-1)
        parts.append(squares.clamp(min=0).sqrt())  # rounding takes what is nearly zero below it
    return torch.cat(parts, dim=1)
