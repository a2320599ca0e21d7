"""Dropout for the CPU, where drawing its random numbers is a good part of a training step."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def dropout(x: Float[Tensor, "*B M"], probability: float, training: bool) -> Float[Tensor, "*B M"]:
    """Dropout (Srivastava et al. 2014) to a 256th, with eight draws from each 64-bit random number.

    PyTorch's CPU generator draws one number an element, which took a quarter of a training step.
    """
    if not training or probability == 0:
        return x
    if x.is_cuda:
        return F.dropout(x, probability)
    kept = 256 - round(256 * probability)
    draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
    keep = draws.view(torch.uint8)[: x.numel()].view(x.shape) < kept
    return x * keep.to(x.dtype).mul_(256 / kept)
