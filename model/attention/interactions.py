"""Attention whose output is what it always is, and whose backward pass is that of GIM.

A softmax hides what it hands on: where a score falls, others take its weight over, and its gradient is nearly none. GIM
takes the softmax's gradient at twice the temperature, and shares the gradient of each product out among its factors:

    dV = 1/2 A^T dO    dS = P (dO V^T - sum_j P (dO V^T)), P = softmax(S / 2)    dQ = 1/4 dS K    dK = 1/4 dS^T Q

Edin et al. 2025, "GIM: Improved interpretability for large language models" (arXiv 2505.17630). Both softmaxes are
fused kernels: one is differentiated by its values, the other, whose output is thrown away, by its scores.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from torch import Tensor

from heedmap.model.attention.biases import Bias
from heedmap.model.attention.masks import Mask
from heedmap.model.attention.scores import ScaledDot, Score, SoftCapped
from heedmap.model.errors import ParameterError

TEMPERATURE = 2.0
OF_VALUES, OF_PRODUCTS = 1 / 2, 1 / 4  # A and V are two factors; q and k share what A gets

Attend = Callable[[Tensor, Tensor, Tensor, Mask | None, Tensor | Bias | None, Score], tuple[Tensor, Tensor, str]]

_active: ContextVar[bool] = ContextVar("interactions", default=False)


@contextlib.contextmanager
def interactions(active: bool = True) -> Iterator[None]:
    """Passes of this thread are differentiated as GIM does."""
    token = _active.set(active)
    try:
        yield
    finally:
        _active.reset(token)


def active() -> bool:
    """Whether they are."""
    return _active.get()


def attend(
    plain: Attend,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Mask | None,
    bias: Tensor | Bias | None,
    score: Score,
) -> tuple[Tensor, Tensor, str]:
    """What `plain` returns of the same inputs; only its gradients differ.

    Raises:
        ParameterError: the score is no function of the products of queries and keys.
    """
    with interactions(False):
        output, lse, kernel = plain(q.detach(), k.detach(), shared(v, OF_VALUES), mask, _still(bias), score)
        sides = (shared(q, OF_PRODUCTS), shared(k, OF_PRODUCTS))
        softer, _, _ = plain(*sides, v.detach(), mask, _softer(bias), _tempered(score))
    # The softer pass knows the gradient by S / 2: GIM's is by S, without the half that the chain rule gives.
    return output + TEMPERATURE * (softer - softer.detach()), lse, kernel


def shared(x: Tensor, share: float) -> Tensor:
    """The same numbers, of whose gradient a share goes on."""
    return share * x + ((1 - share) * x).detach()


def _tempered(score: Score) -> Score:
    match score:
        case ScaledDot(scale):
            return ScaledDot(scale / TEMPERATURE)
        case SoftCapped(scale, cap):
            return SoftCapped(scale / TEMPERATURE, cap / TEMPERATURE)
    raise ParameterError("gim is not defined here: the scores are no products of queries and keys", field="measures")


def _still(bias: Tensor | Bias | None) -> Tensor | Bias | None:
    return bias.detach() if isinstance(bias, Tensor) else bias


def _softer(bias: Tensor | Bias | None) -> Tensor | None:
    if isinstance(bias, Bias):
        raise ParameterError("gim is not defined here: this bias has no temperature", field="measures")
    return None if bias is None else bias.detach() / TEMPERATURE
