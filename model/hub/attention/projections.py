"""The output projection of an attention module, found by what goes into it.

Families name it o_proj, out_proj, dense, c_proj, wo and more, some inside the module, some beside it. None of that is
needed: on the example at load, the linear module that takes exactly what attention gave is its projection; where a gate
or a norm stands between, there is none. What it does is then held against its weight, as we read that.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from heedmap.model.attention.products import gram_of, parts_of

ROWS = 4  # of the example, on which a projection is checked
# How far a projection may be from its weight, of its largest output: rounding, and of quantised inputs theirs.
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}


@dataclass(eq=False)
class Projections:
    """The output projection of each attention module where it is known, and the Gram matrices of its heads' parts."""

    of_module: dict[nn.Module, nn.Module] = field(default_factory=dict)
    _watching: bool = False
    claimed: tuple[nn.Module, nn.Module] | None = None  # the last attention whose projection was found, and that
    _pending: tuple[nn.Module, Tensor] | None = None  # the last attention, and what it gave, (B Q N)
    _seen: dict[nn.Module, tuple[Tensor, Tensor]] = field(default_factory=dict)  # rows in and out, by projection
    _grams: dict[nn.Module, Tensor | None] = field(default_factory=dict)

    def attended(self, module: nn.Module, output: Tensor) -> None:
        """An attention module gave this output (B H Q E); whatever takes it next may be its projection."""
        if self._watching:
            self._pending = module, output.transpose(1, 2).flatten(2)

    @contextlib.contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Look for the projections in the pass inside."""
        with contextlib.ExitStack() as stack:
            for part in model.modules():
                if _is_linear(part):
                    stack.callback(part.register_forward_pre_hook(self._claim).remove)
                    stack.callback(part.register_forward_hook(self._note).remove)
            self._watching = True
            stack.callback(self._stop)
            yield

    def _stop(self) -> None:
        self._watching, self._pending, self.claimed = False, None, None

    def _claim(self, linear: nn.Module, inputs: tuple[Any, ...]) -> None:
        """A linear module begins: before those inside it, so that an adapter's is taken whole."""
        if self._pending is None or not inputs or not isinstance(inputs[0], Tensor):
            return
        module, mixed = self._pending
        given = inputs[0]
        alike = (given.dtype, given.device, given.numel()) == (mixed.dtype, mixed.device, mixed.numel())
        if alike and given.shape[-1] == mixed.shape[-1] and torch.equal(given.reshape(mixed.shape), mixed):
            self.of_module[module] = linear
            self.claimed, self._pending = (module, linear), None

    def _note(self, linear: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """A linear module is done: what it made of the first rows."""
        if linear in self.of_module.values() and linear not in self._seen and isinstance(output, Tensor):
            rows, outputs = (x.detach().reshape(-1, x.shape[-1])[:ROWS].clone() for x in (inputs[0], output))
            self._seen[linear] = rows, outputs

    def matrix(self, module: nn.Module) -> tuple[Tensor, Tensor] | None:
        """The projection's weight (M N) and bias (M), in float32; None where the projection is not known."""
        linear = self.of_module.get(module)
        if linear is None or linear not in self._seen:
            return None
        with torch.no_grad():
            return _matrix(linear, *self._seen[linear])

    def gram(self, module: nn.Module, heads: int) -> Tensor | None:
        """The Gram matrix of each head's part, (H E E) in float32; None where the projection is not known.

        Made when it is first asked for: a large model's take a second.
        """
        linear = self.of_module.get(module)
        if linear is None or linear not in self._seen:
            return None
        if linear not in self._grams:
            matrix = self.matrix(module)
            self._grams[linear] = None if matrix is None else gram_of(matrix[0], heads)
        return self._grams[linear]

    def parts(self, module: nn.Module, heads: int) -> Tensor | None:
        """Each head's part, (H E M) in float32; None where it is not known, or is kept as no plain matrix."""
        linear = self.of_module.get(module)
        if linear is None or self.gram(module, heads) is None:
            return None
        if _is_plain(linear):
            return parts_of(linear.weight, heads)
        weight = linear.weight
        if type(linear) is not Conv1D or type(weight) is not nn.Parameter or weight.is_meta:
            return None
        return parts_of(weight.mT, heads)


def _is_linear(module: nn.Module) -> bool:
    """Whether a module may be a projection: a matrix, or an adapter's or quantiser's module around one."""
    weight = getattr(module, "weight", None)
    return hasattr(module, "in_features") or (isinstance(weight, Tensor) and weight.dim() == 2)


def _is_plain(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether its weight is a matrix of numbers that are here: no quantised ones, nor any that lie elsewhere."""
    return type(module) is nn.Linear and type(module.weight) is nn.Parameter and not module.weight.is_meta


def _matrix(linear: nn.Module, rows: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor] | None:
    """Its weight (M N) and bias (M) in float32, from what it makes of single inputs; None: it is not linear."""
    size, width = rows.shape[-1], outputs.shape[-1]
    if _is_plain(linear):
        weight = linear.weight.detach().float()
        bias = weight.new_zeros(width) if getattr(linear, "bias", None) is None else linear.bias.detach().float()
    else:  # the model's own arithmetic, whatever its weights are kept as, and wherever
        try:
            nothing = linear(rows.new_zeros(1, size)).float()
            weight = (linear(torch.eye(size, dtype=rows.dtype, device=rows.device)).float() - nothing).mT
        except (RuntimeError, NotImplementedError):  # it is moved in with a module around it, or computes whole inputs
            return None
        bias = nothing[0]
    if weight.shape != (width, size):
        return None
    again = rows.float() @ weight.mT + bias
    close = (again - outputs.float()).abs().max() <= TOLERANCE[rows.dtype] * outputs.float().abs().max().clamp(min=1e-6)
    return (weight, bias) if bool(close) else None
