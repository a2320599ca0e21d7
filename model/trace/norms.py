"""How long each value is after its head's part of the output projection: what the measure output-norm multiplies.

By the Gram matrix of that part, W_O W_O^T (E x E): projected values, as wide as the model, are never made.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from heedmap.model.attention.operators import spread

CELLS = 1 << 24  # numbers that are multiplied at one go: 64 MiB in float32


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
