"""What tells an attention layer where a token stands."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def sinusoidal(positions: Int[Tensor, "Q"], width: int) -> Float[Tensor, "Q M"]:
    """Sinusoidal position vectors: sines of every frequency in the first half, cosines in the second.

    Frequencies fall geometrically from 1 to 1/10000 over the half width. Vaswani et al. 2017, section 3.5, in the
    concatenated layout of tensor2tensor and fairseq, so that checkpoints exchange with M2M100.

    Raises:
        ValueError: the width is odd or under 4.
    """
    if width < 4 or width % 2:
        raise ValueError(f"width must be even and at least 4 for sinusoidal positions, got {width}")
    half = width // 2
    frequency = torch.exp(torch.arange(half, device=positions.device) * -(math.log(10_000) / (half - 1)))
    angle = positions[:, None].float() * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)
