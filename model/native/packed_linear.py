"""Linear layers whose weights lie in memory as the CPU's matrix product wants them.

PyTorch multiplies float32 by MKL, which takes a slow path on some makers' CPUs; oneDNN with weights reordered once at
load ran 2.2 times as fast on such a machine, and adds the residual or the rectifier on the way out. Its operators are
private to PyTorch: this is the only file that names them, and the public operator stands in where they are missing.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SMALL = 2048  # outputs up to which one row is faster without packing: 5 us against 18, measured
ROWS_HINT = 512  # rows that the layout is chosen for: it serves one row and thousands alike, a hint of 1 does not


def available(weight: Tensor) -> bool:
    """Whether this build and this tensor can use the packed product."""
    operators = torch.ops.mkldnn
    names = ("_reorder_linear_weight", "_linear_pointwise")
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # PyTorch leaves it so
        and all(hasattr(operators, name) for name in names)
    )


class PackedLinear:
    """x W^T + b, for inference; several layers over the same input are fused into one.

    Args:
        layers: linear layers of one input width; the outputs stand side by side.
    """

    def __init__(self, *layers: nn.Linear) -> None:
        biases = [layer.bias for layer in layers]
        self._prepare(
            torch.cat([layer.weight.detach() for layer in layers]),
            None if any(bias is None for bias in biases) else torch.cat([bias.detach() for bias in biases]),
        )

    @classmethod
    def of_weight(cls, weight: Float[Tensor, "N M"]) -> "PackedLinear":
        """The layer of a bare matrix, such as a tied embedding."""
        made = cls.__new__(cls)
        made._prepare(weight.detach(), None)
        return made

    def _prepare(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight.contiguous(), bias
        self.packed: Tensor | None = None
        if available(weight):
            self.packed = torch.ops.mkldnn._reorder_linear_weight(self.weight, ROWS_HINT)

    def __call__(self, x: Float[Tensor, "R M"]) -> Float[Tensor, "R N"]:
        """The product."""
        if self.packed is None or self._single(x):
            return F.linear(x, self.weight, self.bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return product

    def rectified(self, x: Float[Tensor, "R M"]) -> Float[Tensor, "R N"]:
        """max(0, product)."""
        if self.packed is None or self._single(x):
            return F.relu(F.linear(x, self.weight, self.bias))
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "relu", [], "")
        return product

    def added(self, x: Float[Tensor, "R M"], residual: Float[Tensor, "R N"]) -> Float[Tensor, "R N"]:
        """product + residual."""
        if self.packed is None or self._single(x):
            return F.linear(x, self.weight, self.bias) + residual
        product: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, residual, self.packed, self.bias, "add")
        return product

    def _single(self, x: Tensor) -> bool:
        """One row and a matrix that fits the cache: the packed product's own overhead would be most of its time."""
        return x.shape[0] == 1 and self.weight.shape[0] <= SMALL
