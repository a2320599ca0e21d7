"""Label-smoothed cross-entropy of a large vocabulary, a few rows at a time."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

ROWS = 512  # rows a chunk: 512 x 8,000 logits in float32 are 16 MB, about what a cache holds


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The loss and its gradient in one pass, so that no more than one chunk of logits ever exists."""

    @staticmethod
    def forward(
        context: Any, hidden: Tensor, weight: Tensor, labels: Tensor, ignore: int, smoothing: float, dtype: torch.dtype
    ) -> Tensor:
        vocabulary = weight.shape[0]
        matrix = weight.to(dtype)
        counted = max(int((labels != ignore).sum()), 1)
        total = hidden.new_zeros((), dtype=torch.float32)
        hidden_gradient = torch.empty_like(hidden, dtype=torch.float32)
        learns = context.needs_input_grad[1]  # a frozen projection costs a third less
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32) if learns else None
        for start in range(0, len(labels), ROWS):
            part, target = hidden[start : start + ROWS].to(dtype), labels[start : start + ROWS]
            live = (target != ignore).float()
            logits = (part @ matrix.mT).float()
            lse = logits.logsumexp(dim=1)
            right = logits.gather(1, target[:, None])[:, 0]
            loss = lse - (1 - smoothing) * right - smoothing * logits.mean(dim=1)
            total += (loss * live).sum()
            gradient = logits.sub_(lse[:, None]).exp_().sub_(smoothing / vocabulary)
            gradient.scatter_add_(1, target[:, None], torch.full_like(right, smoothing - 1)[:, None])
            gradient = gradient.mul_((live / counted)[:, None]).to(dtype)
            hidden_gradient[start : start + ROWS] = gradient @ matrix
            if weight_gradient is not None:
                weight_gradient += gradient.mT @ part
        made = None if weight_gradient is None else weight_gradient.to(weight.dtype)
        context.save_for_backward(hidden_gradient.to(hidden.dtype), made)
        return total / counted

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (upstream,) = gradients
        hidden, weight = context.saved_tensors
        return hidden * upstream, None if weight is None else weight * upstream, None, None, None, None


def smoothed_cross_entropy(
    hidden: Float[Tensor, "N M"],
    weight: Float[Tensor, "V M"],
    labels: Int[Tensor, "N"],
    ignore: int,
    smoothing: float = 0.1,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats of `hidden @ weight.T` against labels smoothed towards uniform.

    Args:
        hidden: states (N M); weight: output projection (V M).
        labels: ids (N); rows whose label is `ignore` count for nothing.
        smoothing: the share of probability spread over all V (Szegedy et al. 2016, section 7).
        dtype: of the matrix products; the softmax is always float32.
    """
    result: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]  # PyTorch leaves it so
        hidden, weight, labels, ignore, smoothing, dtype
    )
    return result
