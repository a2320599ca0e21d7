"""How weights lie on disk: as they are, in half precision, or a matrix in 8-bit rows, each with a scale of its own.

A matrix `name` is then stored as `name` (int8) and `name.scale` (float16, one number a row); row r is
`name[r] * name.scale[r]`, rounded to nearest (LLM.int8()'s vector-wise scheme, Dettmers et al. 2022, for weights
alone). Vectors, which are few and which norms and biases depend on, are stored in float16. Once loaded, nothing of this
is left: weights are served in float32.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from heedmap.model.errors import CheckpointMismatch

SCALE = ".scale"
LARGEST = 127  # -128 is left out, so that the range is symmetric
SMALLEST = 2.0**-24  # float16's smallest number: what is less than that times a half is stored as zeros


def stored(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Tensors as they are written: cast to `dtype`, or in 8-bit rows where it is int8."""
    if dtype != torch.int8:
        return {name: tensor.detach().to(dtype).contiguous() for name, tensor in tensors.items()}
    written: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.dim() < 2:
            written[name] = tensor.detach().to(torch.float16).contiguous()
        else:
            written[name], written[name + SCALE] = rows(tensor.detach())
    return written


def rows(matrix: Float[Tensor, "R *C"]) -> tuple[Int8[Tensor, "R *C"], Float[Tensor, "R"]]:
    """A matrix in 8-bit rows, and the scale of each; of more dimensions, the first counts rows."""
    flat = matrix.float().flatten(1)
    scale = (flat.abs().amax(dim=1) / LARGEST).clamp(min=SMALLEST).half()
    codes = (flat / scale.float()[:, None]).round().clamp(-LARGEST, LARGEST)
    return codes.to(torch.int8).view(matrix.shape).contiguous(), scale


def read(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `stored` wrote, with 8-bit rows as float32 matrices again; other tensors are left as they are.

    Raises:
        CheckpointMismatch: 8-bit rows have no scales, or others than a float16 number each, none of them negative, zero
            or infinite.
    """
    coded = {name for name, tensor in tensors.items() if tensor.dtype == torch.int8}
    result = {}
    for name, tensor in tensors.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in coded:
            continue
        if name in coded:
            scale = tensors.get(name + SCALE)
            _check(name, tensor, scale)
            assert scale is not None
            result[name] = tensor.float() * scale.float().view(-1, *[1] * (tensor.dim() - 1))
        else:
            result[name] = tensor
    return result


def _check(name: str, codes: Tensor, scale: Tensor | None) -> None:
    if scale is None:
        raise CheckpointMismatch(f"{name} is stored in 8-bit rows, and its scales are missing: {name}{SCALE}")
    if codes.dim() < 2 or scale.shape != codes.shape[:1] or scale.dtype != torch.float16:
        raise CheckpointMismatch(
            f"{name} is stored in 8-bit rows of shape {list(codes.shape)}, and {name}{SCALE} is no float16 number for "
            f"each row: {list(scale.shape)}, {str(scale.dtype).removeprefix('torch.')}"
        )
    if not bool(((scale > 0) & scale.isfinite()).all()):
        raise CheckpointMismatch(f"{name}{SCALE} has scales that are not positive numbers")
