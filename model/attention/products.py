"""Rows of queries and keys, taken and multiplied."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

ALIGNMENT = 64  # bytes of a cache line, on which PyTorch allocates


def grouped_product(left: Float[Tensor, "H R D"], right: Float[Tensor, "G D C"]) -> Float[Tensor, "H R C"]:
    """Each head's rows times its group's matrix, in float32 or wider: head h meets group h // (H / G).

    On an accelerator half precision is multiplied as it is, by the units that the kernel itself uses, and summed in
    float32; weights are rounded to it before, as the kernel rounds them.
    """
    heads, rows, inner = left.shape
    groups = right.shape[0]
    left = left.reshape(groups, heads // groups * rows, inner)
    if right.is_cuda and right.dtype in (torch.float16, torch.bfloat16):
        product = torch.bmm(left.to(right.dtype), right, out_dtype=torch.float32)
    else:
        wide = torch.promote_types(torch.promote_types(left.dtype, right.dtype), torch.float32)
        product = torch.bmm(left.to(wide), right.to(wide))
    return product.view(heads, rows, -1)


def gram_of(weight: Float[Tensor, "M N"], heads: int) -> Float[Tensor, "H E E"]:
    """The Gram matrix of each head's part of an output projection, whose inputs are the heads one after the other."""
    parts = parts_of(weight, heads)
    return parts @ parts.mT


def parts_of(weight: Float[Tensor, "M N"], heads: int) -> Float[Tensor, "H E M"]:
    """Each head's part of an output projection, whose inputs are the heads one after the other, in float32."""
    return weight.detach().float().view(weight.shape[0], heads, -1).permute(1, 2, 0)


def take(x: Tensor, index: Int[Tensor, "N"]) -> Tensor:
    """The second axis at these indices: a view where they are one run, as in every window."""
    first, count = int(index[0]), len(index)
    if int(index[-1]) - first == count - 1:  # they ascend without repeats
        return x[:, first : first + count]
    return x[:, index]


def aligned(x: Tensor) -> Tensor:
    """Contiguous and on a cache line's boundary, as new tensors are: the order of a product's sums depends on it.

    A trace in memory and the same one mapped from its file then give the same weights to the bit.
    """
    x = x.contiguous()
    return x.clone() if x.data_ptr() % ALIGNMENT else x
