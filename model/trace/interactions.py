"""Passes that are differentiated as GIM does: attention of `heedmap.model.attention.interactions`, norms held still.

A norm divides by the size of what it reads, so that of two parts which say the same each takes the other's gradient
away. GIM holds that size still. Edin et al. 2025 (arXiv 2505.17630).
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from heedmap.model.attention.interactions import interactions
from heedmap.model.errors import ParameterError

EPS = 1e-6  # of a norm that names none
NEAR = {torch.float32: 1e-3, torch.float64: 1e-6}  # what a norm's own output may be off, of its largest number
ROUGH = 3e-2  # in half precision


@contextlib.contextmanager
def gim_passes(network: nn.Module, active: bool = True) -> Iterator[None]:
    """Differentiate the passes of this thread that run inside as GIM does, if `active`.

    Raises:
        ParameterError: in a pass, a norm is met whose formula is not known.
    """
    if not active:
        yield
        return
    thread = threading.get_ident()

    def hook(norm: nn.Module, inputs: tuple[Any, ...], output: Any) -> Tensor | None:
        return held(norm, inputs[0], output) if threading.get_ident() == thread else None

    with contextlib.ExitStack() as stack:
        for part in network.modules():
            if type(part).__name__.endswith("Norm") and not any(True for _ in part.children()):
                stack.callback(part.register_forward_hook(hook).remove)
        stack.enter_context(interactions())
        yield


def held(norm: nn.Module, x: Tensor, output: Tensor) -> Tensor:
    """The output of a norm of the last dimension, whose gradient by `x` takes the size of `x` for a constant.

    Raises:
        ParameterError: it is neither a layer norm nor a root mean square norm.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    limit = NEAR.get(output.dtype, ROUGH) * float(output.detach().abs().max())
    for linear, shift in (_of_layer(norm, wide), _of_root_mean_square(norm, wide)):
        with torch.no_grad():
            near = float((linear + shift - output).abs().max()) <= limit
        if near:
            return (linear - linear.detach()).to(output.dtype) + output.detach()
    raise ParameterError(
        f"gim is not defined here: {type(norm).__name__} is neither a layer norm nor a root mean square norm",
        field="measures",
    )


def _of_layer(norm: nn.Module, x: Tensor) -> tuple[Tensor, Tensor | float]:
    centred = x - x.mean(dim=-1, keepdim=True)
    linear = centred * (centred.detach().square().mean(dim=-1, keepdim=True) + _eps(norm)).rsqrt()
    weight, bias = getattr(norm, "weight", None), getattr(norm, "bias", None)
    return linear if weight is None else linear * weight.detach(), 0.0 if bias is None else bias.detach()


def _of_root_mean_square(norm: nn.Module, x: Tensor) -> tuple[Tensor, float]:
    """Its weights by what it makes of ones: some add one to them, and some have none."""
    linear = x * (x.detach().square().mean(dim=-1, keepdim=True) + _eps(norm)).rsqrt()
    with torch.no_grad():
        weights = norm.forward(torch.ones_like(x[..., :1, :])) * (1 + _eps(norm)) ** 0.5
    return linear * weights, 0.0


def _eps(norm: nn.Module) -> float:
    return float(next((getattr(norm, name) for name in ("eps", "variance_epsilon") if getattr(norm, name, None)), EPS))
