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


def rotary_angles(positions: Int[Tensor, "Q"], size: int, base: float = 10_000.0) -> Float[Tensor, "Q N"]:
    """The angle by which each pair of a head's components turns at each position: N = D/2 frequencies.

    Frequencies fall geometrically from 1 to 1/base (Su et al. 2021, RoFormer, equation 15).

    Raises:
        ValueError: the head's size is odd.
    """
    if size % 2:
        raise ValueError(f"a head's size must be even for rotary positions, got {size}")
    frequency = base ** (-torch.arange(0, size, 2, device=positions.device).float() / size)
    return positions[:, None].float() * frequency


def rotate(x: Float[Tensor, "*B Q D"], angles: Float[Tensor, "Q N"]) -> Float[Tensor, "*B Q D"]:
    """Turn each pair of components by its angle; a product of two then depends on their distance alone.

    The pairs are component n and n + D/2, as GPT-NeoX and Llama have them.
    """
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
