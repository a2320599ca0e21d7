"""Linear layers whose weights lie in memory as the CPU's matrix product wants them.

PyTorch multiplies float32 by MKL, which takes a slow path on some makers' CPUs; oneDNN with weights reordered once at
load ran 2.2 times as fast on such a machine, and adds the residual or the rectifier on the way out. Its operators are
private to PyTorch: this is the only file that names them. They are tried once against the public operator, which
stands in where they are missing, raise anything, or disagree.
"""

import functools
import logging
import threading
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SMALL = 2048  # outputs up to which one row is faster without packing: 5 us against 18, measured
ROWS_HINT = 512  # rows that the layout is chosen for: it serves one row and thousands alike, a hint of 1 does not
TOLERANCE = 1e-4  # of the trial: rounding on inputs of size 1, reordered sums included

_logger = logging.getLogger(__name__)
_lock = threading.Lock()


def _reorder(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS_HINT)
    return packed


def _product(x: Tensor, packed: Tensor, bias: Tensor | None, after: str) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, after, [], "")
    return product


def _sum(x: Tensor, residual: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, residual, packed, bias, "add")
    return product


OPERATORS = SimpleNamespace(reorder=_reorder, product=_product, sum=_sum)


def sound() -> bool:
    """Whether the private operators do what the public one does; tried at the first call."""
    with _lock:
        return _tried()


@functools.cache
def _tried() -> bool:
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            agree = _agree()
    except Exception as error:  # a private operator that changed may raise anything
        _logger.warning("packed linear layers cannot be used: %s", error)
        return False
    if not agree:
        _logger.warning("packed linear layers disagree with plain ones: not used")
    return agree


def forget() -> None:
    """Try the operators again at their next use."""
    _tried.cache_clear()


def _agree() -> bool:
    weight, bias = _waves(33, 17), _waves(33, 1)[:, 0]
    packed = OPERATORS.reorder(weight)
    for rows in (1, 5):
        x, residual = _waves(rows, 17), _waves(rows, 33) + 1
        for term in (bias, None):
            expected = F.linear(x, weight, term)
            pairs = (
                (OPERATORS.product(x, packed, term, "none"), expected),
                (OPERATORS.product(x, packed, term, "relu"), expected.relu()),
                (OPERATORS.sum(x, residual, packed, term), expected + residual),
            )
            for got, reference in pairs:
                same = got.shape == reference.shape and got.dtype == reference.dtype
                if not same or not float((got - reference).abs().amax()) <= TOLERANCE:  # NaN is not
                    return False
    return True


def _waves(rows: int, columns: int) -> Tensor:
    """Numbers between -1 and 1 that take nothing from anybody's random generator."""
    return (torch.arange(rows * columns, dtype=torch.float32) * 1.7).sin().reshape(rows, columns)


def available(weight: Tensor) -> bool:
    """Whether this build and this tensor can use the packed product."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # PyTorch leaves it so
        and sound()
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
        layer = cls.__new__(cls)
        layer._prepare(weight.detach(), None)
        return layer

    def _prepare(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight.contiguous(), bias
        self.packed: Tensor | None = None
        if available(weight):
            self.packed = OPERATORS.reorder(self.weight)

    def __call__(self, x: Float[Tensor, "R M"]) -> Float[Tensor, "R N"]:
        """The product."""
        if self.packed is None or self._single(x):
            return F.linear(x, self.weight, self.bias)
        product: Tensor = OPERATORS.product(x, self.packed, self.bias, "none")
        return product

    def rectified(self, x: Float[Tensor, "R M"]) -> Float[Tensor, "R N"]:
        """max(0, product)."""
        if self.packed is None or self._single(x):
            return F.relu(F.linear(x, self.weight, self.bias))
        product: Tensor = OPERATORS.product(x, self.packed, self.bias, "relu")
        return product

    def added(self, x: Float[Tensor, "R M"], residual: Float[Tensor, "R N"]) -> Float[Tensor, "R N"]:
        """product + residual."""
        if self.packed is None or self._single(x):
            return F.linear(x, self.weight, self.bias) + residual
        product: Tensor = OPERATORS.sum(x, residual, self.packed, self.bias)
        return product

    def _single(self, x: Tensor) -> bool:
        """One row and a matrix that fits the cache: the packed product's own overhead would be most of its time."""
        return x.shape[0] == 1 and self.weight.shape[0] <= SMALL
